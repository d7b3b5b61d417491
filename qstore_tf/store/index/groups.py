"""Correlated groups in an index: a step of a group moves its accumulator, and no member's row.

A member's vector is its row plus `sum_g rho_g S_g` over its groups. So an inner product with a
query needs one number for each group, `q.S_g`, and a sparse matrix [members, groups] of the rho.
Only the norms of members need their vectors; they are computed when a search first wants them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from qstore_tf.store.index.changes import GroupState
from qstore_tf.store.index.rows import GrowingRows, SlotMap

Array = NDArray[Any]
Ints = NDArray[np.int64]

_AT_ONCE = 4096  # members whose vectors are written out at a time
_SPARE = 64


class _Norms:
    """Norms of members' vectors, each with what it was computed from."""

    def __init__(self, members: int) -> None:
        self.lock = threading.Lock()
        self.norms = np.zeros(members)
        self.spread = np.ones(members)
        self.versions = np.full(members, -1, np.int64)
        self.positions = np.full(members, -1, np.int64)


class GroupTerm:
    """The groups as they stand at one commit; what readers use. Nothing in it changes.

    Attributes:
        positions: Where each member's row stands [M]; -1 for one that is gone.
        member_of: Which member each row is [N], -1 for none.
    """

    def __init__(
        self,
        positions: Ints,
        member_of: Ints,
        weights: tuple[sparse.csr_array, sparse.csr_array],
        sums: tuple[Array, Array],
        current: Ints,
        versions: Ints,
        norms: _Norms,
    ) -> None:
        self.positions = positions
        self.member_of = member_of
        self._weights, self._narrow_weights = weights  # [M, G] in float64 and in float32
        self._sums, self._narrow_sums = sums
        self._current = current  # row in `sums` of each group [G]
        self._versions = versions  # when each group was last changed [G]; a count
        self._norms = norms

    @property
    def n_sums(self) -> int:
        """How many accumulators are kept, old ones among them."""
        return len(self._sums)

    def shifts(self, queries: Array) -> Array:
        """What the groups add to the inner products of members: [B, d] -> [B, M], float32."""
        narrow = queries.astype(np.complex64 if np.iscomplexobj(queries) else np.float32)
        if len(narrow) == 1:  # a product with a vector takes half as long
            return (self._narrow_weights @ (self._narrow_sums @ narrow[0])[self._current])[None]
        per_group = (self._narrow_sums @ narrow.T)[self._current]
        return np.ascontiguousarray((self._narrow_weights @ per_group).T)

    def only_groups(self) -> Ints | None:
        """Which group each row is in [N], G for none; None where a member is in several."""
        weights = self._narrow_weights
        if weights.nnz != weights.shape[0]:  # each member is in one at least
            return None
        return np.append(weights.indices.astype(np.int64), weights.shape[1])[self.member_of]

    def shifts_of_groups(self, queries: Array) -> Array:
        """What each group adds to an inner product of its members, then a 0: [B, G + 1], float32.

        For members that are in one group only: of which `only_groups` tells.
        """
        weights = self._narrow_weights
        narrow = queries.astype(np.complex64 if np.iscomplexobj(queries) else np.float32)
        rho = np.zeros(weights.shape[1], np.float32)
        rho[weights.indices] = weights.data
        if len(narrow) == 1:
            per_group = (self._narrow_sums @ narrow[0])[self._current][None] * rho
        else:
            per_group = (self._narrow_sums @ narrow.T)[self._current].T * rho
        return np.concatenate([per_group, np.zeros((len(narrow), 1), per_group.dtype)], axis=1)

    def moves(self, members: Ints) -> Array:
        """What the groups add to the vectors of some members: [len(members), d], wide."""
        weights = self._weights
        starts, counts = weights.indptr[members], np.diff(weights.indptr)[members]
        firsts = np.cumsum(counts) - counts  # each member is in one group at least
        entries = np.arange(int(counts.sum())) + np.repeat(starts - firsts, counts)
        sums = self._sums[self._current[weights.indices[entries]]]
        added: Array = np.add.reduceat(weights.data[entries][:, None] * sums, firsts)
        return added

    def add_to(self, rows: Array, positions: Ints) -> Array:
        """Adds to rows in float64, which stand at `positions`, what their groups add."""
        members = self.member_of[positions]
        touched = np.flatnonzero(members >= 0)
        if len(touched) and self._sums.dtype.kind == "c" and rows.dtype.kind != "c":
            rows = rows.astype(np.complex128)
        if len(touched):
            rows[touched] += self.moves(members[touched])
        return rows

    def norms(self, vectors: Array) -> tuple[NDArray[np.float64], float]:
        """Norms of the members' vectors [M], and by how much their sums cancel, at least 1.

        The second is the largest (|row| + |what is added|) / |sum|: errors grow by so much.
        """
        known = self._norms
        # A member is as old as the youngest of its groups.
        ages = np.zeros(len(self.positions), np.int64)
        members = np.repeat(np.arange(len(ages)), np.diff(self._weights.indptr))
        np.maximum.at(ages, members, self._versions[self._weights.indices])
        alive = self.positions >= 0
        with known.lock:
            fresh = (known.versions == ages) & (known.positions == self.positions)
            missing = np.flatnonzero(alive & ~fresh)
            for start in range(0, len(missing), _AT_ONCE):
                some = missing[start : start + _AT_ONCE]
                rows, added = vectors[self.positions[some]], self.moves(some)
                sums = np.linalg.norm(rows + added, axis=1)
                parts = np.linalg.norm(rows, axis=1) + np.linalg.norm(added, axis=1)
                known.norms[some] = sums
                known.spread[some] = parts / np.maximum(sums, 1e-9 * parts + 1e-300)
            known.versions[missing] = ages[missing]
            known.positions[missing] = self.positions[missing]
            return known.norms.copy(), float(np.max(known.spread[alive], initial=1.0))


