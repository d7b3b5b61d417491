"""Which rows a training sees when: pure functions of weights, a seed and an epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, describe

Rows = NDArray[np.int64]


def order(weights: ArrayLike, draws: int, seed: int, epoch: int) -> Rows:
    """Draws the rows of an epoch in proportion to their weights, with the least variance there is.

    A row of probability p comes floor(draws p) or ceil(draws p) times, draws p on average:
    systematic sampling of the rows in a random order. So of N equal weights, N draws are each row
    once. The result depends on the arguments alone.

    Args:
        weights: [N], at least 0, not all 0.
        draws: How many rows.
        seed: At least 0.
        epoch: At least 0; another one gives other draws.

    Returns:
        Positions [draws] in `weights`.

    Example:
        >>> np.bincount(order([2.0, 1.0, 1.0], 8, seed=1, epoch=0)).tolist()
        [4, 2, 2]
    """
    rng = np.random.default_rng([seed, epoch])
    shares = np.asarray(weights, np.float64)
    rows = rng.permutation(len(shares))
    ends = np.cumsum(shares[rows])
    points = (np.arange(draws) + rng.random()) * (ends[-1] / draws)
    # A point that rounding puts on or past the end belongs to the last row that has a weight.
    last = int(np.searchsorted(ends, ends[-1]))
    found = rows[np.minimum(np.searchsorted(ends, points, side="right"), last)]
    return rng.permutation(found)


def share(batch: Rows, index: int, count: int) -> Rows:
    """One worker's part of a batch: the parts of all workers in their order are the batch.

    Args:
        batch: Positions [B].
        index: The worker, from 0.
        count: How many workers there are; a divisor of B.

    Example:
        >>> share(np.arange(6), 1, 3).tolist()
        [2, 3]
    """
    size = len(batch) // count
    return batch[index * size : (index + 1) * size]


def check_shard(shard: tuple[int, int], batch_size: int) -> tuple[int, int]:
    """Returns (index, count) of a worker.

    Raises:
        ConfigurationError: There is no such worker, or a batch cannot be divided among them.
    """
    index, count = (int(number) for number in shard)
    if not 0 <= index < count or batch_size % count:
        raise ConfigurationError(
            describe(
                "The batches cannot be divided so",
                expected="shard=(index, count) with 0 <= index < count, and a batch_size (of all "
                "workers together) that count divides",
                received={"shard": (index, count), "batch_size": batch_size},
            )
        )
    return index, count
