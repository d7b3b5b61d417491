"""`EntanglementRegistry`: correlated vectors in memory, by the readable definition.

A database keeps an accumulator for each group, so that an update costs the same for any number of
partners, and writes it in one transaction. Here all partners are moved at once by the formula that
it is tested against: the conditional mean of a joint Gaussian step (see `correlation`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import CorrelationError, InputError, NotFoundError, describe
from qstore_tf.store.definitions import correlation
from qstore_tf.store.definitions.correlation import Correlation

Array = NDArray[Any]

_MOST_STEPS = 10_000  # joint updates that are remembered


class EntanglementRegistry:
    """Groups of entities whose vectors follow each other's updates; safe for threads.

    Example:
        >>> registry = EntanglementRegistry()
        >>> for name in ("AAPL", "MSFT"):
        ...     _ = registry.update_entity(name, [0.0, 0.0])
        >>> group = registry.create_entangled_group(["AAPL", "MSFT"], 0.5)
        >>> registry.update_entity("AAPL", [2.0, 0.0])["MSFT"].tolist()
        [1.0, 0.0]
        >>> float(registry.measure_correlation("AAPL", "MSFT"))
        0.5
    """

    def __init__(self) -> None:
        self._groups: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._vectors: dict[str, Array] = {}
        self._steps: deque[dict[str, Array]] = deque(maxlen=_MOST_STEPS)
        self._lock = threading.RLock()

    def create_entangled_group(
        self,
        entity_ids: Sequence[str],
        correlation_strength: float = 0.85,
        group_id: str | None = None,
    ) -> str:
        """Declares a group.

        Args:
            entity_ids: At least two members, which may have no vector yet.
            correlation_strength: rho of each two of them.
            group_id: Its name; None: one is made up.

        Returns:
            The group's name.

        Raises:
            CorrelationError: No joint distribution has this correlation beside those declared, or
                there is a group of this name, or there are not two different members.
        """
        members = tuple(dict.fromkeys(entity_ids))
        with self._lock:
            name = f"group-{len(self._groups) + 1}" if group_id is None else group_id
            if len(members) < 2 or isinstance(entity_ids, str):
                raise CorrelationError(
                    describe(
                        f"Group {name!r} has too few members",
                        expected="at least two different ones",
                        received=entity_ids,
                    )
                )
            if name in self._groups:
                raise CorrelationError(describe(f"There is a group {name!r} already"))
            wanted = {**self._groups, name: (correlation_strength, members)}
            correlation.check_groups({each: wanted[each] for each in _connected(wanted, members)})
            self._groups[name] = wanted[name]
        return name

    def update_entity(self, entity_id: str, new_data: ArrayLike) -> dict[str, Array]:
        """Writes one vector, and moves its partners with it; as `update_entities`."""
        return self.update_entities({entity_id: new_data})

    def update_entities(self, new_data: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Writes vectors together, and moves the partners by the conditional mean of all of them.

        The first vector of an entity is no step: nothing follows it.

        Args:
            new_data: Vectors [d] by entity.

        Returns:
            The new vectors of all that moved or were written.

        Raises:
            InputError: A vector does not fit those of its partners, or is not finite. Nothing has
                changed then.
        """
        given = {name: np.asarray(vector) for name, vector in new_data.items()}
        with self._lock:
            names = _connected_members(self._groups, given)
            known = {name: self._vectors[name] for name in names if name in self._vectors}
            _check(given, known)
            steps = {name: vector - known[name] for name, vector in given.items() if name in known}
            changed = dict(given)
            if steps:
                changed |= self._follow(list(known), known, steps)
                changed |= given
                if len(steps) > 1:
                    self._steps.append(steps)
            self._vectors |= {
                name: np.array(vector, np.result_type(vector, np.float64))
                for name, vector in changed.items()
            }
            return {name: self._vectors[name].copy() for name in changed}

    def get_entity(self, entity_id: str) -> Array:
        """Returns an entity's vector as it is now.

        Raises:
            NotFoundError: It has none.
        """
        with self._lock:
            if entity_id not in self._vectors:
                raise NotFoundError(describe(f"There is no entity {entity_id!r} with a vector"))
            return self._vectors[entity_id].copy()

    def get_entangled_partners(self, entity_id: str) -> list[str]:
        """Returns who shares a group with an entity, sorted; nobody where it is in none."""
        with self._lock:
            groups = [members for _, members in self._groups.values() if entity_id in members]
        return sorted({name for members in groups for name in members} - {entity_id})

    def measure_correlation(self, a: str, b: str) -> Correlation:
        """Returns what is declared of two entities, and what their joint updates say.

        `float()` of it is the declared rho.
        """
        with self._lock:
            shared = [rho for rho, members in self._groups.values() if {a, b} <= set(members)]
            joint = [(step[a], step[b]) for step in self._steps if a in step and b in step]
        declared = 1.0 if a == b else float(sum(shared))
        first, second = (
            (np.array(rows) for rows in zip(*joint, strict=True))
            if joint
            else (
                np.zeros((0, 1)),
                np.zeros((0, 1)),
            )
        )
        return correlation.describe_pair(declared, correlation.measured(first, second))

    def _follow(
        self, names: list[str], known: Mapping[str, Array], steps: Mapping[str, Array]
    ) -> dict[str, Array]:
        """The vectors of all that these steps move."""
        matrix = correlation.correlation_matrix(names, self._groups)
        seen = [names.index(name) for name in steps]
        moves = correlation.conditional_means(matrix, seen, np.stack(list(steps.values())))
        return {
            name: known[name] + move for name, move in zip(names, moves, strict=True) if move.any()
        }


def _connected(groups: Mapping[str, tuple[float, Sequence[str]]], start: Any) -> list[str]:
    """The groups that are reached from some entities, over shared members."""
    reached, found = set(start), []
    waiting = dict(groups)
    while touching := [g for g, (_, members) in waiting.items() if reached & set(members)]:
        for group in touching:
            reached |= set(waiting.pop(group)[1])
            found.append(group)
    return found


def _connected_members(groups: Mapping[str, tuple[float, Sequence[str]]], start: Any) -> list[str]:
    """Some entities, and all that share groups with them, one step away or more."""
    within = [groups[group][1] for group in _connected(groups, start)]
    return list(dict.fromkeys([*start, *(name for members in within for name in members)]))


def _check(given: Mapping[str, Array], known: Mapping[str, Array]) -> None:
    shapes = {vector.shape for vector in [*given.values(), *known.values()]}
    for name, vector in given.items():
        if vector.dtype.kind not in "biufc" or vector.ndim != 1 or not np.isfinite(vector).all():
            raise InputError(
                describe(f"{name!r} gets no vector", expected="finite numbers [d]", received=vector)
            )
    if len(shapes) > 1:
        raise InputError(
            describe(
                "The vectors of entities that are connected differ in length",
                expected="one length",
                received=sorted(shapes),
            )
        )
