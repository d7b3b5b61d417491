"""The sender and the overlay, case by case; `test_outbox_schedules.py` has the random histories."""

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, UnreachableError
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.catalog import Catalog, Rows, items, namespaces, outbox
from qstore_tf.store.vectors import overlay
from qstore_tf.store.vectors.item_records import remote_name
from qstore_tf.store.vectors.memory import MemoryVectors
from qstore_tf.store.vectors.outbox import Outbox, Status, similarity_of
from qstore_tf.store.vectors.overlay import RemoteSearch
from qstore_tf.store.vectors.pgvector import PgVectors
from qstore_tf.store.vectors.qdrant import QdrantVectors
from qstore_tf.store.vectors.similarity import Similarity
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.faulty_store import SimulatedClock


class Small(MemoryVectors):
    """A store that refuses long metadata, knows few filters, and counts its searches."""

    def __init__(self):
        super().__init__()
        kept = MemoryVectors.capabilities
        self.capabilities = type(kept)(
            filters=frozenset({"eq"}), max_metadata_bytes=200, max_top_k=1000, max_batch=1000
        )
        self.rows = 0

    def search(self, namespace, queries, k, *, filter=None):
        self.rows += len(queries)
        return super().search(namespace, queries, k, filter=filter)


class Bench:
    """A catalog, a store, and what is between them."""

    def __init__(self, catalog, store, metric="cosine", dimension=3, dtype="float32", **options):
        self.catalog, self.store, self.dimension = catalog, store, dimension
        self.clock = options.pop("clock", None) or SimulatedClock()
        self.sender = Outbox(catalog, store, "far", clock=self.clock, **options)
        self.search = RemoteSearch(catalog, store, self.sender)
        self.space = catalog.write(
            lambda w: namespaces.create(w, "papers", dimension, metric, dtype)
        )

    @property
    def name(self):
        return remote_name(self.sender.identity, self.space)

    def put(self, keys, vectors, metadata=None):
        count = len(keys)
        rows = Rows(
            keys,
            np.asarray(vectors, self.space.dtype),
            np.zeros(count),
            np.full(count, math.inf),
            metadata=[json.dumps(one) for one in metadata or [{}] * count],
        )

        def write(writer):
            slots = items.put_many(writer, self.space, rows)
            self.sender.note_changes(writer)
            return slots

        return [int(slot) for slot in self.catalog.write(write)]

    def remove(self, slots):
        def write(writer):
            items.remove(writer, self.space, slots)
            self.sender.note_changes(writer)

        self.catalog.write(write)

    def find(self, query, k=10, **options):
        answer = self.search.search(self.space, np.asarray([query], self.space.dtype), k, **options)
        assert answer.is_complete
        return answer.candidates[0].slots.tolist()


@pytest.fixture
def catalog():
    with Catalog(None) as catalog:
        yield catalog


def test_what_is_written_is_found_before_and_after_it_is_sent(catalog):
    bench = Bench(catalog, MemoryVectors())
    a, b = bench.put(["a", "b"], np.eye(2, 3))
    assert bench.find([1, 0.1, 0]) == [a, b]
    assert bench.sender.status().pending == 2
    assert bench.sender.drain(100)
    assert bench.sender.status().pending == 0
    assert bench.find([1, 0.1, 0]) == [a, b]
    bench.put(["a"], [[0, 0, 1]])
    bench.remove([b])
    assert bench.find([1, 0.1, 0]) == [a]
    assert bench.sender.drain(100)
    assert bench.store.list(bench.name).ids == (f"{a}:0",)
    assert not bench.sender.step()


def test_a_transaction_that_fails_leaves_nothing_to_send(catalog):
    bench = Bench(catalog, MemoryVectors())

    def write(writer):
        items.put_many(
            writer, bench.space, Rows(["a"], np.ones((1, 3), np.float32), [0.0], [math.inf])
        )
        bench.sender.note_changes(writer)
        raise KeyError("no")

    with pytest.raises(KeyError):
        catalog.write(write)
    assert bench.sender.status().pending == 0
    assert not bench.sender.step()


