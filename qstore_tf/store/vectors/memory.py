"""Vectors in this process, searched exactly: the readable reference, and a store for tests."""

from __future__ import annotations

import builtins
import threading

import numpy as np

from qstore_tf.store.arguments.filters import COMPARISONS, Tree, matches
from qstore_tf.store.vectors.base import (
    Capabilities,
    Commit,
    Found,
    IdPage,
    Metadata,
    Record,
    Space,
    Vectors,
)
from qstore_tf.store.vectors.checked import Batch, CheckedBackend

_CHUNK = 8192  # rows that are turned into float64 at once


class _Table:
    """The records of one namespace: rows in arrays that grow, without gaps."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.rows: dict[str, int] = {}
        self.ids: list[str] = []
        self.metadata: list[Metadata] = []
        self.vectors: Vectors = np.empty((0, space.dimension), np.float32)

    def put(self, batch: Batch) -> None:
        new = sum(name not in self.rows for name in batch.ids)
        needed = len(self.ids) + new
        if needed > len(self.vectors):
            grown = np.empty((max(needed, 2 * len(self.vectors)), self.space.dimension), np.float32)
            grown[: len(self.ids)] = self.vectors[: len(self.ids)]
            self.vectors = grown
        for name, vector, metadata in zip(batch.ids, batch.vectors, batch.metadata, strict=True):
            row = self.rows.setdefault(name, len(self.ids))
            if row == len(self.ids):
                self.ids.append(name)
                self.metadata.append(metadata)
            self.vectors[row], self.metadata[row] = vector, metadata

    def remove(self, name: str) -> None:
        row = self.rows.pop(name, None)
        if row is None:
            return
        last_name, last_metadata = self.ids.pop(), self.metadata.pop()
        if last_name != name:  # the last record takes the place that is free
            self.vectors[row] = self.vectors[len(self.ids)]
            self.ids[row], self.metadata[row] = last_name, last_metadata
            self.rows[last_name] = row

    def record(self, name: str) -> Record:
        row = self.rows[name]
        return Record(name, self.vectors[row].copy(), dict(self.metadata[row]))

    def search(self, query: Vectors, k: int, rows: np.ndarray | None) -> Found:
        """The best k of all rows, or of some."""
        stored = self.vectors[: len(self.ids)] if rows is None else self.vectors[rows]
        wide = query.astype(np.float64)
        parts = [
            scores(self.space.metric, wide, stored[start : start + _CHUNK])
            for start in range(0, len(stored), _CHUNK)
        ]
        exact = np.concatenate(parts) if parts else np.empty(0)
        picked = np.arange(len(exact))
        if k < len(exact):
            bound = np.partition(exact, len(exact) - k)[len(exact) - k]
            picked = np.flatnonzero(exact >= bound)  # more than k where scores are equal
            exact = exact[picked]
        places = picked if rows is None else rows[picked]
        best = sorted(zip(-exact, (self.ids[i] for i in places), places, strict=True))[:k]
        return Found.of([(name, -score, dict(self.metadata[i])) for score, name, i in best])


def scores(metric: str, query: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Scores of one query [d] against vectors [n, d]: the definition all stores follow.

    Args:
        metric: "cosine", "dot", or "l2" (minus the squared distance): the higher, the nearer.
        query: [d].
        vectors: [n, d].

    Returns:
        [n], in the precision of the query.

    Example:
        >>> scores("l2", np.array([1.0, 0.0]), np.array([[1.0, 2.0], [1.0, 0.0]])).tolist()
        [-4.0, -0.0]
    """
    if metric == "l2":
        difference = vectors - query
        return -np.einsum("nd,nd->n", difference, difference)
    inner = vectors.astype(query.dtype, copy=False) @ query
    if metric == "dot":
        return inner
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    length = np.sqrt(np.einsum("d,d->", query, query, dtype=np.float64))
    return inner / (norms * length)


class MemoryVectors(CheckedBackend):
    """A store in this process, gone with it.

    Example:
        >>> store = MemoryVectors()
        >>> store.create("films", 2, "cosine")
        >>> store.upsert("films", ["a", "b"], [[1, 0], [1, 1]], [{"year": 1999}, {"year": 2001}])
        Commit(token=None)
        >>> store.search("films", [[1, 0.1]], 1)[0].ids
        ('a',)
    """

    name = "memory"
    capabilities = Capabilities(
        durable=False,
        atomic=True,
        filters=frozenset({*COMPARISONS, "text order"}),
        max_batch=1_000_000,
        max_top_k=1_000_000,
    )

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.RLock()
        self._tables: dict[str, _Table] = {}

    def _find(self, namespace: str) -> Space | None:
        with self._lock:
            table = self._tables.get(namespace)
            return table.space if table else None

    def _create(self, namespace: str, space: Space) -> None:
        with self._lock:
            self._tables.setdefault(namespace, _Table(space))

    def _drop(self, namespace: str) -> None:
        with self._lock:
            self._tables.pop(namespace, None)

    def namespaces(self) -> builtins.list[str]:
        """The names of all namespaces, sorted."""
        with self._lock:
            return sorted(self._tables)

    def _table(self, namespace: str) -> _Table:
        table = self._tables.get(namespace)
        if table is None:
            self._forget(namespace)
            raise self._missing(namespace)
        return table

    def _upsert(self, namespace: str, space: Space, batch: Batch) -> Commit:
        with self._lock:
            self._table(namespace).put(batch)
        return Commit()

    def _fetch(
        self, namespace: str, space: Space, ids: builtins.list[str]
    ) -> builtins.list[Record]:
        with self._lock:
            table = self._table(namespace)
            return [table.record(name) for name in ids if name in table.rows]

    def _delete(self, namespace: str, ids: builtins.list[str]) -> Commit:
        with self._lock:
            for name in ids:
                self._table(namespace).remove(name)
        return Commit()

    def _delete_matching(self, namespace: str, filter: Tree) -> Commit:
        with self._lock:
            table = self._table(namespace)
            gone = [
                name
                for name, metadata in zip(table.ids, table.metadata, strict=True)
                if matches(filter, metadata)
            ]
            for name in gone:
                table.remove(name)
        return Commit()

    def _search(
        self, namespace: str, space: Space, queries: Vectors, k: int, filter: Tree | None
    ) -> builtins.list[Found]:
        with self._lock:
            table = self._table(namespace)
            rows = None
            if filter is not None:
                kept = [i for i, one in enumerate(table.metadata) if matches(filter, one)]
                rows = np.array(kept, np.intp)
            return [table.search(query, k, rows) for query in queries]

    def _list(self, namespace: str, prefix: str, token: str | None, limit: int) -> IdPage:
        with self._lock:
            names = sorted(
                name
                for name in self._table(namespace).ids
                if name.startswith(prefix) and (token is None or name > token)
            )
        return IdPage(tuple(names[:limit]), names[limit - 1] if len(names) > limit else None)

    def _count(self, namespace: str) -> tuple[int, int | None]:
        with self._lock:
            table = self._table(namespace)
            return len(table.ids), table.vectors.nbytes
