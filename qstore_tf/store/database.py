"""`QuantumDatabase`: the verbs on one durable file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ionq.money.estimating import Estimate
from qstore_tf.store.arguments.names import check_id
from qstore_tf.store.cache.levels import open_levels
from qstore_tf.store.cache.stats import CacheStats
from qstore_tf.store.catalog import Catalog, Connection
from qstore_tf.store.config import QuantumDatabaseConfig
from qstore_tf.store.definitions.decoherence import Clock, wall_clock
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.queries import answering
from qstore_tf.store.queries.answering import ANSWERS, Sources
from qstore_tf.store.queries.indexes import Indexes
from qstore_tf.store.queries.remembering import Answers
from qstore_tf.store.queries.remote import Remote
from qstore_tf.store.records import Item
from qstore_tf.store.transaction import Transaction
from qstore_tf.store.vectors.outbox import Status
from qstore_tf.store.verbs.read_verbs import ReadVerbs
from qstore_tf.store.verbs.verbs import Call, WriteVerbs
from qstore_tf.store.writing.operations import OPERATIONS
from qstore_tf.store.writing.session import Session


class QuantumDatabase(WriteVerbs, ReadVerbs):
    """Items with weighted contexts, correlated groups and decay, in one durable file.

    What a verb has returned is on the disk, whatever happens then. Threads share one object;
    processes share the file. Scores are computed exactly, by formulas that `docs/store.md` states;
    nothing of it is faster than a scan for the quantum words it uses.

    Args:
        path: The file, made where there is none; "postgresql://..." for a server's database; None
            for a temporary one, which is gone when it is closed.
        domain: The namespace of verbs that name none; "default" without it.
        metric: Of namespaces that are made by their first item: "cosine", "dot", "l2" or
            "fidelity" (of quantum states, complex ones too).
        config: Settings; those given by name here win.
        clock: The time in ms, for decay.
        api_key: Of the store of vectors that `classical_backend` names. It is kept nowhere else.
        settings: The fields of `QuantumDatabaseConfig`, such as `max_contexts_per_vector=3`.

    Raises:
        ConfigurationError: An unknown setting or metric.
        StoreError: The file cannot be opened.

    Example:
        >>> import qstore_tf as qs
        >>> db = qs.store.QuantumDatabase()
        >>> _ = db.insert("sea", [1.0, 0.2], contexts=[("nature", 0.9), ("war", 0.1)])
        >>> _ = db.insert("fleet", [0.8, 0.6], contexts=[("nature", 0.2), ("war", 0.8)])
        >>> db.query([1.0, 0.4]).ids
        ['sea', 'fleet']
        >>> db.query([1.0, 0.4], context="war").ids
        ['fleet', 'sea']
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        domain: str | None = None,
        metric: str = "cosine",
        config: QuantumDatabaseConfig | None = None,
        clock: Clock = wall_clock,
        api_key: str | None = None,
        **settings: Any,
    ) -> None:
        if metric not in METRICS:
            raise ConfigurationError(
                describe("A metric is unknown", received=metric, hint=did_you_mean(metric, METRICS))
            )
        self.config = (config or QuantumDatabaseConfig()).with_options(**settings)
        self.domain = check_id(domain or "default", "the name of a namespace")
        self._metric = metric
        self._clock = clock
        levels = open_levels(self.config.cache, self.config.cache_bytes)
        self._catalog = Catalog(path)
        self._indexes = Indexes(self._catalog, self.config.classical_backend == "hnsw")
        self._remote: Remote | None = None
        if self.config.classical_backend not in ("memory", "hnsw"):
            options = dict(self.config.classical_options)
            if api_key is not None:
                options["api_key"] = api_key
            try:
                self._remote = Remote(
                    self._catalog,
                    self.config.classical_backend,
                    self.config.classical_index_name,
                    options,
                )
            except BaseException:
                self._catalog.close()
                raise
        self._answers = None if levels is None else Answers(self._indexes, self.config, levels)
        self._sources = Sources(
            self._catalog, self._indexes, self.config, clock, self._remote, self._answers
        )

    def __enter__(self) -> QuantumDatabase:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        """A database is a connection, which no copy can hold."""
        raise TypeError(
            describe(
                "A database cannot be pickled or copied",
                hint="Hand its path to the other process, and open it there.",
            )
        )

    def close(self) -> None:
        """Closes the database; a second time does nothing."""
        try:
            if self._remote is not None:
                self._remote.close()
        finally:
            self._catalog.close()
            if self._answers is not None:
                self._answers.levels.close()

    def transaction(self) -> Transaction:
        """Starts a transaction: `with db.transaction() as batch: batch.insert(...)`."""
        return Transaction(self)

    def get_many(
        self, ids: Sequence[str], *, namespace: str | None = None
    ) -> Sequence[Item | None]:
        """Returns items, None for those that are not there.

        With `refresh_on_read=True` in the settings, their age starts again.
        """
        found = super().get_many(ids, namespace=namespace)
        there = [item.id for item in found if item is not None]
        if self.config.refresh_on_read and there:
            self._do("refresh", namespace, ids=there)
        return found

    def estimate(
        self,
        vector: Any,
        context: str | Mapping[str, float] | None = None,
        mode: str = "balanced",
        top_k: int = 10,
        *,
        namespace: str | None = None,
        **options: Any,
    ) -> Estimate:
        """What a query by shots takes and costs at most, before it is asked; nothing is sent.

        Args:
            vector: As in `query`, as are the others.
            context: Likewise.
            mode: Likewise.
            top_k: Likewise.
            namespace: Likewise.
            options: Likewise, `shots=` among them.

        Returns:
            Jobs, circuits, shots and the price, None where nobody knows it.
        """
        found: Estimate = answering.estimate(
            self._sources,
            self._name(namespace),
            vector,
            context=context,
            mode=mode,
            top_k=top_k,
            **options,
        )
        return found

    def store_status(self) -> Status | None:
        """How far the store of vectors beneath is behind; None where there is none."""
        return None if self._remote is None else self._remote.status()

    def cache_stats(self) -> dict[str, CacheStats]:
        """What the caches of answers have done: "memory" and "redis", those that there are.

        Example:
            >>> import qstore_tf as qs
            >>> db = qs.store.QuantumDatabase(cache="memory")
            >>> _ = db.insert("a", [1.0, 0.0])
            >>> db.query([1.0, 0.0]).ids, db.query([1.0, 0.0]).ids
            (['a'], ['a'])
            >>> stats = db.cache_stats()["memory"]
            >>> stats.hits, stats.misses
            (1, 1)
        """
        return {} if self._answers is None else self._answers.levels.stats()

    def commit_number(self) -> int:
        """The number of the last commit, of this process or another."""
        return self._catalog.commit_number()

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Writes a copy of the database to a file, while others read and write."""
        self._catalog.backup(path)

    def vacuum(self) -> None:
        """Gives back room in the file that nothing uses."""
        self._catalog.vacuum()

    def unload(self, namespace: str | None = None) -> None:
        """Frees the memory of a namespace's index; the next query builds it again."""
        self._indexes.unload(self._name(namespace))

    def _name(self, namespace: str | None) -> str:
        if namespace is None:
            return self.domain
        return check_id(namespace, "the name of a namespace")

    def _ask(self, verb: str, namespace: str | None, **arguments: Any) -> Any:
        return ANSWERS[verb](self._sources, self._name(namespace), **arguments)

    def _do(self, verb: str, namespace: str | None, **arguments: Any) -> Any:
        return self.run([Call(verb, namespace, arguments)])[0]

    def run(self, calls: Sequence[Call]) -> Sequence[Any]:
        """Carries out verbs that write, in one commit, and returns what each returned.

        Raises:
            QstoreError: The first that could not be carried out; then none was.
        """
        operations = [
            OPERATIONS[call.verb](self._name(call.namespace), **call.arguments) for call in calls
        ]

        def work(writer: Connection) -> list[Any]:
            session = Session(writer, self._clock(), self.config, self._metric)
            results = [operation(session) for operation in operations]
            session.settle()
            if self._remote is not None:
                self._remote.note_changes(writer)
            return results

        results = self._catalog.write(work)
        if self._remote is not None:
            self._remote.wake()
        return results
