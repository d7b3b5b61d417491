"""A small SQLite file that threads and processes of a machine share, and a crash leaves whole.

Every use opens a connection of its own: nothing is shared between threads, and nothing is carried
across a fork. What `writing` has left is on the disk (see `sqlite_files`); what it
has not left never happened.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qstore_tf import sqlite_files
from qstore_tf.errors import LedgerError, describe
from qstore_tf.ionq.money.workers import own_path

PATIENCE_S = 60.0  # for others that write to the same file
_VERSION = 1


class SharedFile:
    """A file of one kind, made where there is none.

    Args:
        path: The file; its folder is made too. {index} in it stands for the number of the worker
            that this process is, see `workers`. None: a temporary file, for as long as this object
            lives; processes forked meanwhile share it.
        kind: What it holds, such as "a budget", for messages.
        mark: A number that tells files of this kind from all other SQLite files.
        schema: The statements that make its tables.

    Raises:
        LedgerError: There is another file at that place, or it cannot be opened.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, kind: str, mark: int, schema: Sequence[str]
    ) -> None:
        self.kind, self._mark, self._schema = kind, mark, schema
        self.is_temporary = path is None
        if path is None:
            folder = tempfile.mkdtemp(prefix="qstore-")
            weakref.finalize(self, sqlite_files.remove_folder, folder, os.getpid())
            self.path = Path(folder, "file.sqlite")
        else:
            self.path = full_path(path)
            with self._errors():
                self.path.parent.mkdir(parents=True, exist_ok=True)

    def __copy__(self) -> SharedFile:
        """The same file, which must not vanish with one of its users."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedFile:
        """The same file."""
        return self

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees the file as it is at one moment."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection that is alone in writing; on an error, everything is as it was before."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._errors(), contextlib.closing(self._connect()) as connection:
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # After a failed COMMIT there may be nothing left to undo.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite_files.connect(self.path, PATIENCE_S, self.is_temporary)
        try:
            if sqlite_files.mark_of(connection) == 0:
                version = f"PRAGMA user_version={_VERSION}"
                sqlite_files.make(connection, self._mark, (*self._schema, version), PATIENCE_S)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if (sqlite_files.mark_of(connection), version) != (self._mark, _VERSION):
                self._refuse(
                    f"This file is not {self.kind} of this version of qstore_tf",
                    "Name another file",
                )
        except BaseException:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(
                describe(
                    f"The file of {self.kind} cannot be used: {error}",
                    expected="an SQLite file on a disk of this machine that may be written",
                    received=str(self.path),
                )
            ) from error

    def _refuse(self, what: str, hint: str) -> None:
        raise LedgerError(describe(what, received=str(self.path), hint=hint))


def full_path(path: str | os.PathLike[str]) -> Path:
    """Returns where a `SharedFile` of this path lies."""
    return sqlite_files.absolute(own_path(os.fspath(path)))
