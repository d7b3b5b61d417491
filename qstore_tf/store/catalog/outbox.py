"""What remote stores are to know of each item, and what they are known to find.

One row for each item and store, written in the transaction that changes the item, and kept: an
item's `number` is the commit that changed it last, `held` the state that every search of the store
is known to see. Where they differ, the row is open: the item has to be sent, and is searched in
the catalog meanwhile.

Requests may be lost, doubled, or arrive late, though no later than some seconds after they were
sent. So an acknowledged state is believed only if no other state of the item was under way that
shortly before it; else it is sent again at `clear_at`, when nothing can come in between any more.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from qstore_tf.store.catalog import feed
from qstore_tf.store.catalog.connections import Connection

TABLES = (
    # Times in seconds since 1970. `sent`: the state that was acknowledged and is believed, but that
    # `token` says some searches may not see yet. `records`: a JSON list of the contexts of which
    # the store may hold a record. `tried`: the state that was sent last, at the latest at
    # `tried_at`. `fault`: why the store refuses the item.
    "CREATE TABLE outbox (store {text} NOT NULL, slot {integer} NOT NULL,"
    " namespace {integer} NOT NULL, number {integer} NOT NULL, held {integer} NOT NULL,"
    " sent {integer} NOT NULL, token {text}, records {text} NOT NULL, tried {integer} NOT NULL,"
    " tried_at {real} NOT NULL, clear_at {real} NOT NULL, due_at {real} NOT NULL,"
    " tries {integer} NOT NULL, claim {text}, fault {text}, PRIMARY KEY (store, slot))"
    "{without_rowid}",
    "CREATE INDEX outbox_open ON outbox (store, namespace, slot) WHERE held <> number",
    "CREATE INDEX outbox_by_number ON outbox (store, namespace, number)",
)

_NEW = (
    "INSERT INTO outbox (store, slot, namespace, number, held, sent, records, tried, tried_at,"
    " clear_at, due_at, tries)"
)
_AGAIN = (
    "ON CONFLICT (store, slot) DO UPDATE SET number = excluded.number,"
    # What was refused may be taken now.
    " due_at = CASE WHEN outbox.fault IS NULL THEN outbox.due_at ELSE 0 END, fault = NULL"
)
_CHUNK = 500
_IDENTITY = "identity"


@dataclass(frozen=True)
class Row:
    """An item that has to be sent.

    Attributes:
        slot: The item.
        namespace: Number of its namespace.
        number: Of the commit whose state is to be sent.
        records: The contexts of which the store may hold a record.
        tries: How many sendings of it have failed in a row.
        clear_at: From when an acknowledgement is to be believed, in s.
        tried: The state that was sent last.
        tried_at: When that was sent at the latest, in s.
    """

    slot: int
    namespace: int
    number: int
    records: frozenset[int]
    tries: int
    clear_at: float
    tried: int
    tried_at: float


@dataclass(frozen=True)
class Awaited:
    """A state that a store has acknowledged, but that not all of its searches may see yet."""

    slot: int
    namespace: int
    number: int
    token: str


def note_changes(writer: Connection, store: str) -> None:
    """Notes all that this transaction has changed: items, removed ones, and members of groups.

    Args:
        writer: The connection, after the last change.
        store: The remote store's name.
    """
    for (namespace,) in writer.execute("SELECT number FROM namespaces").fetchall():
        slots = set(feed.changed_slots(writer, namespace, writer.number - 1).tolist())
        # Members of a group that took a step have moved, though no row of theirs is new.
        slots |= {
            row[0]
            for row in writer.execute(
                "SELECT slot FROM groups JOIN members ON group_number = number"
                " WHERE namespace = ? AND changed_in = ?",
                (namespace, writer.number),
            )
        }
        _add(writer, store, namespace, slots)


def note_all(writer: Connection, store: str, namespace: int) -> None:
    """Notes all items of a namespace: for a store that is new, or has lost what it held."""
    rows = writer.execute("SELECT slot FROM items WHERE namespace = ?", (namespace,)).fetchall()
    _add(writer, store, namespace, [row[0] for row in rows])
    writer.execute(
        "UPDATE outbox SET held = 0, sent = 0, token = NULL, due_at = 0, number = ?"
        " WHERE store = ? AND namespace = ?",
        (writer.number, store, namespace),
    )


def note_wrong(
    writer: Connection, store: str, namespace: int, records: Iterable[tuple[int, int]]
) -> None:
    """Notes records `(slot, context)` that a search found in another state than they should be."""
    for slot, context in records:
        writer.execute(
            f"{_NEW} VALUES (?, ?, ?, ?, 0, 0, '[]', 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
            (store, slot, namespace, writer.number),
        )
        known = writer.execute(
            "SELECT records FROM outbox WHERE store = ? AND slot = ?", (store, slot)
        ).fetchone()[0]
        writer.execute(
            "UPDATE outbox SET held = 0, sent = 0, token = NULL, number = ?, records = ?"
            " WHERE store = ? AND slot = ?",
            (writer.number, _pack({*_unpack(known), context}), store, slot),
        )


def _add(writer: Connection, store: str, namespace: int, slots: Iterable[int]) -> None:
    writer.executemany(
        f"{_NEW} VALUES (?, ?, ?, ?, 0, 0, '[]', 0, 0, 0, 0, 0)"
        " ON CONFLICT (store, slot) DO UPDATE SET number = excluded.number,"
        # What was refused may be taken now.
        " due_at = CASE WHEN outbox.fault IS NULL THEN outbox.due_at ELSE 0 END, fault = NULL",
        [(store, slot, namespace, writer.number) for slot in sorted(slots)],
    )


def due(reader: Connection, store: str, now: float, limit: int) -> list[Row]:
    """Returns what can be sent now, oldest states first."""
    rows = reader.execute(
        "SELECT slot, namespace, number, records, tries, clear_at, tried, tried_at FROM outbox"
        " WHERE store = ? AND held <> number AND sent <> number AND due_at <= ?"
        " ORDER BY number, slot LIMIT ?",
        (store, now, limit),
    ).fetchall()
    return [
        Row(slot, namespace, number, frozenset(_unpack(records)), *rest)
        for slot, namespace, number, records, *rest in rows
    ]


def take(
    writer: Connection,
    store: str,
    claim: str,
    rows: Sequence[tuple[Row, frozenset[int]]],
    until: float,
    settle_s: float,
) -> list[Row]:
    """Claims rows: nobody else sends them until then.

    Args:
        writer: The connection that `due` read them through.
        store: The store's name.
        claim: A name for this claim that no other has.
        rows: The rows, each with the contexts of which there will be records.
        until: When the claim ends, in s.
        settle_s: How long after it was sent a request may arrive, in s.

    Returns:
        The rows as they are now.
    """
    taken: list[Row] = []
    for row, contexts in rows:
        clear_at = row.clear_at
        if row.tried not in (0, row.number):
            clear_at = max(clear_at, row.tried_at + settle_s)
        taken.append(replace(row, records=row.records | contexts, clear_at=clear_at))
    writer.executemany(
        "UPDATE outbox SET claim = ?, due_at = ?, clear_at = ?, tried = ?, tried_at = ?,"
        " records = ? WHERE store = ? AND slot = ?",
        [
            (claim, until, row.clear_at, row.number, until, _pack(row.records), store, row.slot)
            for row in taken
        ],
    )
    return taken


def acknowledge(
    writer: Connection,
    store: str,
    claim: str,
    rows: Sequence[tuple[Row, frozenset[int]]],
    *,
    started: float,
    now: float,
    settle_s: float,
    token: str | None,
) -> None:
    """Notes that a store has acknowledged the states of rows.

    Args:
        writer: The connection.
        store: The store's name.
        claim: The claim under which they were sent.
        rows: The rows, as they were taken, each with the contexts that have records now; others
            were deleted.
        started: When they were sent, in s.
        now: The time, in s.
        settle_s: How long after it was sent a request may arrive, in s.
        token: What the store must be asked about before all its searches see it; None: nothing.
    """
    ours: set[int] = set()
    slots = [row.slot for row, _ in rows]
    for start in range(0, len(slots), _CHUNK):
        part = slots[start : start + _CHUNK]
        marks = ", ".join("?" * len(part))
        query = f"SELECT slot FROM outbox WHERE store = ? AND claim = ? AND slot IN ({marks})"
        ours |= {row[0] for row in writer.execute(query, (store, claim, *part)).fetchall()}
    # `clear_at` as it is now: somebody may have noted a late request meanwhile.
    final = "clear_at <= ?"
    writer.executemany(
        f"UPDATE outbox SET claim = NULL, tries = 0, tried_at = ?,"
        f" records = CASE WHEN {final} THEN ? ELSE records END,"
        f" sent = CASE WHEN {final} THEN ? ELSE 0 END,"
        f" held = CASE WHEN {final} THEN ? ELSE 0 END,"
        f" token = CASE WHEN {final} THEN ? ELSE NULL END,"
        f" due_at = CASE WHEN number <> ? OR {final} THEN 0 ELSE clear_at END"
        " WHERE store = ? AND slot = ?",
        [
            (
                now,
                *(started, _pack(contexts)),
                *(started, row.number),
                *(started, row.number if token is None else 0),
                *(started, token),
                *(row.number, started),
                *(store, row.slot),
            )
            for row, contexts in rows
            if row.slot in ours
        ],
    )
    # What took so long that somebody else may have sent another state before.
    writer.executemany(
        "UPDATE outbox SET held = 0, sent = 0, token = NULL, tried = -1, tried_at = ?,"
        " clear_at = ? WHERE store = ? AND slot = ?",
        [(now, now + settle_s, store, slot) for slot in slots if slot not in ours],
    )


def fail(
    writer: Connection,
    store: str,
    claim: str,
    slots: Iterable[int],
    *,
    now: float,
    due_at: float,
    fault: str | None = None,
) -> None:
    """Notes that sending failed; whether it arrived nobody knows.

    Args:
        writer: The connection.
        store: The store's name.
        claim: The claim under which they were sent.
        slots: The items.
        now: The time, in s.
        due_at: When to try again, in s.
        fault: Why the store refuses them, if it does.
    """
    writer.executemany(
        "UPDATE outbox SET claim = NULL, tries = tries + 1, tried_at = ?, due_at = ?, fault = ?"
        " WHERE store = ? AND slot = ? AND claim = ?",
        [(now, due_at, fault, store, slot, claim) for slot in slots],
    )


def awaited(reader: Connection, store: str, limit: int) -> list[Awaited]:
    """Returns acknowledged states that some searches of the store may not see yet."""
    rows = reader.execute(
        "SELECT slot, namespace, sent, token FROM outbox WHERE store = ? AND held <> number"
        " AND token IS NOT NULL ORDER BY sent, slot LIMIT ?",
        (store, limit),
    ).fetchall()
    return [Awaited(*row) for row in rows]


def settle(writer: Connection, store: str, states: Iterable[Awaited]) -> None:
    """Notes that all searches of the store see these states."""
    writer.executemany(
        "UPDATE outbox SET held = sent, token = NULL WHERE store = ? AND slot = ? AND sent = ?"
        " AND token = ?",
        [(store, one.slot, one.number, one.token) for one in states],
    )


def open_slots(reader: Connection, store: str, namespace: int, since: int) -> set[int]:
    """Returns items that a search must not take from the store: open ones, and newer ones.

    Args:
        reader: The connection.
        store: The store's name.
        namespace: Number of the namespace.
        since: A commit; items that changed after it are returned too.
    """
    rows = reader.execute(
        "SELECT slot FROM outbox WHERE store = ? AND namespace = ? AND held <> number"
        " UNION SELECT slot FROM outbox WHERE store = ? AND namespace = ? AND number > ?",
        (store, namespace, store, namespace, since),
    ).fetchall()
    return {row[0] for row in rows}


def numbers(reader: Connection, store: str, slots: Sequence[int]) -> dict[int, int]:
    """Returns the number of the newest state of items; without those that have no row."""
    found: dict[int, int] = {}
    for start in range(0, len(slots), _CHUNK):
        part = [int(slot) for slot in slots[start : start + _CHUNK]]
        marks = ", ".join("?" * len(part))
        found.update(
            reader.execute(
                f"SELECT slot, number FROM outbox WHERE store = ? AND slot IN ({marks})",
                (store, *part),
            ).fetchall()
        )
    return found


def pending(reader: Connection, store: str) -> tuple[int, int]:
    """Returns how many items are open, and how many of them the store refuses."""
    row = reader.execute(
        "SELECT count(*), count(fault) FROM outbox WHERE store = ? AND held <> number", (store,)
    ).fetchone()
    return int(row[0]), int(row[1])


def faults(reader: Connection, store: str, limit: int = 100) -> dict[int, str]:
    """Returns why a store refuses items, by slot."""
    return dict(
        reader.execute(
            "SELECT slot, fault FROM outbox WHERE store = ? AND fault IS NOT NULL"
            " ORDER BY slot LIMIT ?",
            (store, limit),
        ).fetchall()
    )


def next_due(reader: Connection, store: str) -> float | None:
    """Returns when there is something to send next, in s; None: nothing is open."""
    row = reader.execute(
        "SELECT min(CASE WHEN token IS NULL THEN due_at ELSE 0 END) FROM outbox"
        " WHERE store = ? AND held <> number",
        (store,),
    ).fetchone()
    return None if row[0] is None else float(row[0])


def purge(writer: Connection, store: str, before: float) -> int:
    """Drops rows of items of which the store has held nothing since then; returns how many."""
    return writer.execute(
        "DELETE FROM outbox WHERE store = ? AND held = number AND records = '[]'"
        " AND tried_at < ? AND clear_at < ?",
        (store, before, before),
    ).rowcount


def forget(writer: Connection, store: str, namespace: int | None = None) -> None:
    """Drops all that is noted of a store, or of one namespace there."""
    where = "" if namespace is None else " AND namespace = ?"
    values = (store,) if namespace is None else (store, namespace)
    writer.execute(f"DELETE FROM outbox WHERE store = ?{where}", values)


def identity(writer: Connection) -> str:
    """Returns a name of this catalog that no other has, made when it is first asked for.

    Remote stores keep catalogs apart by it. A copy of the catalog that lives on beside it needs a
    name of its own: `forget_identity` on the copy.
    """
    row = writer.execute("SELECT value FROM settings WHERE name = ?", (_IDENTITY,)).fetchone()
    if row is not None:
        return str(row[0])
    made = uuid.uuid4().hex[:12]
    writer.execute("INSERT INTO settings (name, value) VALUES (?, ?)", (_IDENTITY, made))
    return made


def forget_identity(writer: Connection) -> None:
    """Makes a copy of a catalog a catalog of its own, of which no remote store holds anything."""
    writer.execute("DELETE FROM settings WHERE name = ?", (_IDENTITY,))
    writer.execute("DELETE FROM outbox")


def _pack(contexts: Iterable[int]) -> str:
    return json.dumps(sorted(contexts), separators=(",", ":"))


def _unpack(text: str) -> list[int]:
    return [int(number) for number in json.loads(text)]


def note_missing(writer: Connection, store: str) -> int:
    """Notes the items of which a store was never told: for a store that joins a database.

    Returns:
        How many there were.
    """
    rows = writer.execute(
        "SELECT namespace, slot FROM items AS i WHERE NOT EXISTS"
        " (SELECT 1 FROM outbox AS o WHERE o.store = ? AND o.slot = i.slot)",
        (store,),
    ).fetchall()
    by_namespace: dict[int, list[int]] = {}
    for namespace, slot in rows:
        by_namespace.setdefault(namespace, []).append(slot)
    for namespace, slots in by_namespace.items():
        _add(writer, store, namespace, slots)
    return len(rows)
