"""Steps of correlated items: what members of groups are written as, and how their partners follow.

Members' vectors take joint Gaussian steps w ~ N(0, s^2 R x I), R_aa = 1, R_ab the sum of rho over
the groups that a and b share. A transaction observes the steps D of the members O that it writes;
the others follow by their conditional mean R_UO R_OO^-1 D.

None of the others is touched: each group keeps an accumulator S, each member its reduced vector
r = v - sum rho S. A write adds its share alpha = R_OO^-1 D to the accumulators of its groups, and
that moves all members at once, in time that does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qstore_tf.store.catalog import groups, history, items, namespaces
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.groups import GroupRow
from qstore_tf.store.catalog.items import Slots, StoredItem
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions import correlation
from qstore_tf.store.records import Vector


@dataclass(frozen=True, eq=False)
class Step:
    """A vector before and after [d], float64."""

    old: Vector
    new: Vector
    is_member: bool


class Steps:
    """The steps that one transaction takes in one namespace.

    Args:
        space: The namespace.
    """

    def __init__(self, space: NamespaceRow) -> None:
        self._space = space
        self._steps: dict[int, Step] = {}

    def note(
        self, writer: Connection, slots: Slots, vectors: Vector, all_items: bool = False
    ) -> None:
        """Notes what items are about to be written as, before they are.

        Args:
            writer: The connection.
            slots: The items; those that are 0, new, and archived ones take no step.
            vectors: Their new vectors [n, d].
            all_items: Whether items without groups are noted too, for the history.
        """
        wanted = {int(slot): row for row, slot in enumerate(slots) if slot}
        if not all_items:
            members = {slot for slot, _ in groups.memberships(writer, list(wanted))}
            wanted = {slot: row for slot, row in wanted.items() if slot in members}
        found = items.fetch_slots(writer, self._space, list(wanted))
        stored = [item for item in found if item is not None and item.vector is not None]
        for item, old in zip(stored, effective(writer, self._space, stored), strict=True):
            if item.archived_at is not None and not item.groups:
                continue
            before = self._steps.get(item.slot)
            self._steps[item.slot] = Step(
                _wide(old) if before is None else before.old,
                _wide(vectors[wanted[item.slot]]),
                bool(item.groups),
            )

    def forget(self, slots: Slots) -> None:
        """Drops the steps of items that are removed."""
        for slot in slots:
            self._steps.pop(int(slot), None)

    def settle(self, writer: Connection, now: float) -> None:
        """Moves the accumulators, and writes the reduced vectors of the members that stepped."""
        if not self._steps:
            return
        every = list(self._steps)
        history.record(
            writer,
            self._space,
            every,
            np.array([self._steps[slot].new - self._steps[slot].old for slot in every]),
            now,
        )
        slots = [slot for slot in every if self._steps[slot].is_member]
        if not slots:
            return
        steps = np.array([self._steps[slot].new - self._steps[slot].old for slot in slots])
        shared = groups.of_slots(writer, slots)
        inside = _incidence(writer, slots, shared)  # [groups, members written]
        rho = np.array([group.rho for group in shared])
        shares = correlation.shares_in_groups(rho, inside, steps)
        moved: list[Vector] = []
        drift = np.zeros(len(shared))
        size = max(0.0, float(np.sum(np.conj(steps) * shares).real)) / steps.size
        for row, group in enumerate(shared):
            moved.append(group.accumulator + inside[row] @ shares)
            drift[row] = group.drift + _unexplained(rho[row], inside[row].sum()) * size
            groups.set_state(writer, group.number, moved[row], drift[row])
        sums = np.einsum("g,ga,gd->ad", rho, inside, np.array(moved))
        new = np.array([self._steps[slot].new for slot in slots])
        items.patch_many(
            writer,
            self._space,
            slots,
            vectors=new - sums,
            staleness_offset=inside.T @ drift,
        )
        if self._space.metric in ("dot", "l2"):
            # No partner can have become longer than this, and none has to be looked at.
            reach = sum(
                abs(group.rho) * float(np.linalg.norm(after - group.accumulator))
                for group, after in zip(shared, moved, strict=True)
            )
            longest = namespaces.get(writer, self._space.name).max_norm
            namespaces.raise_max_norm(writer, self._space.number, longest + reach)


def effective(
    reader: Connection, space: NamespaceRow, stored: Sequence[StoredItem]
) -> list[Vector]:
    """The vectors of items, with the steps that their groups brought.

    Args:
        reader: The connection.
        space: Their namespace.
        stored: Items that have a vector.

    Returns:
        A vector [d] for each, of the namespace's type.
    """
    members = [item.slot for item in stored if item.groups]
    found = {group.number: group for group in groups.of_slots(reader, members)} if members else {}
    vectors: list[Vector] = []
    for item in stored:
        assert item.vector is not None
        if not item.groups:
            vectors.append(item.vector)
            continue
        moved = sum(found[number].rho * found[number].accumulator for number in item.groups)
        vectors.append((_wide(item.vector) + moved).astype(space.dtype))
    return vectors


def reduced(
    reader: Connection, space: NamespaceRow, slots: Slots, vectors: Vector
) -> tuple[Vector, Vector]:
    """What members are stored as that are to have these vectors while nobody moves.

    Args:
        reader: The connection.
        space: Their namespace.
        slots: The items [n]; those that are no members, or 0, keep their vectors.
        vectors: [n, d].

    Returns:
        The reduced vectors [n, d], and the drift of the groups of each item [n].
    """
    rows = np.array(vectors, np.result_type(vectors.dtype, np.float64))
    drift = np.zeros(len(slots))
    known = [int(slot) for slot in slots if slot]
    groups_of: dict[int, list[int]] = {}
    for slot, number in groups.memberships(reader, known):
        groups_of.setdefault(slot, []).append(number)
    found = {group.number: group for group in groups.of_slots(reader, list(groups_of))}
    for row, slot in enumerate(slots.tolist()):
        for number in groups_of.get(slot, ()):
            rows[row] -= found[number].rho * found[number].accumulator
            drift[row] += found[number].drift
    return rows.astype(vectors.dtype), drift


def dissolve(writer: Connection, space: NamespaceRow, group: GroupRow) -> None:
    """Ends a group, and leaves its members where they are."""
    slots = groups.members(writer, group.number)
    members = [item for item in items.fetch_slots(writer, space, slots) if item is not None]
    if members:
        whole = np.array([item.vector for item in members], group.accumulator.dtype)
        items.patch_many(
            writer,
            space,
            slots,
            vectors=whole + group.rho * group.accumulator,
            staleness_offset=[item.staleness_offset - group.drift for item in members],
        )
    groups.dissolve(writer, group.number)


def staleness(found: dict[int, GroupRow], item: StoredItem) -> float:
    """The variance per coordinate that the groups' steps left unexplained since it was written."""
    total = sum(found[number].drift for number in item.groups) - item.staleness_offset
    return max(0.0, total)


def _unexplained(rho: float, k: float) -> float:
    """The share of a partner's variance that the steps of k members of its group leave open."""
    spread = 1 + (k - 1) * rho
    return max(0.0, 1 - rho**2 * k / spread) if spread > 0 else 0.0


def _incidence(writer: Connection, slots: Sequence[int], shared: Sequence[GroupRow]) -> Vector:
    place = {slot: column for column, slot in enumerate(slots)}
    rows = {group.number: row for row, group in enumerate(shared)}
    inside = np.zeros((len(shared), len(slots)))
    for slot, number in groups.memberships(writer, slots):
        inside[rows[number], place[slot]] = 1.0
    return inside


def _wide(vector: Vector) -> Vector:
    return vector.astype(np.complex128 if np.iscomplexobj(vector) else np.float64)
