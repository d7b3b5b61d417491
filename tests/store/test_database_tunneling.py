"""Tunnel searches and diverse matches of a database reach all clusters of an ambiguous query."""

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing.daily import daily_seed


@pytest.fixture
def clusters():
    rng = np.random.default_rng([daily_seed(), 9])
    centers = 1.5 * np.eye(3, 8) + 0.4
    with QuantumDatabase() as db:
        for name, center in zip("abc", centers, strict=True):
            rows = center + 0.15 * rng.normal(size=(40, 8))
            db.insert_many([f"{name}{row}" for row in range(40)], rows)
        yield db, centers.mean(axis=0) + 0.3 * centers[0]


def reached(result):
    return {match.id[0] for match in result}


def test_the_nearest_are_of_one_cluster_and_basins_of_all(clusters):
    db, query = clusters
    assert reached(db.query(query, top_k=10)) == {"a"}
    found = db.tunnel_search(query, barrier_threshold=0.8)
    assert reached(found) == {"a", "b", "c"}
    assert found[0].barrier == 0 and found[0].transmission == 1
    for match in found:
        assert match.path[-1] == match.id and match.energy == pytest.approx(1 - match.fidelity)
    assert len(db.tunnel_search(query, barrier_threshold=0.0)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"enable_tunneling": True},
        {"mode": "exploratory"},
        {"diversity": "mmr"},
        {"diversity": "qprp"},
        {"diversity": "born", "seed": 1},
    ],
)
def test_matches_that_are_unlike_each_other_cover_the_clusters(clusters, options):
    db, query = clusters
    found = db.query(query, top_k=10, **options)
    assert len(found) == 10 and reached(found) == {"a", "b", "c"}
    assert found.ids == db.query(query, top_k=10, **options).ids


def test_tunneling_sees_only_what_it_may(clusters):
    db, query = clusters
    names = [f"b{row}" for row in range(40)]
    assert reached(db.tunnel_search(query, search_space=names)) == {"b"}
    grover = db.tunnel_search(query, method="grover", top_k=3, seed=2)
    assert grover.oracle_calls > 0 and grover.classical_calls > 0
    with QuantumDatabase(enable_tunneling=False) as off:
        off.insert("x", [1.0, 0.0])
        for ask in (off.tunnel_search, lambda q: off.query(q, enable_tunneling=True)):
            with pytest.raises(ConfigurationError, match="enable_tunneling=True"):
                ask([1.0, 0.0])
