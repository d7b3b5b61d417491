"""The catalog in a PostgreSQL server, in a schema of its own; needs psycopg."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qstore_tf import sqlite_files
from qstore_tf.errors import LibraryError, StoreBusyError, StoreError, describe
from qstore_tf.store.catalog import guests, migrations, schema, tables
from qstore_tf.store.catalog.sqlite import SQLiteEngine

SCHEMA = "qstore"
_CONNECTIONS = 16  # for reading, at the same time


class PostgresSession:
    """A connection to the server, see `Session`.

    Args:
        raw: psycopg's connection.
        name: The database, for messages.
    """

    def __init__(self, raw: Any, name: str) -> None:
        self._raw, self._name = raw, name
        self.number, self._written, self._streams = 0, 0, 0

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """See `Connection`."""
        cursor = self._raw.cursor(binary=True)
        cursor.execute(_translated(sql), parameters)
        if not (cursor.statusmessage or "").startswith("SELECT"):
            self._written += max(0, cursor.rowcount)
        return cursor

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """See `Connection`."""
        self._streams += 1
        cursor = self._raw.cursor(name=f"stream_{self._streams}", binary=True)
        cursor.execute(_translated(sql), parameters)
        return cursor

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """See `Connection`."""
        with self._raw.cursor(binary=True) as cursor:
            cursor.executemany(_translated(sql), rows)
            self._written += max(0, cursor.rowcount)

    def begin_reading(self) -> None:
        """See `Session`."""
        self.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        self.number = self._commits("")

    def begin_writing(self) -> None:
        """See `Session`."""
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        # Whoever has this row is alone in writing, so that commits come in order of their numbers.
        self.number = self._commits("FOR UPDATE") + 1
        self._written = 0

    def _commits(self, lock: str) -> int:
        found = self.execute(f"SELECT commits, schema_version FROM meta {lock}").fetchone()
        schema.check(found[1], self._name)
        return int(found[0])

    def mark(self) -> None:
        """See `Session`."""
        self.execute("SAVEPOINT part")

    def undo(self) -> bool:
        """See `Session`."""
        if self.is_open:
            self.execute("ROLLBACK TO SAVEPOINT part")
            self.execute("RELEASE SAVEPOINT part")
        return self.is_open

    def keep(self) -> None:
        """See `Session`."""
        self.execute("RELEASE SAVEPOINT part")

    def commit(self) -> bool:
        """See `Session`."""
        has_written = self._written > 0
        if has_written:
            self.execute("UPDATE meta SET commits = ?", (self.number,))
        self.execute("COMMIT")
        return has_written

    def roll_back(self) -> None:
        """See `Session`."""
        if self.is_open:
            self.execute("ROLLBACK")

    @property
    def is_open(self) -> bool:
        """See `Session`."""
        return bool(self._raw.info.transaction_status.name != "IDLE")

    @property
    def is_lost(self) -> bool:
        """See `Session`."""
        return bool(self._raw.closed)

    def close(self) -> None:
        """See `Session`."""
        self._raw.close()


class PostgresEngine:
    """See `Engine`.

    Args:
        url: Where the server is, such as "postgresql://user@host/database".
        patience_s: How long to wait for other processes that write, in seconds.

    Raises:
        LibraryError: psycopg is not installed.
        StoreError: The server cannot be reached, or has tables of a newer version.
    """

    most_readers = _CONNECTIONS

    def __init__(self, url: str, patience_s: float) -> None:
        try:
            import psycopg
            from psycopg.conninfo import conninfo_to_dict
        except ImportError as error:
            raise LibraryError(
                describe(
                    "A database on PostgreSQL needs psycopg",
                    hint="Install it: pip install 'qstore-tf[pgvector]'",
                )
            ) from error
        self._psycopg, self._url, self.patience_s = psycopg, url, patience_s
        self._lock = threading.Lock()
        self._watcher: PostgresSession | None = None
        self.name = "a database on PostgreSQL"
        with self._told():
            parts = conninfo_to_dict(url)
            where = parts.get("host") or parts.get("hostaddr") or "this machine"
            self.name = f"database {parts.get('dbname', '')!s} on {where}"
            with contextlib.closing(self._open()) as raw:
                self._prepare(raw)

    def connect(self, is_writer: bool = False) -> PostgresSession:
        """See `Engine`."""
        with self._told():
            return PostgresSession(self._open(), self.name)

    def error(self, error: Exception) -> Exception:
        """See `Engine`."""
        errors = self._psycopg.errors
        if not isinstance(error, self._psycopg.Error):
            return error
        if isinstance(error, (errors.LockNotAvailable, errors.DeadlockDetected)):
            return StoreBusyError(
                describe(
                    f"Another process wrote to the database for longer than {self.patience_s:g} s,"
                    " which is how long this one waits",
                    received=self.name,
                    hint="Try again, wait longer (`patience_s`), or end the other process",
                )
            )
        text = " ".join(str(error).split())
        if isinstance(error, errors.DiskFull):
            what = f"There is no room left for the database; nothing of this was stored ({text})"
        elif isinstance(error, self._psycopg.OperationalError):
            what = f"The server of the database cannot be reached, or went away ({text})"
        else:
            what = f"The database cannot be used: {text}"
        return StoreError(describe(what, received=self.name))

    def commit_number(self) -> int:
        """See `Engine`; one question to the server."""
        with self._lock, self._told():
            for is_last in (False, True):
                try:
                    self._watcher = self._watcher or PostgresSession(self._open(), self.name)
                    row = self._watcher.execute("SELECT commits FROM meta").fetchone()
                    return int(row[0])
                except self._psycopg.OperationalError:
                    # Perhaps the server was started anew since.
                    self._watcher = None
                    if is_last:
                        raise
        raise AssertionError

    def backup(self, path: str) -> None:
        """See `Engine`: an SQLite file, which `Catalog` opens."""
        target = sqlite_files.absolute(path)
        unfinished = target.with_name(f"{target.name}.unfinished-{uuid.uuid4().hex}")
        try:
            _remove(unfinished)
            engine = SQLiteEngine(unfinished, self.patience_s)
            with (
                self._told(),
                contextlib.closing(self.connect()) as source,
                contextlib.closing(engine.connect()) as copy,
            ):
                source.begin_reading()
                copy.begin_writing()
                tables.copy(source, copy, guests.statements(source, SCHEMA, tables.NAMES))
                copy.number = source.number
                copy.commit()
            migrations.put_in_place(unfinished, target)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(describe(f"The copy cannot be written: {error}")) from error
        finally:
            with contextlib.suppress(OSError):
                _remove(unfinished)

    def vacuum(self) -> None:
        """See `Engine`: what the server does by itself now and then."""
        with self._told(), contextlib.closing(self._open()) as raw:
            for name in tables.NAMES:
                raw.execute(f"VACUUM {name}")

    def close_idle(self) -> None:
        """See `Engine`."""
        with self._lock:
            if self._watcher is not None:
                self._watcher.close()
            self._watcher = None

    def leave_behind(self, is_broken: bool) -> None:
        """See `Engine`."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """See `Engine`."""

    def _open(self) -> Any:
        raw = self._psycopg.connect(self._url, autocommit=True)
        try:
            raw.execute(f"SET search_path TO {SCHEMA}, public")
            raw.execute(f"SET lock_timeout TO {max(1, round(self.patience_s * 1000))}")
            raw.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') = 'off'"
            )
        except BaseException:
            raw.close()
            raise
        return raw

    def _prepare(self, raw: Any) -> None:
        """Makes the tables of a new database, and brings older ones up to date."""
        with raw.transaction():
            raw.execute("SELECT pg_advisory_xact_lock(%s)", (schema.MARK,))
            if raw.execute(f"SELECT to_regclass('{SCHEMA}.meta')").fetchone()[0] is None:
                raw.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
                for statement in schema.statements(schema.POSTGRESQL):
                    raw.execute(statement)
            version = raw.execute("SELECT schema_version FROM meta").fetchone()[0]
            if version > schema.VERSION:
                schema.check(version, self.name)
            for statement in migrations.statements(version, schema.POSTGRESQL):
                raw.execute(statement)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._psycopg.Error as error:
            raise self.error(error) from error


def _remove(file: Path) -> None:
    for name in (file.name, f"{file.name}-wal", f"{file.name}-shm"):
        file.with_name(name).unlink(missing_ok=True)


@functools.lru_cache(maxsize=1024)
def _translated(sql: str) -> str:
    """SQL with psycopg's marks for values in place of `?`."""
    return sql.replace("%", "%%").replace("?", "%b")
