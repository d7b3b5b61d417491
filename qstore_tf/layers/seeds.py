"""Seeds of a call: different ones for all that draw in it, on all replicas."""

from __future__ import annotations

import tensorflow as tf


class Seeds:
    """Hands out seeds that follow from one, a new one each time, in the order they are asked for.

    Two layers may measure the same state. They must not make the same errors.
    """

    def __init__(self, first: tf.Tensor) -> None:
        """Keeps the first seed, two integers."""
        self._first = first
        self._given = 0

    def next(self) -> tf.Tensor:
        """Returns the next seed, int64 [2]."""
        number, self._given = self._given, self._given + 1
        return another(self._first, number) if number else self._first


def of_this_replica(seed: tf.Tensor) -> tf.Tensor:
    """Returns the seed for the replica that asks; alone, the seed as it is."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return seed
    return another(seed, replica.replica_id_in_sync_group)


def another(seed: tf.Tensor, number: int | tf.Tensor) -> tf.Tensor:
    """Another first entry; the second stays the number of the call, which schedules read."""
    fold_in = tf.random.experimental.stateless_fold_in
    # What is folded in becomes the second entry; only folding once more brings it into the first.
    numbered = fold_in(seed, tf.cast(number, tf.int64))
    return tf.stack([fold_in(numbered, tf.constant(0, tf.int64))[0], seed[1]])
