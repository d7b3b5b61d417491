"""Reads items from the catalog, as they stand now."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from qstore_tf.store.catalog import groups, items
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.items import StoredItem
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions.decoherence import coherence
from qstore_tf.store.items.steps import effective, staleness
from qstore_tf.store.records import Context, Item


def read_items(
    reader: Connection, space: NamespaceRow, keys: Sequence[str], now: float
) -> list[Item | None]:
    """Returns items by their names, archived ones too; None for those that are not there."""
    found = items.fetch_many(reader, space, keys)
    there = [item for item in found if item is not None]
    known = {group.number: group for group in groups.of_slots(reader, [i.slot for i in there])}
    with_vector = [item for item in there if item.vector is not None]
    vectors = dict(
        zip(
            (item.slot for item in with_vector),
            effective(reader, space, with_vector),
            strict=True,
        )
    )
    names = {context.number: context.name for context in space.contexts}

    def build(item: StoredItem) -> Item:
        return Item(
            id=item.key,
            vector=vectors.get(item.slot),
            contexts=tuple(
                Context(names[number], weight, own) for number, weight, own in item.contexts
            ),
            metadata=json.loads(item.metadata or "{}"),
            coherence_time=item.coherence_time,
            coherence=float(coherence(now - item.written_at, item.coherence_time))
            if math.isfinite(item.coherence_time)
            else 1.0,
            written_at=item.written_at,
            staleness=staleness(known, item),
            groups=tuple(known[number].name for number in item.groups),
            archived=item.archived_at is not None,
            version=item.version,
        )

    return [None if item is None else build(item) for item in found]
