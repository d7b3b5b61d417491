"""What a remote store is to hold of items: one record for each vector of each item.

A record is named "slot:context", with 0 for the vector that contexts without one of their own
share. Beside the user's metadata it has `_version`, the state of the item that it shows, and
`_in`, the numbers of its contexts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.arguments.filters import And, Compare, Tree
from qstore_tf.store.catalog import items
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.items.steps import effective

VERSION, IN = "_version", "_in"


@dataclass(frozen=True, eq=False)
class ItemRecord:
    """One vector of an item.

    Attributes:
        slot: The item.
        context: The number of the context whose vector it is; 0: the item's own.
        vector: [d], as effective now.
        contexts: Numbers of the contexts that use it.
        metadata: The user's.
    """

    slot: int
    context: int
    vector: NDArray[Any]
    contexts: tuple[int, ...]
    metadata: dict[str, Any]

    @property
    def id(self) -> str:
        """Its name in the store."""
        return record_id(self.slot, self.context)

    def described(self, version: int | None = None) -> dict[str, Any]:
        """Its metadata in the store; without `_version` where that is None."""
        own: dict[str, Any] = {IN: [str(number) for number in self.contexts]}
        if version is not None:
            own[VERSION] = version
        return {**self.metadata, **own}


def records_of(
    reader: Connection, namespace: NamespaceRow, slots: Sequence[int]
) -> dict[int, list[ItemRecord]]:
    """Reads what a store is to hold of items now.

    Args:
        reader: The connection.
        namespace: Where the items belong.
        slots: The items.

    Returns:
        For each slot its records: none of items that are removed or archived.
    """
    found: dict[int, list[ItemRecord]] = {int(slot): [] for slot in slots}
    stored = [
        item
        for item in items.fetch_slots(reader, namespace, list(found))
        if item is not None and item.archived_at is None
    ]
    for item, vector in zip(stored, effective(reader, namespace, stored), strict=True):
        metadata = json.loads(item.metadata or "{}")
        shared = tuple(number for number, _, own in item.contexts if own is None)
        if vector is not None:
            found[item.slot].append(
                ItemRecord(item.slot, 0, np.asarray(vector, namespace.dtype), shared, metadata)
            )
        found[item.slot].extend(
            ItemRecord(item.slot, number, own, (number,), metadata)
            for number, _, own in item.contexts
            if own is not None
        )
    return found


def record_id(slot: int, context: int) -> str:
    """The name of a record.

    Example:
        >>> record_id(7, 0), parse_id("7:0"), parse_id("else")
        ('7:0', (7, 0), None)
    """
    return f"{slot}:{context}"


def parse_id(id: str) -> tuple[int, int] | None:
    """Reads a record's name; None where it is not one of ours."""
    slot, _, context = id.partition(":")
    if not (slot.isdecimal() and context.isdecimal()):
        return None
    return int(slot), int(context)


def in_context(context: int | None, filter: Tree | None) -> Tree | None:
    """The filter of a search in one context."""
    if context is None:
        return filter
    inside = Compare(IN, "eq", str(context))
    return inside if filter is None else And((inside, filter))


def remote_name(identity: str, namespace: NamespaceRow) -> str:
    """What a namespace is called in a remote store: no other catalog's is, and no later one's."""
    return f"{identity}.{namespace.number}.{namespace.name}"[:100]
