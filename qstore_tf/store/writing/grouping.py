"""Operations on correlated groups, each to be run inside one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from qstore_tf.errors import (
    ConfigurationError,
    CorrelationError,
    ItemError,
    NotFoundError,
    describe,
)
from qstore_tf.store.arguments.names import check_id
from qstore_tf.store.catalog import groups, items, namespaces
from qstore_tf.store.catalog.items import StoredItem
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions.correlation import check_groups
from qstore_tf.store.items import steps
from qstore_tf.store.writing.items import Operation
from qstore_tf.store.writing.session import Session


def create(
    namespace: str, name: str, ids: Sequence[str], rho: float, archived: bool = False
) -> Operation:
    """Makes a group; see `WriteVerbs.create_entangled_group`.

    Args:
        namespace: Where the items are.
        name: The group's name.
        ids: Its members.
        rho: Their correlation.
        archived: Whether archived items may be among them, as where a member was archived since.
    """
    check_id(name, "the name of a group")
    keys = [check_id(id) for id in dict.fromkeys(ids)]
    if len(keys) < 2 or len(keys) < len(ids):
        raise CorrelationError(
            describe(
                f"Group {name!r} cannot be made of these items",
                expected="at least two, each once",
                received=list(ids),
            )
        )

    def operation(session: Session) -> None:
        if not session.config.enable_entanglement:
            raise ConfigurationError(
                describe("Groups are switched off", hint="Set enable_entanglement=True.")
            )
        session.settle()
        space = namespaces.get(session.writer, namespace)
        if groups.find(session.writer, space, name) is not None:
            raise CorrelationError(
                describe(
                    f"There is a group {name!r} already in namespace {namespace!r}",
                    hint="Use delete_entangled_group first, or another name.",
                )
            )
        found = items.fetch_many(session.writer, space, keys)
        for key, item in zip(keys, found, strict=True):
            _check_member(key, item, namespace, archived)
        slots = [item.slot for item in found if item is not None]
        _check_joint(session, space, name, rho, slots)
        groups.create(session.writer, space, name, float(rho), slots)

    return operation


def dissolve(namespace: str, name: str) -> Operation:
    """Ends a group, and leaves its members where they are."""

    def operation(session: Session) -> None:
        session.settle()
        space = namespaces.get(session.writer, namespace)
        steps.dissolve(session.writer, space, groups.get(session.writer, space, name))

    return operation


def _check_member(key: str, item: StoredItem | None, namespace: str, archived: bool) -> None:
    if item is None or (item.archived_at is not None and not archived):
        raise NotFoundError(
            describe(
                f"There is no item {key!r} in namespace {namespace!r}",
                hint="Insert the members of a group first.",
            )
        )
    if item.vector is None or any(vector is not None for *_, vector in item.contexts):
        raise ItemError(
            describe(
                f"Item {key!r} has contexts with vectors of their own, which no group can move",
                expected="one vector",
            )
        )


def _check_joint(
    session: Session, space: NamespaceRow, name: str, rho: float, slots: Sequence[int]
) -> None:
    """Checks the correlations of all groups that are connected with the new one."""
    connected = {name: (rho, list(slots))}
    reached, waiting = set(slots), list(slots)
    while waiting:
        for group in groups.of_slots(session.writer, waiting):
            if group.name not in connected:
                members = groups.members(session.writer, group.number).tolist()
                connected[group.name] = (group.rho, members)
        found = {slot for _, members in connected.values() for slot in members}
        waiting = sorted(found - reached)
        reached |= found
    keys = {
        item.slot: item.key
        for item in items.fetch_slots(session.writer, space, sorted(reached))
        if item is not None
    }
    check_groups({n: (r, [keys[s] for s in members]) for n, (r, members) in connected.items()})
