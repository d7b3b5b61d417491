"""Which rows of a candidate pool to return, and in which order.

`top_k` is the best scores and nothing else. `mmr` and `qprp` trade score for variety; `born_sample`
draws by chance. All work on arrays of one pool, return positions in it, and settle ties by key, so
that the answer does not depend on the order in which the pool was gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, InputError, describe

Positions = NDArray[np.int64]


def top_k(scores: ArrayLike, k: int, *, keys: Sequence[Any] | None = None) -> Positions:
    """The rows of the highest scores, the best first.

    Args:
        scores: [M], finite.
        k: How many, at least 1; all of them where there are fewer.
        keys: [M] names that order equal scores; without them, positions do.

    Returns:
        [min(k, M)] positions, ordered by (-score, key).

    Raises:
        InputError: The scores are not one finite number per row.
        ConfigurationError: k is not a positive integer.

    Example:
        >>> top_k([0.2, 0.9, 0.9], 2, keys=["a", "c", "b"]).tolist()
        [2, 1]
    """
    values = check_scores(scores)
    names = check_keys(keys, len(values))
    k = min(check_count(k), len(values))
    found = np.arange(len(values))
    if 0 < k < len(values):
        last = np.partition(values, len(values) - k)[len(values) - k]
        sure, tied = np.flatnonzero(values > last), np.flatnonzero(values == last)
        tied = np.array(sorted(tied.tolist(), key=lambda i: names[i]), np.int64)
        found = np.concatenate([sure, tied[: k - len(sure)]])
    return np.array(sorted(found.tolist(), key=lambda i: (-values[i], names[i])), np.int64)


def mmr(
    scores: ArrayLike,
    amplitudes: ArrayLike,
    k: int,
    *,
    relevance: float = 0.5,
    keys: Sequence[Any] | None = None,
) -> Positions:
    """Maximal marginal relevance: each next row is good and unlike those before it.

    Each step takes the row with the largest
    `relevance * score - (1 - relevance) * (largest fidelity with a row already taken)`.

    Args:
        scores: [M], finite.
        amplitudes: [M, D] unit rows, real or complex; fidelity is |<i|j>|^2.
        k: How many, at least 1; all of them where there are fewer.
        relevance: 1 gives `top_k`, 0 looks at variety alone after the best row.
        keys: [M] names that order equal values; without them, positions do.

    Returns:
        [min(k, M)] positions in the order taken.

    Raises:
        InputError: Scores or amplitudes of the wrong shape.
        ConfigurationError: k is not a positive integer, or relevance not in [0, 1].

    Example:
        >>> mmr([0.9, 0.8, 0.5], [[1, 0], [1, 0], [0, 1]], 2).tolist()
        [0, 2]
    """
    values, rows, order = _in_order(scores, amplitudes, keys)
    relevance = check_fraction(relevance, "relevance")
    nearest = np.zeros(len(values))
    worth = values  # the first row has none before it: its score alone decides
    taken: list[int] = []
    open_ = np.ones(len(values), bool)
    for _ in range(min(check_count(k), len(values))):
        best = int(np.argmax(np.where(open_, worth, -np.inf)))
        taken.append(best)
        open_[best] = False
        np.maximum(nearest, np.abs(rows.conj() @ rows[best]) ** 2, out=nearest)
        worth = relevance * values - (1 - relevance) * nearest
    return order[np.array(taken, np.int64)]


def qprp(
    scores: ArrayLike, amplitudes: ArrayLike, k: int, *, keys: Sequence[Any] | None = None
) -> Positions:
    """The quantum probability ranking principle: rows that are alike interfere destructively.

    Each step takes the row i with the largest
    `p_i - 2 * sum over taken j of sqrt(p_i p_j) Re<i|j>` (Zuccon and Azzopardi, ECIR 2010, with
    the overlap of the unit vectors as their estimate of the phase). The sum grows with every row
    taken, so that it soon outweighs the scores: the variety is large, the scores fall fast.

    Args:
        scores: [M] probabilities, at least 0.
        amplitudes: [M, D] unit rows, real or complex.
        k: How many, at least 1; all of them where there are fewer.
        keys: [M] names that order equal values; without them, positions do.

    Returns:
        [min(k, M)] positions in the order taken.

    Raises:
        InputError: Scores or amplitudes of the wrong shape, or negative scores.
        ConfigurationError: k is not a positive integer.

    Example:
        >>> qprp([0.9, 0.8, 0.5], [[1, 0], [1, 0], [0, 1]], 2).tolist()
        [0, 2]
    """
    values, rows, order = _in_order(scores, amplitudes, keys)
    roots = np.sqrt(check_positive(values))
    interference = np.zeros(len(values))
    taken: list[int] = []
    open_ = np.ones(len(values), bool)
    for _ in range(min(check_count(k), len(values))):
        best = int(np.argmax(np.where(open_, values - interference, -np.inf)))
        taken.append(best)
        open_[best] = False
        interference += 2 * roots * roots[best] * (rows.conj() @ rows[best]).real
    return order[np.array(taken, np.int64)]


def born_sample(
    weights: ArrayLike,
    k: int,
    *,
    temperature: float = 1.0,
    seed: int | Sequence[int] | None = None,
    keys: Sequence[Any] | None = None,
) -> Positions:
    """Draws rows without replacement, each next one with chance F^(1/T) among those left.

    Args:
        weights: [M] fidelities or scores, at least 0; rows of weight 0 are never drawn.
        k: How many, at least 1; fewer come where fewer have a weight.
        temperature: T > 0. Near 0 the best come first, as in `top_k`; far above 1 all are alike.
        seed: The same seed, weights and keys give the same rows, in whatever order the pool comes.
        keys: [M] names; without them, positions.

    Returns:
        Positions in the order drawn.

    Raises:
        InputError: Weights that are not one finite number of at least 0 per row.
        ConfigurationError: k is not a positive integer, or the temperature not positive.

    Example:
        >>> sorted(born_sample([0.5, 0.0, 0.1], 3, seed=1).tolist())
        [0, 2]
    """
    values = check_positive(check_scores(weights, "weights"))
    k = check_count(k)
    if not (np.isreal(temperature) and np.isfinite(temperature) and temperature > 0):
        raise ConfigurationError(
            describe("temperature must be a positive number", received=temperature)
        )
    order = order_of(check_keys(keys, len(values)))
    # The largest of log w + Gumbel noise has chance w / sum w; those after it likewise.
    noise = np.random.default_rng(seed).gumbel(size=len(values))
    with np.errstate(divide="ignore"):
        drawn = np.log(values[order]) / temperature + noise
    best = top_k(np.nan_to_num(drawn, neginf=-np.finfo(float).max), k) if len(drawn) else order
    return order[best[np.isfinite(drawn[best])]]


def order_of(keys: Sequence[Any]) -> Positions:
    """Positions in the order of their keys."""
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def check_scores(scores: ArrayLike, name: str = "scores") -> NDArray[np.float64]:
    """Returns the scores as float64 [M]; raises InputError unless they are finite."""
    values = np.asarray(scores, np.float64)
    if values.ndim != 1:
        raise InputError(
            describe(f"{name} must be one number per row", expected="[M]", received=values.shape)
        )
    if not np.isfinite(values).all():
        where = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            describe(
                f"{name} must be finite, but row {where} is not", received=float(values[where])
            )
        )
    return values


def check_positive(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the values; raises InputError where one is negative."""
    if (values < 0).any():
        where = int(np.argmax(values < 0))
        raise InputError(
            describe(
                f"Row {where} has a negative score",
                expected="fidelities or probabilities, at least 0",
                received=float(values[where]),
            )
        )
    return values


