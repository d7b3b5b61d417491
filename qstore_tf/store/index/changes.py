"""What goes into an index (`Changes`, from the catalog) and what comes out of it (`Hits`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class GroupState:
    """A group of correlated items as it stands after a commit.

    Attributes:
        number: The catalog's number of the group.
        rho: The correlation of two of its members.
        accumulator: The sum of its steps [d], float64: a member's vector is its reduced vector
            plus `rho * accumulator`, summed over the groups that it is in.
        members: Slots of all members; None where they are those of before; empty where the group
            is no more.
    """

    number: int
    rho: float
    accumulator: NDArray[np.float64]
    members: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Changes:
    """What one or several commits changed in one namespace: row i replaces its slot's row wholly.

    A slot stands here once at most, either among `slots` or among `removed`.

    Attributes:
        slots: Slots of the rows that are new or changed [n].
        keys: The user's ids [n].
        vectors: Vectors [n, d], float32 or complex64; of members of groups the reduced ones.
        written_at: When the rows' states were prepared, in ms [n].
        coherence_time: tau in ms [n]; `math.inf` for ever.
        metadata: Texts of JSON objects, or None [n].
        contexts: `(position in slots, context, weight, own vector or None)`. A row that has none
            here has one unnamed context of weight 1.
        removed: Slots of the rows that are gone.
        groups: Groups that are new or changed.
        max_norm: The longest vector that the namespace ever held.
        context_names: All contexts declared in the namespace.
        commit: Number of the last commit that is in here.
    """

    slots: NDArray[np.int64]
    keys: list[str]
    vectors: Array
    written_at: NDArray[np.float64]
    coherence_time: NDArray[np.float64]
    metadata: list[str | None]
    contexts: list[tuple[int, str, float, Array | None]] = field(default_factory=list)
    removed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    groups: list[GroupState] = field(default_factory=list)
    max_norm: float = 0.0
    context_names: list[str] = field(default_factory=list)
    commit: int = 0


@dataclass(frozen=True)
class Hits:
    """The best rows for each of B queries, ordered by falling score, equal scores by id.

    All queries have equally many: k, or as many rows as can be found.

    Attributes:
        slots: Slots of the rows [B, k], int64.
        keys: Ids of the rows, a list for each query.
        scores: Scores [B, k], float64, computed from the stored vectors in float64.
        fidelities: How well the query and the measured state agree, before decay [B, k].
        probabilities: The chance that the contexts asked for are measured at all [B, k].
        coherences: eta = exp(-age/tau) [B, k].
        positions: Where the rows stand in the snapshot that was searched [B, k], int64.
        commit: Number of the last commit that they saw.
    """

    slots: NDArray[np.int64]
    keys: list[list[str]]
    scores: NDArray[np.float64]
    fidelities: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    coherences: NDArray[np.float64]
    positions: NDArray[np.int64]
    commit: int = 0

    def row(self, query: int) -> Hits:
        """The hits of one query alone, B = 1."""
        return self._picked(lambda column: column[query : query + 1], [self.keys[query]])

    def take(self, columns: NDArray[np.int64]) -> Hits:
        """Some of the hits of one query, in another order."""
        keys = [self.keys[0][column] for column in columns.tolist()]
        return self._picked(lambda column: column[:, columns], [keys])

    def _picked(self, pick: Callable[[Array], Array], keys: list[list[str]]) -> Hits:
        return Hits(
            pick(self.slots),
            keys,
            pick(self.scores),
            pick(self.fidelities),
            pick(self.probabilities),
            pick(self.coherences),
            pick(self.positions),
            self.commit,
        )