class Groups:
    """All groups of a namespace, as the writer keeps them."""

    def __init__(self, dimension: int, dtype: np.dtype[Any]) -> None:
        self._dtype, self._narrow_dtype = np.result_type(dtype, np.float64), dtype
        self._dimension = dimension
        self._members: dict[int, Ints] = {}
        self._rho: dict[int, float] = {}
        self._sums, self._narrow_sums = self._empty_sums()
        self._row: dict[int, int] = {}  # of each group's accumulator in `_sums`
        self._count = 0  # of changes to groups
        self._columns: dict[int, int] = {}
        self._term: GroupTerm | None = None
        # As in GroupTerm; replaced, never changed in place.
        self._slots: Ints = np.empty(0, np.int64)
        self._positions: Ints = np.empty(0, np.int64)
        self._member_of = GrowingRows(np.int64)
        self._weights = (sparse.csr_array((0, 0)), sparse.csr_array((0, 0)))
        self._current: Ints = np.empty(0, np.int64)
        self._versions: Ints = np.empty(0, np.int64)
        self._norms = _Norms(0)

    def apply(
        self, states: Sequence[GroupState], slots: Ints, removed: Ints, map: SlotMap, count: int
    ) -> GroupTerm | None:
        """Takes in changed groups and rows that were written or removed.

        Args:
            states: The groups.
            slots: Slots of the rows that were written.
            removed: Slots of the rows that are gone.
            map: Where slots stand now.
            count: How many rows stand in the index.

        Returns:
            The groups as they stand now; None where there are none.
        """
        rebuilt = False
        for state in states:
            rebuilt |= self._take(state)
        if not self._members:
            self._term = None
            return None
        if rebuilt or self._term is None:
            return self.rebuild(map, count)
        if states:
            self._current, self._versions = self._current.copy(), self._versions.copy()
            # Those that came and went since the last time have no column.
            for number in {state.number for state in states} & self._members.keys():
                self._current[self._columns[number]] = self._row[number]
                self._versions[self._columns[number]] = self._count
        self._move_rows(np.concatenate([slots, removed]), map, count)
        return self._publish()

    def rebuild(self, map: SlotMap, count: int) -> GroupTerm | None:
        """Sets up all that depends on who is a member and on where rows stand."""
        if not self._members:
            return None
        numbers = list(self._members)
        self._columns = {number: column for column, number in enumerate(numbers)}
        sizes = [len(self._members[number]) for number in numbers]
        rho = np.repeat([self._rho[number] for number in numbers], sizes)
        columns = np.repeat(np.arange(len(numbers)), sizes)
        slots = np.concatenate([self._members[number] for number in numbers])
        self._slots, rows = np.unique(slots, return_inverse=True)
        shape = (len(self._slots), len(numbers))
        wide = sparse.csr_array((rho, (rows, columns)), shape)
        self._weights = (wide, wide.astype(np.float32))
        self._current = np.array([self._row[number] for number in numbers], np.int64)
        self._versions = np.full(len(numbers), self._count, np.int64)
        self._norms = _Norms(len(self._slots))
        self._positions = map.find(self._slots)
        member_of = np.full(count, -1, np.int64)
        there = np.flatnonzero(self._positions >= 0)
        member_of[self._positions[there]] = there
        self._member_of = GrowingRows(np.int64)
        self._member_of.append(member_of)
        return self._publish()

    def _take(self, state: GroupState) -> bool:
        """Takes in one group; whether membership or rho changed."""
        number = state.number
        if state.members is not None and len(state.members) == 0:
            self._row.pop(number, None)
            self._rho.pop(number, None)
            return self._members.pop(number, None) is not None
        rebuilt = number not in self._members or self._rho[number] != state.rho
        self._rho[number] = state.rho
        members = self._members.get(number, np.empty(0, np.int64))
        if state.members is not None:
            rebuilt |= not np.array_equal(members, state.members)
            members = np.asarray(state.members, np.int64)
        self._members[number] = members
        self._count += 1
        if self._sums.count > 2 * len(self._members) + _SPARE:
            self._forget_old_sums()
        self._row[number] = self._sums.count
        wide = np.array(state.accumulator, self._dtype, ndmin=2)
        self._sums.append(wide)
        self._narrow_sums.append(wide.astype(self._narrow_dtype))
        return rebuilt

    def _empty_sums(self) -> tuple[GrowingRows, GrowingRows]:
        narrow = GrowingRows(self._narrow_dtype, self._dimension)
        return GrowingRows(self._dtype, self._dimension), narrow

    def _forget_old_sums(self) -> None:
        kept = self._sums.view[list(self._row.values())]
        self._sums, self._narrow_sums = self._empty_sums()
        self._sums.append(kept)
        self._narrow_sums.append(kept.astype(self._narrow_dtype))
        self._row = {number: row for row, number in enumerate(self._row)}
        self._current = np.array([self._row.get(number, 0) for number in self._columns], np.int64)

    def _move_rows(self, slots: Ints, map: SlotMap, count: int) -> None:
        added = np.full(count - self._member_of.count, -1, np.int64)
        if len(self._slots) and len(slots):
            places = np.minimum(np.searchsorted(self._slots, slots), len(self._slots) - 1)
            mine = np.unique(places[self._slots[places] == slots])
            positions = map.find(self._slots[mine])
            self._positions = self._positions.copy()
            self._positions[mine] = positions
            new = positions >= self._member_of.count
            added[positions[new] - self._member_of.count] = mine[new]
        self._member_of.append(added)

    def _publish(self) -> GroupTerm:
        self._term = GroupTerm(
            self._positions,
            self._member_of.view,
            self._weights,
            (self._sums.view, self._narrow_sums.view),
            self._current,
            self._versions,
            self._norms,
        )
        return self._term
