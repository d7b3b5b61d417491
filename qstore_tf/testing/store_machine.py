"""Any order of calls to a store of vectors, each compared with a dictionary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import seed
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.vectors.base import VectorBackend, operators
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.store_records import random_filter, random_metadata
from qstore_tf.testing.store_spaces import DIMENSION, every_id, new_name, settled
from qstore_tf.testing.store_twin import Twin, write


def machine(
    store: VectorBackend, reopen: Callable[[VectorBackend], VectorBackend] | None = None
) -> type[RuleBasedStateMachine]:
    """A state machine that calls a store and a dictionary alike, and compares them.

    Args:
        store: The store.
        reopen: Makes another object on the same data; it is used from then on, and closed.
    """
    ids = st.lists(st.sampled_from([f"{i}:{j}" for i in range(3) for j in range(3)]), max_size=5)
    numbers = st.integers(0, 2**32)

    @seed(daily_seed())
    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.store, self.opened = store, [store]

        @initialize(metric=st.sampled_from(sorted(store.capabilities.metrics)))
        def begin(self, metric: str) -> None:
            self.name, self.twin = new_name(), Twin(metric)
            store.create(self.name, DIMENSION, metric)

        @rule(ids=ids, number=numbers)
        def upsert(self, ids: list[str], number: int) -> None:
            rng = np.random.default_rng(number)
            vectors = rng.normal(size=(len(ids), DIMENSION)) + 0.01
            metadata = [random_metadata(rng) for _ in ids]
            write(self.store, self.twin, self.name, ids, vectors, metadata)

        @rule(ids=ids)
        def delete(self, ids: list[str]) -> None:
            settled(self.store, self.name, self.store.delete(self.name, ids))
            self.twin.delete(ids)

        @precondition(lambda self: store.capabilities.delete_by_filter)
        @rule(number=numbers)
        def delete_matching(self, number: int) -> None:
            tree = parse_filter(random_filter(np.random.default_rng(number), 1))
            if operators(tree) <= store.capabilities.filters:
                settled(self.store, self.name, self.store.delete(self.name, filter=tree))
                self.twin.delete(self.twin.matching(tree))

        @rule(number=numbers, k=st.integers(1, 12))
        def search(self, number: int, k: int) -> None:
            rng = np.random.default_rng(number)
            tree = parse_filter(random_filter(rng, 1)) if rng.random() < 0.5 else None
            if tree is None or operators(tree) <= store.capabilities.filters:
                queries = rng.normal(size=(2, DIMENSION))
                for query, found in zip(
                    queries, self.store.search(self.name, queries, k, filter=tree), strict=True
                ):
                    self.twin.check(found, query, k, tree, exact=store.capabilities.exact)

        @rule(ids=ids)
        def fetch(self, ids: list[str]) -> None:
            found = self.store.fetch(self.name, ids)
            assert set(found) == set(ids) & set(self.twin.vectors)
            for name, record in found.items():
                assert record.metadata == self.twin.metadata[name]
                np.testing.assert_allclose(
                    record.vector, self.twin.vectors[name], rtol=1e-5, atol=1e-6
                )

        @rule(prefix=st.sampled_from(["", "1", "1:"]), limit=st.integers(1, 10))
        def list_ids(self, prefix: str, limit: int) -> None:
            got = every_id(self.store, self.name, prefix, limit)
            assert sorted(got) == sorted(n for n in self.twin.vectors if n.startswith(prefix))

        @precondition(lambda self: reopen is not None)
        @rule()
        def open_again(self) -> None:
            assert reopen is not None
            if len(self.opened) < 3:
                self.store = reopen(self.store)
                self.opened.append(self.store)

        @invariant()
        def as_many(self) -> None:
            if hasattr(self, "name"):
                assert self.store.stats(self.name).count == len(self.twin.vectors)

        def teardown(self) -> None:
            if hasattr(self, "name"):
                store.drop(self.name)
            for again in self.opened[1:]:
                if again is not store:
                    again.close()

    return Machine
