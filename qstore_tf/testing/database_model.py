"""A quantum database in a dictionary: slow, obvious, and what the real one is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qstore_tf.store.arguments.filters import matches, parse_filter
from qstore_tf.store.definitions.decoherence import coherence
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity, lueders, measure

Vector = np.ndarray[Any, Any]


@dataclass(eq=False)
class ModelItem:
    """An item: its vector as it is now, whatever moved it."""

    vector: Vector
    contexts: list[tuple[str, float, Vector | None]]
    metadata: dict[str, Any]
    tau: float
    written_at: float
    archived: bool = False
    staleness: float = 0.0


@dataclass(eq=False)
class DatabaseModel:
    """The definitions, word for word: partners are moved one by one, scores computed one by one.

    Args:
        metric: Of its one namespace.
        dimension: d.
        clock: The time in ms.
        threshold: The coherence below which an item has decohered.
    """

    metric: str
    dimension: int
    clock: Callable[[], float]
    threshold: float = 0.01
    items: dict[str, ModelItem] = field(default_factory=dict)
    groups: dict[str, tuple[float, list[str]]] = field(default_factory=dict)
    contexts: list[str] = field(default_factory=list)
    max_norm: float = 0.0

    def put(
        self,
        key: str,
        vector: Vector,
        contexts: Sequence[tuple[str, float, Vector | None]] = (),
        metadata: Mapping[str, Any] | None = None,
        tau: float = math.inf,
    ) -> None:
        """Stores an item; a member of groups has moved its partners before."""
        self.items[key] = ModelItem(
            _wide(vector), list(contexts), dict(metadata or {}), tau, self.clock()
        )
        for name, _, own in contexts:
            if name not in self.contexts:
                self.contexts.append(name)
            self._note(own)
        self._note(vector)

    def step(self, written: Mapping[str, Vector]) -> None:
        """Moves the partners of the members that one transaction writes, before it writes them."""
        keys = [key for key in written if key in self.items and self._groups_of(key)]
        if not keys:
            return
        steps = np.array([_wide(written[key]) - self.items[key].vector for key in keys])
        joint = np.array([[self._rho(a, b) for b in keys] for a in keys])
        shares = np.linalg.pinv(joint) @ steps
        reach = 0.0
        size = float(np.sum(steps.conj() * shares).real) / steps.size
        for rho, members in self.groups.values():
            inside = [row for row, key in enumerate(keys) if key in members]
            if not inside:
                continue
            share = rho * shares[inside].sum(axis=0)
            reach += float(np.linalg.norm(share))
            spread = 1 + (len(inside) - 1) * rho
            left = max(0.0, 1 - rho**2 * len(inside) / spread) if spread > 0 else 0.0
            for partner in members:
                if partner in self.items and partner not in keys:
                    self.items[partner].vector = self.items[partner].vector + share
                    self.items[partner].staleness += left * size
        for key in keys:
            self.items[key].staleness = 0.0
        if self.metric in ("dot", "l2"):
            # Of all that the transaction writes, members or not: the reach comes last.
            lengths = [float(np.linalg.norm(vector)) for vector in written.values()]
            self.max_norm = max(self.max_norm, *lengths) + reach

    def leave_groups(self, key: str) -> None:
        """Takes a removed item out of its groups; those that have one member then end."""
        left = {
            name: (rho, [member for member in members if member != key])
            for name, (rho, members) in self.groups.items()
        }
        self.groups = {name: group for name, group in left.items() if len(group[1]) > 1}

    def decohere(self) -> int:
        """Archives what has decohered; returns how many."""
        gone = [
            item
            for item in self.items.values()
            if not item.archived
            and math.isfinite(item.tau)
            and self.clock() >= item.written_at - item.tau * math.log(self.threshold)
        ]
        for item in gone:
            item.archived = True
        return len(gone)

    def learn(self, key: str, query: Vector, relevant: bool) -> dict[str, float]:
        """Lueders' rule on an item's weights."""
        item = self.items[key]
        found = fidelity(self._query(query), self._states(item))
        weights = np.array([weight for _, weight, _ in item.contexts])
        new = lueders(weights, found if relevant else 1 - found)
        item.contexts = [
            (name, float(p), own) for (name, _, own), p in zip(item.contexts, new, strict=True)
        ]
        return {name: p for name, p, _ in item.contexts}

    def scores(
        self,
        query: Vector,
        context: str | Mapping[str, float] | None = None,
        filter: Mapping[str, Any] | None = None,
        rank_by: str = "score",
    ) -> dict[str, float]:
        """The score of each item that a query can find."""
        tree = None if filter is None else parse_filter(filter)
        found = {}
        for key, item in self.items.items():
            if item.archived or (tree is not None and not matches(tree, item.metadata)):
                continue
            outcome = measure(
                [name for name, _, _ in item.contexts] or [""],
                [weight for _, weight, _ in item.contexts] or [1.0],
                self._states(item),
                self._query(query),
                context,
                rank_by=rank_by,
                eta=float(coherence(self.clock() - item.written_at, item.tau)),
                data_qubits=METRICS[self.metric].n_qubits(self.dimension),
                context_qubits=max(len(self.contexts) - 1, 0).bit_length(),
            )
            if outcome is not None:
                found[key] = outcome.score
        return found

    def alive(self) -> list[str]:
        """Names of items that are not archived, in order."""
        return sorted(key for key, item in self.items.items() if not item.archived)

    def _groups_of(self, key: str) -> list[str]:
        return [name for name, (_, members) in self.groups.items() if key in members]

    def _rho(self, a: str, b: str) -> float:
        if a == b:
            return 1.0
        return sum(rho for rho, members in self.groups.values() if a in members and b in members)

    def _states(self, item: ModelItem) -> Vector:
        owns: Iterable[Vector | None] = [own for _, _, own in item.contexts] or [None]
        vectors = np.array([item.vector if own is None else _wide(own) for own in owns])
        return METRICS[self.metric].encode(vectors, max(self.max_norm, 1e-300))

    def _query(self, query: Vector) -> Vector:
        return METRICS[self.metric].encode_query(_wide(query))

    def _note(self, vector: Vector | None) -> None:
        if vector is not None:
            self.max_norm = max(self.max_norm, float(np.linalg.norm(_wide(vector))))


def _wide(vector: Any) -> Vector:
    array = np.asarray(vector)
    return array.astype(np.complex128 if np.iscomplexobj(array) else np.float64)
