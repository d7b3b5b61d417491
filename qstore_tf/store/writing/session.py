"""One transaction from the side of the operations that run in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, NotFoundError, describe
from qstore_tf.store.catalog import groups, items, namespaces
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.items import Slots, StoredItem
from qstore_tf.store.catalog.namespaces import ContextRow, NamespaceRow
from qstore_tf.store.config import QuantumDatabaseConfig
from qstore_tf.store.definitions.decoherence import expires_at
from qstore_tf.store.items.steps import Steps, dissolve, effective
from qstore_tf.store.records import Vector


@dataclass(eq=False)
class Session:
    """What the operations of one transaction share.

    Attributes:
        writer: The catalog's connection.
        now: The time of the transaction in ms: all of its rows are prepared at the same moment.
        config: The database's settings.
        metric: Of namespaces that are made by their first item.
    """

    writer: Connection
    now: float
    config: QuantumDatabaseConfig
    metric: str = "cosine"
    _new: set[int] = field(default_factory=set)
    _steps: dict[int, Steps] = field(default_factory=dict)
    _contexts: dict[tuple[int, str], ContextRow] = field(default_factory=dict)
    _thinned: dict[int, NamespaceRow] = field(default_factory=dict)  # groups that lost members

    @property
    def coherence_time(self) -> float:
        """tau in ms of items that name none."""
        return self.config.default_coherence_time

    @property
    def threshold(self) -> float:
        """The coherence below which an item is archived."""
        return self.config.coherence_threshold

    @property
    def most_contexts(self) -> int:
        """How many contexts an item may have."""
        return self.config.max_contexts_per_vector

    def check_superposition(self) -> None:
        """Raises ConfigurationError where items may have no contexts."""
        if not self.config.enable_superposition:
            raise ConfigurationError(
                describe("Contexts are switched off", hint="Set enable_superposition=True.")
            )

    def create_namespace(
        self, name: str, dimension: int, metric: str, dtype: str, contexts: Sequence[str] = ()
    ) -> NamespaceRow:
        """Makes a namespace."""
        made = namespaces.create(
            self.writer, name, dimension, metric, dtype, contexts=tuple(contexts)
        )
        self._new.add(made.number)
        return made

    def forget_if_new(self, space: NamespaceRow) -> None:
        """Drops a namespace that this transaction made for rows of which none can be stored."""
        if space.number in self._new and not items.count(self.writer, space):
            namespaces.drop(self.writer, space.number)
            self._new.discard(space.number)

    def item(self, namespace: str, key: str) -> tuple[NamespaceRow, StoredItem]:
        """An item that is there, and its namespace.

        Raises:
            NotFoundError: It is not there, or in the archive.
        """
        space = namespaces.get(self.writer, namespace)
        [found] = items.fetch_many(self.writer, space, [key])
        if found is None or found.archived_at is not None:
            raise NotFoundError(
                describe(
                    f"There is no item {key!r} in namespace {namespace!r}"
                    + ("" if found is None else " but in its archive"),
                    hint="Use insert to store it." if found is None else "Use restore first.",
                )
            )
        return space, found

    def context(self, space: NamespaceRow, name: str, basis: Vector | None = None) -> ContextRow:
        """A context of a namespace, declared where it is new."""
        key = (space.number, name)
        if basis is not None or key not in self._contexts:
            self._contexts[key] = namespaces.declare_context(self.writer, space.number, name, basis)
        return self._contexts[key]

    def prepared(self, coherence_times: Sequence[float]) -> dict[str, Any]:
        """The columns of items that are prepared now."""
        tau = np.array(coherence_times, np.float64)
        written = np.full(len(tau), self.now)
        return {
            "written_at": written,
            "coherence_time": tau,
            "expires_at": expires_at(written, tau, self.threshold),
        }

    def effective(self, space: NamespaceRow, item: StoredItem) -> Vector | None:
        """An item's vector with the steps of its groups; None where each context has one."""
        if item.vector is None or not item.groups:
            return item.vector
        return effective(self.writer, space, [item])[0]

    def before_step(self, space: NamespaceRow, slots: Slots, vectors: Vector) -> None:
        """Notes what members of groups are about to be written as; see `Steps`."""
        self._steps.setdefault(space.number, Steps(space)).note(
            self.writer, slots, vectors, all_items=self.config.auto_detect_correlations
        )

    def has_groups(self, space: NamespaceRow) -> bool:
        """Whether steps of items matter to others, or are recorded."""
        return self.config.auto_detect_correlations or groups.has_any(self.writer, space)

    def wrote(
        self,
        space: NamespaceRow,
        vectors: Vector,
        own: Sequence[Vector | None],
    ) -> None:
        """Notes the lengths of vectors that were written."""
        parts = [vectors, *(vector[None] for vector in own if vector is not None)]
        longest = max((_longest(part) for part in parts if len(part)), default=0.0)
        namespaces.raise_max_norm(self.writer, space.number, longest)

    def remove(self, space: NamespaceRow, slots: Slots) -> int:
        """Removes items; steps that were to be taken are not. Groups of one member end."""
        if space.number in self._steps:
            self._steps[space.number].forget(slots)
        self._thinned |= {number: space for _, number in groups.memberships(self.writer, slots)}
        return items.remove(self.writer, space, slots)

    def settle(self) -> None:
        """Lets the partners of what was written follow. Called before groups change, and last."""
        for steps in self._steps.values():
            steps.settle(self.writer, self.now)
        self._steps.clear()
        for number, space in self._thinned.items():
            group = groups.numbered(self.writer, number)
            if group is not None and not groups.has_partners(self.writer, number):
                dissolve(self.writer, space, group)
        self._thinned.clear()


def _longest(vectors: Vector) -> float:
    """The largest norm of rows [n, d], in float64: no row may be found longer afterwards."""
    norms = np.linalg.norm(vectors, axis=1)
    near = vectors[norms >= norms.max() * (1 - 1e-5)]
    wide = near.astype(np.complex128 if np.iscomplexobj(near) else np.float64)
    return float(np.linalg.norm(wide, axis=1).max())
