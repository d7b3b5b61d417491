"""The indexes of a database's namespaces, each brought up to the last commit before it is used."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from qstore_tf.errors import NotFoundError, describe
from qstore_tf.store.catalog import Catalog, changes, feed, namespaces
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.index.exact import ExactIndex
from qstore_tf.store.index.hnsw import HnswIndex


@dataclass(eq=False)
class _Entry:
    space: NamespaceRow
    index: ExactIndex
    commit: int
    graph: HnswIndex | None = None


@dataclass(frozen=True, eq=False)
class State:
    """A namespace as it is after a commit.

    Attributes:
        commit: The commit's number.
        space: The namespace.
    """

    commit: int
    space: NamespaceRow


class Indexes:
    """Exact indexes in memory, made from a catalog.

    Args:
        catalog: The truth.
        with_graphs: Whether each has a graph beside it, for approximate searches.
    """

    def __init__(self, catalog: Catalog, with_graphs: bool = False) -> None:
        self._catalog, self._with_graphs = catalog, with_graphs
        self._entries: dict[str, _Entry] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._states: dict[str, State] = {}

    def state(self, namespace: str) -> State | None:
        """A namespace after at least all commits before this call; None where there is none.

        Its index is neither needed nor made.
        """
        now = self._catalog.commit_number()
        entry = self._entries.get(namespace)
        if entry is not None and entry.commit >= now:
            return State(entry.commit, entry.space)
        known = self._states.get(namespace)
        if known is None or known.commit < now:
            with self._catalog.read() as reader:
                space = namespaces.find(reader, namespace)
                if space is None:
                    self._states.pop(namespace, None)
                    return None
                known = self._states[namespace] = State(reader.number, space)
        return known

    def get(self, namespace: str) -> tuple[NamespaceRow, ExactIndex]:
        """A namespace, and an index that holds at least all commits before this call.

        Raises:
            NotFoundError: There is no such namespace.
        """
        entry = self._entries.get(namespace)
        now = self._catalog.commit_number()
        if entry is None or entry.commit < now:
            with self._locks.setdefault(namespace, threading.Lock()):
                entry = self._refresh(namespace)
        return entry.space, entry.index

    def graph(self, namespace: str) -> HnswIndex | None:
        """The graph beside an index, after `get`; None where there is none."""
        entry = self._entries.get(namespace)
        return None if entry is None else entry.graph

    def unload(self, namespace: str) -> None:
        """Frees the memory of an index; the next query builds it again."""
        self._entries.pop(namespace, None)
        self._states.pop(namespace, None)

    def _refresh(self, namespace: str) -> _Entry:
        with self._catalog.read() as reader:
            space = namespaces.find(reader, namespace)
            if space is None:
                self._entries.pop(namespace, None)
                self._locks.pop(namespace, None)  # names that never were must not add up
                raise NotFoundError(
                    describe(
                        f"There is no namespace {namespace!r}, so there is nothing to search",
                        hint="It is made by its first item, or by create_namespace.",
                    )
                )
            entry = self._entries.get(namespace)
            # A namespace that was dropped and made again has another number.
            if (
                entry is None
                or entry.space.number != space.number
                or entry.commit < feed.oldest(reader, space)
            ):
                entry = _Entry(space, ExactIndex(space.dimension, space.metric, space.dtype), 0)
            if entry.commit < reader.number:
                # An index that takes in half of it is of no use: the next call makes another.
                self._entries.pop(namespace, None)
                news = changes(reader, space, entry.commit)
                entry.index.apply(news)
                graph = entry.graph
                if graph is not None:
                    graph.apply(news)
                elif self._with_graphs:
                    graph = HnswIndex(space.dimension, space.metric, space.dtype)
                    graph.build(entry.index.snapshot())
                entry = _Entry(space, entry.index, reader.number, graph)
            self._entries[namespace] = entry
        return entry
