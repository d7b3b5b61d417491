"""Carries out the verbs that read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, ItemError, ServiceError, describe
from qstore_tf.ionq.money.estimating import Estimate
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.arguments.names import check_ids, is_text
from qstore_tf.store.arguments.numbers import check_top_k
from qstore_tf.store.arguments.vectors import as_array, check_vectors
from qstore_tf.store.catalog import Catalog, groups, items, namespaces
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.config import QuantumDatabaseConfig
from qstore_tf.store.definitions.correlation import Correlation
from qstore_tf.store.definitions.decoherence import Clock
from qstore_tf.store.items import correlations
from qstore_tf.store.items.correlations import Proposal
from qstore_tf.store.items.reading import read_items
from qstore_tf.store.queries import querying
from qstore_tf.store.queries.indexes import Indexes
from qstore_tf.store.queries.query import Query
from qstore_tf.store.queries.remembering import Answers, Run
from qstore_tf.store.queries.remote import Remote, View
from qstore_tf.store.queries.selecting import check
from qstore_tf.store.records import Item, Namespace, Page, QueryResult, Vector

LARGEST_PAGE = 10_000
_LONG_AGO = -1e15  # ms

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Sources:
    """What answers come from."""

    catalog: Catalog
    indexes: Indexes
    config: QuantumDatabaseConfig
    clock: Clock
    remote: Remote | None = None
    answers: Answers | None = None

    def now(self) -> float:
        """The time in ms to which ages are counted; before them all where nothing decays."""
        return self.clock() if self.config.enable_decoherence else _LONG_AGO

    def space(self, namespace: str) -> NamespaceRow:
        """A namespace as it is now.

        Raises:
            NotFoundError: There is none of this name.
        """
        with self.catalog.read() as reader:
            return namespaces.get(reader, namespace)

    def view(
        self, asked: Query, namespace: str, vectors: Any, pools: int = 1
    ) -> tuple[NamespaceRow, View]:
        """What queries [B, d] run on: all rows, or the candidates of the store beneath.

        Args:
            asked: What is asked.
            namespace: The namespace.
            vectors: The queries.
            pools: How many candidate pools to ask the store for.
        """
        degraded = False
        if self.remote is not None:
            space = self.space(namespace)
            queries = check(asked, space, vectors)
            wanted = pools * max(asked.pool(self.config), self.config.classical_candidate_pool)
            tree = None if asked.filter is None else parse_filter(asked.filter)
            try:
                view = self.remote.view(space, queries, wanted, asked.context, tree)
            except ServiceError as error:
                _log.warning("The store of vectors failed; the catalog answers: %s", error)
                view, degraded = None, True
            if view is not None:
                return space, view
        space, index = self.indexes.get(namespace)
        # A precise query looks at all rows.
        graph = None if asked.mode == "precise" else self.indexes.graph(namespace)
        return space, View.whole(index.snapshot(), len(vectors), degraded, graph)


def all_namespaces(sources: Sources, _: str) -> list[Namespace]:
    """See `ReadVerbs.namespaces`."""
    with sources.catalog.read() as reader:
        return [
            Namespace(
                space.name,
                space.dimension,
                space.metric,
                items.count(reader, space),
                tuple(context.name for context in space.contexts),
            )
            for space in namespaces.all_of(reader)
        ]


def get_many(sources: Sources, namespace: str, ids: Sequence[str]) -> Sequence[Item | None]:
    """See `ReadVerbs.get_many`."""
    keys = check_ids(ids)
    with sources.catalog.read() as reader:
        space = namespaces.find(reader, namespace)
        if space is None:
            return [None] * len(keys)
        return read_items(reader, space, keys, sources.now())


def count(sources: Sources, namespace: str, filter: Mapping[str, Any] | None) -> int:
    """See `ReadVerbs.count`."""
    tree = None if filter is None else parse_filter(filter)
    with sources.catalog.read() as reader:
        space = namespaces.find(reader, namespace)
        if space is None:
            return 0
        if tree is None:
            return items.count(reader, space)
    snapshot = sources.indexes.get(namespace)[1].snapshot()
    there = snapshot.mask(tree)
    assert there is not None
    there[snapshot.dead] = False
    return int(np.count_nonzero(there))


def list_ids(
    sources: Sources,
    namespace: str,
    prefix: str,
    limit: int,
    page_token: str | None,
    archived: bool,
) -> Page:
    """See `ReadVerbs.list`."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= LARGEST_PAGE:
        raise ItemError(
            describe(
                "The limit of a list cannot be used",
                expected=f"an integer from 1 to {LARGEST_PAGE}",
                received=limit,
            )
        )
    for what, text in (("prefix", prefix), ("page_token", page_token)):
        if text is None and what == "page_token":
            continue
        if not is_text(text):
            raise ItemError(
                describe(f"The {what} of a list cannot be used", expected="a string", received=text)
            )
    with sources.catalog.read() as reader:
        space = namespaces.find(reader, namespace)
        if space is None:
            return Page(())
        keys, token = items.list_keys(reader, space, prefix, page_token, limit, archived)
    return Page(tuple(keys), token)


