"""A store of vectors beneath a database: it proposes candidates, the catalog's numbers decide.

The catalog is the truth. What it writes goes to the store through an outbox, and what the store may
not have yet is searched in the catalog, so that a write is found at once. From the candidates an
index is made, on which a query runs as on the whole one. Where the store cannot serve a query, or
cannot be reached, the catalog answers alone.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore_tf.store.arguments.filters import Tree
from qstore_tf.store.catalog import Catalog, Connection, outbox
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions.encoding import amplitudes, metric_named
from qstore_tf.store.index.changes import Hits
from qstore_tf.store.index.exact import ExactIndex
from qstore_tf.store.index.hnsw import HnswIndex
from qstore_tf.store.index.snapshot import Snapshot
from qstore_tf.store.records import Vector
from qstore_tf.store.vectors.names import open_store
from qstore_tf.store.vectors.outbox import Outbox, Status
from qstore_tf.store.vectors.overlay import RemoteSearch

_log = logging.getLogger(__name__)

_INDEX_OPTION = {"pgvector": "schema", "qdrant": "index_name", "pinecone": "index_name"}


@dataclass(frozen=True, eq=False)
class View:
    """What queries run on.

    Attributes:
        snapshot: The rows.
        bounds: For each query, what no row can score that is not among them; -inf where all are.
        is_exact: Whether the store misses nothing.
        degraded: Whether a store could not be reached, and the catalog stands in for it.
        graph: Searches the rows approximately; None: all are looked at.
    """

    snapshot: Snapshot
    bounds: Vector
    is_exact: bool = True
    degraded: bool = False
    graph: HnswIndex | None = None

    @classmethod
    def whole(
        cls,
        snapshot: Snapshot,
        queries: int,
        degraded: bool = False,
        graph: HnswIndex | None = None,
    ) -> View:
        """A view of all rows."""
        bound = -np.inf if graph is None else np.inf  # a graph may miss any row
        return cls(snapshot, np.full(queries, bound), graph is None, degraded, graph)

    def search(self, queries: Vector, k: int, **how: Any) -> Hits:
        """The best k rows for each query, see `Snapshot.search`."""
        if self.graph is None:
            return self.snapshot.search(queries, k, **how)
        return self.graph.search(self.snapshot, queries, k, **how)


class Remote:
    """The store of a database.

    Args:
        catalog: The truth.
        store: A name, "package.module:factory", or an object; see `vectors.names.open_store`.
        index_name: The index, collection or schema to use there.
        options: Further arguments of the store.

    Raises:
        ConfigurationError: There is no such store, or its options do not fit.
        LibraryError: Its library is not installed.
    """

    def __init__(
        self, catalog: Catalog, store: Any, index_name: str, options: Mapping[str, Any]
    ) -> None:
        given = dict(options)
        if isinstance(store, str) and store in _INDEX_OPTION and index_name != "vectors":
            given.setdefault(_INDEX_OPTION[store], index_name)
        self.backend = open_store(store, **given)
        name = _name_of(store if isinstance(store, str) else str(self.backend.name), given)
        self._is_mine = self.backend is not store
        try:
            self.sender = Outbox(catalog, self.backend, name)
            self._search = RemoteSearch(catalog, self.backend, self.sender)
            catalog.write(lambda writer: outbox.note_missing(writer, name))
        except BaseException:
            self._close_backend()
            raise
        self.sender.start()

    def note_changes(self, writer: Connection) -> None:
        """Notes what a transaction has changed, for the store."""
        self.sender.note_changes(writer)

    def wake(self) -> None:
        """Something was written."""
        self.sender.wake()

    def status(self) -> Status:
        """How far the store is behind."""
        return self.sender.status()

    def close(self) -> None:
        """Stops sending; what is open stays noted. A store that was given is left open."""
        self.sender.close()
        self._close_backend()

    def _close_backend(self) -> None:
        if self._is_mine:
            self.backend.close()

    def view(
        self,
        space: NamespaceRow,
        queries: Vector,
        k: int,
        context: str | Mapping[str, float] | None,
        tree: Tree | None,
    ) -> View | None:
        """The candidates of queries.

        Args:
            space: The namespace.
            queries: [B, d], as checked.
            k: How many candidates each query should have.
            context: As in a query.
            tree: The filter.

        Returns:
            The view; None where the whole catalog has to be searched.

        Raises:
            ServiceError: The store cannot be reached.
        """
        if not self._search.serves(tree) or k > self.backend.capabilities.max_top_k:
            return None
        number = None
        if isinstance(context, str):
            number = next(each.number for each in space.contexts if each.name == context)
        answer = self._search.search(
            space, queries, k, context=number, filter=tree, with_changes=True
        )
        if not answer.is_complete or answer.changes is None:
            return None
        index = ExactIndex(space.dimension, space.metric, space.dtype)
        index.apply(answer.changes)
        bounds = [
            _highest_score(space, query, found.bound)
            for query, found in zip(queries, answer.candidates, strict=True)
        ]
        return View(index.snapshot(), np.array(bounds), self.backend.capabilities.exact)


def _name_of(store: str, options: Mapping[str, Any]) -> str:
    """What a store is called in the outbox: another address or index is another store.

    Only texts tell that, and of an address neither user nor password: those change, and no trace of
    them belongs into the file.
    """
    told = {
        name: re.sub(r"//[^/]*@", "//", value)
        for name, value in options.items()
        if isinstance(value, str) and name != "api_key"
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return f"{store}:{digest[:12]}" if told else store


def _highest_score(space: NamespaceRow, query: Vector, similarity: float) -> float:
    """What an item can score at most whose vectors all are at most so similar to the query."""
    if similarity == -np.inf:
        return -np.inf
    metric = metric_named(space.metric)
    length = float(np.linalg.norm(query))
    if metric.name == "fidelity":
        fidelity = similarity
    else:
        # Minus the squared distance is 2 <q', v'> - |q|^2 of the lifted pair.
        inner = (similarity + length**2) / 2 if metric.name == "l2" else similarity
        norms = (1.0, 1.0) if metric.name == "cosine" else (0.0, length)
        found = amplitudes(metric, np.array(float(inner)), norms[0], norms[1], space.max_norm)
        fidelity = float(np.clip(found, 0, 1)) ** 2
    # Decay draws scores towards those of a state of which nothing is known.
    return max(fidelity, 2.0 ** -metric.n_qubits(space.dimension))
