"""The steps that items made, from which correlations are measured: the last ones of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.namespaces import NamespaceRow

KEEP = 256  # steps of each item


def record(
    writer: Connection,
    namespace: NamespaceRow,
    slots: Sequence[int] | NDArray[np.int64],
    steps: NDArray[Any],
    at_ms: float,
    keep: int = KEEP,
) -> int:
    """Notes the steps that items made together: one event.

    Args:
        writer: The connection.
        namespace: Where they belong.
        slots: The items [n], each once.
        steps: New vector minus old one [n, d].
        at_ms: When.
        keep: How many steps of each item stay; older ones are dropped.

    Returns:
        The number of the event.
    """
    last = writer.execute(
        "SELECT max(event) FROM steps WHERE namespace = ?", (namespace.number,)
    ).fetchone()[0]
    event = (last or 0) + 1
    rows = np.ascontiguousarray(steps, namespace.dtype)
    numbers = [int(slot) for slot in slots]
    writer.executemany(
        "INSERT INTO steps (namespace, slot, event, written_at, step) VALUES (?, ?, ?, ?, ?)",
        [
            (namespace.number, slot, event, at_ms, row.tobytes())
            for slot, row in zip(numbers, rows, strict=True)
        ],
    )
    writer.executemany(
        "DELETE FROM steps WHERE slot = ? AND event <="
        " (SELECT event FROM steps WHERE slot = ? ORDER BY event DESC LIMIT 1 OFFSET ?)",
        [(slot, slot, keep) for slot in numbers],
    )
    return event


def joint_steps(
    reader: Connection, namespace: NamespaceRow, first: int, second: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns the steps that two items made together.

    Args:
        reader: The connection.
        namespace: Where they belong.
        first: The slot of one.
        second: That of the other.

    Returns:
        Steps of the first [m, d] and of the second [m, d], oldest first.
    """
    rows = reader.execute(
        "SELECT a.step, b.step FROM steps AS a JOIN steps AS b ON b.event = a.event"
        " AND b.namespace = a.namespace WHERE a.slot = ? AND b.slot = ? ORDER BY a.event",
        (first, second),
    ).fetchall()
    return _matrix(rows, 0, namespace), _matrix(rows, 1, namespace)


def events(
    reader: Connection, namespace: NamespaceRow, at_least: int = 1
) -> list[tuple[int, NDArray[np.int64], NDArray[Any]]]:
    """Returns `(event, slots [n], steps [n, d])` of the events that are kept, oldest first.

    Args:
        reader: The connection.
        namespace: Which.
        at_least: Leaves out events of fewer items.
    """
    rows = reader.execute(
        "SELECT event, slot, step FROM steps WHERE namespace = ? ORDER BY event, slot",
        (namespace.number,),
    ).fetchall()
    together: dict[int, list[Any]] = {}
    for row in rows:
        together.setdefault(row[0], []).append(row)
    return [
        (event, np.array([row[1] for row in part], np.int64), _matrix(part, 2, namespace))
        for event, part in together.items()
        if len(part) >= at_least
    ]


def _matrix(rows: Sequence[Any], column: int, namespace: NamespaceRow) -> NDArray[Any]:
    whole = b"".join(bytes(row[column]) for row in rows)
    return np.frombuffer(whole, namespace.dtype).reshape(-1, namespace.dimension)
