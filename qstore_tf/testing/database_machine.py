"""Random histories of a quantum database, compared with a dictionary at every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qstore_tf.errors import CorrelationError, ItemError, NotFoundError
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.testing.database_model import DatabaseModel

DIMENSION = 3
KEYS = [f"k{number}" for number in range(6)]
CONTEXTS = ["a", "b", "c"]
METRICS = ["cosine", "dot", "l2", "fidelity"]
TOLERANCE = 2e-5  # vectors are stored as float32, and steps of groups add up

_numbers = st.integers(-8, 8).map(lambda number: number / 4)
vectors = st.lists(_numbers, min_size=DIMENSION, max_size=DIMENSION).filter(any).map(np.array)
keys = st.sampled_from(KEYS)
metadata = st.none() | st.dictionaries(st.sampled_from("xy"), st.integers(0, 2))
filters = st.none() | st.dictionaries(
    st.sampled_from("xy"),
    st.fixed_dictionaries({"$gte": st.integers(0, 2)}) | st.integers(0, 2),
    min_size=1,
)
taus = st.none() | st.sampled_from([500.0, 4000.0])


@st.composite
def contexts(draw: Any) -> list[tuple[Any, ...]]:
    """Contexts as users write them, some with vectors of their own."""
    names = draw(st.lists(st.sampled_from(CONTEXTS), unique=True, max_size=3))
    shares = [draw(st.integers(1, 4)) for _ in names]
    entries: list[tuple[Any, ...]] = []
    for name, share in zip(names, shares, strict=True):
        own = draw(st.none() | vectors)
        weight = share / sum(shares)
        entries.append((name, weight) if own is None else (name, weight, own))
    return entries


questions = st.one_of(
    st.none(),
    st.sampled_from(CONTEXTS),
    st.lists(st.sampled_from(CONTEXTS), unique=True, min_size=2, max_size=3).map(
        lambda names: {name: 1 / len(names) for name in names}
    ),
)


class DatabaseMachine(RuleBasedStateMachine):
    """Rules of a database under test; `open` makes it.

    Attributes:
        open: Takes `metric` and `clock`; returns a database, or anything with its verbs.
    """

    open: Callable[..., Any]

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(1000.0)

    @initialize(metric=st.sampled_from(METRICS), ages=st.booleans())
    def start(self, metric: str, ages: bool) -> None:
        """Opens an empty database and its twin; in half of the histories items decay."""
        self.ages = ages
        self.database = type(self).open(metric=metric, clock=self.clock)
        self.model = DatabaseModel(metric, DIMENSION, self.clock)

    def teardown(self) -> None:
        """Closes the database."""
        if hasattr(self, "database"):
            self.database.close()

    def _members(self) -> set[str]:
        return {key for _, members in self.model.groups.values() for key in members}

    def _normal(self, entries: list[tuple[Any, ...]]) -> list[tuple[str, float, Any]]:
        return [(e[0], e[1], e[2] if len(e) == 3 else None) for e in entries]

    @rule(key=keys, vector=vectors, entries=contexts(), data=metadata, tau=taus)
    def insert(self, key: str, vector: Any, entries: Any, data: Any, tau: Any) -> None:
        """A new item is stored, and one that is there is refused."""
        tau = tau if self.ages else None
        if key in self.model.items:
            try:
                self.database.insert(key, vector, entries, tau, data)
            except ItemError:
                return
            raise AssertionError("an item was inserted twice")
        self.database.insert(key, vector, entries, tau, data)
        self.model.put(key, vector, self._normal(entries), data, tau or math.inf)

    @rule(key=keys, vector=vectors, entries=contexts(), data=metadata, tau=taus)
    def upsert(self, key: str, vector: Any, entries: Any, data: Any, tau: Any) -> None:
        """An item is stored, whether it is there or not."""
        tau = tau if self.ages else None
        if key in self._members():
            entries = []
        self.database.upsert(key, vector, entries, tau, data)
        self.model.step({key: vector})
        self.model.put(key, vector, self._normal(entries), data, tau or math.inf)

    @rule(written=st.dictionaries(keys, vectors, min_size=1, max_size=4))
    def upsert_many(self, written: Mapping[str, Any]) -> None:
        """Members of groups that are written together move their partners together."""
        ordered = list(written)
        result = self.database.upsert_many(ordered, np.array([written[key] for key in ordered]))
        assert result.stored == len(ordered) and not result.errors
        self.model.step(written)
        for key in ordered:
            self.model.put(key, written[key])

    @precondition(lambda self: self.model.alive())
    @rule(data=st.data(), vector=vectors)
    def update(self, data: Any, vector: Any) -> None:
        """A vector is replaced, and nothing else."""
        key = data.draw(st.sampled_from(self.model.alive()))
        self.database.update(key, vector)
        item = self.model.items[key]
        self.model.step({key: vector})
        self.model.put(key, vector, item.contexts, item.metadata, item.tau)

    @precondition(lambda self: self.model.alive())
    @rule(data=st.data(), values=st.dictionaries(st.sampled_from("xy"), st.none() | st.just(7)))
    def update_metadata(self, data: Any, values: Any) -> None:
        """Keys are set and removed; the item's age stays."""
        key = data.draw(st.sampled_from(self.model.alive()))
        self.database.update(key, metadata=values)
        merged = {**self.model.items[key].metadata, **values}
        self.model.items[key].metadata = {k: v for k, v in merged.items() if v is not None}

    @rule(key=keys)
    def delete(self, key: str) -> None:
        """An item is removed, from its groups too."""
        assert self.database.delete(key) == (key in self.model.items)
        self.model.items.pop(key, None)
        self.model.leave_groups(key)

    @precondition(lambda self: len(self.model.alive()) >= 2)
    @rule(data=st.data(), name=st.sampled_from("gh"), rho=st.sampled_from([0.9, 0.5, -0.2, 1.0]))
    def create_group(self, data: Any, name: str, rho: float) -> None:
        """A group is made, where a joint distribution of all groups exists."""
        alive = self.model.alive()
        members = data.draw(
            st.lists(st.sampled_from(alive), unique=True, min_size=2, max_size=len(alive))
        )
        with_own = any(
            own is not None for key in members for _, _, own in self.model.items[key].contexts
        )
        allowed = name not in self.model.groups and not with_own
        if allowed:
            self.model.groups[name] = (rho, members)
            joint = np.array([[self.model._rho(a, b) for b in KEYS] for a in KEYS])
            allowed = np.linalg.eigvalsh(joint)[0] > -1e-9
            if not allowed:
                del self.model.groups[name]
        try:
            self.database.create_entangled_group(name, members, rho)
        except (CorrelationError, ItemError):
            assert not allowed
        else:
            assert allowed

    @precondition(lambda self: self.model.groups)
    @rule(data=st.data())
    def delete_group(self, data: Any) -> None:
        """A group is dissolved; its members stay where they are."""
        name = data.draw(st.sampled_from(sorted(self.model.groups)))
        self.database.delete_entangled_group(name)
        del self.model.groups[name]

    @precondition(lambda self: self.model.alive())
    @rule(data=st.data(), query=vectors, relevant=st.booleans())
    def feedback(self, data: Any, query: Any, relevant: bool) -> None:
        """Weights follow Lueders' rule."""
        key = data.draw(st.sampled_from(self.model.alive()))
        if len(self.model.items[key].contexts) < 2:
            return
        try:
            found = self.database.feedback(key, query, relevant)
        except ItemError:
            return  # an outcome of no probability
        expected = self.model.learn(key, query, relevant)
        assert found.keys() == expected.keys()
        for name in expected:
            assert abs(found[name] - expected[name]) < 1e-3
        # What rounding of stored vectors makes of small probabilities is no matter of this test.
        item = self.model.items[key]
        item.contexts = [(name, found[name], own) for name, _, own in item.contexts]

    @rule(ms=st.sampled_from([0.0, 100.0, 3000.0]))
    def wait(self, ms: float) -> None:
        """Time goes by."""
        self.clock.advance(ms)

    @rule()
    def decohere(self) -> None:
        """What has decohered goes to the archive, and nothing else."""
        assert self.database.apply_decoherence() == self.model.decohere()

    @rule(key=keys)
    def restore(self, key: str) -> None:
        """An item comes back from the archive, prepared anew."""
        item = self.model.items.get(key)
        there = item is not None and item.archived
        if not self.model.items:
            return
        assert self.database.restore(key) == there
        if item is not None and there:
            item.archived, item.written_at = False, self.clock()

    @precondition(lambda self: self.model.items)
    @rule(
        query=vectors,
        context=questions,
        filter=filters,
        k=st.integers(1, 7),
        rank_by=st.sampled_from(["score", "fidelity"]),
    )
    def query(self, query: Any, context: Any, filter: Any, k: int, rank_by: str) -> None:
        """A query finds min(k, matches) items, with the scores of the definition, best first."""
        if isinstance(context, dict):
            rank_by = "score"
        self.ask(query, context, filter, k, rank_by)

    def ask(
        self,
        query: Any,
        context: Any = None,
        filter: Any = None,
        k: int = 7,
        rank_by: str = "score",
    ) -> None:
        """Asks the database, and compares its answer with the twin's."""
        asked = [context] if isinstance(context, str) else list(context or ())
        try:
            result = self.database.query(
                query, context=context, filter=filter, top_k=k, rank_by=rank_by
            )
        except NotFoundError:
            assert not set(asked) <= set(self.model.contexts)
            return
        expected = self.model.scores(query, context, filter, rank_by)
        assert len(result) == min(k, len(expected))
        best = sorted(expected.values(), reverse=True)
        assert np.allclose(result.scores, best[: len(result)], rtol=0, atol=TOLERANCE)
        for match in result:
            assert abs(match.score - expected[match.id]) < TOLERANCE
        assert list(result.scores) == sorted(result.scores, reverse=True)

    @invariant()
    def holds_the_same_items(self) -> None:
        """Names, vectors, contexts, metadata and ages are those of the twin."""
        if not hasattr(self, "database"):
            return
        alive = self.model.alive()
        assert self.database.count() == len(alive)
        assert list(self.database.list().ids) == alive
        there = {name: set(ids) for name, ids in self.database.entangled_groups().items()}
        assert there == {name: set(ids) for name, (_, ids) in self.model.groups.items()}
        for key, item in zip(KEYS, self.database.get_many(KEYS), strict=True):
            expected = self.model.items.get(key)
            assert (item is None) == (expected is None)
            if item is None or expected is None:
                continue
            assert np.allclose(item.vector, expected.vector, atol=TOLERANCE)
            assert dict(item.metadata) == expected.metadata
            assert item.archived == expected.archived
            assert item.written_at == expected.written_at
            assert item.coherence_time == expected.tau
            assert abs(item.staleness - expected.staleness) < TOLERANCE * (1 + item.staleness)
            weights = {context.name: context.weight for context in item.contexts}
            assert weights.keys() == {name for name, _, _ in expected.contexts}
            for name, weight, _ in expected.contexts:
                assert abs(weights[name] - weight) < 1e-9
