"""All rows of a database, from one kind of it to another."""

from __future__ import annotations

from collections.abc import Mapping

from qstore_tf.store.catalog import schema
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.guests import quoted

NAMES = tuple(text.split()[2] for text in schema.TABLES if text.startswith("CREATE TABLE"))
_ROWS = 1000  # at a time


def copy(reader: Connection, writer: Connection, more: Mapping[str, str] | None = None) -> None:
    """Copies everything into a new database, but for the number of its commit.

    Args:
        reader: Where from.
        writer: Where to; its tables are empty, and have the same columns in the same order.
        more: Statements that make further tables there, by their names.
    """
    slots, numbers = reader.execute("SELECT slots, numbers FROM meta").fetchone()
    writer.execute("UPDATE meta SET slots = ?, numbers = ?", (slots, numbers))
    for table in NAMES:
        if table != "meta":  # one row, which is there already
            _copy_rows(reader, writer, table)
    for table, statement in (more or {}).items():
        writer.execute(statement)
        _copy_rows(reader, writer, quoted(table))


def _copy_rows(reader: Connection, writer: Connection, table: str) -> None:
    found = reader.stream(f"SELECT * FROM {table}")
    while rows := found.fetchmany(_ROWS):
        marks = ", ".join("?" * len(rows[0]))
        writer.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
