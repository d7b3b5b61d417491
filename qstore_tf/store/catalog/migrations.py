"""Older files become new ones: forward only, in one transaction, after a copy was made."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from qstore_tf.store.catalog import schema

# The statements that make version n + 1 of version n, by n.
STEPS: Mapping[int, Sequence[str]] = {
    1: (
        "ALTER TABLE namespaces ADD COLUMN stamp {integer} NOT NULL DEFAULT 0",
        "UPDATE namespaces SET stamp = {random}",
    ),
}


def statements(
    version: int,
    types: Mapping[str, str],
    steps: Mapping[int, Sequence[str]] = STEPS,
    newest: int = schema.VERSION,
) -> list[str]:
    """Returns what brings tables of a version to the newest one, in one transaction.

    Args:
        version: Of the tables.
        types: `schema.SQLITE` or `schema.POSTGRESQL`.
        steps: Statements by the version that they start from.
        newest: The version wanted.
    """
    if version >= newest:
        return []
    made = [text.format(**types) for old in range(version, newest) for text in steps[old]]
    return [*made, f"UPDATE meta SET schema_version = {newest}"]


def migrate(
    raw: sqlite3.Connection,
    path: Path,
    steps: Mapping[int, Sequence[str]] = STEPS,
    newest: int = schema.VERSION,
) -> None:
    """Brings a file to the newest version.

    The file as it was is kept beside it, as `NAME.version-N`.

    Args:
        raw: A connection to the file.
        path: The file.
        steps: Statements by the version that they start from.
        newest: The version wanted.

    Raises:
        StoreError: The file is of a newer version than this qstore_tf knows.
    """
    version = _version(raw)
    if version == newest:
        return
    if version > newest:
        schema.check(version, str(path))
    raw.execute("BEGIN IMMEDIATE")
    try:
        version = _version(raw)  # another process may have been here since
        if version < newest:
            # Under the lock, or it might be a copy of what that process has made of the file.
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
                copy(reader, path.with_name(f"{path.name}.version-{version}"))
        for statement in statements(version, schema.SQLITE, steps, newest):
            raw.execute(statement)
        raw.execute("COMMIT")
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise


def copy(raw: sqlite3.Connection, path: Path) -> None:
    """Copies the database of a connection to a file, as it is at one moment, others writing.

    The copy is complete on the disk before the file has its name.

    Args:
        raw: The connection.
        path: Where the copy goes; a file there is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished-{uuid.uuid4().hex}")
    unfinished.unlink(missing_ok=True)
    try:
        with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as target:
            raw.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
        put_in_place(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def put_in_place(unfinished: Path, path: Path) -> None:
    """Gives a complete file its name, when all of it is on the disk."""
    with open(unfinished, "rb+") as file:
        os.fsync(file.fileno())
    for ending in ("-wal", "-shm"):  # of a file that was there, or it would be taken for ours
        path.with_name(path.name + ending).unlink(missing_ok=True)
    os.replace(unfinished, path)
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _version(raw: sqlite3.Connection) -> int:
    return int(raw.execute("SELECT schema_version FROM meta").fetchone()[0])
