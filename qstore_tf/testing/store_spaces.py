"""Namespaces of a store of vectors, for as long as a test needs them."""

from __future__ import annotations

import itertools
import uuid

from qstore_tf.store.vectors.base import Commit, VectorBackend

DIMENSION = 4

_run, _numbers = uuid.uuid4().hex[:8], itertools.count()


def new_name() -> str:
    """A name that no other run of the suite on the same server has."""
    return f"contract_{_run}_{next(_numbers)}"


class namespace:  # noqa: N801 - a context manager
    """A namespace of a store for as long as a block runs."""

    def __init__(self, store: VectorBackend, metric: str, dimension: int = DIMENSION) -> None:
        self.store, self.name = store, new_name()
        store.create(self.name, dimension, metric)

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.store.drop(self.name)


def first_metric(store: VectorBackend) -> str:
    """The first metric that a store has."""
    return sorted(store.capabilities.metrics)[0]


def settled(store: VectorBackend, name: str, commit: Commit) -> None:
    """Waits until a write is found by searches."""
    if store.capabilities.immediate:
        assert store.reconciled(name, commit)
    else:
        store.flush(name)


def every_id(store: VectorBackend, name: str, prefix: str, limit: int) -> list[str]:
    """All ids of a namespace, page by page."""
    found: list[str] = []
    token = None
    for _ in range(10_000):
        page = store.list(name, prefix, token, limit)
        assert len(page.ids) <= limit
        found.extend(page.ids)
        token = page.token
        if token is None:
            return found
    raise AssertionError("the pages do not end")
