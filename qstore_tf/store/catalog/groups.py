"""Correlated groups: members, correlation, and the sum of the steps that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import NotFoundError, describe
from qstore_tf.store.catalog.connections import Connection, chunks
from qstore_tf.store.catalog.namespaces import NamespaceRow, mark_of_group, take_number

Accumulator = NDArray[Any]  # [d], float64 or complex128


@dataclass(frozen=True, eq=False)
class GroupRow:
    """A group.

    Attributes:
        number: Its number, never given twice.
        name: Its name, unique in the namespace.
        rho: The correlation of two of its members.
        accumulator: [d], the sum of its steps; float64, or complex128 of complex vectors.
        drift: The variance per coordinate that its steps left unexplained, summed.
    """

    number: int
    name: str
    rho: float
    accumulator: Accumulator
    drift: float


def create(
    writer: Connection,
    namespace: NamespaceRow,
    name: str,
    rho: float,
    slots: Sequence[int] | NDArray[np.int64],
) -> int:
    """Makes a group with an accumulator of zero; returns its number. The name must be free."""
    number = take_number(writer)
    wide = np.complex128 if namespace.dtype.kind == "c" else np.float64
    writer.execute(
        "INSERT INTO groups VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
        (number, namespace.number, name, rho, _pack(np.zeros(namespace.dimension, wide)))
        + (writer.number, writer.number),
    )
    add_members(writer, number, slots)
    return number


def find(reader: Connection, namespace: NamespaceRow, name: str) -> GroupRow | None:
    """Returns a group by its name; None where there is none."""
    found = _rows(reader, "namespace = ? AND name = ?", (namespace.number, name))
    return found[0] if found else None


def get(reader: Connection, namespace: NamespaceRow, name: str) -> GroupRow:
    """Returns a group by its name.

    Raises:
        NotFoundError: There is none.
    """
    found = find(reader, namespace, name)
    if found is None:
        raise NotFoundError(
            describe(f"There is no group of this name in {namespace.name!r}", received=name)
        )
    return found


def numbered(reader: Connection, number: int) -> GroupRow | None:
    """Returns a group by its number; None where it is dissolved."""
    found = _rows(reader, "number = ? AND name IS NOT NULL", (number,))
    return found[0] if found else None


def all_of(reader: Connection, namespace: NamespaceRow) -> list[GroupRow]:
    """Returns all groups of a namespace, by name."""
    return _rows(reader, "namespace = ? AND name IS NOT NULL ORDER BY name", (namespace.number,))


def of_slots(reader: Connection, slots: Sequence[int] | NDArray[np.int64]) -> list[GroupRow]:
    """Returns all groups that have one of these slots as a member, by number."""
    numbers = {number for _, number in memberships(reader, slots)}
    return [_rows(reader, "number = ?", (number,))[0] for number in sorted(numbers)]


def memberships(
    reader: Connection, slots: Sequence[int] | NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Returns `(slot, number of the group)` of all groups that these slots are in, in order."""
    pairs: list[tuple[int, int]] = []
    for part, marks in chunks([int(slot) for slot in slots]):
        pairs += reader.execute(
            f"SELECT slot, group_number FROM members WHERE slot IN ({marks})", part
        ).fetchall()
    return sorted((slot, number) for slot, number in pairs)


def members(reader: Connection, number: int) -> NDArray[np.int64]:
    """Returns the slots of a group's members, in order. All else here costs the same for any."""
    rows = reader.execute(
        "SELECT slot FROM members WHERE group_number = ? ORDER BY slot", (number,)
    ).fetchall()
    return np.array([row[0] for row in rows], np.int64)


def has_partners(reader: Connection, number: int) -> bool:
    """Whether a group has two members or more; it costs the same for any."""
    row = reader.execute(
        "SELECT count(*) FROM (SELECT 1 FROM members WHERE group_number = ? LIMIT 2) AS some",
        (number,),
    ).fetchone()
    return int(row[0]) == 2


def set_state(writer: Connection, number: int, accumulator: Accumulator, drift: float) -> None:
    """Writes the sum of a group's steps, and what they left unexplained."""
    writer.execute(
        "UPDATE groups SET accumulator = ?, drift = ?, changed_in = ? WHERE number = ?",
        (_pack(accumulator), drift, writer.number, number),
    )
    mark_of_group(writer, number)


def add_members(writer: Connection, number: int, slots: Sequence[int] | NDArray[np.int64]) -> None:
    """Adds members; those that are in it already stay."""
    writer.executemany(
        "INSERT INTO members VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(number, int(slot)) for slot in slots],
    )
    _touch(writer, number)


def remove_members(
    writer: Connection, number: int, slots: Sequence[int] | NDArray[np.int64]
) -> None:
    """Takes members out. Write their effective vectors as reduced ones in the same transaction."""
    writer.executemany(
        "DELETE FROM members WHERE group_number = ? AND slot = ?",
        [(number, int(slot)) for slot in slots],
    )
    _touch(writer, number)


def dissolve(writer: Connection, number: int) -> None:
    """Ends a group. Write its members' effective vectors in the same transaction."""
    writer.execute("DELETE FROM members WHERE group_number = ?", (number,))
    writer.execute("UPDATE groups SET name = NULL WHERE number = ?", (number,))
    _touch(writer, number)


def unpack_accumulator(blob: bytes) -> Accumulator:
    """Returns the numbers of an accumulator [d]."""
    return np.frombuffer(blob[1:], blob[:1].decode())


def _pack(accumulator: Accumulator) -> bytes:
    """A letter for the type, then the numbers."""
    wide = np.complex128 if np.iscomplexobj(accumulator) else np.float64
    array = np.ascontiguousarray(accumulator, wide)
    return array.dtype.char.encode() + array.tobytes()


def _touch(writer: Connection, number: int) -> None:
    writer.execute(
        "UPDATE groups SET changed_in = ?, members_in = ? WHERE number = ?",
        (writer.number, writer.number, number),
    )
    mark_of_group(writer, number)


def _rows(reader: Connection, where: str, values: Sequence[Any]) -> list[GroupRow]:
    rows = reader.execute(
        f"SELECT number, name, rho, accumulator, drift FROM groups WHERE {where}", values
    ).fetchall()
    return [
        GroupRow(number, name, rho, unpack_accumulator(blob), drift)
        for number, name, rho, blob, drift in rows
    ]


def has_any(reader: Connection, namespace: NamespaceRow) -> bool:
    """Whether a namespace has groups."""
    row = reader.execute(
        "SELECT 1 FROM groups WHERE namespace = ? AND name IS NOT NULL LIMIT 1", (namespace.number,)
    ).fetchone()
    return row is not None
