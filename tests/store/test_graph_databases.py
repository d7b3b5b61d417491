"""A database with a graph: scores are the same, matches may be missed, and it says so."""

import numpy as np
import pytest

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing.daily import daily_seed

pytest.importorskip("usearch")


def test_a_graph_finds_nearly_all_and_says_that_it_may_not():
    rng = np.random.default_rng([daily_seed(), 21])
    centers = rng.normal(size=(30, 16))
    rows = centers[rng.integers(0, 30, 3000)] + 0.4 * rng.normal(size=(3000, 16))
    names = [f"i{n}" for n in range(3000)]
    queries = rows[:50] + 0.1 * rng.normal(size=(50, 16))
    with QuantumDatabase(classical_backend="hnsw") as db, QuantumDatabase() as plain:
        for each in (db, plain):
            each.insert_many(names, rows)
        found, exact = db.query_many(queries), plain.query_many(queries)
        kept = [len(set(a.ids) & set(b.ids)) for a, b in zip(found, exact, strict=True)]
        assert np.mean(kept) > 9.7
        assert not any(result.certified for result in found)
        scores = {m.id: m.score for m in exact[0]}
        for match in found[0]:
            assert match.id not in scores or match.score == pytest.approx(scores[match.id])
        precise = db.query(queries[0], mode="precise")
        assert precise.certified and precise.ids == exact[0].ids


def test_a_graph_follows_what_is_written():
    with QuantumDatabase(classical_backend="hnsw") as db:
        db.insert_many(["a", "b"], [[1.0, 0.0], [0.0, 1.0]])
        assert db.query([1.0, 0.1], top_k=1).ids == ["a"]
        db.upsert("c", [1.0, 0.1])
        assert db.query([1.0, 0.1], top_k=1).ids == ["c"]
        db.delete("c")
        assert db.query([1.0, 0.1], top_k=2).ids == ["a", "b"]
