"""A database over another store of vectors is the same database."""

import contextlib

import numpy as np
import pytest
from hypothesis import settings

from qstore_tf.errors import ConfigurationError, UnreachableError
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.vectors.memory import MemoryVectors
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.database_contract import DatabaseContract
from qstore_tf.testing.database_machine import DatabaseMachine

MEMORY = "qstore_tf.store.vectors.memory:MemoryVectors"


def over_memory(**options):
    return QuantumDatabase(classical_backend=MEMORY, **options)


class TestOverAnotherStore(DatabaseContract):
    @pytest.fixture
    def open_database(self):
        with contextlib.ExitStack() as stack:
            yield lambda **options: stack.enter_context(over_memory(**options))


class RemoteMachine(DatabaseMachine):
    open = staticmethod(over_memory)


TestHistories = RemoteMachine.TestCase
TestHistories.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


class Watched(MemoryVectors):
    """A store that counts its searches, and fails on demand."""

    def __init__(self):
        super().__init__()
        self.searches, self.is_down = 0, False

    def search(self, *args, **kwargs):
        self.searches += 1
        if self.is_down:
            raise UnreachableError("the store is down")
        return super().search(*args, **kwargs)


def drained(database):
    assert database._remote.sender.drain(20)
    return database


def test_the_store_is_searched_and_its_candidates_are_certain():
    rng = np.random.default_rng([daily_seed(), 11])
    store = Watched()
    rows, query = rng.normal(size=(400, 6)), rng.normal(size=6)
    with QuantumDatabase(classical_backend=store, classical_candidate_pool=40) as db:
        db.insert_many([f"i{n}" for n in range(400)], rows)
        drained(db)
        assert db.store_status().pending == 0
        found = db.query(query, top_k=5)
        assert store.searches == 1 and found.certified and not found.degraded
        with QuantumDatabase() as plain:
            plain.insert_many([f"i{n}" for n in range(400)], rows)
            assert plain.query(query, top_k=5).ids == found.ids
        # Whether the 41st could have more than the 40th is not known.
        assert not db.query(query, top_k=60, mode="precise").degraded


def test_a_store_that_is_down_is_said_and_costs_no_answer():
    store = Watched()
    with QuantumDatabase(classical_backend=store) as db:
        db.insert("a", [1.0, 0.0])
        store.is_down = True
        found = db.query([1.0, 0.0])
        assert found.ids == ["a"] and found.degraded
        store.is_down = False
        assert not db.query([1.0, 0.0]).degraded


def test_a_store_may_join_later(tmp_path):
    path = tmp_path / "db.qstore"
    with QuantumDatabase(path) as db:
        db.insert("a", [1.0, 0.0])
    store = Watched()
    with QuantumDatabase(path, classical_backend=store) as db:
        drained(db)
        [name] = store.namespaces()
        assert store.stats(name).count == 1
        assert db.query([1.0, 0.0]).ids == ["a"]


def test_scores_bound_by_decay_and_weights_are_not_certain():
    store = Watched()
    clock = ManualClock(0.0)
    rng = np.random.default_rng([daily_seed(), 12])
    with QuantumDatabase(classical_backend=store, classical_candidate_pool=4, clock=clock) as db:
        rows = rng.normal(size=(50, 4))
        db.insert_many([f"i{n}" for n in range(50)], rows, coherence_time=10.0)
        drained(db)
        clock.advance(1000.0)  # all scores are alike now, whatever the similarity
        assert not db.query(rows[0], top_k=3).certified
        precise = db.query(rows[0], top_k=3, mode="precise")
        assert precise.certified and store.searches > 2
        with QuantumDatabase(clock=clock) as plain:
            clock.advance(-1000.0)
            plain.insert_many([f"i{n}" for n in range(50)], rows, coherence_time=10.0)
            clock.advance(1000.0)
            assert plain.query(rows[0], top_k=3).ids == precise.ids


def test_unknown_stores_and_options_are_refused():
    with pytest.raises(ConfigurationError, match="Did you mean 'qdrant'"):
        QuantumDatabase(classical_backend="qdrnt")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        QuantumDatabase(classical_backend="pgvector", classical_options={"adress": "x"})
