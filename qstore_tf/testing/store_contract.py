"""What every store of vectors must do: one suite, run on each of them.

A test module derives a class from `VectorStoreContract` and gives it a fixture `store`; stores that
outlive their process have `reopen` too. All is compared with a dictionary that is searched exactly.
"""

# ruff: noqa: D102 - the names of tests say what they test

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from qstore_tf.errors import ConfigurationError, FilterError, ItemError, NotFoundError
from qstore_tf.store.arguments.filters import COMPARISONS, parse_filter
from qstore_tf.store.vectors.base import METRICS, Commit, VectorBackend, operators
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.store_machine import machine
from qstore_tf.testing.store_records import random_filter, random_metadata
from qstore_tf.testing.store_spaces import (
    DIMENSION,
    every_id,
    first_metric,
    namespace,
    new_name,
    settled,
)
from qstore_tf.testing.store_twin import Twin, write


class VectorStoreContract:
    """The tests. A subclass has a fixture `store`, and may have the method `reopen`."""

    def reopen(self, store: VectorBackend) -> VectorBackend:
        """Another object on the same data; a store that is not durable has none."""
        raise NotImplementedError

    @pytest.fixture
    def space(self, store: VectorBackend) -> Iterator[str]:
        """A namespace of metric "cosine", or of the first that there is."""
        with namespace(store, first_metric(store)) as name:
            yield name

    def test_it_follows_the_protocol(self, store: VectorBackend) -> None:
        assert isinstance(store, VectorBackend)
        assert store.name
        assert store.capabilities.metrics <= set(METRICS)
        assert store.capabilities.filters <= {*COMPARISONS, "text order"}

    @pytest.mark.parametrize("metric", METRICS)
    def test_a_search_equals_an_exact_one(self, store: VectorBackend, metric: str) -> None:
        if metric not in store.capabilities.metrics:
            with pytest.raises(ConfigurationError, match=metric):
                store.create(new_name(), DIMENSION, metric)
            return
        rng = np.random.default_rng([daily_seed(), 1])
        with namespace(store, metric) as name:
            twin = Twin(metric)
            ids = [f"{i % 7}:{i}" for i in range(60)]
            vectors = rng.normal(size=(60, DIMENSION)) * rng.uniform(0.3, 2, (60, 1))
            metadata = [{"part": i % 5, "_version": i} for i in range(60)]
            write(store, twin, name, ids, vectors, metadata)
            queries = rng.normal(size=(3, DIMENSION))
            for k in (1, 7, 60, 80):
                for filter in (None, parse_filter({"part": {"$in": [1, 2]}})):
                    found = store.search(name, queries, k, filter=filter)
                    assert len(found) == 3
                    for query, one in zip(queries, found, strict=True):
                        twin.check(one, query, k, filter, exact=store.capabilities.exact)

    def test_equal_scores_are_ordered_by_id(self, store: VectorBackend, space: str) -> None:
        settled(store, space, store.upsert(space, list("dbac"), [[1, 0, 0, 0]] * 4))
        assert store.search(space, [[1, 0, 0, 0]], 4)[0].ids == ("a", "b", "c", "d")

    def test_what_is_read_is_what_was_written(self, store: VectorBackend, space: str) -> None:
        rng = np.random.default_rng([daily_seed(), 2])
        ids = ["7:0", "a b", "é/ü?&=#", "a" * 100, "%41", "日本", '"quoted"', "back\\slash"]
        vectors = (rng.normal(size=(len(ids), DIMENSION)) * 100).astype(np.float32)
        metadata: list[dict[str, Any]] = [
            {},
            {"integer": -3, "float": 2.5, "whole": 2.0, "large": 2**53, "small": 1e-300},
            {"true": True, "false": False, "text": "", "tags": ["x", "é"], "none": []},
            {"a.b": 1, "a b": 2, 'quo"te': 3, "k[0]": 4, "ключ": 5, "-": 6, "a-b_c": 7},
            {"text": "x" * 5000},
            {"quote": "'; DROP TABLE x; --", "backslash": "\\", "percent": "%s %(a)s ?"},
            {"emoji": "🙂", "line": "a\nb\tc"},
            {"_version": 5},
        ]
        settled(store, space, store.upsert(space, ids, vectors, metadata))
        found = store.fetch(space, [*reversed(ids), "absent", ids[0]])
        assert set(found) == set(ids)
        for name, vector, one in zip(ids, vectors, metadata, strict=True):
            assert found[name].id == name
            np.testing.assert_allclose(found[name].vector, vector, rtol=1e-6, atol=1e-5)
            assert found[name].vector.dtype == np.float32
            assert found[name].metadata == one
            for key, value in one.items():
                assert type(found[name].metadata[key]) is type(value), key
        got = store.search(space, vectors[:1], len(ids))[0]
        assert dict(zip(got.ids, got.metadata, strict=True)) == dict(
            zip(ids, metadata, strict=True)
        )

    def test_an_upsert_replaces_the_whole_record_however_often(
        self, store: VectorBackend, space: str
    ) -> None:
        store.upsert(space, ["a"], [[1, 2, 3, 4]], [{"old": 1, "both": 1}])
        for _ in range(3):
            commit = store.upsert(
                space, ["a", "a"], [[9, 9, 9, 9], [4, 3, 2, 1]], [{}, {"both": 2}]
            )
            settled(store, space, commit)
            record = store.fetch(space, ["a"])["a"]
            assert record.metadata == {"both": 2}
            np.testing.assert_allclose(record.vector, [4, 3, 2, 1], rtol=1e-6)
            assert store.stats(space).count == 1
            assert store.search(space, [[4, 3, 2, 1]], 5)[0].ids == ("a",)

    def test_deleting_again_or_what_is_not_there_is_no_error(
        self, store: VectorBackend, space: str
    ) -> None:
        store.upsert(space, ["a", "b"], np.eye(2, DIMENSION))
        for _ in range(2):
            settled(store, space, store.delete(space, ["a", "absent", "a"]))
            assert set(store.fetch(space, ["a", "b"])) == {"b"}
            assert store.search(space, [[1, 1, 0, 0]], 5)[0].ids == ("b",)
        settled(store, space, store.delete(space, []))
        assert store.stats(space).count == 1
        with pytest.raises(ItemError, match="what to delete"):
            store.delete(space)

    def test_deleting_by_a_filter(self, store: VectorBackend, space: str) -> None:
        old = parse_filter({"year": {"$lt": 2000}})
        store.upsert(
            space, ["a", "b", "c"], np.eye(3, DIMENSION), [{"year": 1999}, {"year": 2000}, {}]
        )
        if not store.capabilities.delete_by_filter:
            with pytest.raises(FilterError, match="cannot delete by a filter"):
                store.delete(space, filter=old)
            return
        settled(store, space, store.delete(space, filter=old))
        assert set(store.fetch(space, ["a", "b", "c"])) == {"b", "c"}

    def test_filters_hold_where_their_definition_says(
        self, store: VectorBackend, space: str
    ) -> None:
        rng = np.random.default_rng([daily_seed(), 3])
        twin = Twin(first_metric(store))
        metadata = [random_metadata(rng) for _ in range(60)]
        ids = [f"{i:03}" for i in range(60)]
        write(store, twin, space, ids, rng.normal(size=(60, DIMENSION)), metadata)
        query = rng.normal(size=DIMENSION)
        checked = 0
        for _ in range(60):
            tree = parse_filter(random_filter(rng, 2))
            if operators(tree) <= store.capabilities.filters:
                k = int(rng.integers(1, 70))
                found = store.search(space, [query], k, filter=tree)[0]
                twin.check(found, query, k, tree, exact=store.capabilities.exact)
                checked += 1
            else:
                with pytest.raises(FilterError, match=store.name):
                    store.search(space, [query], 3, filter=tree)
        assert checked > 5

    def test_operators_that_are_not_declared_are_refused(
        self, store: VectorBackend, space: str
    ) -> None:
        values: dict[str, Any] = {"in": ["a"], "nin": ["a"], "exists": True, "text order": "a"}
        for operator in {*COMPARISONS, "text order"} - store.capabilities.filters:
            name = "gt" if operator == "text order" else operator
            tree = parse_filter({"key": {f"${name}": values.get(operator, 1)}})
            words = "order strings" if operator == "text order" else rf"\${name}"
            with pytest.raises(FilterError, match=words):
                store.search(space, [[1, 0, 0, 0]], 1, filter=tree)

    def test_an_empty_namespace(self, store: VectorBackend, space: str) -> None:
        assert store.search(space, [[1, 0, 0, 0], [0, 1, 0, 0]], 3)[1].ids == ()
        assert store.search(space, np.empty((0, DIMENSION)), 3) == []
        assert store.fetch(space, ["a"]) == {}
        assert store.list(space).ids == ()
        assert store.stats(space).count == 0
        settled(store, space, store.upsert(space, [], np.empty((0, DIMENSION))))
        assert store.stats(space).count == 0

    def test_namespaces_are_kept_apart(self, store: VectorBackend) -> None:
        metric = first_metric(store)
        with namespace(store, metric) as one, namespace(store, metric) as two:
            assert {one, two} <= set(store.namespaces())
            assert store.namespaces() == sorted(store.namespaces())
            settled(store, one, store.upsert(one, ["a"], [[1, 0, 0, 0]]))
            settled(store, two, store.upsert(two, ["b"], [[1, 0, 0, 0]]))
            assert store.search(one, [[1, 0, 0, 0]], 5)[0].ids == ("a",)
            settled(store, one, store.delete(one, ["b"]))
            assert set(store.fetch(two, ["a", "b"])) == {"b"}
            store.drop(one)
            store.drop(one)
            assert one not in store.namespaces()
            assert store.stats(two).count == 1
            with pytest.raises(NotFoundError, match=one):
                store.search(one, [[1, 0, 0, 0]], 5)
            store.create(one, DIMENSION, metric)
            assert store.stats(one).count == 0

    def test_making_a_namespace_again(self, store: VectorBackend, space: str) -> None:
        metric = first_metric(store)
        settled(store, space, store.upsert(space, ["a"], [[1, 0, 0, 0]]))
        store.create(space, DIMENSION, metric)
        assert store.stats(space).count == 1
        assert store.stats(space).space.dimension == DIMENSION
        assert store.stats(space).space.metric == metric
        with pytest.raises(ConfigurationError, match=f"dimension {DIMENSION + 1}"):
            store.create(space, DIMENSION + 1, metric)
        for other in store.capabilities.metrics - {metric}:
            with pytest.raises(ConfigurationError, match=other):
                store.create(space, DIMENSION, other)

    @pytest.mark.parametrize(
        "call",
        [
            lambda store, name: store.upsert(name, ["a"], [[1, 0, 0, 0]]),
            lambda store, name: store.fetch(name, ["a"]),
            lambda store, name: store.delete(name, ["a"]),
            lambda store, name: store.search(name, [[1, 0, 0, 0]], 1),
            lambda store, name: store.list(name),
            lambda store, name: store.stats(name),
        ],
    )
    def test_a_namespace_that_is_not_there(
        self, store: VectorBackend, call: Callable[[VectorBackend, str], object]
    ) -> None:
        with pytest.raises(NotFoundError, match="no namespace 'absent'"):
            call(store, "absent")

    @pytest.mark.parametrize(
        ("dimension", "metric", "words"),
        [
            (0, None, ">= 1"),
            (True, None, ">= 1"),
            (None, None, "at most"),
            (4, "manhattan", "metric"),
        ],
    )
    def test_a_namespace_that_cannot_be(
        self, store: VectorBackend, dimension: int | None, metric: str | None, words: str
    ) -> None:
        if dimension is None:
            dimension = store.capabilities.max_dimension + 1
        with pytest.raises(ConfigurationError, match=words):
            store.create("wrong", dimension, metric or first_metric(store))
        assert "wrong" not in store.namespaces()

    @pytest.mark.parametrize(
        ("ids", "vectors", "words"),
        [
            (["a"], [[1, 2, 3]], r"\[rows, 4\]"),
            (["a"], [1, 2, 3, 4], r"\[rows, 4\]"),
            (["a", "b"], [[1, 2, 3, 4]], "2 vectors"),
            (["a", "b"], [[1, 2, 3, 4], [1, 2, 3, np.nan]], "row 1"),
            (["a"], [[1, 2, 3, np.inf]], "finite"),
            (["a"], [[1, 2, 3, 1e39]], "finite"),
            (["a"], [["x", "y", "z", "w"]], "cannot be read"),
            ([""], [[1, 2, 3, 4]], "row 0"),
            ([7], [[1, 2, 3, 4]], "non-empty string"),
            (["a\0b"], [[1, 2, 3, 4]], "NUL"),
            ("a", [[1, 2, 3, 4]], "list of strings"),
        ],
    )
    def test_rows_that_cannot_be_stored_store_nothing(
        self, store: VectorBackend, space: str, ids: Any, vectors: Any, words: str
    ) -> None:
        with pytest.raises(ItemError, match=words):
            store.upsert(space, ids, vectors)
        assert store.stats(space).count == 0

    @pytest.mark.parametrize("value", [float("nan"), object(), "\ud800", b"x"])
    def test_metadata_that_cannot_be_stored_store_nothing(
        self, store: VectorBackend, space: str, value: Any
    ) -> None:
        with pytest.raises(ItemError, match="metadata of 'b' cannot be written"):
            store.upsert(space, ["a", "b"], np.eye(2, DIMENSION), [{}, {"key": value}])
        assert store.stats(space).count == 0

    def test_a_vector_without_direction(self, store: VectorBackend) -> None:
        for metric in sorted(store.capabilities.metrics):
            with namespace(store, metric) as name:
                if metric == "cosine":
                    with pytest.raises(ItemError, match="no direction"):
                        store.upsert(name, ["a"], [[0, 0, 0, 0]])
                    with pytest.raises(ItemError, match="no direction"):
                        store.search(name, [[0, 0, 0, 0]], 1)
                    continue
                settled(store, name, store.upsert(name, ["a", "b"], [[0, 0, 0, 0], [1, 0, 0, 0]]))
                assert store.search(name, [[0, 0, 0, 0]], 2)[0].ids == ("a", "b")

    @pytest.mark.parametrize("k", [0, -1, 1.5, True, None])
    def test_a_search_that_cannot_be(self, store: VectorBackend, space: str, k: Any) -> None:
        k = store.capabilities.max_top_k + 1 if k is None else k
        with pytest.raises(ItemError, match=f"k from 1 to {store.capabilities.max_top_k}"):
            store.search(space, [[1, 0, 0, 0]], k)

    def test_ids_come_in_pages(self, store: VectorBackend, space: str) -> None:
        ids = [f"{i % 3}:{i}" for i in range(23)]
        vectors = np.random.default_rng(0).normal(size=(23, DIMENSION))
        settled(store, space, store.upsert(space, ids, vectors))
        for prefix in ("", "1:", "none", "1%", "1_"):
            expected = sorted(name for name in ids if name.startswith(prefix))
            for limit in (1, 5, 23, 1000):
                assert sorted(every_id(store, space, prefix, limit)) == expected
        with pytest.raises(ItemError, match="limit >= 1"):
            store.list(space, limit=0)

    def test_more_rows_than_one_request_takes(self, store: VectorBackend, space: str) -> None:
        count = min(2 * store.capabilities.max_batch + 3, 2500)
        ids = [str(i) for i in range(count)]
        vectors = np.random.default_rng(1).normal(size=(count, DIMENSION))
        settled(store, space, store.upsert(space, ids, vectors, [{"i": i} for i in range(count)]))
        assert store.stats(space).count == count
        assert len(store.fetch(space, ids)) == count
        settled(store, space, store.delete(space, ids[1:]))
        assert store.stats(space).count == 1

    def test_threads(self, store: VectorBackend, space: str) -> None:
        """Several write records of their own, and one all of them, while others read."""
        rng = np.random.default_rng([daily_seed(), 4])
        vectors = rng.normal(size=(4, 12, DIMENSION))
        stop = threading.Event()

        def work(thread: int) -> Commit:
            commit = Commit()
            for step in range(12):
                store.upsert(space, [f"{thread}:{step}"], vectors[thread, step : step + 1])
                store.upsert(space, ["shared"], vectors[thread, step : step + 1], [{"by": thread}])
                if step % 3 == 2:
                    commit = store.delete(space, [f"{thread}:{step}"])
            return commit

        def read() -> int:
            seen = 0
            while not stop.is_set():
                found = store.search(space, rng.normal(size=(1, DIMENSION)), 50)[0]
                assert len(set(found.ids)) == len(found.ids)
                seen += len(found.ids)
            return seen

        with ThreadPoolExecutor(5) as pool:
            reading = pool.submit(read)
            writing = [pool.submit(work, thread) for thread in range(4)]
            try:
                for done in writing:
                    settled(store, space, done.result())
            finally:
                stop.set()
            reading.result()
        expected = {f"{t}:{s}" for t in range(4) for s in range(12) if s % 3 != 2} | {"shared"}
        assert set(every_id(store, space, "", 100)) == expected
        for name, record in store.fetch(space, sorted(expected - {"shared"})).items():
            thread, step = map(int, name.split(":"))
            np.testing.assert_allclose(record.vector, vectors[thread, step], rtol=1e-5, atol=1e-6)

    def test_what_was_acknowledged_is_there_when_it_is_opened_again(
        self, store: VectorBackend, space: str
    ) -> None:
        if not store.capabilities.durable:
            return
        settled(store, space, store.upsert(space, ["a", "b"], np.eye(2, DIMENSION), [{"x": 1}, {}]))
        settled(store, space, store.delete(space, ["b"]))
        again = self.reopen(store)
        try:
            assert space in again.namespaces()
            assert again.stats(space).space == store.stats(space).space
            assert again.fetch(space, ["a", "b"])["a"].metadata == {"x": 1}
            assert again.search(space, [[1, 1, 0, 0]], 5)[0].ids == ("a",)
        finally:
            if again is not store:
                again.close()

    def test_any_order_of_calls_equals_a_dictionary(self, store: VectorBackend) -> None:
        """A state machine of hypothesis, of the day's seed."""
        again = self.reopen if store.capabilities.durable else None
        run_state_machine_as_test(
            machine(store, again),
            settings=settings(
                max_examples=12,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