def query_many(
    sources: Sources, namespace: str, vectors: Any, **asked: Any
) -> Sequence[QueryResult]:
    """See `ReadVerbs.query_many`."""
    question = Query.of(asked)
    rows = as_array(vectors)
    if rows.ndim != 2 and rows.size:
        check_vectors(rows, None, "l2")  # says what shape is expected
    if not rows.size:
        return []

    def run(queries: Vector) -> tuple[Sequence[QueryResult], View]:
        pools = 1
        while True:
            space, view = sources.view(question, namespace, queries, pools)
            found = querying.run(question, space, view, queries, sources.now(), sources.config)
            # A precise query goes on until nothing better can be left, at last in the whole
            # catalog.
            is_certain = all(r.certified for r in found) or not np.any(view.bounds > -np.inf)
            if question.mode != "precise" or is_certain or not view.is_exact:
                return found, view
            pools *= 4

    return _kept(sources, namespace, question, rows, run)


def _kept(
    sources: Sources, namespace: str, question: Query, rows: Vector, run: Run, **more: Any
) -> Sequence[QueryResult]:
    """What `run` finds, or found before."""
    if sources.answers is None:
        return run(rows)[0]
    return sources.answers.get(namespace, question, rows, run, **more)


def tunnel_search(
    sources: Sources,
    namespace: str,
    vector: Any,
    search_space: Sequence[str] | None,
    method: str,
    **asked: Any,
) -> QueryResult:
    """See `ReadVerbs.tunnel_search`."""
    question = Query.of({**asked, "tunneling": True})

    def run(query: Vector) -> tuple[Sequence[QueryResult], View]:
        if search_space is None:
            space, view = sources.view(question, namespace, query)
        else:  # named items may be far from the query
            space, index = sources.indexes.get(namespace)
            view = View.whole(index.snapshot(), 1)
        now, config = sources.now(), sources.config
        found = querying.tunnel(question, space, view, query, now, config, search_space, method)
        return [found], view

    query = as_array(vector)[None]
    more = {"tunnel": method, "among": search_space}
    [found] = _kept(sources, namespace, question, query, run, **more)
    return found


def estimate(sources: Sources, namespace: str, vector: Any, **asked: Any) -> Estimate:
    """See `QuantumDatabase.estimate`."""
    question = Query.of({"shots": 0, **asked})
    query = as_array(vector)[None]
    space, view = sources.view(question, namespace, query)
    return querying.estimate(question, space, view, query, sources.now(), sources.config)


def entangled_groups(sources: Sources, namespace: str) -> dict[str, Sequence[str]]:
    """See `ReadVerbs.entangled_groups`."""
    with sources.catalog.read() as reader:
        space = namespaces.find(reader, namespace)
        if space is None:
            return {}
        return {
            group.name: [
                item.key
                for item in items.fetch_slots(reader, space, groups.members(reader, group.number))
                if item is not None
            ]
            for group in groups.all_of(reader, space)
        }


def measure_correlation(sources: Sources, namespace: str, a: str, b: str) -> Correlation:
    """See `ReadVerbs.measure_correlation`."""
    with sources.catalog.read() as reader:
        return correlations.measure(reader, namespaces.get(reader, namespace), a, b)


def propose_groups(sources: Sources, namespace: str, threshold: float | None) -> Sequence[Proposal]:
    """See `ReadVerbs.propose_groups`."""
    if not sources.config.auto_detect_correlations:
        raise ConfigurationError(
            describe(
                "No history of updates is kept",
                hint="Open the database with auto_detect_correlations=True.",
            )
        )
    bound = sources.config.correlation_threshold if threshold is None else threshold
    with sources.catalog.read() as reader:
        return correlations.propose(reader, namespaces.get(reader, namespace), bound)


def stale(sources: Sources, namespace: str, top_k: int) -> Sequence[Item]:
    """See `ReadVerbs.stale`."""
    with sources.catalog.read() as reader:
        space = namespaces.get(reader, namespace)
        keys = correlations.stalest(reader, space, check_top_k(top_k))
        found = read_items(reader, space, keys, sources.now())
    return [item for item in found if item is not None]


ANSWERS: dict[str, Callable[..., Any]] = {
    "namespaces": all_namespaces,
    "get_many": get_many,
    "count": count,
    "list": list_ids,
    "query_many": query_many,
    "tunnel_search": tunnel_search,
    "entangled_groups": entangled_groups,
    "measure_correlation": measure_correlation,
    "propose_groups": propose_groups,
    "stale": stale,
}
