"""Correlations are measured from joint updates; groups are proposed where the history is sure."""

import math

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, NotFoundError
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing.daily import daily_seed


def walk(db, rng, rho, names, steps, together=True):
    """Joint Gaussian steps of correlation rho between each two of some items."""
    mix = np.linalg.cholesky(
        np.full((len(names), len(names)), rho) + (1 - rho) * np.eye(len(names))
    )
    for _ in range(steps):
        moves = mix @ rng.normal(size=(len(names), 6))
        old = np.array([item.vector for item in db.get_many(names)])
        if together:
            db.upsert_many(names, old + moves)
        else:
            for name, row in zip(names, old + moves, strict=True):
                db.update(name, row)


@pytest.fixture
def db():
    with QuantumDatabase(auto_detect_correlations=True, correlation_threshold=0.5) as database:
        database.insert_many(list("abcdef"), np.random.default_rng(0).normal(size=(6, 6)))
        yield database


def test_groups_are_proposed_where_the_lower_bound_is_high(db):
    rng = np.random.default_rng([daily_seed(), 31])
    walk(db, rng, 0.9, ["a", "b", "c"], 25)
    walk(db, rng, 0.0, ["d", "e"], 25)
    [found] = db.propose_groups()
    assert found.members == ("a", "b", "c") and found.count == 25
    assert 0.5 < found.low < found.correlation_strength < 1
    assert found.correlation_strength == pytest.approx(0.9, abs=0.08)
    assert db.entangled_groups() == {}  # none is created by itself
    assert not db.propose_groups(threshold=0.99)


def test_updates_that_are_not_joint_say_nothing(db):
    rng = np.random.default_rng([daily_seed(), 32])
    walk(db, rng, 0.9, ["a", "b"], 10, together=False)
    assert not db.propose_groups(threshold=0.0)
    found = db.measure_correlation("a", "b").measured
    assert found.count == 0 and math.isnan(found.rho)


def test_a_pair_is_measured_with_its_interval(db):
    rng = np.random.default_rng([daily_seed(), 33])
    walk(db, rng, 0.6, ["a", "b"], 40)
    pair = db.measure_correlation("a", "b")
    assert pair.declared == 0.0 and pair.measured.count == 40
    assert pair.measured.low < pair.measured.rho < pair.measured.high
    assert abs(pair.measured.rho - 0.6) < 0.25
    assert float(db.measure_correlation("a", "a")) == 1.0
    with pytest.raises(NotFoundError, match="'nobody'"):
        db.measure_correlation("a", "nobody")


def test_without_a_history_nothing_is_proposed():
    with QuantumDatabase() as database:
        database.insert("a", [1.0])
        with pytest.raises(ConfigurationError, match="auto_detect_correlations=True"):
            database.propose_groups()


def test_the_stalest_members_come_first(db):
    db.create_entangled_group("g", ["a", "b", "c"], 0.5)
    db.create_entangled_group("h", ["d", "e"], 0.9)
    rows = {item.id: item.vector for item in db.get_many(list("ad"))}
    db.update("a", rows["a"] + 1.0)
    db.update("d", rows["d"] + 1.0)
    found = db.stale()
    assert [item.id for item in found] == ["b", "c", "e"]
    assert found[0].staleness == pytest.approx(0.75) and found[2].staleness == pytest.approx(0.19)
    assert [item.id for item in db.stale(1)] == ["b"]
