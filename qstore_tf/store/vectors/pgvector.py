"""Vectors in PostgreSQL, by its extension pgvector.

One table for each namespace, in a schema of its own. Filters are SQL over the metadata, evaluated
before the best are taken, so that a search never finds fewer than there are.
"""

from __future__ import annotations

import builtins
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    ItemError,
    RefusedError,
    StoreError,
    UnreachableError,
    describe,
)
from qstore_tf.store.arguments.filters import COMPARISONS, And, Compare, Not, Or, Tree
from qstore_tf.store.vectors.base import (
    Capabilities,
    Commit,
    Found,
    IdPage,
    Metadata,
    Record,
    Space,
    Vectors,
    require,
)
from qstore_tf.store.vectors.checked import Batch, CheckedBackend

_Result = TypeVar("_Result")

# metric: (operator of distance, score made of it, operator class of an index)
_METRICS = {
    "cosine": ("<=>", "1 - {}", "vector_cosine_ops"),
    "dot": ("<#>", "-({})", "vector_ip_ops"),
    "l2": ("<->", "-power({}, 2)", "vector_l2_ops"),
}
_MOST_INDEXED = 2000  # dimensions that pgvector's indexes take
_TRIES = 5


class PgVectors(CheckedBackend):
    """A store in PostgreSQL with pgvector.

    Searches are exact scans unless an index is asked for.

    Args:
        url: Where it is, such as "postgresql://user@host/database"; anything that psycopg takes.
        schema: Where in it the tables are; made where there is none.
        index: None, or "hnsw": searches are faster and may miss some.
        connections: How many are kept at most.
        timeout_s: How long to wait for a connection, in seconds.

    Raises:
        LibraryError: psycopg or pgvector is missing.
        UnreachableError: The server does not answer.
        StoreError: It has no pgvector.

    Example:
        >>> PgVectors("postgresql://localhost/films", index="ivf")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        qstore_tf.errors.ConfigurationError: ... Expected: None or "hnsw". Received: 'ivf'.
    """

    name = "pgvector"

    def __init__(
        self,
        url: str,
        *,
        schema: str = "qstore_vectors",
        index: str | None = None,
        connections: int = 8,
        timeout_s: float = 30.0,
    ) -> None:
        super().__init__()
        if index not in (None, "hnsw"):
            raise ConfigurationError(
                describe(
                    "The store 'pgvector' has no such index",
                    expected='None or "hnsw"',
                    received=index,
                )
            )
        self.capabilities = Capabilities(
            atomic=True,
            exact=index is None,
            filters=frozenset({*COMPARISONS, "text order"}),
            max_dimension=16000 if index is None else _MOST_INDEXED,
            max_top_k=1_000_000 if index is None else 10_000,
        )
        self._psycopg = require("psycopg", self.name, "pgvector")
        self._sql = require("psycopg.sql", self.name, "pgvector")
        self._register = require("pgvector.psycopg", self.name, "pgvector").register_vector
        self._url, self._timeout_s, self._schema, self._index = url, timeout_s, schema, index
        self._numbers: dict[str, int] = {}
        self._idle: builtins.list[Any] = []
        self._free = threading.BoundedSemaphore(connections)
        self._prepare()

    def close(self) -> None:
        """Closes all connections."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, **options: Any) -> Any:
        wait = max(1, int(self._timeout_s))
        return self._psycopg.connect(self._url, connect_timeout=wait, **options)

    def _prepare(self) -> None:
        """Makes the extension, the schema and the list of namespaces, where there is none."""
        with self._errors(), self._connect(autocommit=True) as connection:
            # One at a time: two that make the same thing at once would fail.
            connection.execute("SELECT pg_advisory_lock(8166521)")
            try:
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            except (self._psycopg.errors.UndefinedFile, self._psycopg.NotSupportedError) as no:
                raise StoreError(
                    describe(
                        f"This PostgreSQL server has no pgvector ({_first_line(no)})",
                        hint="Install the extension on the server.",
                    )
                ) from no
            connection.execute(self._text("CREATE SCHEMA IF NOT EXISTS {schema}"))
            connection.execute(
                self._text(
                    "CREATE TABLE IF NOT EXISTS {schema}.spaces (number bigserial PRIMARY KEY,"
                    ' name text COLLATE "C" UNIQUE NOT NULL, dimension integer NOT NULL,'
                    " metric text NOT NULL)"
                )
            )

    def _text(self, template: str, number: int | None = None) -> Any:
        sql = self._sql
        return sql.SQL(template).format(
            schema=sql.Identifier(self._schema),
            table=sql.Identifier(self._schema, f"records_{number}"),
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turns psycopg's errors into ours."""
        psycopg = self._psycopg
        try:
            yield
        except (psycopg.errors.InvalidPassword, psycopg.errors.InsufficientPrivilege) as error:
            raise AuthenticationError(
                describe(f"PostgreSQL does not let us do this ({_first_line(error)})")
            ) from error
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise UnreachableError(
                describe(f"PostgreSQL cannot be reached ({_first_line(error)})")
            ) from error
        except psycopg.errors.UndefinedTable:
            raise
        except psycopg.Error as error:
            raise RefusedError(describe(f"PostgreSQL refused ({_first_line(error)})")) from error

    def _run(self, function: Callable[[Any], _Result]) -> _Result:
        """Runs a function in a transaction; again after a conflict or on a lost connection.

        All that is run here may run twice.
        """
        conflicts = (
            self._psycopg.errors.DeadlockDetected,
            self._psycopg.errors.SerializationFailure,
            self._psycopg.errors.UniqueViolation,
        )
        for attempt in range(1, _TRIES + 1):
            with self._errors(), self._borrowed() as connection:
                try:
                    with connection.transaction():
                        return function(connection)
                except conflicts:
                    if attempt == _TRIES:
                        raise
                except self._psycopg.OperationalError:
                    # A kept connection that the server has closed since; the others may be too.
                    if not connection.closed or attempt > 1:
                        raise
                    self.close()
        raise AssertionError("unreachable")

    @contextmanager
    def _borrowed(self) -> Iterator[Any]:
        """A connection that nobody else uses: a kept one, or a new one."""
        if not self._free.acquire(timeout=self._timeout_s):
            raise UnreachableError(
                describe(
                    f"All connections to PostgreSQL were in use for {self._timeout_s:g} s",
                    hint="Allow more by `connections`.",
                )
            )
        try:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect(autocommit=True)
                self._register(connection)
            try:
                yield connection
            finally:
                if connection.closed or connection.broken:
                    connection.close()
                else:
                    self._idle.append(connection)
        finally:
            self._free.release()

    def _table(self, namespace: str, function: Callable[[Any, int], _Result]) -> _Result:
        """Runs a function on the table of a namespace."""
        for _ in range(2):
            number = self._numbers.get(namespace)
            if number is None and self._find(namespace) is None:
                break
            known = self._numbers[namespace]
            try:
                return self._run(partial(_on, function, known))
            except self._psycopg.errors.UndefinedTable:
                self._numbers.pop(namespace, None)  # dropped, and perhaps made again
        self._forget(namespace)
        raise self._missing(namespace)

    def _find(self, namespace: str) -> Space | None:
        row = self._run(
            lambda connection: connection.execute(
                self._text("SELECT number, dimension, metric FROM {schema}.spaces WHERE name = %s"),
                (namespace,),
            ).fetchone()
        )
        if row is None:
            self._numbers.pop(namespace, None)
            return None
        self._numbers[namespace] = row[0]
        return Space(row[1], row[2])

    def _create(self, namespace: str, space: Space) -> None:
        def make(connection: Any) -> None:
            row = connection.execute(
                self._text(
                    "INSERT INTO {schema}.spaces (name, dimension, metric) VALUES (%s, %s, %s)"
                    " ON CONFLICT (name) DO NOTHING RETURNING number"
                ),
                (namespace, space.dimension, space.metric),
            ).fetchone()
            if row is None:
                return
            table = self._text("{table}", row[0]).as_string(None)
            connection.execute(
                f'CREATE TABLE {table} (id text COLLATE "C" PRIMARY KEY,'
                f" vector vector({space.dimension}) NOT NULL, metadata jsonb NOT NULL)"
            )
            if self._index:
                kind = _METRICS[space.metric][2]
                connection.execute(f"CREATE INDEX ON {table} USING hnsw (vector {kind})")

        self._run(make)

    def _drop(self, namespace: str) -> None:
        def remove(connection: Any) -> None:
            row = connection.execute(
                self._text("DELETE FROM {schema}.spaces WHERE name = %s RETURNING number"),
                (namespace,),
            ).fetchone()
            if row is not None:
                connection.execute(self._text("DROP TABLE IF EXISTS {table}", row[0]))

        self._run(remove)
        self._numbers.pop(namespace, None)

    def namespaces(self) -> builtins.list[str]:
        """The names of all namespaces, sorted."""
        query = self._text("SELECT name FROM {schema}.spaces ORDER BY name")
        return [
            row[0] for row in self._run(lambda connection: connection.execute(query).fetchall())
        ]

    def _check_record(self, id: str, metadata: Metadata) -> None:
        super()._check_record(id, metadata)
        if _has_nul(metadata):
            raise ItemError(
                describe(f"The metadata of {id!r} hold a NUL, which PostgreSQL refuses")
            )

    def _upsert(self, namespace: str, space: Space, batch: Batch) -> Commit:
        # In the order of ids, so that batches that overlap wait for each other.
        rows = sorted(
            (
                (id, vector, json.dumps(metadata, ensure_ascii=False))
                for id, vector, metadata in zip(
                    batch.ids, batch.vectors, batch.metadata, strict=True
                )
            ),
            key=lambda row: row[0],
        )

        def write(connection: Any, number: int) -> None:
            statement = self._text(
                "INSERT INTO {table} AS old (id, vector, metadata) VALUES (%s, %b, %s::jsonb)"
                " ON CONFLICT (id) DO UPDATE SET vector = excluded.vector,"
                " metadata = excluded.metadata",
                number,
            )
            with connection.cursor() as cursor:
                cursor.executemany(statement, rows)

        self._table(namespace, write)
        return Commit()

    def _fetch(
        self, namespace: str, space: Space, ids: builtins.list[str]
    ) -> builtins.list[Record]:
        def read(connection: Any, number: int) -> Any:
            query = "SELECT id, vector, metadata FROM {table} WHERE id = ANY(%s)"
            return connection.execute(self._text(query, number), (ids,), binary=True).fetchall()

        return [
            Record(id, _array(vector), metadata)
            for id, vector, metadata in self._table(namespace, read)
        ]

    def _delete(self, namespace: str, ids: builtins.list[str]) -> Commit:
        def remove(connection: Any, number: int) -> None:
            # Locked in the order of ids first: a batch that is written at once waits, or we do.
            query = (
                "DELETE FROM {table} WHERE id IN"
                " (SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id FOR UPDATE)"
            )
            connection.execute(self._text(query, number), (ids,))

        self._table(namespace, remove)
        return Commit()

    def _delete_matching(self, namespace: str, filter: Tree) -> Commit:
        values: builtins.list[Any] = []
        where = to_sql(filter, values)

        def remove(connection: Any, number: int) -> None:
            query = self._text("DELETE FROM {table} WHERE ", number) + self._sql.SQL(where)
            connection.execute(query, values)

        self._table(namespace, remove)
        return Commit()

    def _search(
        self, namespace: str, space: Space, queries: Vectors, k: int, filter: Tree | None
    ) -> builtins.list[Found]:
        operator, score, _ = _METRICS[space.metric]
        values: builtins.list[Any] = []
        where = to_sql(filter, values) if filter is not None else "true"
        text = (
            f"SELECT id, distance, metadata FROM (SELECT id, vector {operator} %b AS distance,"
            f" metadata FROM {{table}} WHERE {where} ORDER BY distance, id LIMIT %s) AS best"
        )
        text = text.replace("SELECT id, distance,", f"SELECT id, {score.format('distance')},", 1)

        def read(connection: Any, number: int) -> builtins.list[Any]:
            def ask(rows: Vectors) -> builtins.list[Any]:
                query = self._text(text, number)
                with connection.pipeline():
                    cursors = [
                        connection.execute(query, [row, *values, k], binary=True) for row in rows
                    ]
                return [cursor.fetchall() for cursor in cursors]

            if self._index is None:
                return ask(queries)
            for setting in (
                f"hnsw.ef_search = {min(1000, max(40, k))}",
                "hnsw.iterative_scan = strict_order",
                "hnsw.max_scan_tuples = 2147483647",
            ):
                connection.execute(f"SET LOCAL {setting}")
            found = ask(queries)
            short = [i for i, rows in enumerate(found) if len(rows) < k]
            if short:  # the index gave up, or there are no more: the scan knows
                connection.execute("SET LOCAL enable_indexscan = off")
                for i, rows in zip(short, ask(queries[short]), strict=True):
                    found[i] = rows
            return found

        return [
            Found.of([(id, float(score), metadata) for id, score, metadata in rows])
            for rows in self._table(namespace, read)
        ]

    def _list(self, namespace: str, prefix: str, token: str | None, limit: int) -> IdPage:
        def read(connection: Any, number: int) -> Any:
            query = (
                "SELECT id FROM {table} WHERE starts_with(id, %s) AND id >= %s AND id > %s"
                " ORDER BY id LIMIT %s"
            )
            values = (prefix, prefix, token or "", limit + 1)
            return connection.execute(self._text(query, number), values).fetchall()

        ids = tuple(row[0] for row in self._table(namespace, read))
        return IdPage(ids[:limit], ids[limit - 1] if len(ids) > limit else None)

    def _count(self, namespace: str) -> tuple[int, int | None]:
        def read(connection: Any, number: int) -> Any:
            table = self._text("{table}", number).as_string(None)
            query = f"SELECT count(*), pg_total_relation_size(%s::regclass) FROM {table}"
            return connection.execute(query, (table,)).fetchone()

        count, size = self._table(namespace, read)
        return int(count), int(size)


