"""Runs queries on an index, computed or measured, and says what is promised of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.estimating import Estimate
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.config import QuantumDatabaseConfig
from qstore_tf.store.index.changes import Hits
from qstore_tf.store.index.snapshot import Snapshot
from qstore_tf.store.queries import reranking
from qstore_tf.store.queries.query import Query
from qstore_tf.store.queries.remote import View
from qstore_tf.store.queries.selecting import candidates_of, matches_of, select
from qstore_tf.store.queries.uncertainty import UncertaintyManager
from qstore_tf.store.records import QueryResult, Vector
from qstore_tf.store.tunneling.engine import Candidates, TunnelResult, tunnel_search, void_of


def run(
    asked: Query,
    space: NamespaceRow,
    view: View,
    vectors: Vector,
    now: float,
    config: QuantumDatabaseConfig,
) -> list[QueryResult]:
    """Runs one kind of query for many vectors.

    Args:
        asked: What is asked.
        space: The namespace.
        view: What to look at.
        vectors: The queries [B, d].
        now: The time in ms.
        config: The database's settings.

    Returns:
        A result for each.
    """
    check_tunneling(asked.tunneling, config)
    snapshot = view.snapshot
    hits = candidates_of(asked, space, view, vectors, asked.pool(config), now)
    if asked.shots is not None:
        return [
            _within(view, row, asked, _measured(asked, snapshot, mine, vectors[row], config), mine)
            for row, mine in enumerate(map(hits.row, range(len(hits.keys))))
        ]
    results = []
    for row in range(len(hits.keys)):
        mine = hits.row(row)
        results.append(
            QueryResult(
                matches_of(asked, snapshot, select(asked, snapshot, mine, config)),
                mode=asked.mode,
                commit=hits.commit,
                certified=_is_certain(view, row, mine, asked.top_k),
                degraded=view.degraded,
            )
        )
    return results


def _within(view: View, row: int, asked: Query, found: QueryResult, hits: Hits) -> QueryResult:
    """A measured result, with what the view says of items that were not looked at."""
    is_certain = found.certified and _is_certain(view, row, hits, asked.top_k)
    return replace(found, certified=is_certain, degraded=view.degraded)


def _is_certain(view: View, row: int, hits: Hits, k: int) -> bool:
    """Whether no item that was not looked at can be among the best k of those that were."""
    if view.bounds[row] == -np.inf:
        return True
    scores = hits.scores[0]
    return view.is_exact and len(scores) >= k and bool(scores[k - 1] >= view.bounds[row])


def tunnel(
    asked: Query,
    space: NamespaceRow,
    view: View,
    query: Vector,
    now: float,
    config: QuantumDatabaseConfig,
    ids: Sequence[str] | None = None,
    method: str = "basins",
) -> QueryResult:
    """One match from each basin; see `QuantumDatabase.tunnel_search`."""
    check_tunneling(True, config)
    snapshot = view.snapshot
    hits = candidates_of(asked, space, view, query, asked.pool(config), now, ids).row(0)
    barrier, least = asked.thresholds(config)
    result: TunnelResult = tunnel_search(
        Candidates(
            hits.keys[0],
            1 - hits.fidelities[0],
            snapshot.states(hits.positions[0], asked.context),
            void=void_of(space.metric),
        ),
        barrier,
        tunnel_probability=least,
        top_k=asked.top_k,
        method=method,
        seed=asked.seed,
    )
    places = np.array([found.index for found in result], np.int64)
    matches = tuple(
        replace(
            match,
            energy=found.energy,
            barrier=found.barrier,
            transmission=found.transmission,
            path=found.path,
        )
        for match, found in zip(matches_of(asked, snapshot, hits.take(places)), result, strict=True)
    )
    return QueryResult(
        matches,
        mode=asked.mode,
        commit=hits.commit,
        expected_precision=1.0 if result.exact else 0.0,
        certified=bool(result.exact and view.bounds[0] == -np.inf),
        degraded=view.degraded,
        oracle_calls=result.oracle_calls,
        classical_calls=result.classical_calls,
    )


def estimate(
    asked: Query,
    space: NamespaceRow,
    view: View,
    query: Vector,
    now: float,
    config: QuantumDatabaseConfig,
) -> Estimate:
    """What a query [1, d] by shots takes and costs at most; nothing is sent."""
    hits = candidates_of(asked, space, view, query, asked.pool(config), now).row(0)
    return reranking.estimate(
        _to_measure(asked, view.snapshot, hits, query[0], config),
        _backend(config),
        mode=asked.mode,
        shots=asked.shots or None,
        guarantee=asked.guarantee,
    )


def _measured(
    asked: Query, snapshot: Snapshot, hits: Hits, query: Vector, config: QuantumDatabaseConfig
) -> QueryResult:
    """The matches of one query whose scores circuits measure."""
    manager = UncertaintyManager(diversity="born" if asked.diversity == "born" else "mmr")
    found = reranking.rerank(
        _to_measure(asked, snapshot, hits, query, config),
        asked.top_k,
        _backend(config),
        mode=asked.mode,
        manager=manager,
        shots=asked.shots or None,
        guarantee=asked.guarantee,
        seed=asked.seed or 0,
    )
    ranked = found.ranked
    columns = zip(
        matches_of(asked, snapshot, hits.take(found.columns)),
        ranked.scores.tolist(),
        ranked.standard_errors.tolist(),
        strict=True,
    )
    return QueryResult(
        tuple(replace(m, score=score, standard_error=error) for m, score, error in columns),
        mode=asked.mode,
        commit=hits.commit,
        scores_exact=ranked.scores_exact,
        expected_precision=ranked.expected_precision,
        certified=ranked.certified,
        shots=ranked.shots,
        cost=found.cost,
    )


def _to_measure(
    asked: Query, snapshot: Snapshot, hits: Hits, query: Vector, config: QuantumDatabaseConfig
) -> reranking.Candidates:
    return reranking.candidates(
        snapshot,
        hits,
        query,
        context=asked.context,
        rank_by=asked.rank_by,
        method=asked.overlap,
        max_qubits=config.n_qubits,
    )


def _backend(config: QuantumDatabaseConfig) -> Any:
    backend = config.quantum_backend
    if backend is None or isinstance(backend, str):
        raise ConfigurationError(
            describe(
                "A query by shots needs a backend to run circuits on",
                expected="quantum_backend= of the database, a backend object",
                received=backend,
                hint='Such as qs.backends.get("native"), or qs.backends.IonQ("simulator").',
            )
        )
    return backend


def check_tunneling(wanted: bool, config: QuantumDatabaseConfig) -> None:
    """Raises ConfigurationError where tunneling is wanted but switched off."""
    if wanted and not config.enable_tunneling:
        raise ConfigurationError(
            describe("Tunneling is switched off", hint="Set enable_tunneling=True.")
        )
