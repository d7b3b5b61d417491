"""Seeds of a call: different ones for all that draw in it, on all replicas."""

from __future__ import annotations

import tensorflow as tf

from qstore_tf.ops.seeds import derived_seed as another


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