def test_wrong_records_in_the_store_are_not_handed_out_and_are_put_right(catalog):
    bench = Bench(catalog, MemoryVectors())
    a, b = bench.put(["a", "b"], np.eye(2, 3))
    bench.sender.drain(100)
    older = bench.store.fetch(bench.name, [f"{a}:0"])[f"{a}:0"]
    bench.put(["a"], [[0, 0, 1]])
    bench.sender.drain(100)
    # Somebody else puts the old state back, records of no item, and some of his own.
    bench.store.upsert(bench.name, [older.id], [older.vector], [older.metadata])
    bench.store.upsert(
        bench.name, ["999:0", "his own"], np.ones((2, 3)), [{"_version": 1, "_in": []}, {}]
    )
    assert bench.find([1, 0, 0]) == [a, b]
    answer = bench.search.search(bench.space, np.array([[0, 0, 1]], np.float32), 1)
    assert answer.candidates[0].slots.tolist() == [a]
    assert answer.candidates[0].similarities.tolist() == [1.0]
    assert bench.sender.status().pending > 0
    assert bench.sender.drain(100)
    ids = bench.store.list(bench.name).ids
    assert sorted(ids) == sorted([f"{a}:0", f"{b}:0", "his own"])
    np.testing.assert_array_equal(
        bench.store.fetch(bench.name, [f"{a}:0"])[f"{a}:0"].vector, [0, 0, 1]
    )


def test_an_item_that_the_store_refuses_keeps_no_other_from_it(catalog):
    bench = Bench(catalog, Small())
    keys = [f"k{i}" for i in range(9)]
    metadata = [{"text": "x" * 300} if i == 4 else {} for i in range(9)]
    slots = bench.put(keys, np.random.default_rng(0).normal(size=(9, 3)), metadata)
    assert bench.sender.drain(100)
    status = bench.sender.status()
    assert (status.pending, status.refused, status.is_reachable) == (1, 1, True)
    with catalog.read() as reader:
        [(slot, why)] = outbox.faults(reader, "far").items()
    assert slot == slots[4]
    assert "too long" in why
    assert sorted(bench.find([1, 0, 0])) == slots  # it is searched in the catalog
    bench.put(["k4"], [[1, 0, 0]])
    assert bench.sender.drain(100)
    assert bench.sender.status().pending == 0
    assert bench.store.stats(bench.name).count == 9


def test_a_store_that_refuses_the_namespace(catalog):
    bench = Bench(catalog, MemoryVectors())
    bench.store.create(bench.name, 7, "dot")  # of another kind, by somebody else
    [slot] = bench.put(["a"], [[1, 0, 0]])
    assert bench.sender.drain(100)
    assert bench.sender.status().refused == 1
    with catalog.read() as reader:
        assert "of another kind" in outbox.faults(reader, "far")[slot]


def test_a_namespace_that_the_store_has_lost_is_sent_anew(catalog):
    bench = Bench(catalog, MemoryVectors())
    slots = bench.put(["a", "b"], np.eye(2, 3))
    bench.sender.drain(100)
    bench.store.drop(bench.name)
    assert bench.find([1, 0.1, 0]) == slots
    assert bench.sender.status().pending == 2
    assert bench.sender.drain(100)
    assert bench.store.stats(bench.name).count == 2
    bench.store.drop(bench.name)  # a write meets it first
    bench.put(["c"], [[0, 0, 1]])
    assert bench.sender.drain(100)
    assert bench.store.stats(bench.name).count == 3


class Down(MemoryVectors):
    """A store that may be down."""

    def __init__(self):
        super().__init__()
        self.is_down, self.calls = True, 0

    def _find(self, namespace):
        self.calls += 1
        if self.is_down:
            raise UnreachableError("down")
        return super()._find(namespace)


def test_a_store_that_is_down_is_left_in_peace_until_it_is_back(catalog):
    bench = Bench(catalog, Down())
    [slot] = bench.put(["a"], np.eye(1, 3))
    for _ in range(600):
        bench.sender.step()
        bench.clock.now += 1
    status = bench.sender.status()
    assert (status.pending, status.is_reachable, status.last_error) == (1, False, "down")
    assert 8 <= bench.store.calls < 40  # not one a second
    with pytest.raises(UnreachableError):
        bench.find([1, 0, 0])
    bench.store.is_down = False
    assert bench.sender.drain(600)
    assert bench.sender.status() == Status(0, 0, True, "")
    assert bench.find([1, 0, 0]) == [slot]


def test_catalogs_keep_apart_in_one_store_and_leave_nothing_behind():
    store = MemoryVectors()
    with Catalog(None) as first, Catalog(None) as second:
        one, two = Bench(first, store), Bench(second, store)
        [a] = one.put(["a"], [[1, 0, 0]])
        two.put(["b", "c"], np.eye(2, 3))
        assert one.sender.drain(100)
        assert two.sender.drain(100)
        assert one.name != two.name
        assert one.find([1, 0, 0]) == [a]
        first.write(lambda w: namespaces.drop(w, one.space.number))
        one.sender.tidy()
        assert one.sender.drop_forgotten() == []
        assert store.namespaces() == [two.name]
        again = first.write(lambda w: namespaces.create(w, "papers", 3, "cosine"))
        assert remote_name(one.sender.identity, again) != one.name
        # A copy that goes on beside its original must be another.
        name = first.write(outbox.identity)
        assert first.write(outbox.identity) == name
        first.write(outbox.forget_identity)
        assert first.write(outbox.identity) != name


