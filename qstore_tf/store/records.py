"""What the database hands out: items, matches, results. Frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from qstore_tf.ionq.money.amounts import Money

Vector = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Context:
    """One meaning of an item.

    Attributes:
        name: The context's name.
        weight: Its probability p; those of an item sum to 1.
        vector: [d], the vector of the item in this context; None where it is the item's.
    """

    name: str
    weight: float
    vector: Vector | None = None


@dataclass(frozen=True, eq=False)
class Item:
    """An item as it stands now.

    Attributes:
        id: Its name, unique in the namespace.
        vector: [d], float32 or complex64: the effective vector, with the steps that correlated
            groups brought; None where each context has a vector of its own.
        contexts: Its contexts; empty for an item that has none.
        metadata: Strings, numbers, bools and lists of strings by key.
        coherence_time: tau in ms, `math.inf` for an item that is kept for ever.
        coherence: exp(-age / tau), in [0, 1].
        written_at: When it was prepared, in ms of the database's clock.
        staleness: The variance per coordinate that the steps of its groups left unexplained.
        groups: The correlated groups it is a member of.
        archived: Whether it has decohered and stands in the archive, where no query finds it.
        version: The number of the commit that last changed it.
    """

    id: str
    vector: Vector | None
    contexts: tuple[Context, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    coherence_time: float = float("inf")
    coherence: float = 1.0
    written_at: float = 0.0
    staleness: float = 0.0
    groups: tuple[str, ...] = ()
    archived: bool = False
    version: int = 0


@dataclass(frozen=True, eq=False)
class Match:
    """One item that a query found.

    Attributes:
        id: The item's name.
        score: What matches are ordered by, in [0, 1]: `docs/store.md` has the formula.
        fidelity: F of the query and the item in the context asked for, without decay.
        probability: Of that context; 1 where none was asked for.
        coherence: exp(-age / tau) at the time of the query.
        standard_error: Of the score, where it was estimated from shots; else 0.
        metadata: As stored; None where it was not asked for.
        vector: [d], where it was asked for.
        energy: 1 - fidelity, for matches of a tunnel search, as all below.
        barrier: How far above the best item's energy the easiest way to this one climbs.
        transmission: exp(-2 A) along the best path, in (0, 1].
        path: Items along that path, this one last.
    """

    id: str
    score: float
    fidelity: float
    probability: float = 1.0
    coherence: float = 1.0
    standard_error: float = 0.0
    metadata: Mapping[str, Any] | None = None
    vector: Vector | None = None
    energy: float | None = None
    barrier: float | None = None
    transmission: float | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class QueryResult(Sequence[Match]):
    """The matches of one query, best first, and what is promised of them.

    Attributes:
        matches: The matches.
        mode: "precise", "balanced" or "exploratory".
        commit: The number of the commit that the query saw.
        scores_exact: Whether scores are computed, not estimated from shots.
        expected_precision: The expected share of matches that belong to the true top k; 1 for an
            exact search.
        certified: Whether each member is separated from all others by the stated margin.
        shots: How many were spent.
        cost: What they cost at most; None where nobody knows.
        degraded: Whether a store beneath could not be reached, and the catalog answered instead.
        oracle_calls: Of a simulated Grover search; None for others, as is `classical_calls`.
        classical_calls: What a scan takes instead.
    """

    matches: tuple[Match, ...]
    mode: str = "balanced"
    commit: int = 0
    scores_exact: bool = True
    expected_precision: float = 1.0
    certified: bool = True
    shots: int = 0
    cost: Money | None = None
    degraded: bool = False
    oracle_calls: int | None = None
    classical_calls: int | None = None

    @property
    def ids(self) -> list[str]:
        """The matches' names, best first."""
        return [match.id for match in self.matches]

    @property
    def scores(self) -> Vector:
        """The matches' scores, float64 [k]."""
        return np.array([match.score for match in self.matches])

    def __len__(self) -> int:
        return len(self.matches)

    def __iter__(self) -> Iterator[Match]:
        return iter(self.matches)

    @overload
    def __getitem__(self, index: int) -> Match: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Match]: ...
    def __getitem__(self, index: int | slice) -> Match | Sequence[Match]:
        return self.matches[index]


@dataclass(frozen=True)
class RowError:
    """A row of a batch that was not stored.

    Attributes:
        index: Its position in the batch.
        id: Its name, as it was given.
        error: Why.
    """

    index: int
    id: Any
    error: Exception


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch.

    Attributes:
        stored: How many rows were stored.
        errors: The others.
        commit: The number of the commit that holds the rows.
    """

    stored: int
    errors: tuple[RowError, ...] = ()
    commit: int = 0

    def check(self) -> BatchResult:
        """Returns this, unless there are errors: then raises the first.

        Raises:
            ItemError: What was wrong with the first row that was not stored.
        """
        if self.errors:
            raise self.errors[0].error
        return self


@dataclass(frozen=True)
class Page:
    """Names of items, one page of them.

    Attributes:
        ids: In order.
        next_token: What to pass as `page_token` for the next page; None after the last.
    """

    ids: tuple[str, ...]
    next_token: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)


@dataclass(frozen=True)
class Namespace:
    """A namespace of the database.

    Attributes:
        name: Its name.
        dimension: d of all its vectors.
        metric: "cosine", "dot", "l2" or "fidelity".
        count: How many items it holds, without archived ones.
        contexts: The contexts it knows.
    """

    name: str
    dimension: int
    metric: str
    count: int
    contexts: tuple[str, ...] = ()
