"""Precision against coverage: what each mode of a query spends, and what it promises.

| mode | pool | shots, where circuits measure | matches | promise |
|---|---|---|---|---|
| precise | all rows | racing, until each is told apart | certified ones, at most k | precision |
| balanced | `candidate_pool` | the same for all | exactly k, the best | the pool's recall |
| exploratory | twice as many | the same for all, fewer | k that are unlike each other | coverage |

This is a trade like any other. Precision and coverage are no conjugate observables, and no
uncertainty relation binds them. What physics does say is in two places: a fidelity F from S shots
has the standard error sqrt(F (1 - F) / S), and outcomes in two measurement bases are uncertain
together (`CircuitBuilder.build_measurement_circuit`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.store.circuits import racing
from qstore_tf.store.definitions import ranking

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# (k, allocation, shots, eps) -> the best k of the pool, see `overlap.select`.
Measure = Callable[[int, str, int | None, float], racing.Selection]

DIVERSITIES = ("mmr", "born")
_DRAWS = 400


@dataclass(frozen=True)
class Mode:
    """One row of the table.

    Attributes:
        name: Its name.
        pools: How many candidate pools are looked at; None: all rows.
        allocation: How shots are shared out, see `overlap.select`.
        shots: Of each candidate, where the caller names none; None: as many as it takes.
        certified_only: Whether members that are not certified are left out.
        diverse: Whether members are to be unlike each other.
        tunneling: Whether basins behind barriers are looked for.
        promise: In words.
    """

    name: str
    pools: int | None
    allocation: str
    shots: int | None
    certified_only: bool
    diverse: bool
    tunneling: bool
    promise: str

    def allocate(self, guarantee: bool) -> str:
        """Returns how shots are shared out, where a guarantee is asked for or not."""
        return "kl-lucb" if guarantee and self.allocation == "racing" else self.allocation


MODES = {
    mode.name: mode
    for mode in (
        Mode("precise", None, "racing", None, True, False, False, "precision"),
        Mode("balanced", 1, "uniform", 1000, False, False, False, "recall of the pool"),
        Mode("exploratory", 2, "uniform", 300, False, True, True, "coverage"),
    )
}


@dataclass(frozen=True, eq=False)
class Ranked:
    """Which candidates of a pool are returned, and what is known of that choice.

    Attributes:
        order: Positions in the pool, best first; drawn or diverse ones in the order taken.
        scores: [len(order)], exact or estimated.
        standard_errors: [len(order)]; 0 where scores are exact.
        certified: Whether each member surely belongs to the best k of the pool, to `eps`.
        expected_precision: The expected share of members that do, times the recall of the pool.
        scores_exact: Whether scores are computed, not measured.
        shots: How many were spent.
        rounds: In how many submissions.
    """

    order: Integers
    scores: Floats
    standard_errors: Floats
    certified: bool
    expected_precision: float
    scores_exact: bool
    shots: int = 0
    rounds: int = 0


def mode_named(name: str) -> Mode:
    """Returns the mode of a name.

    Raises:
        ConfigurationError: There is none.

    Example:
        >>> mode_named("precise").promise
        'precision'
    """
    if name not in MODES:
        raise ConfigurationError(
            describe("Unknown mode of a query", received=name, hint=did_you_mean(str(name), MODES))
        )
    return MODES[name]


def shots_to_resolve(gap: float, fidelity: float = 0.5) -> int:
    """Returns about how many shots tell two fidelities apart: F (1 - F) / gap^2.

    Raises:
        ConfigurationError: The gap is not above 0.

    Example:
        >>> shots_to_resolve(0.02)
        625
    """
    if not gap > 0:
        raise ConfigurationError(
            describe("No number of shots resolves this gap", expected="above 0", received=gap)
        )
    return int(np.ceil(max(fidelity * (1 - fidelity) / gap**2, 1.0) - 1e-9))


class UncertaintyManager:
    """Ranks pools by mode.

    Args:
        candidate_pool: How many candidates a balanced query looks at.
        eps: The margin by which precise members are told apart.
        diversity: How exploratory members are chosen: "mmr" (maximal marginal relevance) or "born"
            (drawn with probability F^(1/T), without replacement).
        relevance: Of "mmr", from 0, variety alone, to 1, scores alone.
        temperature: T of "born", above 0.

    Raises:
        ConfigurationError: A setting makes no sense.

    Example:
        >>> manager = UncertaintyManager(candidate_pool=100)
        >>> [manager.pool_size(mode, 5000, 10) for mode in MODES]
        [5000, 100, 200]
        >>> manager.rank("balanced", 2, [0.3, 0.9, 0.5]).order.tolist()
        [1, 2]
    """

    def __init__(
        self,
        candidate_pool: int = 1000,
        eps: float = racing.EPS,
        diversity: str = "mmr",
        relevance: float = 0.5,
        temperature: float = 1.0,
    ) -> None:
        self.candidate_pool = ranking.check_count(candidate_pool, "candidate_pool")
        if not eps > 0:
            raise ConfigurationError(
                describe("`eps`, the margin, makes no sense", expected="above 0", received=eps)
            )
        if diversity not in DIVERSITIES:
            raise ConfigurationError(
                describe(
                    "Unknown way to choose unlike members",
                    received=diversity,
                    hint=did_you_mean(str(diversity), DIVERSITIES),
                )
            )
        self.eps, self.diversity = eps, diversity
        self.relevance = ranking.check_fraction(relevance, "relevance")
        self.temperature = temperature

    def pool_size(self, mode: str, rows: int, k: int) -> int:
        """Returns how many of `rows` candidates a query of a mode looks at, at least k."""
        pools = mode_named(mode).pools
        return rows if pools is None else min(rows, max(pools * self.candidate_pool, k))

    def rank(
        self,
        mode: str,
        k: int,
        scores: ArrayLike,
        *,
        keys: Sequence[Any] | None = None,
        amplitudes: ArrayLike | None = None,
        recall: float = 1.0,
        seed: int = 0,
    ) -> Ranked:
        """Ranks a pool by exact scores.

        Args:
            mode: "precise", "balanced" or "exploratory".
            k: How many are wanted.
            scores: [M].
            keys: [M], names that settle ties.
            amplitudes: [M, d'] unit rows, needed for "mmr".
            recall: The share of the true best k that the pool holds; 1 for an exact search.
            seed: Of "born".

        Raises:
            ConfigurationError: An unknown mode, or amplitudes are missing.
        """
        values = ranking.check_scores(scores)
        best = ranking.top_k(values, k, keys=keys)
        chosen = self._choose(mode, k, values, best, keys, amplitudes, seed)
        threshold = values[best[-1]] if len(best) else 0.0
        hits = values[chosen] >= threshold
        return Ranked(
            chosen,
            values[chosen],
            np.zeros(len(chosen)),
            bool(hits.all() and recall >= 1),
            float(hits.mean() * recall) if len(chosen) else 1.0,
            scores_exact=True,
        )

    def rank_measured(
        self,
        mode: str,
        k: int,
        measure: Measure,
        *,
        shots: int | None = None,
        guarantee: bool = False,
        keys: Sequence[Any] | None = None,
        amplitudes: ArrayLike | None = None,
        recall: float = 1.0,
        seed: int = 0,
    ) -> Ranked:
        """Ranks a pool by scores that are measured with shots.

        Args:
            mode: As in `rank`, as are k, keys, amplitudes, recall and seed.
            k: How many are wanted.
            measure: Called once, `measure(k, allocation, shots, eps)`; `overlap.select` does it.
                Equal estimates come in the pool's order: give it in the order of the names, for in
                the order of exact scores it would settle what shots could not.
            shots: Of each candidate (precise: at most); None: what the mode takes.
            guarantee: Whether a precise query certifies by "kl-lucb", which holds with
                probability 0.95 whatever the scores are, at a multiple of the shots.
            keys: [M] names.
            amplitudes: [M, d'] unit rows, needed for "mmr".
            recall: Of the pool.
            seed: From which exploratory members and `expected_precision` are drawn.

        Raises:
            ConfigurationError: An unknown mode, or amplitudes are missing.
        """
        row = mode_named(mode)
        found = measure(k, row.allocate(guarantee), row.shots if shots is None else shots, self.eps)
        sure = found.order[found.certified]
        if row.certified_only:
            chosen = sure
        else:
            chosen = self._choose(mode, k, found.scores, found.order, keys, amplitudes, seed)
        return Ranked(
            chosen,
            found.scores[chosen],
            found.standard_errors[chosen],
            bool(np.isin(chosen, sure).all() and recall >= 1),
            recall * expected_precision(found, chosen, k, self.eps, seed),
            scores_exact=False,
            shots=int(found.shots.sum()),
            rounds=found.rounds,
        )

    def _choose(
        self,
        mode: str,
        k: int,
        scores: Floats,
        best: Integers,
        keys: Sequence[Any] | None,
        amplitudes: ArrayLike | None,
        seed: int,
    ) -> Integers:
        if not mode_named(mode).diverse:
            return best
        if self.diversity == "born":
            # Estimates of swap tests may fall below 0.
            weights = np.maximum(scores, 0)
            return ranking.born_sample(
                weights, k, temperature=self.temperature, seed=seed, keys=keys
            )
        if amplitudes is None:
            raise ConfigurationError(
                describe(
                    "Members that are to be unlike each other cannot be chosen by scores alone",
                    expected="the amplitudes of the pool",
                    hint="Pass amplitudes=, or choose diversity='born'",
                )
            )
        return ranking.mmr(scores, amplitudes, k, relevance=self.relevance, keys=keys)


def expected_precision(
    found: racing.Selection, members: Integers, k: int, eps: float, seed: int = 0
) -> float:
    """Returns the expected share of members that are no more than `eps` worse than the k-th best.

    The true scores are taken to lie about the estimates, independently and normally, by their
    standard errors; the share is the mean over 400 draws. 1 where there are no members.

    Args:
        found: Estimates of the whole pool.
        members: Positions of the members.
        k: How many belong to the best.
        eps: The margin.
        seed: From which is drawn.

    Example:
        >>> sure = racing.uniform(lambda arms, shots: shots * np.array([0.9, 0.1]), 2, 1, 1000)
        >>> expected_precision(sure, sure.order, 1, 0.02)
        1.0
    """
    if not len(members):
        return 1.0
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(_DRAWS, len(found.scores)))
    drawn = found.scores + found.standard_errors * noise
    last = max(drawn.shape[1] - k, 0)
    threshold = np.partition(drawn, last, axis=1)[:, last, None] - eps
    return float((drawn[:, members] >= threshold).mean())