def test_a_store_that_comes_later_is_sent_all(catalog):
    bench = Bench(catalog, MemoryVectors())
    catalog.write(
        lambda w: items.put_many(
            w, bench.space, Rows(["a", "b"], np.eye(2, 3, dtype=np.float32), [0, 0], [math.inf] * 2)
        )
    )
    catalog.write(lambda w: outbox.note_all(w, "far", bench.space.number))
    assert bench.sender.drain(100)
    assert bench.store.stats(bench.name).count == 2


def test_what_is_gone_for_long_is_forgotten(catalog):
    bench = Bench(catalog, MemoryVectors())
    clock = bench.clock
    a, b = bench.put(["a", "b"], np.eye(2, 3))
    bench.sender.drain(100)
    bench.remove([a])
    assert bench.sender.drain(1000)
    assert catalog.write(lambda w: outbox.purge(w, "far", clock.now - 3600)) == 0
    assert catalog.write(lambda w: outbox.purge(w, "far", clock.now + 1)) == 1
    with catalog.read() as reader:
        assert list(outbox.numbers(reader, "far", [a, b])) == [b]


def test_too_much_that_is_open_is_left_to_the_catalog(catalog, monkeypatch):
    bench = Bench(catalog, MemoryVectors())
    bench.put(["a", "b", "c"], np.eye(3))
    monkeypatch.setattr(overlay, "MOST_OPEN", 2)
    assert not bench.search.search(bench.space, np.eye(1, 3, dtype=np.float32), 1).is_complete


def test_candidates_come_with_their_items_and_a_bound_for_all_others(catalog):
    rng = np.random.default_rng([daily_seed(), 16])
    bench = Bench(catalog, MemoryVectors(), metric="l2")
    vectors = rng.normal(size=(60, 3)).astype(np.float32)
    slots = np.array(bench.put([f"k{i}" for i in range(60)], vectors))
    assert bench.sender.drain(100)
    bench.put(["k7"], vectors[7:8] + 1)
    vectors[7] += 1
    queries = rng.normal(size=(3, 3)).astype(np.float32)
    answer = bench.search.search(bench.space, queries, 5, with_changes=True)
    assert set(answer.changes.slots) == {slot for one in answer.candidates for slot in one.slots}
    assert answer.changes.commit == answer.commit
    for query, one in zip(queries, answer.candidates, strict=True):
        scores = similarity_of(bench.space).scores(query, vectors)
        others = ~np.isin(slots, one.slots)
        assert others.sum() == 55
        assert scores[others].max() <= one.bound <= scores[~others].min() + 1e-12
    everything = bench.search.search(bench.space, queries, 60).candidates[0]
    assert everything.bound > -np.inf  # there may be a sixty-first
    assert bench.search.search(bench.space, queries, 61).candidates[0].bound == -np.inf


def test_metadata_may_have_the_names_of_ours(catalog):
    bench = Bench(catalog, MemoryVectors())
    [slot] = bench.put(["a"], [[1, 0, 0]], [{"_version": "mine", "_in": 3, "year": 7}])
    assert bench.sender.drain(100)
    assert bench.find([1, 0, 0]) == [slot]
    assert bench.find([1, 0, 0], filter=parse_filter({"year": 7})) == [slot]
    assert bench.sender.status().pending == 0


def test_filters_that_the_store_does_not_know(catalog):
    search = Bench(catalog, Small()).search
    assert search.serves(None)
    assert search.serves(parse_filter({"a": 1}))
    assert not search.serves(parse_filter({"a": {"$gt": 1}}))
    assert not search.serves(parse_filter({"$or": [{"a": 1}, {"_version": 1}]}))


