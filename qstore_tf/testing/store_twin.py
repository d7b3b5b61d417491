"""A namespace of a store of vectors as a dictionary: what every store must agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.store.arguments.filters import Tree, matches
from qstore_tf.store.vectors.base import Found, VectorBackend
from qstore_tf.testing.store_spaces import settled

TOLERANCE = 2e-5  # of scores that a store computes in float32, for vectors of about unit length


class Twin:
    """A namespace as a dictionary, searched exactly: the definition.

    Args:
        metric: "cosine", "dot" or "l2".
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.vectors: dict[str, np.ndarray] = {}
        self.metadata: dict[str, dict[str, Any]] = {}

    def upsert(
        self,
        ids: Sequence[str],
        vectors: np.ndarray,
        metadata: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Writes records."""
        for row, name in enumerate(ids):
            self.vectors[name] = np.asarray(vectors[row], np.float32).astype(np.float64)
            self.metadata[name] = dict(metadata[row]) if metadata is not None else {}

    def delete(self, ids: Sequence[str]) -> None:
        """Deletes records."""
        for name in ids:
            self.vectors.pop(name, None)
            self.metadata.pop(name, None)

    def matching(self, filter: Tree | None) -> list[str]:
        """The ids that a filter lets through."""
        return [n for n, one in self.metadata.items() if filter is None or matches(filter, one)]

    def score(self, query: np.ndarray, name: str) -> float:
        """The score of a record."""
        query = np.asarray(query, np.float32).astype(np.float64)
        vector = self.vectors[name]
        if self.metric == "l2":
            return -float(((query - vector) ** 2).sum())
        inner = float(query @ vector)
        if self.metric == "dot":
            return inner
        return inner / float(np.linalg.norm(query) * np.linalg.norm(vector))

    def check(
        self, found: Found, query: np.ndarray, k: int, filter: Tree | None, *, exact: bool = True
    ) -> None:
        """Holds a search to its definition: as many as there are, the best, in order, once each."""
        candidates = self.matching(filter)
        assert len(found.ids) == len(found.scores) == len(found.metadata) == min(k, len(candidates))
        assert len(set(found.ids)) == len(found.ids)
        assert set(found.ids) <= set(candidates)
        true = {name: self.score(query, name) for name in candidates}
        slack = TOLERANCE * max([1.0, *(abs(score) for score in true.values())])
        for name, score, metadata in zip(found.ids, found.scores, found.metadata, strict=True):
            assert abs(score - true[name]) <= slack, name
            assert metadata == self.metadata[name]
        keys = [(-score, name) for name, score in zip(found.ids, found.scores, strict=True)]
        assert keys == sorted(keys)
        left_out = set(candidates) - set(found.ids)
        if exact and left_out and len(found.ids):
            assert max(true[name] for name in left_out) <= found.scores[-1] + slack


def write(
    store: VectorBackend,
    twin: Twin,
    name: str,
    ids: Sequence[str],
    vectors: np.ndarray,
    metadata: Sequence[Mapping[str, Any]],
) -> None:
    """Writes to a store and to its twin."""
    settled(store, name, store.upsert(name, ids, vectors, metadata))
    twin.upsert(ids, vectors, metadata)
