"""Errors of the databases beneath, told in our words: what happened, where, what to do."""

from __future__ import annotations

import sqlite3

from qstore_tf import sqlite_files
from qstore_tf.errors import StoreBusyError, StoreError, describe

# Words in SQLite's message (its codes came with Python 3.11), what that means, what to do.
_SQLITE = (
    (
        "not a database",
        "The file is not a database, or its first page is damaged",
        "Name another file, or put back a backup",
    ),
    (
        "malformed",
        "The database is damaged",
        "Put back a backup; the disk or a program other than qstore_tf has changed the file",
    ),
    (
        "is full",
        "There is no room left for the database; nothing of this was stored",
        "Free room on its disk. Everything stored before is still there",
    ),
    (
        "readonly",
        "The database cannot be written",
        "Its file, its folder and its disk must be writable by this process",
    ),
    (
        "unable to open",
        "The database cannot be opened",
        "The folder must exist, and be writable by this process",
    ),
    (
        "disk I/O error",
        "The disk failed while the database was used; nothing of this was stored",
        "Look at the system's log; everything stored before is still there if the disk is",
    ),
)


def sqlite_error(error: sqlite3.Error | OSError, where: str, patience_s: float) -> StoreError:
    """Returns what to raise for an error of SQLite.

    Args:
        error: SQLite's error, or the system's.
        where: The database, for the message.
        patience_s: How long was waited for others.
    """
    text = str(error)
    if sqlite_files.is_busy(error):
        return StoreBusyError(
            describe(
                f"Another process wrote to the database for longer than {patience_s:g} s, "
                "which is how long this one waits",
                received=where,
                hint="Try again, wait longer (`patience_s`), or end the other process",
            )
        )
    for words, meaning, hint in _SQLITE:
        if words in text:
            return StoreError(describe(f"{meaning} ({text})", received=where, hint=hint))
    return StoreError(describe(f"The database cannot be used: {text}", received=where))
