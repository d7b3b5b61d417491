"""A namespace as it stands at one commit: what readers search, while a writer goes on.

A search has two stages. A scan in float32 bounds every score from both sides; what may be among
the best k is computed again in float64 from the stored vectors. So results are exact, and do not
depend on how rows are laid out in memory. `measurement.measure` defines the scores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import InputError, describe
from qstore_tf.store.arguments.filters import Tree
from qstore_tf.store.definitions.encoding import Metric
from qstore_tf.store.definitions.measurement import Context, check_ranking
from qstore_tf.store.index.changes import Hits
from qstore_tf.store.index.columns import Columns
from qstore_tf.store.index.groups import GroupTerm
from qstore_tf.store.index.measuring import (
    COHERENCE,
    FIDELITY,
    PROBABILITY,
    SCORE,
    Measuring,
    in_context,
    own_rows,
    shares,
)
from qstore_tf.store.index.scan import Scan
from qstore_tf.store.index.selection import ordered
from qstore_tf.store.index.tables import Table, norm64, norm_term, wide

Array = NDArray[Any]

_AT_ONCE = 8192  # rows whose vectors are held in float64 at a time


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a search of one namespace needs; nothing in it changes.

    Attributes:
        metric: The namespace's metric.
        dimension: d.
        vectors: The rows [N, d], of members of groups the reduced ones.
        slots: Their slots [N].
        keys: Their ids; there may be more than N.
        norm_terms: `norm_term` of the rows [N].
        written_at: In ms, of rows that decay [N]; None where none ever did, as the next.
        coherence_time: tau [N].
        shared_weight: The weight of all contexts in which the row's own vector stands [N]; None
            where that is 1 for all rows.
        shared: Contexts, with the rows that have the namespace's vector in them.
        own: Contexts, with the rows that have a vector of their own in them.
        dead: Places of rows that were replaced or removed.
        groups: Correlated groups; None where there are none.
        max_norm: The longest vector that was ever written.
        context_qubits: a.
        columns: The rows' metadata.
        commit: Number of the last commit that is in it.
    """

    metric: Metric
    dimension: int
    vectors: Array
    slots: NDArray[np.int64]
    keys: Sequence[str]
    norm_terms: NDArray[np.float32]
    written_at: NDArray[np.float64] | None
    coherence_time: NDArray[np.float64] | None
    shared_weight: NDArray[np.float64] | None
    shared: Mapping[str, Table]
    own: Mapping[str, Table]
    dead: NDArray[np.int64]
    groups: GroupTerm | None
    max_norm: float
    context_qubits: int
    columns: Columns
    commit: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lazy: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.slots) - len(self.dead)

    # What is computed when it is first wanted.

    def _once(self, name: str, compute: Any) -> Any:
        with self._lock:
            if name not in self._lazy:
                self._lazy[name] = compute()
            return self._lazy[name]

    def effective(self) -> tuple[NDArray[np.float32], float, float]:
        """Norm terms of all rows with what groups add, the longest norm, and `spread`."""
        found: tuple[NDArray[np.float32], float, float] = self._once("effective", self._effective)
        return found

    def _effective(self) -> tuple[NDArray[np.float32], float, float]:
        if self.groups is None:
            return self.norm_terms, self.max_norm, 1.0
        norms, spread = self.groups.norms(self.vectors)
        alive = np.flatnonzero(self.groups.positions >= 0)
        terms = self.norm_terms.copy()
        terms[self.groups.positions[alive]] = norm_term(self.metric, norms[alive])
        return terms, max(self.max_norm, float(norms[alive].max(initial=0.0))), spread

    def from_unit(self) -> float:
        """How far the norm terms are from 1 at most: little, where vectors came normalized."""
        terms = self.effective()[0]
        far: float = self._once("unit", lambda: float(np.max(np.abs(terms - 1), initial=0.0)))
        return far

    def share_of_members(self) -> float:
        """Which share of all rows are members of groups."""
        groups = self.groups
        if groups is None or not len(self.slots):
            return 0.0
        share: float = self._once(
            "share", lambda: np.count_nonzero(groups.positions >= 0) / len(self.slots)
        )
        return share

    def only_groups(self) -> NDArray[np.int64] | None:
        """As `GroupTerm.only_groups`."""
        groups = self.groups
        found: NDArray[np.int64] | None = self._once(
            "only groups", lambda: None if groups is None else groups.only_groups()
        )
        return found

    def places(self, slots: ArrayLike) -> NDArray[np.int64]:
        """Where the rows of some slots stand; -1 for slots that are not here."""
        wanted = np.asarray(slots, np.int64)
        known, order = self._once("order", self._order)
        if not len(known):
            return np.full(len(wanted), -1, np.int64)
        found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[found] == wanted, order[found], -1)

    def _order(self) -> tuple[Array, Array]:
        alive = self.alive()
        order = alive[np.argsort(self.slots[alive], kind="stable")]
        return self.slots[order], order

    def alive(self) -> NDArray[np.int64]:
        """Places of the rows that are not dead, rising."""
        there = np.ones(len(self.slots), bool)
        there[self.dead] = False
        return np.flatnonzero(there)

    def mask(self, tree: Tree | None) -> NDArray[np.bool_] | None:
        """Which rows satisfy a filter [N]; None where there is no filter.

        Example:
            >>> from qstore_tf.store.index.exact import ExactIndex
            >>> ExactIndex(2, "cosine").snapshot().mask(None) is None
            True
        """
        return None if tree is None else self.columns.mask(tree, len(self.slots))

    # Vectors and exact scores.

    def vectors_at(self, positions: Array) -> Array:
        """The rows at some places in float64 or complex128, with what groups add."""
        rows = wide(self.vectors[positions])
        if self.groups is None:
            return rows
        return self.groups.add_to(rows, positions)

    def effective_vectors(self, slots: ArrayLike) -> Array:
        """The vectors of some slots with the steps of their groups: [n, d], as they are stored.

        Raises:
            InputError: A slot is not here.
        """
        places = self.places(slots)
        if np.any(places < 0):
            raise InputError(
                describe(
                    "A slot is not in this index",
                    received=int(np.asarray(slots)[np.argmin(places)]),
                )
            )
        return self.vectors_at(places).astype(self.vectors.dtype)

    def states(self, positions: Array, context: Context) -> Array:
        """Unit vectors of the rows at some places, for what compares rows with each other.

        For one context these are the states in it. Otherwise all contexts in which a row has its
        common vector are one, beside those in which it has a vector of its own: [n, D].
        """
        positions = np.asarray(positions, np.int64)
        longest = self.metric.longest(self.effective()[1])
        size = self.metric.lifted_dimension(self.dimension)
        kind = np.result_type(self.vectors.dtype, np.float64)
        if isinstance(context, str):
            state = np.zeros((len(positions), size), kind)
            for mine, _, rows in in_context(self, positions, context):
                state[mine] = self._stored(rows, longest)
            return state
        if self.shared_weight is None:
            return self._stored(self.vectors_at(positions), longest)
        parts = np.zeros((len(positions), 1 + len(self.own), size), kind)
        weights = self.shared_weight[positions]
        common = np.flatnonzero(weights > 0)
        rows = self._stored(self.vectors_at(positions[common]), longest)
        parts[common, 0] = np.sqrt(weights[common])[:, None] * rows
        for column, table in enumerate(self.own.values(), 1):
            mine, shares, rows = own_rows(table, positions)
            parts[mine, column] = np.sqrt(shares)[:, None] * self.metric.stored(rows, longest)
        return parts.reshape(len(positions), parts.shape[1] * size)

    def _stored(self, rows: Array, longest: float) -> Array:
        """Lifted rows; those that their groups moved to the origin are the reference alone."""
        nowhere = ~np.any(rows, axis=1)
        if not nowhere.any() or self.metric.name == "l2":
            return self.metric.stored(rows, longest)
        rows = rows.copy()
        rows[nowhere, 0] = 1.0
        found = self.metric.stored(rows, longest)
        found[nowhere] = 0.0
        found[nowhere, 0] = 1.0
        return found

    # Searches.

    def found(self, context: Context, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Which rows a search can find at all [N]; None for every one."""
        count = len(self.slots)
        if mask is not None and mask.shape != (count,):
            raise InputError(
                describe(
                    "A mask does not fit the index",
                    expected=f"a bool for each of {count} rows of this snapshot",
                    received=f"shape {mask.shape}",
                )
            )
        there = None if mask is None else mask.copy()
        if context is not None:
            names = [context] if isinstance(context, str) else list(shares(context))
            inside = np.logical_or.reduce([self.inside(name) for name in names])
            there = inside if there is None else there & inside
        if len(self.dead):
            there = np.ones(count, bool) if there is None else there
            there[self.dead] = False  # `there` is ours: no part of it is kept
        return None if there is None or there.all() else there

    def inside(self, name: str) -> NDArray[np.bool_]:
        """Which rows are in a context [N]; not to be written to."""
        found: NDArray[np.bool_] = self._once(f"inside {name}", lambda: self._inside(name))
        return found

    def _inside(self, name: str) -> NDArray[np.bool_]:
        found = np.zeros(len(self.slots), bool)
        for tables in (self.shared, self.own):
            if name in tables:
                found[tables[name].positions] = True
        return found

    def shared_weights(self, name: str) -> NDArray[np.float32]:
        """The weight of a context in which rows have their own vector [N]; not to be written to."""
        found: NDArray[np.float32] = self._once(f"weights {name}", lambda: self._weights(name))
        return found

    def _weights(self, name: str) -> NDArray[np.float32]:
        weights = np.zeros(len(self.slots), np.float32)
        if name in self.shared:
            weights[self.shared[name].positions] = self.shared[name].weights
        return weights

    def search(
        self,
        queries: ArrayLike,
        k: int,
        *,
        context: Context = None,
        rank_by: str = "score",
        at_ms: float = 0.0,
        mask: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """The best k rows for each query; see `ExactIndex.search`."""
        check_ranking(rank_by, context)
        rows, lengths = self.checked(queries)
        if k < 1:
            raise InputError(describe("A search finds at least one row", received=k))
        by_weight = mask is None and not len(self.dead)
        scan = Scan(self, context, rank_by, at_ms, self.found(context, mask), by_weight)
        places = map(scan.positions, scan.near(rows, lengths, k))
        return self._collect(places, rows, lengths, k, Measuring(self, context, rank_by, at_ms))

    def search_among(
        self,
        places: Sequence[Array],
        queries: Array,
        lengths: Array,
        k: int,
        *,
        context: Context = None,
        rank_by: str = "score",
        at_ms: float = 0.0,
    ) -> Hits | None:
        """The best k of some rows for each query, and of the members of groups, which move.

        Args:
            places: Which rows, for each query: what an approximate index proposes.
            queries: What `checked` returned, as `lengths`.
            lengths: Their lengths.
            k: As in a search, as all below.
            context: One context, or None.
            rank_by: What scores are.
            at_ms: The time.

        Returns:
            The hits; None where fewer than k of these rows can be found, and there are more.
        """
        check_ranking(rank_by, context)
        found = self.found(context, None)
        wanted = min(k, len(self.slots) if found is None else int(np.count_nonzero(found)))
        proposed = [some if found is None else some[found[some]] for some in places]
        if self.groups is not None:
            moving = self.groups.member_of >= 0
            moving &= True if found is None else found
            scan = Scan(self, context, rank_by, at_ms, moving)
            near = map(scan.positions, scan.near(queries, lengths, k))
            proposed = [np.union1d(*both) for both in zip(proposed, near, strict=True)]
        if any(len(some) < wanted for some in proposed):
            return None
        measuring = Measuring(self, context, rank_by, at_ms)
        return self._collect(proposed, queries, lengths, k, measuring)

    def _collect(
        self,
        places: Iterable[Array],
        queries: Array,
        lengths: Array,
        k: int,
        measuring: Measuring,
    ) -> Hits:
        """Measures rows and keeps the best k for each query; all have as many."""
        kept: list[Array] = []
        numbers: list[Array] = []
        keys: list[list[str]] = []
        for positions, query, length in zip(places, queries, lengths.tolist(), strict=True):
            measured = measuring(positions, query, length)
            names = [self.keys[i] for i in positions.tolist()]
            best = ordered(measured[SCORE], names, k)
            kept.append(positions[best])
            numbers.append(measured[:, best])
            keys.append([names[i] for i in best.tolist()])
        where, values = np.array(kept), np.array(numbers)
        return Hits(
            self.slots[where],
            keys,
            scores=values[:, SCORE],
            fidelities=values[:, FIDELITY],
            probabilities=values[:, PROBABILITY],
            coherences=values[:, COHERENCE],
            positions=where,
            commit=self.commit,
        )

    def scores(
        self,
        query: ArrayLike,
        *,
        context: Context = None,
        rank_by: str = "score",
        at_ms: float = 0.0,
        mask: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Slots and scores of all rows that can be found, in no order; see `ExactIndex.search`.

        Args:
            query: [d].
            context: As in a search, as all below.
            rank_by: What scores are.
            at_ms: The time.
            mask: Which rows may be found.

        Returns:
            Slots [M] and scores [M], float64.
        """
        check_ranking(rank_by, context)
        rows, lengths = self.checked(np.asarray(query)[None])
        found = self.found(context, mask)
        places = np.arange(len(self.slots)) if found is None else np.flatnonzero(found)
        measuring = Measuring(self, context, rank_by, at_ms)
        return self.slots[places], measuring(places, rows[0], float(lengths[0]))[SCORE]

    def checked(self, queries: ArrayLike) -> tuple[Array, NDArray[np.float64]]:
        """Queries [B, d] in float64 or complex128, and their lengths.

        Raises:
            InputError: They do not fit.
        """
        rows = np.asarray(queries)
        if rows.ndim != 2 or rows.shape[1] != self.dimension or not len(rows):
            raise InputError(
                describe(
                    "Queries do not fit the namespace",
                    expected=f"shape [B, {self.dimension}], B of at least 1",
                    received=f"shape {rows.shape}",
                )
            )
        if rows.dtype.kind != "f":
            rows = self.metric.checked_queries(rows)
        rows = wide(rows)
        lengths = norm64(rows)
        if not (lengths.min() > 0 and lengths.max() < np.inf):  # so is what is no number
            self.metric.checked_queries(rows)
        return rows, lengths
