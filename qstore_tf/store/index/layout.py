"""How the rows of a namespace lie in memory, as the writer of an index keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.definitions.encoding import Metric
from qstore_tf.store.index.changes import Changes
from qstore_tf.store.index.columns import Columns
from qstore_tf.store.index.rows import GrowingRows, MostlyOne, SlotMap
from qstore_tf.store.index.tables import GrowingTable, norm_term, norms_of

Array = NDArray[Any]

_DEAD = 0.25  # of all rows: from here on they are laid out anew
_AT_LEAST = 1024


class Layout:
    """Rows one behind the other; a row that is written again goes to the end, and its old is dead.

    Args:
        metric: The namespace's metric.
        dimension: d.
        dtype: float32 or complex64.

    Attributes:
        map: Where each slot's row stands.
        longest: The longest vector that was ever appended.
    """

    def __init__(self, metric: Metric, dimension: int, dtype: np.dtype[Any]) -> None:
        self._metric, self._dimension, self._dtype = metric, dimension, dtype
        self.map = SlotMap()
        self.longest = 0.0
        self._dead = np.empty(0, np.int64)
        self._slots = GrowingRows(np.int64)
        self._vectors = GrowingRows(dtype, dimension)
        self._norm_terms = GrowingRows(np.float32)
        self._keys: list[str] = []
        self._metadata: list[str | None] = []
        self._columns = Columns(self._metadata)
        # The age of a row matters only where it decays.
        self._written_at = MostlyOne(0.0)
        self._coherence_time = MostlyOne(np.inf)
        self._shared_weight = MostlyOne(1.0)
        self._shared: dict[str, GrowingTable] = {}
        self._own: dict[str, GrowingTable] = {}

    @property
    def count(self) -> int:
        """How many rows there are, dead ones among them."""
        return self._slots.count

    @property
    def is_sparse(self) -> bool:
        """Whether so many rows are dead that it is time for `compacted`."""
        return len(self._dead) > max(_AT_LEAST, _DEAD * self.count)

    def bury(self, slots: Array, removed: Array) -> None:
        """Marks the rows dead that are about to be written again, and those that are gone."""
        gone = self.map.find(np.concatenate([slots, removed]))
        gone = gone[gone >= 0]
        if len(gone):
            self._dead = np.concatenate([self._dead, gone])  # never in place: readers have the old
        known = removed[self.map.find(removed) >= 0]
        self.map.set(known, np.full(len(known), -1))

    def append(self, changes: Changes) -> None:
        """Appends the rows that changed; takes over their arrays and lists where it can."""
        start, added = self.count, len(changes.slots)
        if not added:
            return
        slots = np.asarray(changes.slots, np.int64)
        rows = np.ascontiguousarray(changes.vectors, self._dtype)
        norms = norms_of(rows)
        self.longest = max(self.longest, float(norms.max()))
        self.map.set(slots, np.arange(start, start + added))
        self._vectors.append(rows)
        self._norm_terms.append(norm_term(self._metric, norms))
        self._slots.append(slots)
        self._append_texts(changes.keys, changes.metadata, start)
        tau = np.asarray(changes.coherence_time, np.float64)
        written = np.asarray(changes.written_at, np.float64)
        self._coherence_time.append(tau)
        self._written_at.append(np.where(np.isinf(tau), 0, written))
        self._append_contexts(changes, start, added)

    def _append_texts(self, keys: list[str], metadata: list[str | None], start: int) -> None:
        if start == 0:
            self._keys, self._metadata = keys, metadata
            self._columns = Columns(metadata)
        else:
            self._keys.extend(keys)
            self._metadata.extend(metadata)

    def _append_contexts(self, changes: Changes, start: int, added: int) -> None:
        shared_weight = np.ones(added)
        with_own = {position for position, _, _, vector in changes.contexts if vector is not None}
        shared_weight[list(with_own)] = 0
        found: dict[tuple[str, bool], list[tuple[int, float, Array | None]]] = {}
        for position, name, weight, vector in changes.contexts:
            if vector is None and position in with_own:
                shared_weight[position] += weight
            if weight > 0:
                entry = (position, weight, vector)
                found.setdefault((name, vector is not None), []).append(entry)
        self._shared_weight.append(shared_weight)
        for (name, own), entries in found.items():
            entries.sort(key=lambda entry: entry[0])
            positions = np.array([position for position, _, _ in entries], np.int64)
            weights = np.array([weight for _, weight, _ in entries])
            vectors = np.array([vector for _, _, vector in entries], self._dtype) if own else None
            self._append_table(name, own, positions + start, weights, vectors)

    def _append_table(
        self, name: str, own: bool, positions: Array, weights: Array, vectors: Array | None
    ) -> None:
        tables = self._own if own else self._shared
        if name not in tables:
            tables[name] = GrowingTable(self._metric, self._dtype, self._dimension, own)
        longest = tables[name].append(positions, weights, vectors)
        self.longest = max(self.longest, longest)

    def compacted(self) -> Layout:
        """The same rows without the dead ones; this one stays as it is, for its readers."""
        there = np.ones(self.count, bool)
        there[self._dead] = False
        kept = np.flatnonzero(there)
        moved = np.cumsum(there) - 1
        new = Layout(self._metric, self._dimension, self._dtype)
        new.longest = self.longest
        new.map.set(self._slots.view[kept], np.arange(len(kept)))
        new._slots.append(self._slots.view[kept])
        new._vectors.append(self._vectors.view[kept])
        new._norm_terms.append(self._norm_terms.view[kept])
        places = kept.tolist()
        keys, metadata = [self._keys[i] for i in places], [self._metadata[i] for i in places]
        new._append_texts(keys, metadata, 0)
        new._written_at = self._written_at.chosen(kept)
        new._coherence_time = self._coherence_time.chosen(kept)
        new._shared_weight = self._shared_weight.chosen(kept)
        for own, tables in ((False, self._shared), (True, self._own)):
            for name, table in tables.items():
                view = table.view
                mine = there[view.positions]
                if mine.any():
                    positions = moved[view.positions[mine]]
                    vectors = None if view.vectors is None else view.vectors[mine]
                    new._append_table(name, own, positions, view.weights[mine], vectors)
        return new

    def views(self) -> dict[str, Any]:
        """The rows as they are now, as `Snapshot` takes them."""
        return {
            "vectors": self._vectors.view,
            "slots": self._slots.view,
            "keys": self._keys,
            "norm_terms": self._norm_terms.view,
            "written_at": self._written_at.view,
            "coherence_time": self._coherence_time.view,
            "shared_weight": self._shared_weight.view,
            "shared": {name: table.view for name, table in self._shared.items()},
            "own": {name: table.view for name, table in self._own.items()},
            "dead": self._dead,
            "columns": self._columns,
        }
