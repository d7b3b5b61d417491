"""Metadata of all items of a namespace, without their vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.namespaces import NamespaceRow

_MOST_CLAUSES = 8


def texts(
    reader: Connection, namespace: NamespaceRow, needed: Sequence[Sequence[str]] = ()
) -> Iterator[tuple[int, str | None]]:
    """Yields items' slots and their metadata as JSON, archived items too.

    Args:
        reader: The connection.
        namespace: Where the items belong.
        needed: Texts of each of which one must stand in the metadata. Items that have none may come
            too: look at what comes.
    """
    where = ""
    values: list[str] = []
    for clause in needed[:_MOST_CLAUSES]:
        # In SQLite upper and lower case are alike here: some more come, none less.
        where += f" AND ({' OR '.join(['metadata LIKE ?'] * len(clause))})"
        values += [f"%{_escaped(text)}%" for text in clause]
    yield from reader.execute(
        f"SELECT slot, metadata FROM items WHERE namespace = ?{where}",
        (namespace.number, *values),
    )


def _escaped(text: str) -> str:
    """A text that LIKE takes as it is, but that `_` and what is escaped stand for any character."""
    return text.replace("\\", "_").replace("%", "_")
