"""`TunnelingEngine`: retrieval over barriers, regimes and precursors behind the names of v1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean
from qstore_tf.store.definitions import ranking
from qstore_tf.store.definitions.encoding import metric_named
from qstore_tf.store.tunneling import precursors, regimes
from qstore_tf.store.tunneling.amplification import grover_search
from qstore_tf.store.tunneling.kernels import KERNELS, check_series, kernel_named
from qstore_tf.store.tunneling.landscape import Landscape, landscape
from qstore_tf.store.tunneling.precursors import Precursors
from qstore_tf.store.tunneling.regimes import Regime, Regimes

METHODS = ("basins", "turns", "grover")


@dataclass(frozen=True, eq=False)
class Candidates:
    """The pool of one query.

    Attributes:
        keys: [M] names.
        energies: [M] 1 - score, in [0, 1].
        amplitudes: [M, D] unit rows.
        void: The energy of a vector at right angles to the query: 1 for the metric "fidelity", 3/4
            for the others.
    """

    keys: Sequence[str]
    energies: NDArray[np.float64]
    amplitudes: NDArray[Any]
    void: float = 1.0


Source = Callable[[Any, int], Candidates]


@dataclass(frozen=True)
class Representative:
    """A row that stands for its basin; with method "grover", any row that was found.

    Attributes:
        key: Its name.
        index: Its position in the pool.
        energy: 1 - score.
        barrier: The climb from the top row to it; 0 for the top.
        persistence: The climb from it to a lower minimum; infinite for the top.
        transmission: exp(-2 A) in (0, 1], 1 for the top.
        path: Names from the top to it on the way of least action, both ends included.
    """

    key: str
    index: int
    energy: float
    barrier: float
    persistence: float
    transmission: float
    path: tuple[str, ...]


@dataclass(frozen=True)
class TunnelResult(Sequence[Representative]):
    """What a tunnel search found, in order; a sequence of `Representative`.

    Attributes:
        matches: They themselves.
        candidates: Rows of the pool.
        oracle_calls: Of the simulated Grover search; None for method "basins".
        classical_calls: Scores that a scan of the searched rows computes instead; None likewise.
        exact: Whether the rows are the best ones; Grover's search may miss some.
    """

    matches: tuple[Representative, ...]
    candidates: int
    oracle_calls: int | None = None
    classical_calls: int | None = None
    exact: bool = True

    def __len__(self) -> int:
        return len(self.matches)

    def __getitem__(self, item: Any) -> Any:
        return self.matches[item]

    def __iter__(self) -> Iterator[Representative]:
        return iter(self.matches)


def tunnel_search(
    candidates: Candidates,
    barrier_threshold: float = 0.8,
    *,
    tunnel_probability: float = 0.2,
    top_k: int = 10,
    neighbours: int | None = None,
    method: str = "basins",
    seed: int | Sequence[int] | None = None,
) -> TunnelResult:
    """Finds what lies in the basin of the best row and behind the barriers around it.

    Args:
        candidates: The pool of a query.
        barrier_threshold: The highest barrier to cross, in [0, 1]; 0 stays in the top basin.
        tunnel_probability: The least transmission, in [0, 1].
        top_k: The most representatives; the most persistent basins are kept, the top always.
        neighbours: How many nearest rows each row of the pool is joined to; None for half the root
            of their number, at least 1 and at most 16.
        method: "basins": one row for each basin. "turns": top_k rows, of which the top basin and
            the most persistent others, about the root of top_k in all, give the best ones in
            turn. "grover": the top_k best rows within reach, by the simulated search of Durr and
            Hoyer, with its calls counted.
        seed: For "grover": the same seed gives the same outcome.

    Returns:
        The representatives, ordered by (energy, key); for "turns" in the order of the turns.

    Raises:
        InputError: Energies outside [0, 1], or amplitudes that are not unit rows.
        ConfigurationError: An unknown method or a number out of range.

    Example:
        >>> angles = np.array([0.0, 0.1, 0.9, 1.0])
        >>> rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        >>> pool = Candidates(["a", "b", "c", "d"], np.array([0.3, 0.4, 0.35, 0.32]), rows)
        >>> [(m.key, round(m.barrier, 2), m.path) for m in tunnel_search(pool, neighbours=1)]
        [('a', 0.0, ('a',)), ('d', 0.7, ('a', 'b', 'c', 'd'))]
    """
    if method not in METHODS:
        hint = did_you_mean(str(method), METHODS)
        raise ConfigurationError(describe("This method is unknown", received=method, hint=hint))
    top_k = ranking.check_count(top_k, "top_k")
    keys = candidates.keys
    land = landscape(
        candidates.energies,
        candidates.amplitudes,
        keys=keys,
        neighbours=neighbours,
        void=candidates.void,
    )
    if method != "grover":
        few = top_k if method == "basins" else math.ceil(math.sqrt(top_k))
        found = land.basins(
            barrier_threshold=barrier_threshold, tunnel_probability=tunnel_probability, limit=few
        )
        shown = [basin.index for basin in found]
        if method == "turns":
            shown = land.interleaved(found, top_k).tolist()
        return TunnelResult(
            matches=tuple(_representative(land, row, keys) for row in shown), candidates=len(keys)
        )
    within = np.flatnonzero(land.admitted(barrier_threshold, tunnel_probability))
    searched = grover_search(
        land.energies[within], top_k, seed=seed, keys=[keys[row] for row in within.tolist()]
    )
    return TunnelResult(
        matches=tuple(_representative(land, int(within[i]), keys) for i in searched.indices),
        candidates=len(keys),
        oracle_calls=searched.oracle_calls,
        classical_calls=searched.classical_calls,
        exact=searched.exact,
    )


class TunnelingEngine:
    """Searches over barriers, and reads regimes and precursors from series.

    Args:
        source: A function of a query and a pool size that returns the pool; None where only
            series are read. `from_vectors` makes one.
        barrier_threshold: The default of `tunnel_search`.
        tunnel_probability: Its least transmission.
        candidate_pool: Size of the pool.
        neighbours: How many nearest rows each row of the pool is joined to; None for half the root
            of their number, at least 1 and at most 16.

    Raises:
        ConfigurationError: A number out of range.

    Example:
        >>> vectors = {"e": [1.0, 0.0], "e'": [1.0, 0.1], "n": [0.0, 1.0], "n'": [0.1, 1.0]}
        >>> engine = TunnelingEngine.from_vectors(list(vectors), list(vectors.values()))
        >>> [match.key for match in engine.tunnel_search([1.0, 0.9])]
        ["e'", "n'"]
        >>> [match.key for match in engine.tunnel_search([1.0, 0.9], barrier_threshold=0)]
        ["e'"]
    """

    def __init__(
        self,
        source: Source | None = None,
        *,
        barrier_threshold: float = 0.8,
        tunnel_probability: float = 0.2,
        candidate_pool: int = 1000,
        neighbours: int | None = None,
    ) -> None:
        self._source = source
        self.barrier_threshold = ranking.check_fraction(barrier_threshold, "barrier_threshold")
        self.tunnel_probability = ranking.check_fraction(tunnel_probability, "tunnel_probability")
        self.candidate_pool = ranking.check_count(candidate_pool, "candidate_pool")
        if neighbours is not None:
            ranking.check_count(neighbours, "neighbours")
        self.neighbours = neighbours
        self._history: NDArray[Any] | None = None
        self._regimes: Regimes | None = None

    @classmethod
    def from_vectors(
        cls, keys: Sequence[str], vectors: ArrayLike, *, metric: str = "cosine", **options: Any
    ) -> TunnelingEngine:
        """An engine over vectors in memory, which are all scored for every query.

        Args:
            keys: [M] names.
            vectors: [M, d].
            metric: "cosine", "dot", "l2" or "fidelity".
            options: As for the class.

        Raises:
            InputError: Vectors that the metric cannot encode, or not one key for each.
            ConfigurationError: An unknown metric, or a wrong option.
        """
        rule = metric_named(metric)
        rows = np.atleast_2d(np.asarray(vectors))
        longest = float(np.max(np.linalg.norm(rows, axis=1), initial=0.0)) or 1.0
        amplitudes = rule.encode(rows, longest)
        names = ranking.check_keys(keys, len(amplitudes))

        def source(query: Any, size: int) -> Candidates:
            state = rule.encode_query(query)
            if state.shape != amplitudes.shape[1:]:
                raise InputError(
                    describe(
                        "The query has another dimension than the vectors",
                        expected=rows.shape[1:],
                        received=np.shape(query),
                    )
                )
            scores = np.abs(amplitudes.conj() @ state) ** 2
            best = ranking.top_k(scores, size, keys=names)
            chosen = [names[i] for i in best.tolist()]
            return Candidates(chosen, 1 - scores[best], amplitudes[best], void_of(rule.name))

        return cls(source, **options)

    def tunnel_search(
        self, query: Any, barrier_threshold: float | None = None, **options: Any
    ) -> TunnelResult:
        """Finds the basins around a query; see the function `tunnel_search`.

        Args:
            query: What the source takes: a vector [d].
            barrier_threshold: The highest barrier to cross; None for the engine's.
            options: tunnel_probability, top_k, neighbours, method, seed.

        Raises:
            ConfigurationError: The engine has no source, or an option is wrong.
            InputError: A query that the source cannot score.
        """
        if self._source is None:
            raise ConfigurationError(
                describe(
                    "This engine has nothing to search",
                    hint="Make it with TunnelingEngine.from_vectors, or pass a source",
                )
            )
        defaults = {"tunnel_probability": self.tunnel_probability, "neighbours": self.neighbours}
        return tunnel_search(
            self._source(query, self.candidate_pool),
            self.barrier_threshold if barrier_threshold is None else barrier_threshold,
            **{**defaults, **options},
        )

    def discover_regimes(self, historical_data: ArrayLike, **options: Any) -> Regimes:
        """Cuts a series into regimes, and keeps both for `find_precursors`.

        Args:
            historical_data: [T, d] one vector per time.
            options: As for the function `regimes.discover_regimes`: kernel, n_changes, ...

        Raises:
            InputError, ConfigurationError, LibraryError, MemoryLimitError: As that function.
        """
        found = regimes.discover_regimes(historical_data, **options)
        self._history, self._regimes = check_series(historical_data, 1), found
        return found

    def find_precursors(
        self,
        target_event: Any,
        historical_data: ArrayLike | None = None,
        *,
        likeness: float = 0.9,
        **options: Any,
    ) -> Precursors:
        """Tests what came before events of one kind.

        Args:
            target_event: The rows at which it happened; or [T] booleans; or a `Regime`, for the
                starts of all stretches of its label; or a state, [d] floating-point numbers, for
                the starts of all stretches whose fidelity with it is at least `likeness`.
            historical_data: [T, d]; None for the series last given to `discover_regimes`.
            likeness: Of a state with its events, in [0, 1].
            options: As for the function `precursors.find_precursors`: lags, window, kernel, ...

        Raises:
            InputError: No series, or events that do not fit it, or fewer than 4 of them.
            ConfigurationError: A wrong option.
        """
        if historical_data is not None:
            series = check_series(historical_data, 1)
        elif self._history is not None:
            series = self._history
        else:
            raise InputError(
                describe(
                    "There is no series to look for events in",
                    hint="Pass historical_data, or call discover_regimes first",
                )
            )
        events = self._events(target_event, series, likeness, options.get("kernel", "fidelity"))
        return precursors.find_precursors(series, events, **options)

    def _events(self, target: Any, series: NDArray[Any], likeness: float, kernel: str) -> Any:
        """The rows of the events that the target names."""
        if isinstance(target, Regime):
            if self._regimes is None or target not in self._regimes.stretches:
                raise InputError(
                    describe("This regime is not of the series last given to discover_regimes")
                )
            return np.array(self._regimes.starts(target.label), np.int64)
        state = np.asarray(target)
        if state.dtype.kind not in "fc" or state.shape != series.shape[1:]:
            return target
        rule = kernel_named(kernel)
        states = rule.states(series)
        if states is None:
            raise ConfigurationError(
                describe(
                    "This kernel has no states to compare an event with",
                    expected=" or ".join(repr(k.name) for k in KERNELS.values() if k.metric),
                    received=kernel,
                )
            )
        wanted = rule.states(check_series(state[None], 1))
        least = ranking.check_fraction(likeness, "likeness")
        alike = np.abs(states.conj() @ wanted[0]) ** 2 >= least  # type: ignore[index]
        return np.flatnonzero(alike & ~np.append(False, alike[:-1]))


def void_of(metric: str) -> float:
    """The energy of a vector at right angles to the query.

    Example:
        >>> void_of("cosine"), void_of("fidelity")
        (0.75, 1.0)
    """
    return 1.0 if metric == "fidelity" else 0.75


def _representative(land: Landscape, row: int, keys: Sequence[str]) -> Representative:
    here = land.at(row)
    return Representative(
        key=keys[row],
        index=row,
        energy=here.energy,
        barrier=here.barrier,
        persistence=here.persistence,
        transmission=here.transmission,
        path=tuple(keys[step] for step in here.path),
    )
