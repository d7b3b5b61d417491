"""Items: rows with a vector, contexts and metadata, by key."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.catalog import feed
from qstore_tf.store.catalog.connections import Connection, chunks
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.catalog.packing import PACK, WRITTEN, packed_columns, unpack
from qstore_tf.store.catalog.packing import Array as Array
from qstore_tf.store.catalog.packing import ContextEntry as ContextEntry
from qstore_tf.store.catalog.packing import Rows as Rows
from qstore_tf.store.catalog.packing import StoredItem as StoredItem

Slots = NDArray[np.int64]

_FIELDS = (
    "slot, key, written_at, coherence_time, expires_at, archived_at, changed_in, "
    "staleness_offset, metadata, vector"
)
_OVERWRITE = ", ".join(
    f"{name} = excluded.{name}" for name in ("changed_in", "archived_at", *WRITTEN)
)


def find_slots(reader: Connection, namespace: NamespaceRow, keys: Sequence[str]) -> Slots:
    """Returns the slots of items [n], archived ones too; 0 for keys that are not there."""
    found: dict[str, int] = {}
    if len(keys) > 100 and _is_empty(reader, namespace.number):
        return np.zeros(len(keys), np.int64)
    for part, marks in chunks(keys):
        found.update(
            reader.execute(
                f"SELECT key, slot FROM items WHERE namespace = ? AND key IN ({marks})",
                (namespace.number, *part),
            ).fetchall()
        )
    return np.fromiter((found.get(key, 0) for key in keys), np.int64, len(keys))


def put_many(
    writer: Connection, namespace: NamespaceRow, rows: Rows, slots: Slots | None = None
) -> Slots:
    """Writes items; those that are there are replaced wholly, and come back from the archive.

    Memberships in groups stay as they are. Of rows with the same key the last one counts.

    Args:
        writer: The connection.
        namespace: Where they belong.
        rows: The items.
        slots: What `find_slots` said in this transaction; None: it is asked here.

    Returns:
        Their slots [n].
    """
    keys = list(rows.keys)
    slots = find_slots(writer, namespace, keys) if slots is None else slots.copy()
    is_new = slots == 0
    known = slots[~is_new]
    last = None if len(set(keys)) == len(keys) else _last_positions(keys)
    new = np.flatnonzero(is_new)
    if len(new):
        first = _take_slots(writer, namespace, len(new))
        slots[new] = np.arange(first, first + len(new))
    if last is not None:
        its = {keys[i]: int(slots[i]) for i in last}
        slots = np.fromiter((its[key] for key in keys), np.int64, len(keys))
    columns: list[Iterable[Any]] = [slots.tolist(), keys]
    values = ["?", "?"]
    for column in packed_columns(rows, namespace.dtype):
        # A constant costs nothing in the statement, and a good part of the time as a value.
        values.append(column if isinstance(column, str) else "?")
        if not isinstance(column, str):
            columns.append(column)
    if last is not None:
        columns = [[column[i] for i in last] for column in map(list, columns)]
    writer.executemany(
        f"INSERT INTO items (namespace, changed_in, archived_at, slot, key, {', '.join(WRITTEN)})"
        f" VALUES ({namespace.number}, {writer.number}, NULL, {', '.join(values)})"
        f" ON CONFLICT (slot) DO UPDATE SET {_OVERWRITE}",
        zip(*columns, strict=True),
    )
    if len(known):
        _clear_contexts(writer, np.unique(known))
    _add_contexts(writer, slots, rows.contexts, namespace.dtype, last)
    feed.note(writer, namespace, slots)
    return slots


def patch_many(
    writer: Connection, namespace: NamespaceRow, slots: Sequence[int] | Slots, **columns: Any
) -> None:
    """Changes some columns of items that are there, and leaves the others.

    Args:
        writer: The connection.
        namespace: Where they belong.
        slots: The items [n].
        columns: `vectors` [n, d], `written_at`, `coherence_time`, `expires_at` (ms, `math.inf` for
            ever), `staleness_offset`, `metadata` (texts or None), each [n]; `contexts`, entries as
            in `Rows`, which replace all contexts of these items.
    """
    numbers = [int(slot) for slot in slots]
    contexts = columns.pop("contexts", None)
    packed: dict[str, Iterable[Any]] = {
        "vector" if name == "vectors" else name: PACK[name](values, namespace.dtype)
        for name, values in columns.items()
    }
    changes = ", ".join(f"{name} = ?" for name in ("changed_in", *packed))
    changed = [writer.number] * len(numbers)
    writer.executemany(
        f"UPDATE items SET {changes} WHERE slot = ?",
        zip(*[changed, *packed.values(), numbers], strict=True),
    )
    if contexts is not None:
        _clear_contexts(writer, np.asarray(numbers, np.int64))
        _add_contexts(writer, np.asarray(numbers, np.int64), contexts, namespace.dtype, None)
    feed.note(writer, namespace, np.asarray(numbers, np.int64))


def remove(writer: Connection, namespace: NamespaceRow, slots: Sequence[int] | Slots) -> int:
    """Removes items for good, from their groups too.

    Returns:
        How many there were.
    """
    removed = 0
    for part, marks in chunks([int(slot) for slot in slots]):
        for group in writer.execute(
            f"SELECT DISTINCT group_number FROM members WHERE slot IN ({marks})", part
        ).fetchall():
            writer.execute(
                "UPDATE groups SET changed_in = ?, members_in = ? WHERE number = ?",
                (writer.number, writer.number, group[0]),
            )
        for table in ("item_contexts", "members", "steps"):
            writer.execute(f"DELETE FROM {table} WHERE slot IN ({marks})", part)
        removed += writer.execute(f"DELETE FROM items WHERE slot IN ({marks})", part).rowcount
    feed.note(writer, namespace, np.asarray(slots, np.int64))
    return removed


def fetch_many(
    reader: Connection, namespace: NamespaceRow, keys: Sequence[str]
) -> list[StoredItem | None]:
    """Returns items by their keys [n], archived ones too; None for those that are not there."""
    found = {
        item.key: item
        for part, marks in chunks(keys)
        for item in _fetch(
            reader,
            namespace.dtype,
            f"namespace = ? AND key IN ({marks})",
            (namespace.number, *part),
        )
    }
    return [found.get(key) for key in keys]


def fetch_slots(
    reader: Connection, namespace: NamespaceRow, slots: Sequence[int] | Slots
) -> list[StoredItem | None]:
    """Returns items by their slots [n]; None for those that are not there."""
    numbers = [int(slot) for slot in slots]
    found = {
        item.slot: item
        for part, marks in chunks(numbers)
        for item in _fetch(reader, namespace.dtype, f"slot IN ({marks})", tuple(part))
    }
    return [found.get(slot) for slot in numbers]


def count(reader: Connection, namespace: NamespaceRow, archived: bool = False) -> int:
    """Returns how many items there are, without archived ones or only those."""
    if archived:
        where = "archived_at IS NOT NULL"
        row = reader.execute(
            f"SELECT count(*) FROM items WHERE namespace = ? AND {where}", (namespace.number,)
        ).fetchone()
        return int(row[0])
    row = reader.execute(
        "SELECT count(*) FROM items WHERE namespace = ?", (namespace.number,)
    ).fetchone()
    return int(row[0]) - count(reader, namespace, archived=True)


def list_keys(
    reader: Connection,
    namespace: NamespaceRow,
    prefix: str = "",
    after: str | None = None,
    limit: int = 100,
    archived: bool = False,
) -> tuple[list[str], str | None]:
    """Returns keys in order of their code points, a page of them.

    Args:
        reader: The connection.
        namespace: Where to look.
        prefix: What the keys start with.
        after: The token that came with the page before; None: the first page.
        limit: How many at most.
        archived: Whether to list the archive instead.

    Returns:
        The keys, and the token of the next page; None after the last.
    """
    where = ["namespace = ?", f"archived_at IS {'NOT ' if archived else ''}NULL"]
    values: list[Any] = [namespace.number]
    if prefix:
        where.append("key >= ?")
        values.append(prefix)
        end = _after_prefix(prefix)
        if end is not None:
            where.append("key < ?")
            values.append(end)
    if after is not None:
        where.append("key > ?")
        values.append(after)
    rows = reader.execute(
        f"SELECT key FROM items WHERE {' AND '.join(where)} ORDER BY key LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    keys = [row[0] for row in rows[:limit]]
    return keys, keys[-1] if len(rows) > limit and keys else None


def expired(
    reader: Connection, namespace: NamespaceRow, at_ms: float, limit: int = 1 << 62
) -> Slots:
    """Returns the slots of items that have decohered by then and are not archived, oldest first."""
    rows = reader.execute(
        "SELECT slot FROM items WHERE namespace = ? AND expires_at IS NOT NULL"
        " AND archived_at IS NULL AND expires_at <= ? ORDER BY expires_at, slot LIMIT ?",
        (namespace.number, at_ms, limit),
    ).fetchall()
    return np.array([row[0] for row in rows], np.int64)


def archive(
    writer: Connection, namespace: NamespaceRow, slots: Sequence[int] | Slots, at_ms: float
) -> int:
    """Puts items into the archive, where no search finds them; returns how many were not there."""
    return _set_archived(writer, namespace, slots, at_ms, "archived_at IS NULL")


def restore(writer: Connection, namespace: NamespaceRow, slots: Sequence[int] | Slots) -> int:
    """Takes items out of the archive; returns how many were there. Prepare them anew as well."""
    return _set_archived(writer, namespace, slots, None, "archived_at IS NOT NULL")


def _set_archived(
    writer: Connection,
    namespace: NamespaceRow,
    slots: Sequence[int] | Slots,
    at_ms: float | None,
    where: str,
) -> int:
    feed.note(writer, namespace, np.asarray(slots, np.int64))
    return sum(
        writer.execute(
            f"UPDATE items SET archived_at = ?, changed_in = ? WHERE {where} AND slot IN ({marks})",
            (at_ms, writer.number, *part),
        ).rowcount
        for part, marks in chunks([int(slot) for slot in slots])
    )


def _fetch(
    reader: Connection, dtype: np.dtype[Any], where: str, values: Sequence[Any]
) -> list[StoredItem]:
    rows = reader.execute(f"SELECT {_FIELDS} FROM items WHERE {where}", values).fetchall()
    slots = [row[0] for row in rows]
    contexts: dict[int, list[tuple[int, float, Array | None]]] = {}
    groups: dict[int, list[int]] = {}
    for part, marks in chunks(slots):
        for slot, *entry, blob in reader.execute(
            "SELECT slot, context, weight, vector FROM item_contexts"
            f" WHERE slot IN ({marks}) ORDER BY context",
            part,
        ):
            contexts.setdefault(slot, []).append((*entry, unpack(blob, dtype)))  # type: ignore[arg-type]
        for slot, group in reader.execute(
            f"SELECT slot, group_number FROM members WHERE slot IN ({marks}) ORDER BY group_number",
            part,
        ):
            groups.setdefault(slot, []).append(group)
    return [
        StoredItem(
            slot=row[0],
            key=row[1],
            vector=unpack(row[9], dtype),
            metadata=row[8],
            written_at=row[2],
            coherence_time=math.inf if row[3] is None else row[3],
            expires_at=math.inf if row[4] is None else row[4],
            archived_at=row[5],
            version=row[6],
            staleness_offset=row[7],
            contexts=tuple(contexts.get(row[0], ())),
            groups=tuple(groups.get(row[0], ())),
        )
        for row in rows
    ]


def _last_positions(keys: list[str]) -> list[int]:
    """Where each key stands for the last time, in order."""
    return sorted({key: i for i, key in enumerate(keys)}.values())


def _clear_contexts(writer: Connection, slots: Slots) -> None:
    for part, marks in chunks(slots.tolist()):
        writer.execute(f"DELETE FROM item_contexts WHERE slot IN ({marks})", part)


def _add_contexts(
    writer: Connection,
    slots: Slots,
    entries: Sequence[ContextEntry],
    dtype: np.dtype[Any],
    positions: list[int] | None,
) -> None:
    if not entries:
        return
    kept = None if positions is None else set(positions)
    writer.executemany(
        "INSERT INTO item_contexts (slot, context, weight, vector) VALUES (?, ?, ?, ?)",
        (
            (
                int(slots[position]),
                int(context),
                float(weight),
                None if vector is None else np.ascontiguousarray(vector, dtype).tobytes(),
            )
            for position, context, weight, vector in entries
            if kept is None or position in kept
        ),
    )


def _is_empty(reader: Connection, namespace: int) -> bool:
    found = reader.execute("SELECT 1 FROM items WHERE namespace = ? LIMIT 1", (namespace,))
    return found.fetchone() is None


def _take_slots(writer: Connection, namespace: NamespaceRow, wanted: int) -> int:
    """Returns the first of some slots that no item ever had."""
    [row] = writer.execute(
        "UPDATE meta SET slots = slots + ? RETURNING slots", (wanted,)
    ).fetchall()
    return namespace.slots[0] + int(row[0]) - wanted + 1


def _after_prefix(prefix: str) -> str | None:
    """The first text after all that start with a prefix; None where there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    last = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if 0xD800 <= last < 0xE000 else last)
