"""From a query to its candidates, and from candidates to matches."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.errors import NotFoundError, describe, did_you_mean
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.arguments.names import check_ids
from qstore_tf.store.arguments.vectors import check_vectors
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.config import QuantumDatabaseConfig
from qstore_tf.store.definitions import ranking
from qstore_tf.store.index.changes import Hits
from qstore_tf.store.index.snapshot import Snapshot
from qstore_tf.store.queries.query import Query
from qstore_tf.store.queries.remote import View
from qstore_tf.store.records import Match, Vector
from qstore_tf.store.tunneling.engine import void_of
from qstore_tf.store.tunneling.landscape import landscape


def check(asked: Query, space: NamespaceRow, vectors: Any) -> Vector:
    """Returns queries [B, d] as the namespace compares them.

    Raises:
        ItemError: They do not fit it.
        NotFoundError: It has no such context.
    """
    queries, errors = check_vectors(vectors, space.dimension, space.metric, space.dtype)
    if errors:
        raise errors[0].error
    _check_context(asked.context, space)
    return queries


def _check_context(context: str | Mapping[str, float] | None, space: NamespaceRow) -> None:
    known = [each.name for each in space.contexts]
    asked: Sequence[str] = (
        [] if context is None else [context] if isinstance(context, str) else list(context)
    )
    for name in asked:
        if name not in known:
            raise NotFoundError(
                describe(
                    f"No item of namespace {space.name!r} was ever in context {name!r}",
                    hint=did_you_mean(name, known),
                )
            )


def candidates_of(
    asked: Query,
    space: NamespaceRow,
    view: View,
    vectors: Any,
    k: int,
    now: float,
    ids: Sequence[str] | None = None,
) -> Hits:
    """The best k rows for each vector, of those that the filter and the ids let through."""
    queries, snapshot = check(asked, space, vectors), view.snapshot
    mask = None if asked.filter is None else snapshot.mask(parse_filter(asked.filter))
    if ids is not None:
        wanted = set(check_ids(ids))
        named = np.array([key in wanted for key in snapshot.keys[: len(snapshot.slots)]], bool)
        mask = named if mask is None else mask & named
    return view.search(
        queries, k, context=asked.context, rank_by=asked.rank_by, at_ms=now, mask=mask
    )


def select(asked: Query, snapshot: Snapshot, hits: Hits, config: QuantumDatabaseConfig) -> Hits:
    """Which of one query's candidates are its matches."""
    if len(hits.keys[0]) <= asked.top_k and not asked.tunneling and asked.diversity is None:
        return hits
    if not (asked.tunneling or asked.diversity or asked.mode == "exploratory"):
        return hits
    states = snapshot.states(hits.positions[0], asked.context)
    scores, keys, k = hits.scores[0], hits.keys[0], asked.top_k
    if asked.tunneling:
        energies = np.clip(1 - hits.fidelities[0], 0, 1)
        land = landscape(energies, states, keys=keys, void=void_of(snapshot.metric.name))
        barrier, least = asked.thresholds(config)
        basins = land.basins(
            barrier_threshold=barrier,
            tunnel_probability=least,
            limit=math.ceil(math.sqrt(k)),  # else each basin would have one turn
        )
        return hits.take(land.interleaved(basins, k))
    if asked.diversity == "born":
        return hits.take(ranking.born_sample(scores, k, seed=asked.seed, keys=keys))
    if asked.diversity == "qprp":
        return hits.take(ranking.qprp(scores, states, k, keys=keys))
    return hits.take(ranking.mmr(scores, states, k, keys=keys))


def matches_of(asked: Query, snapshot: Snapshot, hits: Hits) -> tuple[Match, ...]:
    """The matches of one query."""
    nothing = [None] * len(hits.keys[0])
    vectors: Sequence[Vector | None] = (
        list(snapshot.effective_vectors(hits.slots[0])) if asked.include_vectors else nothing
    )
    texts = (
        snapshot.columns.texts(hits.positions[0].tolist()) if asked.include_metadata else nothing
    )
    columns = zip(
        hits.keys[0],
        hits.scores[0].tolist(),
        hits.fidelities[0].tolist(),
        hits.probabilities[0].tolist(),
        hits.coherences[0].tolist(),
        texts,
        vectors,
        strict=True,
    )
    return tuple(
        Match(
            id=key,
            score=score,
            fidelity=fidelity,
            probability=probability,
            coherence=coherence,
            metadata=json.loads(text) if text else {} if asked.include_metadata else None,
            vector=vector,
        )
        for key, score, fidelity, probability, coherence, text, vector in columns
    )
