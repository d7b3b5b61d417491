"""What every way to a quantum database must do: in this process, async, or over HTTP.

A test module derives from `DatabaseContract` and gives it a fixture `open_database`: a function of
the settings, as `QuantumDatabase` takes them, that returns something with its verbs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qstore_tf.errors import (
    ConfigurationError,
    CorrelationError,
    FilterError,
    InputError,
    ItemError,
    NotFoundError,
)
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.testing.daily import daily_seed

Open = Callable[..., Any]


class DatabaseContract:
    """Tests of the verbs; none of them knows what lies beneath."""

    def test_version_1_works_word_for_word(self, open_database: Open) -> None:
        """The guide of version 1, as it was written."""
        db = open_database()
        rng = np.random.default_rng(0)
        first, second = rng.normal(size=(2, 8))
        db.insert(
            id="doc_1",
            vector=first,
            contexts=[("finance", 0.7), ("legal", 0.3)],
            coherence_time=5000.0,
        )
        db.insert(id="doc_2", vector=second, contexts=[("finance", 1.0)])
        db.create_entangled_group(
            group_id="g", entity_ids=["doc_1", "doc_2"], correlation_strength=0.85
        )
        results = db.query(vector=first, context="finance", mode="balanced", top_k=10)
        assert {match.id for match in results} == {"doc_1", "doc_2"}
        assert results[0].score >= results[1].score
        db.update("doc_1", second)
        assert db.apply_decoherence() == 0
        assert db.tunnel_search(query=first, barrier_threshold=0.8)[0].energy is not None

    def test_what_is_stored_comes_back(self, open_database: Open) -> None:
        """An item comes back with everything it was given."""
        db = open_database(clock=ManualClock(1000.0))
        entries = [("a", 0.25), ("b", 0.75, [0.0, 1.0, 0.5])]
        data = {"title": "é", "year": 2020, "score": 0.5, "new": True, "tags": ["x", "y"]}
        assert db.insert("k", [1.0, 0.0, 2.0], entries, 5000.0, data).stored == 1
        item = db.get("k")
        assert item.id == "k" and item.vector.tolist() == [1.0, 0.0, 2.0]
        assert item.contexts[0].vector is None and item.contexts[1].vector.tolist() == [0, 1, 0.5]
        assert [(c.name, c.weight) for c in item.contexts] == [("a", 0.25), ("b", 0.75)]
        assert dict(item.metadata) == data and item.metadata["new"] is True
        assert (item.coherence_time, item.written_at, item.coherence) == (5000.0, 1000.0, 1.0)
        assert not item.archived and item.groups == () and item.staleness == 0.0

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"id": 3, "vector": [1.0, 0.0]}, "A name cannot be used"),
            ({"id": "x", "vector": [1.0]}, "Expected: dimension 2.*Received: 1"),
            ({"id": "x", "vector": [math.nan, 0.0]}, "not finite"),
            ({"id": "x", "vector": [0.0, 0.0]}, "zeros"),
            ({"id": "x"}, "no vector"),
            ({"id": "x", "vector": [1.0, 0.0], "metadata": {"a": None}}, "key 'a'"),
            ({"id": "x", "vector": [1.0, 0.0], "contexts": [("a", 0.4)]}, "sum to 1"),
            ({"id": "x", "vector": [1.0, 0.0], "contexts": ["undefined"]}, "nothing defines it"),
            ({"id": "x", "vector": [1.0, 0.0], "coherence_time": 0.0}, "positive number"),
            ({"id": "there", "vector": [1.0, 0.0]}, "already.*Use upsert"),
        ],
    )
    def test_what_cannot_be_stored_leaves_no_trace(
        self, open_database: Open, arguments: dict[str, Any], words: str
    ) -> None:
        """Each wrong argument is named, and nothing is stored."""
        db = open_database()
        db.insert("there", [1.0, 1.0])
        with pytest.raises(ItemError, match=words):
            db.insert(**arguments)
        assert list(db.list().ids) == ["there"]
        assert db.query([1.0, 0.0], top_k=5).ids == ["there"]

    def test_the_first_item_needs_a_vector(self, open_database: Open) -> None:
        """A namespace takes its dimension from its first item."""
        db = open_database()
        with pytest.raises(ItemError, match="has no vector"):
            db.insert("a")
        db.insert("a", contexts=[("x", 0.5, [1.0, 0.0]), ("y", 0.5, [0.0, 1.0])])
        assert db.get("a").vector is None
        with pytest.raises(ItemError, match="dimension 2"):
            db.insert("b", [1.0, 2.0, 3.0])

    def test_batches_store_what_is_right_and_name_the_rest(self, open_database: Open) -> None:
        """A wrong row does not keep the others from being stored."""
        db = open_database()
        result = db.insert_many(
            ["a", "b", "c", "a", 5],
            [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]],
            metadata=[{"n": 1}, None, {"n": object()}, None, None],
        )
        assert result.stored == 1 and list(db.list().ids) == ["a"]
        assert [error.index for error in result.errors] == [1, 2, 3, 4]
        assert [error.id for error in result.errors] == ["b", "c", "a", 5]
        words = ["zeros", "key 'n'", "twice", "A name cannot be used"]
        for error, word in zip(result.errors, words, strict=True):
            assert word in str(error.error)
        with pytest.raises(ItemError, match="zeros"):
            result.check()
        with pytest.raises(ItemError, match="ids and vectors differ in length"):
            db.upsert_many(["a", "b"], [[1.0, 0.0]])

    def test_an_upsert_replaces_wholly(self, open_database: Open) -> None:
        """Nothing of the earlier item is left."""
        db = open_database()
        db.insert("a", [1.0, 0.0], [("x", 1.0)], 100.0, {"old": 1})
        db.upsert("a", [0.0, 1.0])
        item = db.get("a")
        assert item.vector.tolist() == [0.0, 1.0] and item.contexts == () and not item.metadata
        assert item.coherence_time == math.inf
        assert db.query([1.0, 0.0], context="x").ids == []

    def test_missing_items_are_errors_of_their_own(self, open_database: Open) -> None:
        """Each verb says what is not there."""
        db = open_database()
        with pytest.raises(NotFoundError, match="namespace"):
            db.query([1.0])
        db.insert("a", [1.0, 0.0])
        with pytest.raises(NotFoundError, match="'b'"):
            db.get("b")
        with pytest.raises(NotFoundError, match="'b'"):
            db.update("b", [1.0, 0.0])
        with pytest.raises(NotFoundError, match="context 'work'"):
            db.query([1.0, 0.0], context="work")
        with pytest.raises(NotFoundError, match="Insert the members"):
            db.create_entangled_group("g", ["a", "b"])
        with pytest.raises(NotFoundError, match="group"):
            db.delete_entangled_group("g")
        assert db.get_many(["b", "a"])[0] is None
        assert db.delete("b") == 0

    def test_wrong_questions_are_refused(self, open_database: Open) -> None:
        """Each wrong argument of a query is named."""
        db = open_database()
        db.insert("a", [1.0, 0.0], [("x", 1.0)])
        with pytest.raises(ItemError, match="dimension 2"):
            db.query([1.0, 0.0, 0.0])
        with pytest.raises(ItemError, match="at least 1"):
            db.query([1.0, 0.0], top_k=0)
        with pytest.raises(ConfigurationError, match="Did you mean 'precise'"):
            db.query([1.0, 0.0], mode="precis")
        with pytest.raises(ConfigurationError, match="rank"):
            db.query([1.0, 0.0], rank_by="distance")
        with pytest.raises(InputError, match="sum to 1"):
            db.query([1.0, 0.0], context={"x": 0.4})
        with pytest.raises(FilterError, match="unknown operator"):
            db.query([1.0, 0.0], filter={"a": {"$like": "b"}})
        with pytest.raises(ConfigurationError, match="ids or a filter"):
            db.delete()

    def test_pages_hold_every_name_once(self, open_database: Open) -> None:
        """Pages of any size, with a prefix, add up to the sorted names."""
        db = open_database()
        names = [f"{letter}{number}" for letter in "ab" for number in range(7)]
        db.insert_many(names[::-1], np.ones((14, 2)))
        for limit in (1, 3, 14, 100):
            for prefix in ("", "a", "b", "c"):
                token, found = None, []
                while True:
                    page = db.list(prefix, limit, token)
                    found += page.ids
                    token = page.next_token
                    if token is None:
                        break
                assert found == [name for name in names if name.startswith(prefix)]

    def test_namespaces_do_not_see_each_other(self, open_database: Open) -> None:
        """Each has its own dimension, metric, items and contexts."""
        db = open_database()
        db.create_namespace("small", 2, "l2", contexts=["x"])
        db.insert("a", [1.0, 2.0], namespace="small")
        db.insert("a", [1.0, 2.0, 3.0])
        assert db.get("a").vector.shape == (3,)
        assert db.get("a", namespace="small").vector.shape == (2,)
        assert [(n.name, n.dimension, n.metric, n.count) for n in db.namespaces()] == [
            ("default", 3, "cosine", 1),
            ("small", 2, "l2", 1),
        ]
        assert db.namespaces()[1].contexts == ("x",)
        with pytest.raises(ConfigurationError, match="already"):
            db.create_namespace("small", 3)
        db.delete_namespace("small")
        assert db.count(namespace="small") == 0 and db.count() == 1
        db.insert("a", [1.0], namespace="small")
        assert db.query([1.0], namespace="small").ids == ["a"]

    def test_filters_never_cost_matches(self, open_database: Open) -> None:
        """min(k, matches) items come, whatever the filter."""
        db = open_database()
        rng = np.random.default_rng([daily_seed(), 1])
        vectors = rng.normal(size=(200, 4))
        data = [{"n": int(n), "even": bool(n % 2 == 0)} for n in rng.integers(0, 20, 200)]
        db.insert_many([str(n) for n in range(200)], vectors, metadata=data)
        for filter, test in (
            ({"n": 3}, lambda d: d["n"] == 3),
            ({"n": {"$gte": 18}, "even": True}, lambda d: d["n"] >= 18 and d["even"]),
            ({"$not": {"n": {"$lt": 19}}}, lambda d: d["n"] >= 19),
            ({"n": 77}, lambda d: False),
        ):
            right = {str(row) for row, d in enumerate(data) if test(d)}
            assert db.count(filter=filter) == len(right)
            result = db.query(rng.normal(size=4), top_k=15, filter=filter)
            assert len(result) == min(15, len(right)) and set(result.ids) <= right
            for diversity in ("mmr", "qprp", "born"):
                few = db.query(rng.normal(size=4), top_k=3, filter=filter, diversity=diversity)
                assert len(few) == min(3, len(right)) and set(few.ids) <= right
        assert db.delete(filter={"even": True}) == sum(d["even"] for d in data)
        assert db.count() == sum(not d["even"] for d in data)

    def test_equal_scores_come_in_the_order_of_names(self, open_database: Open) -> None:
        """Results do not depend on the order of writes."""
        db = open_database()
        for name in "dbac":
            db.insert(name, [1.0, 1.0])
        assert db.query([1.0, 1.0], top_k=3).ids == ["a", "b", "c"]

    def test_groups_move_together(self, open_database: Open) -> None:
        """A partner moves by rho times the step, and gets more uncertain."""
        db = open_database()
        db.insert_many(["a", "b", "c"], np.ones((3, 2)))
        db.create_entangled_group("g", ["a", "b"], 0.5)
        assert db.entangled_groups() == {"g": ["a", "b"]}
        db.update("a", [3.0, 1.0])
        assert np.allclose(db.get("b").vector, [2.0, 1.0])
        assert np.allclose(db.get("c").vector, [1.0, 1.0])
        assert db.get("b").staleness == pytest.approx(0.75 * 2.0)  # (1 - rho^2) |D|^2 / d
        assert [item.id for item in db.stale()] == ["b"]
        found = db.measure_correlation("a", "b")
        assert float(found) == 0.5 and float(db.measure_correlation("a", "c")) == 0.0
        db.delete("c")
        db.delete_entangled_group("g")
        db.update("a", [0.0, 1.0])
        assert np.allclose(db.get("b").vector, [2.0, 1.0])

    def test_a_group_ends_with_its_last_but_one_member(self, open_database: Open) -> None:
        """A step moves nobody then; the last member stays where it is, and is as free as others."""
        db = open_database()
        db.insert_many(["a", "b", "c"], np.ones((3, 2)))
        db.create_entangled_group("g", ["a", "b", "c"], 0.5)
        db.create_entangled_group("h", ["a", "b"], 0.25)
        db.update("a", [3.0, 1.0])
        db.delete("c")
        assert db.entangled_groups() == {"g": ["a", "b"], "h": ["a", "b"]}
        before = db.get("b")
        assert np.allclose(before.vector, [2.5, 1.0])
        with db.transaction() as batch:  # the step of a counts, whenever in it a goes
            batch.update("b", [5.0, 1.0])
            batch.delete("a")
            batch.update("b", [2.5, 1.0])
        assert db.entangled_groups() == {} and db.get("b").groups == ()
        assert np.allclose(db.get("b").vector, [2.5, 1.0])
        assert db.get("b").staleness == 0.0
        db.insert("a", [1.0, 1.0])
        db.create_entangled_group("g", ["a", "b"], 0.5)  # the name is free
        db.update("a", [2.0, 1.0])
        assert np.allclose(db.get("b").vector, [3.0, 1.0])
        db.delete(["a", "b"])
        assert db.entangled_groups() == {}
        db.insert("d", contexts=[("x", 1.0, [1.0, 0.0])])

    @pytest.mark.parametrize(
        ("members", "rho", "words"),
        [
            (["a"], 0.5, "at least two"),
            (["a", "a"], 0.5, "each once"),
            (["a", "b", "c"], -0.6, "-0.5"),
            (["a", "b"], 1.5, "1"),
            (["a", "b"], math.nan, "nan"),
        ],
    )
    def test_impossible_groups_are_refused(
        self, open_database: Open, members: list[str], rho: float, words: str
    ) -> None:
        """No joint distribution, no group."""
        db = open_database()
        db.insert_many(["a", "b", "c"], np.ones((3, 2)))
        with pytest.raises(CorrelationError, match=words):
            db.create_entangled_group("g", members, rho)
        assert db.entangled_groups() == {}

    def test_contexts_defined_by_a_basis_follow_the_born_rule(self, open_database: Open) -> None:
        """Weights are squared lengths of projections, vectors the projections."""
        db = open_database()
        db.create_namespace("default", 3)
        db.define_context("plane", [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
        db.define_context("line", [[0.0], [0.0], [1.0]])
        db.insert("a", [3.0, 0.0, 4.0], ["plane", "line"])
        weights = {context.name: context.weight for context in db.get("a").contexts}
        assert weights == pytest.approx({"plane": 0.36, "line": 0.64})
        with pytest.raises((ItemError, InputError), match="orthonormal"):
            db.define_context("bad", [[1.0], [1.0], [0.0]])

    def test_decay_ends_in_the_archive(self, open_database: Open) -> None:
        """An item decays, is archived exactly when it was foretold, and comes back whole."""
        clock = ManualClock(0.0)
        db = open_database(clock=clock, coherence_threshold=0.1)
        db.insert("old", [1.0, 0.0], None, 1000.0)
        clock.advance(1000.0)
        db.insert("new", [1.0, 0.0], None, 1000.0)
        assert db.query([1.0, 0.0]).ids == ["new", "old"]
        assert db.get("old").coherence == pytest.approx(math.exp(-1))
        clock.now = 1000.0 * math.log(10) - 1e-6
        assert db.apply_decoherence() == 0
        clock.now = 1000.0 * math.log(10) + 1e-6
        assert db.apply_decoherence() == 1 and db.count() == 1
        assert list(db.list(archived=True).ids) == ["old"] and db.get("old").archived
        assert db.query([1.0, 0.0]).ids == ["new"]
        assert db.restore("old") == 1
        assert db.get("old").coherence == 1.0 and db.query([1.0, 0.0]).ids == ["old", "new"]

    def test_feedback_is_the_rule_of_bayes(self, open_database: Open) -> None:
        """Weights follow the likelihoods of the contexts' vectors."""
        db = open_database()
        db.insert("a", contexts=[("x", 0.5, [1.0, 0.0]), ("y", 0.5, [0.0, 1.0])])
        found = db.feedback("a", [1.0, 0.0])  # F = 1 and ((1 + 0) / 2)^2
        assert found == pytest.approx({"x": 0.8, "y": 0.2})
        found = db.feedback("a", [1.0, 0.0], relevant=False)
        assert found == pytest.approx({"x": 0.0, "y": 1.0})
        db.insert("b", [1.0, 0.0])
        with pytest.raises(ItemError, match="two contexts"):
            db.feedback("b", [1.0, 0.0])

    def test_a_transaction_is_all_or_nothing(self, open_database: Open) -> None:
        """An error, or an exception in the block, leaves no trace."""
        db = open_database()
        with db.transaction() as batch:
            batch.insert("a", [1.0, 0.0])
            batch.insert("b", [0.0, 1.0])
            batch.create_entangled_group("g", ["a", "b"], 0.5)
            batch.update("a", [2.0, 0.0])
        assert np.allclose(db.get("b").vector, [0.5, 1.0])
        with pytest.raises(NotFoundError), db.transaction() as batch:
            batch.delete("a")
            batch.update("nobody", [1.0, 0.0])
        with pytest.raises(RuntimeError, match="mine"), db.transaction() as batch:
            batch.delete("a")
            raise RuntimeError("mine")
        assert sorted(db.list().ids) == ["a", "b"]

    def test_many_queries_are_single_ones(self, open_database: Open) -> None:
        """A batch of queries gives what single ones give."""
        db = open_database()
        rng = np.random.default_rng([daily_seed(), 2])
        db.insert_many([f"{n}" for n in range(50)], rng.normal(size=(50, 5)))
        queries = rng.normal(size=(7, 5))
        for query, result in zip(queries, db.query_many(queries, top_k=4), strict=True):
            alone = db.query(query, top_k=4)
            assert alone.ids == result.ids
            assert np.allclose(alone.scores, result.scores, rtol=0, atol=1e-12)
