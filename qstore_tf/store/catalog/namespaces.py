"""Namespaces: their names, dimensions, metrics and contexts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qstore_tf.errors import NotFoundError, describe
from qstore_tf.store.catalog.connections import Connection

SLOT_BITS = 40  # of a slot's number; those above them are the namespace's

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ContextRow:
    """A context of a namespace.

    Attributes:
        number: Its number, unique in the database.
        name: Its name, unique in the namespace.
        basis: Orthonormal columns [d, r], float64 or complex128, of a context that is defined by a
            subspace; None for others.
    """

    number: int
    name: str
    basis: Array | None = None


@dataclass(frozen=True, eq=False)
class NamespaceRow:
    """A namespace.

    Attributes:
        number: Its number, never given twice.
        name: Its name.
        dimension: d of all its vectors.
        metric: "cosine", "dot", "l2" or "fidelity".
        dtype: Of its vectors, "float32" or "complex64".
        max_norm: The longest vector that it ever held.
        settings: Whatever the database keeps of it.
        contexts: In the order in which they were declared.
        stamp: Another number whenever something in it has changed, and the same in no other
            namespace or database: see `mark`.
    """

    number: int
    name: str
    dimension: int
    metric: str
    dtype: np.dtype[Any]
    max_norm: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    contexts: tuple[ContextRow, ...] = ()
    stamp: int = 0

    @property
    def slots(self) -> tuple[int, int]:
        """The first slot that an item of this namespace may have, and the last."""
        return self.number << SLOT_BITS, (self.number + 1 << SLOT_BITS) - 1


def create(
    writer: Connection,
    name: str,
    dimension: int,
    metric: str,
    dtype: str = "float32",
    settings: Mapping[str, Any] | None = None,
    contexts: Sequence[str] = (),
) -> NamespaceRow:
    """Makes a namespace. One of that name must not exist: see `find`."""
    number = take_number(writer)
    writer.execute(
        "INSERT INTO namespaces VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?)",
        (number, name, dimension, metric, dtype, json.dumps(dict(settings or {})), _stamp()),
    )
    for context in contexts:
        declare_context(writer, number, context)
    return get(writer, name)


def find(reader: Connection, name: str) -> NamespaceRow | None:
    """Returns a namespace by its name; None where there is none."""
    rows = _rows(reader, "WHERE name = ?", (name,))
    return rows[0] if rows else None


def get(reader: Connection, name: str) -> NamespaceRow:
    """Returns a namespace by its name.

    Raises:
        NotFoundError: There is none.
    """
    found = find(reader, name)
    if found is None:
        raise NotFoundError(describe("There is no namespace of this name", received=name))
    return found


def all_of(reader: Connection) -> list[NamespaceRow]:
    """Returns all namespaces, by name."""
    return _rows(reader, "ORDER BY name", ())


def drop(writer: Connection, number: int) -> None:
    """Removes a namespace with everything in it."""
    slots = "SELECT slot FROM items WHERE namespace = ?"
    groups = "SELECT number FROM groups WHERE namespace = ?"
    for statement in (
        f"DELETE FROM item_contexts WHERE slot IN ({slots})",
        f"DELETE FROM members WHERE group_number IN ({groups})",
        *(
            f"DELETE FROM {table} WHERE namespace = ?"
            for table in ("items", "groups", "changed", "steps", "contexts", "outbox")
        ),
        "DELETE FROM namespaces WHERE number = ?",
    ):
        writer.execute(statement, (number,))


def raise_max_norm(writer: Connection, number: int, norm: float) -> None:
    """Notes a vector that may be longer than all before."""
    writer.execute(
        "UPDATE namespaces SET max_norm = ?, stamp = ? WHERE number = ? AND max_norm < ?",
        (norm, _stamp(), number, norm),
    )


def mark(writer: Connection, number: int) -> None:
    """Notes that something that queries depend on has changed in a namespace.

    It gets a new stamp, by chance: the number of a commit would name two states where a copy of a
    file, or a backup that was put back, goes on beside the original.
    """
    writer.execute("UPDATE namespaces SET stamp = ? WHERE number = ?", (_stamp(), number))


def mark_of_group(writer: Connection, group: int) -> None:
    """As `mark`, for the namespace of a group."""
    writer.execute(
        "UPDATE namespaces SET stamp = ? WHERE number ="
        " (SELECT namespace FROM groups WHERE number = ?)",
        (_stamp(), group),
    )


def declare_context(
    writer: Connection, number: int, name: str, basis: Array | None = None
) -> ContextRow:
    """Adds a context to a namespace, or gives one that is there another basis.

    Args:
        writer: The connection.
        number: The namespace.
        name: The context's name.
        basis: [d, r], see `ContextRow`; None leaves that of a known context as it is.
    """
    blob = None if basis is None else _pack(basis)
    for row in _contexts(writer, number):
        if row.name == name:
            if blob is not None:
                writer.execute("UPDATE contexts SET basis = ? WHERE number = ?", (blob, row.number))
                mark(writer, number)
            return ContextRow(row.number, name, row.basis if basis is None else basis)
    made = take_number(writer)
    writer.execute("INSERT INTO contexts VALUES (?, ?, ?, ?)", (made, number, name, blob))
    mark(writer, number)
    return ContextRow(made, name, basis)


def take_number(writer: Connection) -> int:
    """Returns a number for a namespace, context or group, which none ever had."""
    [row] = writer.execute("UPDATE meta SET numbers = numbers + 1 RETURNING numbers").fetchall()
    return int(row[0])


def _rows(reader: Connection, where: str, values: tuple[Any, ...]) -> list[NamespaceRow]:
    found = reader.execute(
        "SELECT number, name, dimension, metric, dtype, max_norm, settings, stamp"
        f" FROM namespaces {where}",
        values,
    ).fetchall()
    return [
        NamespaceRow(
            number,
            name,
            dimension,
            metric,
            np.dtype(dtype),
            max_norm,
            json.loads(settings),
            tuple(_contexts(reader, number)),
            stamp,
        )
        for number, name, dimension, metric, dtype, max_norm, settings, stamp in found
    ]


def _contexts(reader: Connection, number: int) -> list[ContextRow]:
    rows = reader.execute(
        "SELECT number, name, basis FROM contexts WHERE namespace = ? ORDER BY number", (number,)
    )
    return [ContextRow(n, name, None if b is None else _unpack(b)) for n, name, b in rows]


def _stamp() -> int:
    return secrets.randbits(63)


def _pack(basis: Array) -> bytes:
    """A matrix as bytes: a letter for its type, its number of rows, its numbers."""
    matrix = np.ascontiguousarray(basis, np.complex128 if np.iscomplexobj(basis) else np.float64)
    head = np.array([matrix.shape[0]], "<i8").tobytes()
    return matrix.dtype.char.encode() + head + matrix.tobytes()


def _unpack(blob: bytes) -> Array:
    rows = int(np.frombuffer(blob, "<i8", 1, 1)[0])
    return np.frombuffer(blob[9:], blob[:1].decode()).reshape(rows, -1)
