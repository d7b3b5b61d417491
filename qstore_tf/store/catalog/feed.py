"""What changed in a namespace since a commit, ready for an index."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.catalog.connections import Connection, chunks
from qstore_tf.store.catalog.groups import members as members_of
from qstore_tf.store.catalog.groups import unpack_accumulator
from qstore_tf.store.catalog.namespaces import NamespaceRow, mark
from qstore_tf.store.index.changes import Changes, GroupState

# How much of a namespace's log of changes is kept; whoever is further behind reads all. It is cut
# when the namespace is written for the first time within each `_EVERY` commits, and by entries of
# `LEAST_LOG / _EVERY` bytes or more; so it is never older than the first, nor larger than the
# second, by more than that many commits, whoever else writes into the database.
LOG_COMMITS = 10_000  # commits of the database,
LEAST_LOG = 1 << 20  # and bytes: so many, or 16 for each item
_EVERY = 64
_ROWS = 2000  # read at a time

Slots = NDArray[np.int64]


def changes(reader: Connection, namespace: NamespaceRow, since: int = 0) -> Changes:
    """Returns what is different from how the namespace was after a commit.

    Args:
        reader: The connection; `Changes.commit` is its number.
        namespace: As it is now, read through the same connection.
        since: The last commit that is known; 0: everything.

    Returns:
        Rows that are new or changed, removed ones (archived ones are among them), groups.

    Raises:
        ValueError: `since` is before `oldest(...)`: start from 0 with an empty index.
    """
    if since and since < oldest(reader, namespace):
        raise ValueError(f"What happened since commit {since} is forgotten; start from 0")
    changed = changed_slots(reader, namespace.number, since) if since else None
    return _changes(reader, namespace, changed, since)


def changes_of(reader: Connection, namespace: NamespaceRow, slots: Slots) -> Changes:
    """Returns some items and all groups, for an index that is to hold those items alone.

    Args:
        reader: The connection; `Changes.commit` is its number.
        namespace: As it is now, read through the same connection.
        slots: The items; those that are not there, or archived, are left out.
    """
    return _changes(reader, namespace, np.unique(np.asarray(slots, np.int64)), 0)


def _changes(
    reader: Connection, namespace: NamespaceRow, changed: Slots | None, since: int
) -> Changes:
    place, keys, vectors, written, coherence, metadata = _rows(reader, namespace, changed)
    return Changes(
        slots=place,
        keys=keys,
        vectors=vectors,
        written_at=written,
        coherence_time=coherence,
        metadata=metadata,
        contexts=_contexts(reader, namespace, changed, place),
        removed=np.empty(0, np.int64) if changed is None else np.setdiff1d(changed, place),
        groups=_groups(reader, namespace.number, since),
        max_norm=namespace.max_norm,
        context_names=[context.name for context in namespace.contexts],
        commit=reader.number,
    )


def oldest(reader: Connection, namespace: NamespaceRow) -> int:
    """Returns the earliest commit from which `changes` can go on."""
    row = reader.execute(
        "SELECT forgotten_to FROM namespaces WHERE number = ?", (namespace.number,)
    ).fetchone()
    return 0 if row is None else int(row[0])


def note(writer: Connection, namespace: NamespaceRow, slots: Slots) -> None:
    """Writes into the log that items were written, removed, archived or restored.

    Args:
        writer: The connection.
        namespace: Where they belong.
        slots: Their slots, in any order.
    """
    if not len(slots):
        return
    runs = _runs(slots)
    last = writer.execute(
        "SELECT max(changed_in) FROM changed WHERE namespace = ?", (namespace.number,)
    ).fetchone()[0]
    writer.execute(
        "INSERT INTO changed (namespace, changed_in, slots) VALUES (?, ?, ?)",
        (namespace.number, writer.number, runs),
    )
    mark(writer, namespace.number)
    is_first = last is not None and last // _EVERY < writer.number // _EVERY
    if is_first:
        forget(writer, namespace, writer.number - LOG_COMMITS)
    if is_first or len(runs) >= LEAST_LOG // _EVERY:
        _trim(writer, namespace)


def changed_slots(reader: Connection, namespace: int, since: int) -> Slots:
    """Returns the slots of items that were written, removed or archived after a commit, in order.

    Args:
        reader: The connection; a writer sees what its own transaction has done so far.
        namespace: The number of the namespace.
        since: The commit.
    """
    rows = reader.execute(
        "SELECT slots FROM changed WHERE namespace = ? AND changed_in > ?",
        (namespace, since),
    ).fetchall()
    runs = np.frombuffer(b"".join(row[0] for row in rows), "<i8").reshape(-1, 2)
    starts, lengths = runs[:, 0], runs[:, 1]
    before = np.cumsum(lengths) - lengths
    steps = np.arange(lengths.sum()) - np.repeat(before, lengths)
    return np.unique(np.repeat(starts, lengths) + steps).astype(np.int64)


def forget(writer: Connection, namespace: NamespaceRow, to: int) -> None:
    """Drops the log up to a commit: `changes` since later ones still work."""
    to = min(to, writer.number - 1)
    values = (namespace.number, to)
    writer.execute("DELETE FROM changed WHERE namespace = ? AND changed_in <= ?", values)
    writer.execute(
        "DELETE FROM groups WHERE namespace = ? AND changed_in <= ? AND name IS NULL", values
    )
    writer.execute(
        "UPDATE namespaces SET forgotten_to = ? WHERE number = ? AND forgotten_to < ?",
        (to, namespace.number, to),
    )


def _trim(writer: Connection, namespace: NamespaceRow) -> None:
    """Keeps the log in proportion to the items: whoever is that far behind had better read all."""
    size = writer.execute(
        "SELECT sum(length(slots)) FROM changed WHERE namespace = ?", (namespace.number,)
    ).fetchone()[0]
    room = max(LEAST_LOG, 16 * _count(writer, namespace))
    if int(size) <= room:
        return
    rows = writer.execute(
        "SELECT changed_in, length(slots) FROM changed WHERE namespace = ?"
        " ORDER BY changed_in DESC",
        (namespace.number,),
    ).fetchall()
    for number, size in rows:
        room -= size
        if room < 0:
            forget(writer, namespace, number)
            return


def _runs(slots: Slots) -> bytes:
    """Slots as first ones and how many follow: 16 bytes for each run."""
    if len(slots) == 1:
        return struct.pack("<qq", slots[0], 1)
    ordered = np.unique(slots)
    breaks = np.flatnonzero(ordered[1:] - ordered[:-1] != 1)
    runs = np.empty((len(breaks) + 1, 2), "<i8")
    starts, lengths = runs.T
    starts[0] = ordered[0]
    starts[1:] = ordered[breaks + 1]
    lengths[:-1] = ordered[breaks] + 1 - starts[:-1]
    lengths[-1] = ordered[-1] + 1 - starts[-1]
    return runs.tobytes()


def _rows(
    reader: Connection, namespace: NamespaceRow, changed: Slots | None
) -> tuple[
    Slots, list[str], NDArray[Any], NDArray[np.float64], NDArray[np.float64], list[str | None]
]:
    """The columns of rows that are there; vectors are zeros where a row has none of its own.

    Part by part into arrays of their final size: a hundred thousand tuples at once would cost more
    than their rows.
    """
    most = len(changed) if changed is not None else _count(reader, namespace)
    vectors = np.empty((most, namespace.dimension), namespace.dtype)
    place, times = np.empty(most, np.int64), np.empty((2, most))
    keys: list[str] = []
    metadata: list[str | None] = []
    zeros = bytes(vectors.itemsize * namespace.dimension)
    columns = "slot, key, vector, written_at, coherence_time, metadata"
    for rows in _parts(
        reader, namespace, changed, f"SELECT {columns} FROM items", "AND archived_at IS NULL"
    ):
        slots, names, held, written, coherence, texts = zip(*rows, strict=True)
        part = slice(len(keys), len(keys) + len(rows))
        blobs = [zeros if blob is None else blob for blob in held]
        vectors[part] = np.frombuffer(b"".join(blobs), namespace.dtype).reshape(len(rows), -1)
        place[part] = slots
        times[0, part], times[1, part] = written, coherence  # None becomes NaN
        keys += names
        metadata += texts
    n = len(keys)
    times[1][np.isnan(times[1])] = math.inf
    return place[:n], keys, vectors[:n], times[0, :n], times[1, :n], metadata


def _count(reader: Connection, namespace: NamespaceRow) -> int:
    row = reader.execute("SELECT count(*) FROM items WHERE namespace = ?", (namespace.number,))
    return int(row.fetchone()[0])


def _parts(
    reader: Connection, namespace: NamespaceRow, changed: Slots | None, select: str, more: str = ""
) -> Iterator[list[Any]]:
    """Rows of changed slots, or of all slots of the namespace, some at a time."""
    if changed is None:
        found = reader.stream(f"{select} WHERE slot >= ? AND slot <= ? {more}", namespace.slots)
        while rows := found.fetchmany(_ROWS):
            yield rows
    else:
        for part, marks in chunks(changed.tolist()):
            if rows := reader.execute(f"{select} WHERE slot IN ({marks}) {more}", part).fetchall():
                yield rows


def _contexts(
    reader: Connection, namespace: NamespaceRow, changed: Slots | None, slots: Slots
) -> list[tuple[int, str, float, NDArray[Any] | None]]:
    if not namespace.contexts:
        return []
    names = {context.number: context.name for context in namespace.contexts}
    positions = dict(zip(slots.tolist(), range(len(slots)), strict=True))
    select = "SELECT slot, context, weight, vector FROM item_contexts"
    return [
        (
            positions[slot],
            names[context],
            weight,
            None if blob is None else np.frombuffer(blob, namespace.dtype),
        )
        for rows in _parts(reader, namespace, changed, select)
        for slot, context, weight, blob in rows
        if slot in positions  # those of archived items are not
    ]


def _groups(reader: Connection, number: int, since: int) -> list[GroupState]:
    rows = reader.execute(
        "SELECT number, rho, accumulator, members_in, name FROM groups"
        " WHERE namespace = ? AND changed_in > ? ORDER BY number",
        (number, since),
    ).fetchall()
    states = []
    for group, rho, blob, members_in, name in rows:
        if name is None and not since:
            continue
        members = None
        if members_in > since:
            members = members_of(reader, group)
        states.append(GroupState(group, rho, unpack_accumulator(blob), members))
    return states
