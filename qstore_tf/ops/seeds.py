"""Seeds that follow from others."""

from __future__ import annotations

import tensorflow as tf


def derived_seed(seed: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """Returns a different seed for each number: only the first entry changes.

    Layers count their calls in the second entry, and schedules of step sizes read it.

    Args:
        seed: Two integers, int64 [2].
        number: Which of the derived seeds.

    Example:
        >>> seed = tf.constant([5, 7], tf.int64)
        >>> first, second = derived_seed(seed, 1), derived_seed(seed, 2)
        >>> bool(first[0] == second[0]), int(first[1]), int(second[1])
        (False, 7, 7)
    """
    fold_in = tf.random.experimental.stateless_fold_in
    # What is folded in becomes the second entry; only folding once more brings it into the first.
    numbered = fold_in(seed, tf.cast(number, tf.int64))
    return tf.stack([fold_in(numbered, tf.constant(0, tf.int64))[0], seed[1]])
