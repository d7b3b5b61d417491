"""Operations on the age of items, each to be run inside one transaction."""

from __future__ import annotations

from collections.abc import Iterable

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.store.arguments.names import check_ids
from qstore_tf.store.catalog import items, namespaces
from qstore_tf.store.writing.items import Operation
from qstore_tf.store.writing.session import Session


def decohere(namespace: str) -> Operation:
    """Archives or deletes the items whose coherence has fallen below the threshold.

    Their times are indexed, so that nothing is looked at but what has decohered.
    """

    def operation(session: Session) -> int:
        if not session.config.enable_decoherence:
            raise ConfigurationError(
                describe("Decay is switched off", hint="Set enable_decoherence=True.")
            )
        space = namespaces.find(session.writer, namespace)
        if space is None:
            return 0
        slots = items.expired(session.writer, space, session.now)
        if session.config.on_decohere == "delete":
            return session.remove(space, slots)
        return items.archive(session.writer, space, slots, session.now)

    return operation


def archive(namespace: str, ids: Iterable[str]) -> Operation:
    """Puts items into the archive, whatever their age."""
    keys = check_ids(ids)

    def operation(session: Session) -> int:
        space = namespaces.get(session.writer, namespace)
        slots = items.find_slots(session.writer, space, keys)
        return items.archive(session.writer, space, slots[slots > 0], session.now)

    return operation


def refresh(namespace: str, ids: Iterable[str]) -> Operation:
    """Prepares items anew, so that their age starts again. Archived ones stay there."""
    keys = list(ids)

    def operation(session: Session) -> int:
        space = namespaces.get(session.writer, namespace)
        found = [
            item
            for item in items.fetch_many(session.writer, space, keys)
            if item is not None and item.archived_at is None
        ]
        if found:
            prepared = session.prepared([item.coherence_time for item in found])
            items.patch_many(session.writer, space, [item.slot for item in found], **prepared)
        return len(found)

    return operation


def restore(namespace: str, ids: str | Iterable[str]) -> Operation:
    """Takes items out of the archive, prepared anew."""
    keys = check_ids(ids)

    def operation(session: Session) -> int:
        space = namespaces.get(session.writer, namespace)
        found = items.fetch_many(session.writer, space, keys)
        back = [item for item in found if item is not None and item.archived_at is not None]
        slots = [item.slot for item in back]
        if back:
            items.restore(session.writer, space, slots)
            prepared = session.prepared([item.coherence_time for item in back])
            items.patch_many(session.writer, space, slots, **prepared)
        return len(back)

    return operation
