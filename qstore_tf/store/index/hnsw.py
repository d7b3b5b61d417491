"""An approximate index: a graph (HNSW, by usearch) proposes rows, the exact index's numbers decide.

It is derived: what it lacks or cannot read is built again from the exact index. Scores of what it
finds are as exact as those of a scan; it may miss rows, a few in a thousand by default. Where a
graph does not help, searches are scans: under filters, for several contexts at once, where weights
or decay decide more than vectors do, and for the members of correlated groups, whose vectors move
without being written.
"""

from __future__ import annotations

import json
import math
import os
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from qstore_tf.errors import ConfigurationError, LibraryError, StoreError, describe
from qstore_tf.store.definitions.encoding import Metric, inverse, metric_named
from qstore_tf.store.definitions.measurement import Context
from qstore_tf.store.index.changes import Changes, Hits
from qstore_tf.store.index.snapshot import Snapshot
from qstore_tf.store.index.tables import norm64, wide

Array = NDArray[Any]

FORMAT = 1
_CONTEXTS = 4096  # keys of the graph are slot * 4096 + number of the context, 0 for all
_AT_ONCE = 8192
_FIRST = 2  # vectors that are looked at first, for each row that is wanted
_SHARE = 400  # of so many rows one is looked at: then a scan is as fast
_ROUNDING = 1e-6  # of fidelities in float32


