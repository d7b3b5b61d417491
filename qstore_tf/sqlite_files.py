"""SQLite files that threads and processes share, and that crashes and power cuts leave whole."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

_BUSY = ("is locked", "is busy")


def is_busy(error: BaseException) -> bool:
    """Whether an error of SQLite says that somebody else holds the file."""
    return isinstance(error, sqlite3.OperationalError) and any(w in str(error) for w in _BUSY)


def connect(
    path: str | os.PathLike[str], patience_s: float, is_temporary: bool = False
) -> sqlite3.Connection:
    """Opens a connection whose commits are on the disk when they return.

    Args:
        path: The file, made where there is none.
        patience_s: How long to wait for others that write, in seconds.
        is_temporary: Whether nothing need wait for the disk: no temporary file outlives a power
            cut.

    Returns:
        The connection, without transactions of its own; one thread at a time may use it.
    """
    raw = sqlite3.connect(path, timeout=patience_s, isolation_level=None, check_same_thread=False)
    try:
        # EXTRA is FULL, and before a new file has its log, the end of a transaction is on the disk
        # too: else a power cut could bring a journal back that undoes the file.
        raw.execute(f"PRAGMA synchronous={'OFF' if is_temporary else 'EXTRA'}")
    except BaseException:
        raw.close()
        raise
    return raw


def make(raw: sqlite3.Connection, mark: int, statements: Sequence[str], patience_s: float) -> None:
    """Makes the tables of a new file; several processes may do so at the same time.

    A file that has tables without a mark is somebody else's, and left as it is.

    Args:
        raw: A connection to it.
        mark: A number that tells files of this kind from all others: its `application_id`.
        statements: What makes the tables.
        patience_s: How long to wait for others, in seconds.
    """
    if mark_of(raw) or raw.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        # Perhaps another process has made them since.
        return
    use_log(raw, patience_s)
    raw.execute("BEGIN IMMEDIATE")
    try:
        if mark_of(raw) == 0:
            for statement in statements:
                raw.execute(statement)
            raw.execute(f"PRAGMA application_id={mark}")
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise


def mark_of(raw: sqlite3.Connection) -> int:
    """The number that tells what kind of file it is; 0 for a new one."""
    return int(raw.execute("PRAGMA application_id").fetchone()[0])


def use_log(raw: sqlite3.Connection, patience_s: float) -> bool:
    """Switches to a write-ahead log, which the file remembers; whether its disk can have one."""
    end = time.monotonic() + patience_s
    while True:
        # SQLite does not wait here for others that do the same.
        try:
            return bool(raw.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal")
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


def absolute(path: str | os.PathLike[str]) -> Path:
    """A path as it is from everywhere, with `~` for the user's folder."""
    return Path(os.path.abspath(os.path.expanduser(os.fspath(path))))


def remove_folder(folder: str, owner: int) -> None:
    """Removes a temporary folder, if this is the process that made it and no child of its own."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
