"""The best k of many numbers, in little more than one pass over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_COLUMNS = 1024


def candidates(scores: Array, k: int, margin: float) -> NDArray[np.int64]:
    """Positions of all that may be among the best k, given that each score is off by some error.

    The numbers are laid out as a table; the k-th best of its columns' maxima is a bound below the
    k-th best of all, and taking those maxima is a fast pass.

    Args:
        scores: [n]; -inf for what must not be found.
        k: How many are wanted.
        margin: Twice the largest error of a score.

    Returns:
        At least k positions, rising, or all that are above -inf where those are fewer.

    Example:
        >>> candidates(np.array([0.5, 0.9, 0.1, 0.89]), 1, 0.05)
        array([1, 3])
    """
    columns = max(_COLUMNS, 8 * k)
    best = scores
    if len(scores) >= 2 * columns:
        best = scores[: len(scores) // columns * columns].reshape(-1, columns).max(axis=0)
    bound = -np.inf
    if k < len(best):
        best = best.copy() if best is scores else best
        best.partition(len(best) - k)
        bound = float(best[len(best) - k])
    if bound == -np.inf:
        return (scores > bound).nonzero()[0]
    return (scores >= scores.dtype.type(bound - margin)).nonzero()[0]


def ordered(scores: Array, keys: Sequence[str], k: int) -> NDArray[np.int64]:
    """Positions of the best k: by falling score, equal scores by rising key.

    Example:
        >>> ordered(np.array([0.5, 0.9, 0.5]), ["b", "c", "a"], 2)
        array([1, 2])
    """
    falling = np.argsort(-scores, kind="stable")
    if len(falling) > 4 * k + 64:  # keys of those only that may come in
        falling = falling[: int(np.searchsorted(-scores[falling], -scores[falling[k]], "right"))]
    numbers = scores.tolist()
    best = sorted(falling.tolist(), key=lambda i: (-numbers[i], keys[i]))
    return np.array(best[:k], np.int64)
