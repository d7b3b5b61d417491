"""What a database's groups and its history of steps say about correlations."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from qstore_tf.errors import NotFoundError, describe
from qstore_tf.store.arguments.names import check_id
from qstore_tf.store.catalog import groups, history, items
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions.correlation import Correlation, Measured, describe_pair, measured
from qstore_tf.store.items.steps import staleness
from qstore_tf.store.records import Vector

_MOST_TOGETHER = 500  # items of one update: a load of everything says nothing of pairs


@dataclass(frozen=True)
class Proposal:
    """A group that the history speaks for.

    Attributes:
        members: Names of the items.
        correlation_strength: The mean of the measured correlations of its pairs.
        low: The least of their lower confidence bounds.
        count: The least number of joint updates of a pair.
    """

    members: tuple[str, ...]
    correlation_strength: float
    low: float
    count: int


def measure(reader: Connection, space: NamespaceRow, a: str, b: str) -> Correlation:
    """What is declared and measured of two items."""
    found = items.fetch_many(reader, space, [check_id(a), check_id(b)])
    for key, item in zip((a, b), found, strict=True):
        if item is None:
            raise NotFoundError(describe(f"There is no item {key!r} in namespace {space.name!r}"))
    first, second = (item for item in found if item is not None)
    both = set(first.groups) & set(second.groups)
    shared = [group for group in groups.of_slots(reader, [first.slot]) if group.number in both]
    declared = 1.0 if first.slot == second.slot else float(sum(group.rho for group in shared))
    return describe_pair(
        declared, measured(*history.joint_steps(reader, space, first.slot, second.slot))
    )


def propose(reader: Connection, space: NamespaceRow, threshold: float) -> list[Proposal]:
    """Groups of items each two of which have a lower bound of at least `threshold`."""
    together: dict[tuple[int, int], list[tuple[Vector, Vector]]] = {}
    for _, slots, steps in history.events(reader, space, at_least=2):
        if len(slots) > _MOST_TOGETHER:
            continue
        for i, j in itertools.combinations(range(len(slots)), 2):
            pair = (int(slots[i]), int(slots[j]))
            together.setdefault(pair, []).append((steps[i], steps[j]))
    certain: dict[tuple[int, int], Measured] = {}
    for pair, rows in together.items():
        found = measured(np.array([a for a, _ in rows]), np.array([b for _, b in rows]))
        if found.count >= 3 and found.low >= threshold:
            certain[pair] = found
    cliques = _cliques(certain)
    keys = {
        item.slot: item.key
        for item in items.fetch_slots(reader, space, sorted({s for c in cliques for s in c}))
        if item is not None
    }
    proposals = []
    for clique in cliques:
        pairs = [certain[pair] for pair in itertools.combinations(sorted(clique), 2)]
        proposals.append(
            Proposal(
                tuple(sorted(keys[slot] for slot in clique)),
                float(np.mean([pair.rho for pair in pairs])),
                min(pair.low for pair in pairs),
                min(pair.count for pair in pairs),
            )
        )
    return proposals


def stalest(reader: Connection, space: NamespaceRow, top_k: int) -> list[str]:
    """Names of the members of groups with the largest staleness above 0, largest first."""
    known = {group.number: group for group in groups.all_of(reader, space)}
    slots = sorted({int(slot) for n in known for slot in groups.members(reader, n)})
    found = [
        (staleness(known, item), item.key)
        for item in items.fetch_slots(reader, space, slots)
        if item is not None and item.archived_at is None
    ]
    ordered = sorted(((-value, key) for value, key in found if value > 0))
    return [key for _, key in ordered[:top_k]]


def _cliques(pairs: dict[tuple[int, int], Measured]) -> list[list[int]]:
    """Sets in which each two are a pair, the strongest pairs first; each item is in one at most."""
    taken: set[int] = set()
    cliques: list[list[int]] = []
    for pair in sorted(pairs, key=lambda pair: (-pairs[pair].low, pair)):
        if taken & set(pair):
            continue
        clique = list(pair)
        others = sorted({slot for known in pairs for slot in known} - taken - set(clique))
        for slot in others:
            if all((min(slot, each), max(slot, each)) in pairs for each in clique):
                clique.append(slot)
        taken |= set(clique)
        cliques.append(clique)
    return cliques