def check_amplitudes(amplitudes: ArrayLike, count: int) -> NDArray[Any]:
    """Returns unit rows [count, D] in float64 or complex128; raises InputError otherwise."""
    rows = np.asarray(amplitudes)
    if rows.ndim != 2 or len(rows) != count:
        raise InputError(
            describe(
                "amplitudes must be one row per candidate",
                expected=f"[{count}, D]",
                received=rows.shape,
            )
        )
    rows = rows.astype(np.complex128 if np.iscomplexobj(rows) else np.float64, copy=False)
    lengths = np.linalg.norm(rows, axis=1)
    wrong = ~(np.abs(lengths - 1) < 1e-4)  # what float32 leaves of unit rows is well inside
    if wrong.any():
        where = int(np.argmax(wrong))
        raise InputError(
            describe(
                f"Row {where} of the amplitudes is not of unit length",
                expected="norm 1",
                received=float(lengths[where]),
                hint="Encode the vectors first",
            )
        )
    return rows


def check_keys(keys: Sequence[Any] | None, count: int) -> Sequence[Any]:
    """Returns one key per row, positions where there are none; raises InputError otherwise."""
    if keys is None:
        return range(count)
    if len(keys) != count:
        raise InputError(describe("keys must be one per row", expected=count, received=len(keys)))
    return keys


def check_count(k: Any, name: str = "k") -> int:
    """Returns k; raises ConfigurationError unless it is an integer of at least 1."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise ConfigurationError(describe(f"{name} must be an integer of at least 1", received=k))
    return int(k)


def check_fraction(value: Any, name: str) -> float:
    """Returns the value as a float; raises ConfigurationError unless it is in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ConfigurationError(describe(f"{name} must be a number", received=value))
    if not 0 <= value <= 1:
        raise ConfigurationError(describe(f"{name} must lie in [0, 1]", received=float(value)))
    return float(value)


def _in_order(
    scores: ArrayLike, amplitudes: ArrayLike, keys: Sequence[Any] | None
) -> tuple[NDArray[np.float64], NDArray[Any], Positions]:
    """Scores and rows in the order of the keys: the first of equals is then the right one."""
    values = check_scores(scores)
    rows = check_amplitudes(amplitudes, len(values))
    if keys is None:
        return values, rows, np.arange(len(values))
    order = order_of(check_keys(keys, len(values)))
    return values[order], rows[order], order
