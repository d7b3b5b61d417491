"""Grover's search for the best rows, simulated exactly and counted.

Durr and Hoyer's search (quant-ph/9607014; k best: quant-ph/0401091) holds k rows and looks, by
amplitude amplification with an unknown number of marked rows (quant-ph/9605034), for one that is
better than the worst of them. Amplification stays in the plane of the marked and the unmarked
rows, so a quantum computer's outcomes are drawn here from the formula sin^2((2j + 1) theta).

What is counted are calls of the oracle, about sqrt(k M) of them against the M of a scan. That is
no gain in time: the simulation needs all scores first, and a quantum computer without a memory
that loads M rows in superposition pays M gates for each call (2305.10310).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.store.definitions import ranking

_GROWTH = 6 / 5  # of the number of iterations after each failure, as in quant-ph/9605034


@dataclass(frozen=True)
class GroverResult:
    """What a simulated search held at its end, and what it cost.

    Attributes:
        indices: The rows held, by (energy, key).
        exact: Whether they are the k best. A quantum computer could not tell.
        oracle_calls: Calls of the oracle until the budget was spent; one iteration is one call, and
            so is the check of an outcome.
        calls_until_found: Calls until the k best were held; None where they never were.
        measurements: How often a state was prepared and measured.
        budget: The most calls that were allowed.
        classical_calls: Scores that a scan computes for the exact answer: all M.
    """

    indices: tuple[int, ...]
    exact: bool
    oracle_calls: int
    calls_until_found: int | None
    measurements: int
    budget: int
    classical_calls: int


def success_probability(marked: int, total: int, iterations: int) -> float:
    """The chance to measure a marked row after so many Grover iterations.

    Args:
        marked: Number of marked rows.
        total: Number of rows, at least 1.
        iterations: Number of iterations, each one call of the oracle.

    Returns:
        sin^2((2 iterations + 1) theta), sin^2 theta = marked / total.

    Example:
        >>> round(success_probability(1, 4, 1), 12)
        1.0
    """
    return math.sin((2 * iterations + 1) * math.asin(math.sqrt(marked / total))) ** 2


def proven_budget(total: int, k: int = 1) -> int:
    """Calls after which the search has found the best of M rows with chance 1/2 or more.

    Args:
        total: M.
        k: For more than one row M is taken k times under the root, which is the right order of
            growth; that the chance is then 1/2 too is not proven.

    Returns:
        22.5 sqrt(k M) + 1.4 log2(M)^2, rounded up.

    Example:
        >>> proven_budget(1024)
        860
    """
    return math.ceil(22.5 * math.sqrt(k * total) + 1.4 * math.log2(max(total, 1)) ** 2)


def grover_search(
    energies: ArrayLike,
    k: int = 1,
    *,
    seed: int | Sequence[int] | None = None,
    budget: int | None = None,
    keys: Sequence[Any] | None = None,
) -> GroverResult:
    """Simulates the search for the k rows of lowest energy.

    Args:
        energies: [M], finite.
        k: How many rows; all of them where there are fewer, which costs nothing.
        seed: The same seed gives the same outcomes.
        budget: The most calls of the oracle; None for `proven_budget`.
        keys: [M] names that order equal energies; without them, positions do.

    Returns:
        The rows held when the budget was spent, with the counts.

    Raises:
        InputError: Energies that are not one finite number per row.
        ConfigurationError: k is not a positive integer, or the budget is negative.

    Example:
        >>> found = grover_search([0.3, 0.1, 0.4, 0.2], seed=1)
        >>> found.indices, found.exact, found.classical_calls
        ((1,), True, 4)
    """
    values = ranking.check_scores(energies, "energies")
    k = ranking.check_count(k)
    total = len(values)
    best_first = ranking.top_k(-values, max(total, 1), keys=keys)
    most = proven_budget(total, k) if budget is None else _check_budget(budget)
    rng = np.random.default_rng(seed)
    # Rows are named by their rank from here on: held are k ranks, marked those below the worst.
    held = sorted(rng.choice(total, min(k, total), replace=False).tolist())
    calls = measurements = 0
    found_at: int | None = None
    reach = 1.0
    while True:
        if found_at is None and held == list(range(len(held))):
            found_at = calls
        if len(held) == total:
            break
        iterations = int(rng.integers(math.ceil(reach)))
        if calls + iterations + 1 > most:
            break
        calls += iterations + 1
        measurements += 1
        marked = held[-1] - (len(held) - 1)  # ranks below the worst that are not held
        if rng.random() < success_probability(marked, total, iterations):
            held[-1] = _free_rank(held, int(rng.integers(marked)))
            held.sort()
            reach = 1.0
        else:
            reach = min(_GROWTH * reach, math.sqrt(total))
    return GroverResult(
        indices=tuple(best_first[held].tolist()),
        exact=held == list(range(len(held))),
        oracle_calls=calls,
        calls_until_found=found_at,
        measurements=measurements,
        budget=most,
        classical_calls=total,
    )


def _free_rank(held: list[int], place: int) -> int:
    """The rank at this place among those that are not held."""
    for taken in held:
        if place < taken:
            break
        place += 1
    return place


def _check_budget(budget: Any) -> int:
    if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 0:
        raise ConfigurationError(
            describe("budget must be an integer of at least 0, or None", received=budget)
        )
    return int(budget)
