"""Answers that are kept: found by what was asked and by the stamp of the namespace.

A namespace gets another stamp with each change, so that nothing is kept in vain or read too late,
and nobody has to be told. Not kept is what may differ the next time it is asked: scores of items
that decay, scores from shots, what is drawn without a seed, and answers in place of a store that
could not be reached.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import qstore_tf
from qstore_tf.store.cache.answers import decode, encode
from qstore_tf.store.cache.levels import Levels
from qstore_tf.store.cache.values import key_of
from qstore_tf.store.config import QuantumDatabaseConfig
from qstore_tf.store.queries.indexes import Indexes
from qstore_tf.store.queries.query import Query
from qstore_tf.store.queries.remote import View
from qstore_tf.store.queries.selecting import check
from qstore_tf.store.records import QueryResult, Vector

# Runs queries [B, d]: their results, and what they looked at.
Run = Callable[[Vector], tuple[Sequence[QueryResult], View]]

# The settings on which answers depend.
_SETTINGS = (
    "enable_decoherence",
    "enable_tunneling",
    "tunnel_probability",
    "barrier_threshold",
    "classical_candidate_pool",
)
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Query)}


class Answers:
    """The answers of a database, before which caches stand.

    Args:
        indexes: They know the namespaces.
        config: The database's settings.
        levels: The caches.
    """

    def __init__(self, indexes: Indexes, config: QuantumDatabaseConfig, levels: Levels) -> None:
        self._indexes, self._config, self.levels = indexes, config, levels
        settings = {name: getattr(config, name) for name in _SETTINGS}
        store = _name_of(config.classical_backend)
        self._settings = key_of(0, store=store, version=qstore_tf.__version__, **settings)
        self._changing: dict[int, int] = {}  # stamps of namespaces whose answers change by time

    def get(
        self, namespace: str, question: Query, vectors: Vector, run: Run, **more: Any
    ) -> Sequence[QueryResult]:
        """Results of queries, kept ones where there are any.

        Args:
            namespace: The namespace.
            question: What is asked.
            vectors: The queries [B, d].
            run: Finds the results of some of them.
            more: Whatever else is asked.

        Raises:
            QstoreError: What `run` raises, and for vectors that do not fit the namespace.
        """
        state = self._indexes.state(namespace) if is_repeatable(question, more) else None
        if state is None or self._changing.get(state.space.number) == state.space.stamp:
            return run(vectors)[0]
        keys = self._keys(state.space.stamp, question, check(question, state.space, vectors), more)
        if keys is None:
            return run(vectors)[0]
        held = self.levels.get_many(keys)
        results = [None if value is None else decode(value, state.commit) for value in held]
        missing = [row for row, result in enumerate(results) if result is None]
        if missing:
            found, view = run(vectors[missing])
            for row, result in zip(missing, found, strict=True):
                results[row] = result
            after = self._indexes.state(namespace)
            # No stamp comes twice: then this is what was looked at.
            if after is not None and after.space.stamp == state.space.stamp:
                if self._config.enable_decoherence and view.snapshot.coherence_time is not None:
                    self._changing[state.space.number] = state.space.stamp
                elif not view.degraded:
                    pairs = zip(missing, found, strict=True)
                    self.levels.put_many({keys[row]: encode(result) for row, result in pairs})
        return [result for result in results if result is not None]

    def _keys(
        self, stamp: int, question: Query, queries: Vector, more: Mapping[str, Any]
    ) -> list[str] | None:
        """The names of the answers; None where something asked has no form of its own."""
        asked = {
            name: value
            for name, default in _DEFAULTS.items()
            if (value := getattr(question, name)) != default
        }
        try:
            whole = key_of(0, settings=self._settings, **asked, **more)
            return [key_of(stamp, whole=whole, vector=query) for query in queries]
        except (TypeError, ValueError):
            return None


def is_repeatable(question: Query, more: Mapping[str, Any]) -> bool:
    """Whether a query has the same answer each time, as long as nothing changes.

    Example:
        >>> is_repeatable(Query(), {}), is_repeatable(Query(diversity="born"), {})
        (True, False)
    """
    is_drawn = question.diversity == "born" or more.get("tunnel") == "grover"
    return question.shots is None and not (is_drawn and question.seed is None)


def _name_of(store: Any) -> str:
    if isinstance(store, str):
        return store
    kind = type(store)
    return f"{kind.__module__}.{kind.__qualname__}"
