"""Connections to a database: what the functions of the catalog read and write through.

`Connection` is all they know. SQL is written once, with `?` for values, in the part of the language
that SQLite and PostgreSQL share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

_CHUNK = 500  # values in one statement; some builds of SQLite take 999


class Cursor(Protocol):
    """Rows of one statement."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""

    def fetchmany(self, size: int) -> list[Any]:
        """The next rows, at most so many; empty after the last."""

    def fetchall(self) -> list[Any]:
        """All rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside a transaction.

    Attributes:
        number: Of the last commit that a reader sees; of a writer, the number that its commit will
            have: rows that it changes take it as `changed_in`.
    """

    number: int

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Runs one statement.

        Args:
            sql: The statement; `?` stands for a value.
            parameters: The values: int, float, str, bytes or None.
        """

    def stream(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """As `execute`, for many rows: those that were not fetched yet need not be in memory."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Runs one statement for each of many rows of values."""


class Session(Connection, Protocol):
    """A connection of its own, used by one thread at a time, and its transactions."""

    def begin_reading(self) -> None:
        """Starts to see the database as it is at this moment; sets `number`."""

    def begin_writing(self) -> None:
        """Waits until no other process writes, then is alone in it; sets `number`."""

    def mark(self) -> None:
        """Sets a savepoint."""

    def undo(self) -> bool:
        """Goes back to the savepoint; False where the database gave up the whole transaction."""

    def keep(self) -> None:
        """Drops the savepoint, and keeps what was done since."""

    def commit(self) -> bool:
        """Ends the transaction, on the disk if it wrote anything; whether it did."""

    def roll_back(self) -> None:
        """Ends the transaction as if it had never been."""

    @property
    def is_open(self) -> bool:
        """Whether a transaction is under way."""

    @property
    def is_lost(self) -> bool:
        """Whether the connection broke, so that another one has to be opened."""

    def close(self) -> None:
        """Closes the connection."""


class Engine(Protocol):
    """A database beneath the catalog: makes connections and knows what its errors mean.

    Attributes:
        name: What it is called in messages; never with a password.
        most_readers: How many connections may read at the same time.
    """

    name: str
    most_readers: int

    def connect(self, is_writer: bool = False) -> Session:
        """Opens a connection.

        Args:
            is_writer: Whether it is the one that writes: it gets more memory.
        """

    def error(self, error: Exception) -> Exception:
        """What to raise for an error from beneath; the error itself where it is none of those."""

    def commit_number(self) -> int:
        """The number of the last commit, of whichever process."""

    def backup(self, path: str) -> None:
        """Writes a copy while others read and write."""

    def vacuum(self) -> None:
        """Gives back room that nothing uses."""

    def close_idle(self) -> None:
        """Closes connections of its own."""

    def leave_behind(self, is_broken: bool) -> None:
        """In a forked child: drops connections of the parent without touching them.

        Args:
            is_broken: Whether the parent was in a transaction.
        """

    def close(self) -> None:
        """Ends the use of the database."""


def chunks(values: Sequence[Any]) -> Iterator[tuple[list[Any], str]]:
    """Yields parts of a list for `IN (...)`, each with its question marks."""
    for start in range(0, len(values), _CHUNK):
        part = list(values[start : start + _CHUNK])
        yield part, ", ".join("?" * len(part))