@pytest.mark.parametrize("is_complex", [False, True])
def test_fidelity_is_found_exactly_by_few_searches(catalog, is_complex):
    rng = np.random.default_rng([daily_seed(), 9])
    bench = Bench(
        catalog,
        Small(),
        metric="fidelity",
        dimension=4,
        dtype="complex64" if is_complex else "float32",
    )

    def some(count):
        real = rng.normal(size=(count, 4))
        return real + 1j * rng.normal(size=(count, 4)) if is_complex else real

    vectors = some(400).astype(bench.space.dtype)
    slots = np.array(bench.put([str(i) for i in range(400)], vectors))
    assert bench.sender.drain(100)
    for query in some(20).astype(bench.space.dtype):
        q, v = query.astype(complex), vectors.astype(complex)
        norms = np.linalg.norm(v, axis=1) * np.linalg.norm(q)
        fidelity = np.abs(v.conj() @ q / norms) ** 2
        best = slots[np.argsort(-fidelity)[:5]].tolist()
        answer = bench.search.search(bench.space, query[None], 5)
        assert answer.is_complete
        assert answer.candidates[0].slots.tolist() == best
        np.testing.assert_allclose(
            answer.candidates[0].similarities, np.sort(fidelity)[::-1][:5], rtol=1e-12
        )
    assert bench.store.rows <= 20 * 3 * (4 if is_complex else 2)


def test_a_similarity_that_no_store_has():
    with pytest.raises(ConfigurationError, match="complex dot"):
        Similarity("dot", True)
    with pytest.raises(ConfigurationError, match="manhattan"):
        Similarity("manhattan")


def test_the_background_sends_what_is_written(catalog):
    bench = Bench(catalog, MemoryVectors(), clock=Clock())
    bench.sender.start()
    try:
        for i in range(20):
            [slot] = bench.put([f"k{i}"], np.eye(1, 3))
            bench.sender.wake()
            assert slot in bench.find([1, 0, 0], 100)
        end = time.monotonic() + 20
        while bench.sender.status().pending and time.monotonic() < end:
            time.sleep(0.01)
        assert bench.sender.status().pending == 0
        assert bench.store.stats(bench.name).count == 20
    finally:
        bench.sender.close()


def test_threads_find_what_they_wrote_while_others_send(catalog):
    bench = Bench(catalog, MemoryVectors(), dimension=8, clock=Clock(), batch=7, settle_s=0.0)
    other = Outbox(catalog, bench.store, "far", batch=5, settle_s=0.0)
    bench.sender.start()
    other.start()

    def work(thread):
        rng = np.random.default_rng([daily_seed(), 17, thread])
        for step in range(40):
            vector = rng.normal(size=(1, 8)).astype(np.float32)
            key = f"{thread}:{step % 5}"  # written over again and again
            [slot] = bench.put([key], vector)
            bench.sender.wake()
            assert bench.find(vector[0], 1) == [slot]
        return {f"{thread}:{i}" for i in range(5)}

    try:
        with ThreadPoolExecutor(4) as pool:
            keys = set().union(*pool.map(work, range(4)))
        assert bench.sender.drain(60)
    finally:
        bench.sender.close()
        other.close()
    assert bench.store.stats(bench.name).count == len(keys) == 20


@pytest.fixture(params=["pgvector", "qdrant"])
def real(request, tmp_path_factory):
    if request.param == "pgvector":
        store = PgVectors(request.getfixturevalue("postgres_url"))
        yield store, lambda: None
    else:
        server_module = pytest.importorskip("qstore_tf.testing.qdrant_server")
        with server_module.QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
            store = QdrantVectors(server.url)
            yield store, server.restart
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "dot", "l2", "fidelity"])
def test_real_stores_behind_it_equal_the_catalog(catalog, real, metric):
    store, restart = real
    rng = np.random.default_rng([daily_seed(), 10])
    bench = Bench(catalog, store, metric=metric, dimension=6)
    keys = [f"k{i}" for i in range(80)]
    vectors = rng.normal(size=(80, 6)).astype(np.float32)
    slots = bench.put(keys, vectors, [{"part": i % 4} for i in range(80)])
    assert bench.sender.drain(100)
    restart()
    vectors[:10] = rng.normal(size=(10, 6))
    bench.put(keys[:10], vectors[:10], [{"part": i % 4} for i in range(10)])
    bench.remove(slots[10:15])
    kept = [*range(10), *range(15, 80)]
    for round in range(2):
        for part in (None, 1):
            filter = None if part is None else parse_filter({"part": part})
            rows = [i for i in kept if part is None or i % 4 == part]
            query = rng.normal(size=6).astype(np.float32)
            scores = similarity_of(bench.space).scores(query, vectors[rows])
            expected = [slots[rows[i]] for i in np.argsort(-scores)[:7]]
            assert bench.find(query, 7, filter=filter) == expected
        if round == 0:
            assert bench.sender.drain(100)
            assert store.stats(bench.name).count == 75
    store.drop(bench.name)
