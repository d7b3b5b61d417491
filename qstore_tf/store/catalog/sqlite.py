"""The catalog in an SQLite file: write-ahead log, every commit on the disk before it returns."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qstore_tf import sqlite_files
from qstore_tf.errors import StoreError, describe
from qstore_tf.store.catalog import failures, forking, migrations, schema

PATIENCE_S = 30.0  # for other processes that write to the same file
_CACHE_KIB = 8192  # pages kept by the connection that writes
_PAGE_BYTES = 8192  # of new files: more rows of vectors to a page, and fewer pages to a load
_LOG_BYTES = 64 << 20  # what the log is cut to after a checkpoint
# Files of which SQLite believes, since a fork, to hold locks in this process that it does not hold.
_unusable: set[str] = set()


class SQLiteSession:
    """A connection to the file, see `Session`."""

    def __init__(self, raw: sqlite3.Connection, name: str) -> None:
        self._raw, self._name = raw, name
        self.number, self._before = 0, 0
        # Nothing between: single rows are as fast as SQLite's own.
        self.execute = self.stream = raw.execute

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """See `Connection`."""
        self._raw.executemany(sql, rows)

    def begin_reading(self) -> None:
        """See `Session`."""
        self.execute("BEGIN")
        self.number = self._commits()

    def begin_writing(self) -> None:
        """See `Session`."""
        self.execute("BEGIN IMMEDIATE")
        self.number = self._commits() + 1
        self._before = self._raw.total_changes

    def _commits(self) -> int:
        commits, version = self.execute("SELECT commits, schema_version FROM meta").fetchone()
        schema.check(version, self._name)  # another process may have brought it to a newer one
        return int(commits)

    def mark(self) -> None:
        """See `Session`."""
        self.execute("SAVEPOINT part")

    def undo(self) -> bool:
        """See `Session`."""
        if self._raw.in_transaction:
            self.execute("ROLLBACK TO part")
            self.execute("RELEASE part")
        return self._raw.in_transaction

    def keep(self) -> None:
        """See `Session`."""
        self.execute("RELEASE part")

    def commit(self) -> bool:
        """See `Session`."""
        has_written = self._raw.total_changes != self._before
        if has_written:
            self.execute("UPDATE meta SET commits = ?", (self.number,))
        self.execute("COMMIT")
        return has_written

    def roll_back(self) -> None:
        """See `Session`."""
        if self._raw.in_transaction:
            self.execute("ROLLBACK")

    @property
    def is_open(self) -> bool:
        """See `Session`."""
        return self._raw.in_transaction

    @property
    def is_lost(self) -> bool:
        """See `Session`."""
        return False

    def close(self) -> None:
        """See `Session`."""
        self._raw.close()


class SQLiteEngine:
    """See `Engine`.

    Args:
        path: The file, made with its folder where there is none. None: a temporary one, for as long
            as this object lives.
        patience_s: How long to wait for other processes that write, in seconds.

    Raises:
        StoreError: It is not a database of ours, is of a newer version, or cannot be used.
    """

    most_readers = 100

    def __init__(self, path: str | os.PathLike[str] | None, patience_s: float = PATIENCE_S) -> None:
        self.is_temporary = path is None
        self.patience_s = patience_s
        if path is None:
            folder = tempfile.mkdtemp(prefix="qstore-")
            self._remove = weakref.finalize(self, sqlite_files.remove_folder, folder, os.getpid())
            self.path = Path(folder, "database.sqlite")
        else:
            self.path = sqlite_files.absolute(path)
        self.name = "a temporary database" if self.is_temporary else str(self.path)
        self._lock = threading.Lock()
        self._watcher: sqlite3.Connection | None = None
        self._seen: tuple[int, int] | None = None  # SQLite's data_version, the commit number then
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(self._open()) as raw:
                self._prepare(raw)

    def connect(self, is_writer: bool = False) -> SQLiteSession:
        """See `Engine`."""
        with self._told():
            raw = self._open()
            if is_writer:  # so that the index of keys is at hand while many are written
                raw.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            return SQLiteSession(raw, self.name)

    def error(self, error: Exception) -> Exception:
        """See `Engine`."""
        if isinstance(error, sqlite3.Error):
            return failures.sqlite_error(error, self.name, self.patience_s)
        return error

    def commit_number(self) -> int:
        """See `Engine`; about 3 microseconds where nothing has changed."""
        with self._lock, self._told():
            if self._watcher is None:
                self._watcher = self._open()
            # First the version, then the number: a commit between only makes us look again.
            version = self._watcher.execute("PRAGMA data_version").fetchone()[0]
            if self._seen is None or self._seen[0] != version:
                number = self._watcher.execute("SELECT commits FROM meta").fetchone()[0]
                self._seen = (version, number)
            return self._seen[1]

    def backup(self, path: str) -> None:
        """See `Engine`."""
        target = sqlite_files.absolute(path)
        with _told(str(target), self.patience_s):
            if target.exists() and target.samefile(self.path):
                raise StoreError(
                    describe("The backup would replace the database itself", received=self.name)
                )
            with contextlib.closing(self._open()) as raw:
                migrations.copy(raw, target)

    def vacuum(self) -> None:
        """See `Engine`."""
        with self._told(), contextlib.closing(self._open()) as raw:
            raw.execute("VACUUM")
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close_idle(self) -> None:
        """See `Engine`."""
        with self._lock:
            if self._watcher is not None:
                self._watcher.close()
            self._watcher, self._seen = None, None

    def leave_behind(self, is_broken: bool) -> None:
        """See `Engine`."""
        self._lock = threading.Lock()  # the watcher was closed before the fork
        if is_broken:
            _unusable.add(str(self.path))

    def close(self) -> None:
        """See `Engine`."""
        if self.is_temporary:
            self._remove()

    def _open(self) -> sqlite3.Connection:
        if str(self.path) in _unusable:
            raise forking.error(self.name)
        raw = sqlite_files.connect(self.path, self.patience_s, self.is_temporary)
        try:
            raw.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        except BaseException:
            raw.close()
            raise
        return raw

    def _prepare(self, raw: sqlite3.Connection) -> None:
        """Makes the tables of a new file, brings an older one up to date, refuses all others."""
        if sqlite3.sqlite_version_info < (3, 35):
            raise StoreError(
                describe("SQLite is too old", expected="3.35", received=sqlite3.sqlite_version)
            )
        if sqlite_files.mark_of(raw) == 0:
            raw.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            statements = schema.statements(schema.SQLITE)
            sqlite_files.make(raw, schema.MARK, statements, self.patience_s)
        if sqlite_files.mark_of(raw) != schema.MARK:
            raise StoreError(
                describe(
                    "This SQLite file is not a database of qstore_tf",
                    received=self.name,
                    hint="Name another file",
                )
            )
        if not sqlite_files.use_log(raw, self.patience_s):
            raise StoreError(
                describe(
                    "The database cannot be kept there: its disk has no shared memory for a log",
                    received=self.name,
                    hint="Use a disk of this machine, not one of the network",
                )
            )
        migrations.migrate(raw, self.path)

    def _told(self) -> contextlib.AbstractContextManager[None]:
        return _told(self.name, self.patience_s)


@contextlib.contextmanager
def _told(where: str, patience_s: float) -> Iterator[None]:
    """Tells errors from beneath in our words."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise failures.sqlite_error(error, where, patience_s) from error
