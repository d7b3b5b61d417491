"""The catalog: the one durable truth of a database."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from qstore_tf.errors import StoreBusyError, StoreError, describe
from qstore_tf.store.catalog import forking
from qstore_tf.store.catalog.connections import Connection, Engine, Session
from qstore_tf.store.catalog.forking import Gate
from qstore_tf.store.catalog.group_commit import GroupCommit
from qstore_tf.store.catalog.postgres import PostgresEngine
from qstore_tf.store.catalog.sqlite import PATIENCE_S, SQLiteEngine

_Result = TypeVar("_Result")
_IDLE = 16  # connections that are kept open for reading
_LEFT: list[object] = []  # what belongs to a parent process, never to be closed here


class Catalog:
    """A database's tables, shared by threads and processes.

    What `write` has returned is on the disk, and stays whatever happens to the process or the
    machine; what it has not returned is there wholly or not at all.

    Args:
        path: An SQLite file, made where there is none; None: a private temporary one, which is gone
            when this object is; "postgresql://...": a PostgreSQL server, which needs psycopg.
        patience_s: How long to wait for other processes that write, in seconds.

    Raises:
        StoreError: It cannot be opened.
        LibraryError: psycopg is not installed.

    Example:
        >>> from qstore_tf.store.catalog import Catalog, namespaces
        >>> catalog = Catalog(None)
        >>> catalog.write(lambda writer: namespaces.create(writer, "papers", 3, "cosine").number)
        1
        >>> with catalog.read() as reader:
        ...     [row.name for row in namespaces.all_of(reader)]
        ['papers']
        >>> catalog.close()
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self._engine = _engine(path, patience_s)
        self._patience_s = patience_s
        self._group = GroupCommit(self._engine)
        self._idle: list[Session] = []
        self._places = threading.BoundedSemaphore(self._engine.most_readers)
        self._is_closed = False
        self.gate = Gate()
        forking.register(self)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, function: Callable[[Connection], _Result]) -> _Result:
        """Runs a function in a transaction, and returns when what it wrote is durable.

        Writes of other threads may share the commit, and its number. The function may run on
        another thread, and again where the transaction had to be started anew: it changes nothing
        but the database. It must not write to the catalog in another way than through its argument.

        Args:
            function: Takes the connection to write through.

        Returns:
            What the function returned.

        Raises:
            StoreError: The database failed; nothing was written.
            Exception: Whatever the function raises; nothing of what it did was written.
        """
        with self.gate:
            self._check()
            return self._group.write(function)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees the database as it is at one moment, whatever is written.

        Raises:
            StoreError: The database failed.
        """
        with self.gate:
            self._check()
            session = self._reader()
            try:
                yield session
            except Exception as error:
                told = self._engine.error(error)
                if told is error:
                    raise
                raise told from error
            finally:
                self._give_back(session)

    def commit_number(self) -> int:
        """The number of the last commit, of this process or another: cheap, made for caches."""
        with self.gate:
            self._check()
            return self._engine.commit_number()

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Writes a copy of the database to a file, while others read and write.

        Args:
            path: The file, of SQLite whatever the database is; one that is there is replaced when
                the copy is complete.

        Raises:
            StoreError: The database or the file failed; a file that was there is as it was.
        """
        with self.gate:
            self._check()
            self._engine.backup(os.fspath(path))

    def vacuum(self) -> None:
        """Makes the file as small as its rows are; those that write wait meanwhile.

        Raises:
            StoreBusyError: Others read or wrote for longer than this one waits.
        """
        with self.gate:
            self._check()
            self._engine.vacuum()

    def close(self) -> None:
        """Closes all connections, after the transactions under way; a second time does nothing."""
        if self._is_closed or self.gate.is_broken:
            return
        self._is_closed = True
        with self.gate.stopped():
            self.close_idle()
            self._engine.close()

    def close_idle(self) -> None:
        """See `Forkable`."""
        self._group.close()
        while self._idle:
            self._idle.pop().close()
        self._engine.close_idle()

    def leave_behind(self) -> None:
        """See `Forkable`."""
        # Kept for good: to close them would be to close the parent's.
        _LEFT.append((self._idle, self._group.leave_behind()))
        self._idle = []
        self._places = threading.BoundedSemaphore(self._engine.most_readers)
        self._engine.leave_behind(self.gate.is_broken)

    def _reader(self) -> Session:
        """A connection in a transaction that reads."""
        if not self._places.acquire(timeout=self._patience_s):
            raise StoreBusyError(
                describe(
                    f"For {self._patience_s:g} s, all connections that may read were in use",
                    expected=f"at most {self._engine.most_readers} readers at the same time",
                    received=self._engine.name,
                )
            )
        try:
            while True:
                try:
                    session, is_fresh = self._idle.pop(), False
                except IndexError:
                    session, is_fresh = self._engine.connect(), True
                try:
                    session.begin_reading()
                    return session
                except Exception as error:
                    is_lost = session.is_lost
                    session.close()
                    # One that was idle may have broken long ago.
                    if is_fresh or not is_lost:
                        told = self._engine.error(error)
                        if told is error:
                            raise
                        raise told from error
        except BaseException:
            self._places.release()
            raise

    def _give_back(self, session: Session) -> None:
        try:
            session.roll_back()
        except Exception:  # what was read is with its caller; a broken connection is not kept
            with contextlib.suppress(Exception):
                session.close()
        else:
            if self._is_closed or len(self._idle) >= _IDLE:
                session.close()
            else:
                self._idle.append(session)
        finally:
            self._places.release()

    def _check(self) -> None:
        if self._is_closed:
            raise StoreError(describe("The database is closed", received=self._engine.name))
        if self.gate.is_broken:
            raise forking.error(self._engine.name)


def _engine(path: str | os.PathLike[str] | None, patience_s: float) -> Engine:
    text = "" if path is None else os.fspath(path)
    if text.startswith(("postgresql://", "postgres://")):
        return PostgresEngine(text, patience_s)
    return SQLiteEngine(path, patience_s)