def to_sql(tree: Tree, values: list[Any]) -> str:
    """Writes a filter as a condition on the column `metadata`, true or false and never NULL.

    Args:
        tree: The filter.
        values: What its placeholders stand for is appended.

    Returns:
        SQL with `%s` as placeholders.

    Example:
        >>> values = []
        >>> to_sql(Compare("year", "exists", True), values), values
        ('jsonb_exists(metadata, %s)', ['year'])
    """
    if isinstance(tree, Not):
        return f"NOT ({to_sql(tree.child, values)})"
    if isinstance(tree, (And, Or)):
        empty, word = ("true", " AND ") if isinstance(tree, And) else ("false", " OR ")
        return word.join(f"({to_sql(child, values)})" for child in tree.children) or empty
    key, operator, value = tree.key, tree.operator, tree.value
    if operator == "exists":
        values.append(key)
        return ("" if value else "NOT ") + "jsonb_exists(metadata, %s)"
    if operator in ("ne", "nin"):
        opposite = {"ne": "eq", "nin": "in"}[operator]
        return f"NOT ({to_sql(Compare(key, opposite, value), values)})"
    if operator in ("eq", "in"):
        wanted = [value] if operator == "eq" else list(value)
        values.extend([key, [json.dumps(one) for one in wanted]])
        values.extend([key, [one for one in wanted if isinstance(one, str)]])
        # A list holds strings alone; `?|` also looks at a plain string, which is equal anyway.
        return (
            "COALESCE(metadata -> %s = ANY(%s::text[]::jsonb[]), false)"
            " OR COALESCE(jsonb_exists_any(metadata -> %s, %s::text[]), false)"
        )
    sign = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[operator]
    if isinstance(value, str):
        values.extend([key, key, value])
        kind, stored, given = "string", '(metadata ->> %s) COLLATE "C"', "%s"
    else:
        values.extend([key, key, repr(value)])
        kind, stored, given = "number", "(metadata ->> %s)::numeric", "%s::text::numeric"
    # CASE keeps what is not a number away from the cast.
    return (
        f"CASE WHEN jsonb_typeof(metadata -> %s) = '{kind}' THEN {stored} {sign} {given}"
        " ELSE false END"
    )


def _on(function: Callable[[Any, int], _Result], number: int, connection: Any) -> _Result:
    return function(connection, number)


def _array(vector: Any) -> Vectors:
    """float32 [d], whether pgvector hands out an array or an object of its own."""
    made: Vectors = np.asarray(
        vector.to_numpy() if hasattr(vector, "to_numpy") else vector, np.float32
    )
    return made


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(one) for one in (*value, *value.values()))
    return isinstance(value, (list, tuple)) and any(_has_nul(one) for one in value)