class HnswIndex:
    """A graph over the vectors of one namespace, those of contexts among them.

    Args:
        dimension: d.
        metric: As of `ExactIndex`.
        dtype: As of `ExactIndex`.
        connectivity: Neighbours of each vector (M).
        expansion_add: Width of the search that finds them.
        expansion_search: Width of searches: more finds more, and takes longer.
        threads: How many build it; 0 for all cores.

    Raises:
        LibraryError: usearch is not installed.

    Example:
        >>> from qstore_tf.store.index.exact import ExactIndex
        >>> graph = HnswIndex(2, "cosine")  # doctest: +SKIP
        >>> graph.build(ExactIndex(2, "cosine").snapshot())  # doctest: +SKIP
    """

    def __init__(
        self,
        dimension: int,
        metric: str | Metric,
        dtype: DTypeLike = np.float32,
        *,
        connectivity: int = 16,
        expansion_add: int = 128,
        expansion_search: int = 128,
        threads: int = 0,
    ) -> None:
        for name, value in (
            ("connectivity", connectivity),
            ("expansion_add", expansion_add),
            ("expansion_search", expansion_search),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < 2:
                raise ConfigurationError(
                    describe(f"`{name}` of an index must be an integer >= 2", received=value)
                )
        self.metric = metric if isinstance(metric, Metric) else metric_named(metric)
        self.dimension = dimension
        self.dtype = np.dtype(dtype)
        self.commit = 0
        self._options: dict[str, Any] = {
            "ndim": dimension * (2 if self.dtype.kind == "c" else 1),
            "metric": "l2sq" if self.metric.name == "l2" else "ip",
            "dtype": "f32",  # usearch's own choice may be bfloat16
            "connectivity": connectivity,
            "expansion_add": expansion_add,
            "expansion_search": expansion_search,
        }
        self._threads = threads
        self._lock = threading.Lock()
        self._contexts: dict[str, int] = {}
        self._graph = self._empty()

    def __len__(self) -> int:
        return len(self._graph)

    @property
    def bare(self) -> Any:
        """usearch's own index, for measuring; writing to it breaks this one."""
        return self._graph

    def _empty(self) -> Any:
        try:
            from usearch.index import Index
        except ImportError as error:
            raise LibraryError(
                describe(
                    "The approximate index needs usearch, which is not installed",
                    hint="pip install 'qstore-tf[hnsw]', or use the exact index",
                )
            ) from error
        return Index(**self._options)

    # Writing.

    def build(self, snapshot: Snapshot) -> None:
        """Builds the graph anew from a snapshot of the exact index."""
        with self._lock:
            self._graph = self._empty()
            self._contexts = {}
            alive = snapshot.alive()
            for start in range(0, len(alive), _AT_ONCE):
                places = alive[start : start + _AT_ONCE]
                if snapshot.shared_weight is not None:
                    places = places[snapshot.shared_weight[places] > 0]
                self._add(snapshot.slots[places], 0, snapshot.vectors_at(places))
            there = np.zeros(len(snapshot.slots), bool)
            there[alive] = True
            for name, table in snapshot.own.items():
                mine = np.flatnonzero(there[table.positions])
                assert table.vectors is not None
                for start in range(0, len(mine), _AT_ONCE):
                    some = mine[start : start + _AT_ONCE]
                    slots = snapshot.slots[table.positions[some]]
                    self._add(slots, self._number(name), table.vectors[some])
            self.commit = snapshot.commit

    def apply(self, changes: Changes) -> None:
        """Takes in what commits changed, before or after the exact index does.

        Args:
            changes: As for `ExactIndex.apply`.
        """
        slots = np.asarray(changes.slots, np.int64)
        with_own = {position for position, _, _, vector in changes.contexts if vector is not None}
        shared = np.ones(len(slots), bool)
        shared[list(with_own)] = False
        for position, _, weight, vector in changes.contexts:
            if vector is None and weight > 0:
                shared[position] = True
        own: dict[str, list[tuple[int, Array]]] = {}
        for position, name, weight, vector in changes.contexts:
            if vector is not None and weight > 0:
                own.setdefault(name, []).append((position, vector))
        with self._lock:
            self._remove(np.concatenate([slots, np.asarray(changes.removed, np.int64)]))
            vectors = np.asarray(changes.vectors)
            self._add(slots[shared], 0, vectors[shared])
            for name, entries in own.items():
                places = [position for position, _ in entries]
                self._add(slots[places], self._number(name), np.array([v for _, v in entries]))
            self.commit = changes.commit

    def _number(self, name: str) -> int:
        number = self._contexts.setdefault(name, len(self._contexts) + 1)
        if number >= _CONTEXTS:
            raise StoreError(
                describe("A graph has room for 4,095 contexts", hint="Use the exact index")
            )
        return number

    def _remove(self, slots: Array) -> None:
        for number in range(len(self._contexts) + 1):
            keys = slots * _CONTEXTS + number
            keys = keys[self._graph.contains(keys)] if len(keys) else keys
            if len(keys):
                self._graph.remove(keys, threads=self._threads)

    def _add(self, slots: Array, number: int, vectors: Array) -> None:
        if len(slots):
            keys = slots * _CONTEXTS + number
            self._graph.add(keys, self._laid_out(vectors), threads=self._threads)

    def _laid_out(self, vectors: Array) -> NDArray[np.float32]:
        """Vectors as the graph compares them: of length 1 but for "dot" and "l2"; real."""
        if self.metric.name in ("cosine", "fidelity"):
            rows = wide(vectors)
            vectors = rows * inverse(norm64(rows))[:, None]
        if self.dtype.kind == "c":
            vectors = np.concatenate([vectors.real, vectors.imag], axis=1)
        return np.ascontiguousarray(vectors, np.float32)

    def _asked(self, query: Array) -> NDArray[np.float32]:
        """What to search for: the query; for "fidelity", where phases do not matter, up to four.

        |<q, v>|^2 is the sum of the squares of two real products, so of these four one is at least
        sqrt(F / 2) for a row of fidelity F.
        """
        if self.metric.name != "fidelity":
            return self._laid_out(query[None])
        turned = query[None] * np.array([[1], [-1], [1j], [-1j]])
        if self.dtype.kind == "c":
            return self._laid_out(turned)
        real = turned.real[turned.real.any(axis=1)]
        return self._laid_out(real)

    # Reading.

    def _propose(
        self, queries: Array, lengths: Array, count: int, max_norm: float
    ) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
        """Slots near each of some queries, and what no other can exceed.

        Args:
            queries: [B, d], none of them zero, but for "l2".
            lengths: Of the queries.
            count: How many vectors of the graph are looked at for each; an item has as many as
                it has vectors.
            max_norm: The longest vector, for "dot" and "l2".

        Returns:
            Slots of every query, each once, in no order; and the fidelity of the last vector, which
            all that were not found are below, but for those that the graph misses [B].
        """
        asked = [self._asked(query) for query in queries]
        with self._lock:
            size = len(self._graph)
            if not size:
                return [np.empty(0, np.int64) for _ in queries], np.zeros(len(queries))
            found = self._graph.search(np.concatenate(asked), count, threads=self._threads)
        keys, distances = np.atleast_2d(found.keys), np.atleast_2d(found.distances)
        counts = np.atleast_1d(getattr(found, "counts", len(found))).tolist()
        slots, bounds, start = [], np.zeros(len(queries)), 0
        for row, (length, each) in enumerate(zip(lengths.tolist(), asked, strict=True)):
            some = range(start, start + len(each))
            start += len(each)
            parts = [keys[i, : counts[i]].astype(np.int64) // _CONTEXTS for i in some]
            slots.append(np.unique(np.concatenate(parts)))
            if count < size:
                last = [float(distances[i, max(counts[i] - 1, 0)]) for i in some]
                bounds[row] = self._fidelity(last, length, max_norm)
        return slots, bounds

    def _fidelity(self, last: list[float], length: float, max_norm: float) -> float:
        """The fidelity at the distances that usearch gives: 1 - q.v, or |q - v|^2."""
        if self.metric.name == "fidelity":  # q and -q, then iq and -iq
            products = [max(1 - distance, 0.0) for distance in last]
            return max(products[:2]) ** 2 + max(products[2:], default=0.0) ** 2
        longest = self.metric.longest(max_norm)
        if self.metric.name == "l2":
            ratio = (length**2 - last[0]) / (2 * longest * math.hypot(length, 1))
        else:
            ratio = (1 - last[0]) / (longest * length if self.metric.name == "dot" else 1.0)
        return min(max((1 + ratio) / 2, 0.0), 1.0) ** 2

    def search(
        self,
        snapshot: Snapshot,
        queries: ArrayLike,
        k: int,
        *,
        context: Context = None,
        rank_by: str = "score",
        at_ms: float,
        mask: NDArray[np.bool_] | None = None,
    ) -> Hits:
        """Searches as `Snapshot.search` does, and may miss rows that the graph misses.

        An item's score is never above the best fidelity of its vectors (or, for decayed ones, above
        1/D). So it is enough to look at vectors until their fidelity falls below the k-th score;
        where weights or decay keep scores so low that this takes long, all rows are scanned.

        Args:
            snapshot: The exact index, at the commit of this one.
            queries: [B, d].
            k: How many rows are wanted: as many come as of a scan.
            context: As of a scan, like those below.
            rank_by: "score" or "fidelity".
            at_ms: The time.
            mask: Which rows may be found.

        Returns:
            The hits.
        """
        how: dict[str, Any] = {"context": context, "rank_by": rank_by, "at_ms": at_ms}
        rows, lengths = snapshot.checked(queries)
        if mask is None and not isinstance(context, Mapping) and len(snapshot) > 0:
            longest = snapshot.effective()[1]
            count = _FIRST * k
            while count <= max(_FIRST * k, len(snapshot) // _SHARE):
                slots, bounds = self._propose(rows, lengths, count, longest)
                if snapshot.coherence_time is not None:
                    bounds = np.maximum(bounds, 0.5 ** self.metric.n_qubits(self.dimension))
                places = [snapshot.places(some) for some in slots]
                near = [some[some >= 0] for some in places]
                hits = snapshot.search_among(near, rows, lengths, k, **how)
                if hits is not None and np.all(bounds - _ROUNDING <= hits.scores[:, -1:].T):
                    return hits
                count *= 4
        return snapshot.search(rows, k, mask=mask, **how)

    # The file.

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the graph beside its place and then puts it there, so that no half one is read.

        Args:
            path: The file; what describes it goes to the same path with ".json".
        """
        place = Path(path)
        temporary = place.with_name(f"{place.name}.{os.getpid()}.tmp")
        with self._lock:
            self._graph.save(str(temporary))
            about = {
                **self._about(),
                "commit": self.commit,
                "contexts": self._contexts,
                "size": temporary.stat().st_size,
                "crc32": _checksum(temporary),
            }
        _put(temporary, place)
        temporary.write_text(json.dumps(about), encoding="utf-8")
        _put(temporary, _beside(place))

    def load(self, path: str | os.PathLike[str]) -> bool:
        """Reads a graph; whether there was one that is whole and fits. Else nothing changes.

        The commits after `commit` are then still to be applied. Where it returns False, `build`.

        Args:
            path: As of `save`.
        """
        place = Path(path)
        try:
            about = json.loads(_beside(place).read_text(encoding="utf-8"))
            whole = about["size"] == place.stat().st_size and about["crc32"] == _checksum(place)
            fits = self._about().items() <= about.items()
            commit, contexts = int(about["commit"]), dict(about["contexts"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        if not (whole and fits):
            return False
        graph = self._empty()
        graph.load(str(place))
        with self._lock:
            self._graph, self.commit, self._contexts = graph, commit, contexts
        return True

    def _about(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "dimension": self.dimension,
            "metric_name": self.metric.name,
            "vectors": str(self.dtype),
            **self._options,
        }


def _beside(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _put(temporary: Path, place: Path) -> None:
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, place)


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value
