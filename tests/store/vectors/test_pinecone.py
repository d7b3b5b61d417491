"""Pinecone passes the suite of all stores over its real client; limits, bad days, and the key."""

import importlib.util
import json
import logging
import math
import pickle
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    FilterError,
    ItemError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.store.arguments.filters import matches, parse_filter
from qstore_tf.store.vectors import pinecone_forms as forms
from qstore_tf.store.vectors.base import Commit, operators
from qstore_tf.store.vectors.memory import MemoryVectors
from qstore_tf.store.vectors.names import open_store
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.faulty_store import SimulatedClock
from qstore_tf.testing.store_contract import VectorStoreContract
from qstore_tf.testing.store_records import random_filter, random_metadata
from qstore_tf.testing.store_spaces import namespace

pytest.importorskip("pinecone")
pytest.importorskip("fastapi")

from qstore_tf.store.vectors.pinecone import PineconeVectors
from qstore_tf.store.vectors.pinecone_calls import Calls, find_key
from qstore_tf.testing.pinecone_emulator import Fault, PineconeEmulator
from qstore_tf.testing.pinecone_emulator.conditions import check_metadata, compile_filter

KEY = "pc-secret-4711"


def exact(store):
    """The emulator's searches miss nothing."""
    store.capabilities = replace(store.capabilities, exact=True)
    return store


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("PINECONE_API_KEY", "PINECONE_CONTROLLER_HOST", "PINECONE_ADDITIONAL_HEADERS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def late():
    """A service whose reads lag behind."""
    with PineconeEmulator(delay_s=(0.0, 0.004), api_key=KEY, ne_finds_missing=False) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def late_store(late):
    store = PineconeVectors(KEY, host=late.url)
    yield exact(store)
    store.close()


class TestPinecone(VectorStoreContract):
    @pytest.fixture
    def store(self, late_store, late):
        self.url = late.url
        return late_store

    def reopen(self, store):
        return exact(PineconeVectors(KEY, host=self.url))


@pytest.fixture
def emulator():
    with PineconeEmulator(api_key=KEY) as emulator:
        yield emulator


@pytest.fixture
def store(emulator):
    store = PineconeVectors(KEY, host=emulator.url, timeout_s=5.0, patience_s=5.0)
    yield store
    emulator.set_faults()
    store.close()


# Read your writes.


def test_the_log_tells_when_searches_see_a_write():
    with PineconeEmulator(delay_s=math.inf) as emulator:
        store = PineconeVectors(KEY, host=emulator.url, patience_s=0.2)
        store.create("films", 2, "cosine")
        first = store.upsert("films", ["a"], [[1, 0]])
        gone = store.delete("films", ["a"])
        assert not store.reconciled("films", first)
        assert store.search("films", [[1, 0]], 1)[0].ids == ()
        emulator.catch_up()
        assert store.reconciled("films", first)
        assert store.reconciled("films", gone)
        second = store.upsert("films", ["b"], [[1, 0]])
        assert not store.reconciled("films", second)
        again = PineconeVectors(KEY, host=emulator.url)  # whoever asks
        assert again.reconciled("films", gone)
        assert not again.reconciled("films", second)
        with pytest.raises(UnreachableError, match="do not see all writes"):
            store.flush("films")
        emulator.catch_up()
        again.close()
        store.close()


def test_without_a_log_time_tells():
    clock = SimulatedClock()
    with PineconeEmulator(tells_lsn=False) as emulator:
        store = PineconeVectors(KEY, host=emulator.url, clock=clock, lag_s=30.0)
        store.create("films", 2, "cosine")
        commit = store.upsert("films", ["a"], [[1, 0]])
        assert not store.reconciled("films", commit)
        clock.now += 31
        assert store.reconciled("films", commit)
        before = clock.now
        store.flush("films")
        assert 30 <= clock.now - before < 33
        assert store.reconciled("films", Commit())
        store.close()


# The client itself, and the store above it, against exact dictionaries.


def test_the_client_that_is_installed_does_its_work():
    folder = Path(__file__).resolve().parents[2] / "conformance"
    spec = importlib.util.spec_from_file_location("conformance_run", folder / "run.py")
    runner = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = runner  # dataclasses look there
    spec.loader.exec_module(runner)
    with PineconeEmulator(delay_s=(0.0, 0.005)) as emulator:
        found = runner.run(sys.executable, "pinecone_works.py", emulator.url)
    assert {work: problem for work, problem in found.items() if problem} == {}
    assert len(found) == 11


def compare(store, count, seed):
    """Makes random calls of a store and of the one in memory, which must answer alike."""
    rng = np.random.default_rng(seed)
    twin = MemoryVectors()
    spaces = [(f"{metric}{i}", metric) for metric in ("cosine", "dot", "l2") for i in range(2)]
    for name, metric in spaces:
        for one in (store, twin):
            one.create(name, 4, metric)
    commits, searches = {name: [] for name, _ in spaces}, 0

    def settle(name):
        end = time.monotonic() + 20
        while not all(store.reconciled(name, commit) for commit in commits[name]):
            assert time.monotonic() < end
        commits[name].clear()

    for _ in range(count):
        name, metric = spaces[rng.integers(len(spaces))]
        ids = [f"{i}:{j}" for i, j in rng.integers(6, size=(rng.integers(1, 6), 2))]
        kind = str(
            rng.choice(["upsert", "upsert", "delete", "matching", "search", "fetch", "list"])
        )
        if kind == "upsert":
            vectors = rng.normal(size=(len(ids), 4))
            metadata = [random_metadata(rng) for _ in ids]
            twin.upsert(name, ids, vectors, metadata)
            commits[name].append(store.upsert(name, ids, vectors, metadata))
        elif kind == "delete":
            twin.delete(name, ids)
            commits[name].append(store.delete(name, ids))
        elif kind == "fetch":
            settle(name)
            mine, theirs = (one.fetch(name, ids) for one in (twin, store))
            assert mine.keys() == theirs.keys()
            for id, record in mine.items():
                assert record.metadata == theirs[id].metadata
                np.testing.assert_array_equal(record.vector, theirs[id].vector)
        elif kind == "list":
            settle(name)
            expected = twin.list(name, ids[0][:2]).ids
            assert sorted(store.list(name, ids[0][:2]).ids) == sorted(expected)
            assert store.stats(name).count == twin.stats(name).count
        else:
            tree = parse_filter(random_filter(rng, 2))
            if operators(tree) - store.capabilities.filters:
                continue
            if kind == "matching":
                if rng.random() < 0.2:
                    twin.delete(name, filter=tree)
                    commits[name].append(store.delete(name, filter=tree))
                continue
            settle(name)
            queries, k = rng.normal(size=(rng.integers(1, 3), 4)), int(rng.integers(1, 40))
            tree = tree if rng.random() < 0.7 else None
            found = [one.search(name, queries, k, filter=tree) for one in (twin, store)]
            for mine, theirs in zip(*found, strict=True):
                assert mine.ids == theirs.ids
                assert mine.metadata == theirs.metadata
                np.testing.assert_allclose(mine.scores, theirs.scores, 1e-6, 1e-6)
                searches += len(mine.ids) > 0
    return searches


def test_random_calls_equal_the_store_in_memory():
    with PineconeEmulator(delay_s=(0.0, 0.005), seed=daily_seed()) as emulator:
        store = PineconeVectors(KEY, host=emulator.url)
        assert compare(store, 300, [daily_seed(), 3]) > 20
        store.close()


# Limits.


def test_upserts_are_cut_by_their_bytes(emulator, store):
    store.create("wide", 2000, "dot")
    rng = np.random.default_rng(daily_seed())
    vectors = rng.normal(size=(150, 2000)).astype(np.float32)
    text = "é" * 5000
    store.upsert("wide", [str(i) for i in range(150)], vectors, [{"text": text}] * 150)
    sizes = [one.size for one in emulator.requests if one.call == "upsert"]
    assert len(sizes) > 2
    assert max(sizes) <= 2_000_000
    found = store.fetch("wide", ["0", "149"])
    np.testing.assert_array_equal(found["149"].vector, vectors[149])
    assert found["0"].metadata == {"text": text}


def test_a_fetch_of_long_ids_fits_into_addresses(store):
    store.create("films", 2, "cosine")
    ids = [f"{i:04}{'ü' * 60}" for i in range(300)]
    store.upsert("films", ids, np.ones((300, 2)))
    assert set(store.fetch("films", ids)) == set(ids)
    assert sorted(store.list("films", "0001ü").ids) == [ids[1]]


def test_results_that_are_too_large_are_fetched_apart(emulator, store):
    store.create("films", 2, "l2")
    ids = [str(i) for i in range(200)]
    metadata = [{"text": "x" * 30_000, "i": i} for i in range(200)]
    store.upsert("films", ids, [[i, 0] for i in range(200)], metadata)
    found = store.search("films", [[0, 0.5]], 200)[0]
    assert found.ids == tuple(ids)
    assert list(found.metadata) == metadata
    refused = [one.call for one in emulator.requests if one.status == 400]
    assert refused[0] == "query"


@pytest.mark.parametrize(
    ("id", "metadata", "words"),
    [
        ("a", {"a": None}, "'a' is wrong.*Received: None"),
        ("a", {"a": {"b": 1}}, "'a' is wrong"),
        ("a", {"a": ["x", 1]}, "strings in a list"),
        ("a", {"a": ["x", None]}, "strings in a list"),
        ("a", {"n": 2**53 + 1}, "2\\^53"),
        ("a", {"n": 10**400}, "2\\^53"),
        ("a", {"$a": 1}, "without \\$"),
        ("a", {"_integers": ["x"]}, "none of _integers"),
        ("a", {"text": "x" * 41_000}, "at most 40960 bytes"),
        ("a", {"text": "é" * 10_000}, "40960 bytes at most"),
        ("x" * 513, {}, "id of 512"),
        ("é" * 100, {}, "id of 512"),
    ],
)
def test_what_the_client_lets_through_is_refused_before_it_is_sent(
    emulator, store, id, metadata, words
):
    store.create("films", 2, "cosine")
    emulator.requests.clear()
    with pytest.raises(ItemError, match=words):
        store.upsert("films", ["b", id], [[1, 0], [0, 1]], [{}, metadata])
    assert emulator.requests == []


def test_a_wrong_dimension_is_refused_before_it_is_sent(emulator, store):
    store.create("films", 2, "cosine")
    emulator.requests.clear()
    with pytest.raises(ItemError, match=r"\[rows, 2\]"):
        store.upsert("films", ["a"], [[1, 0, 0]])
    assert emulator.requests == []


def test_names_that_pinecone_cannot_have(store):
    with pytest.raises(ConfigurationError, match="too long for Pinecone"):
        store.create("日" * 100, 2, "cosine")
    for name in ("Upper", "a_b", "x" * 40, "-a"):
        with pytest.raises(ConfigurationError, match="begin the name of an index"):
            PineconeVectors(KEY, index_name=name)


def test_names_that_would_be_taken_for_something_else(store):
    for name in ("__default__", "a/b", "é", "%41", "a?b#c", ".", ".."):
        with namespace_of(store, name):
            store.upsert(name, ["a"], [[1, 0]])
            assert store.namespaces() == [name]
            assert store.stats(name).count == 1


class namespace_of(namespace):  # noqa: N801 - a context manager
    def __init__(self, store, name):
        self.store, self.name = store, name
        store.create(name, 2, "cosine")


def test_an_index_of_that_very_name_is_used(emulator, store):
    from pinecone import Pinecone, ServerlessSpec

    client = Pinecone(api_key=KEY, host=emulator.url)
    spec = ServerlessSpec(cloud="aws", region="us-east-1")
    client.create_index(name="vectors", dimension=3, metric="cosine", spec=spec, timeout=-1)
    handle = client.Index(host=client.describe_index("vectors").host)
    handle.upsert(vectors=[("old", [1.0, 0.0, 0.0], {"year": 1999.0})], namespace="there")
    assert store.namespaces() == ["there"]
    assert store.fetch("there", ["old"])["old"].metadata == {"year": 1999.0}
    store.create("fits", 3, "cosine")
    store.create("else", 2, "cosine")
    assert [one.name for one in client.list_indexes()] == ["vectors", "vectors-cosine-2"]
    mine = PineconeVectors(client=client)
    assert mine.namespaces() == ["else", "fits", "there"]
    mine.close()
    assert client.list_indexes()  # a client of the user's stays open
    handle.close()
    getattr(client, "close", list)()  # client 8 has none
    with pytest.raises(ConfigurationError, match="takes no api_key"):
        PineconeVectors(KEY, client=client)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(mine)


def test_an_index_that_needs_a_while():
    clock = SimulatedClock()
    with PineconeEmulator(ready_after=6) as emulator:
        store = PineconeVectors(KEY, host=emulator.url, clock=clock)
        before = clock.now
        store.create("films", 2, "cosine")
        assert clock.now > before
        assert store.stats("films").count == 0
        store.close()
    with PineconeEmulator(ready_after=10**6) as emulator:
        store = PineconeVectors(KEY, host=emulator.url, clock=SimulatedClock())
        with pytest.raises(UnreachableError, match="not ready.*within 120 s"):
            store.create("films", 2, "cosine")
        store.close()


# Forms.


def test_ids_are_written_in_ascii_and_read_again():
    rng = np.random.default_rng([daily_seed(), 1])
    letters = list("a0%:é日🙂\x01\x7f \u2028\ud800")
    for _ in range(300):
        name = "".join(rng.choice(letters, size=rng.integers(0, 9)))
        written = forms.escape(name)
        assert written.isascii() and written.isprintable() and written != forms.ABSENT_ID
        assert forms.unescape(written) == name
        for end in range(len(name)):
            assert written.startswith(forms.escape(name[:end]))


@pytest.mark.parametrize("ne_finds_missing", [True, False])
def test_filters_match_what_their_definition_says(ne_finds_missing):
    rng = np.random.default_rng([daily_seed(), 2])
    found = 0
    for _ in range(1500):
        try:
            tree = parse_filter(random_filter(rng, 3))
            written = forms.to_filter(tree)
        except FilterError:
            continue
        for metadata in (random_metadata(rng), random_metadata(rng), {}):
            if not isinstance(written, dict):
                assert matches(tree, metadata) is written
                continue
            stored = check_metadata("a", json.loads(json.dumps(forms.to_metadata(metadata))))
            try:
                says = compile_filter(written, ne_finds_missing)(stored)
            except Exception as error:
                assert "does not take" in str(error)  # strings are not ordered
                continue
            assert says is matches(tree, metadata), (tree, metadata)
            found += says
    assert found > 300


@pytest.mark.parametrize("filter", [{"n": {"$gte": 2**53 + 1}}, {"n": {"$in": [1, 10**400]}}])
def test_a_number_that_is_no_double_cannot_be_asked_for(store, filter):
    store.create("films", 2, "cosine")
    with pytest.raises(FilterError, match="a double holds"):
        store.search("films", [[1, 0]], 1, filter=parse_filter(filter))


def test_deleting_by_filters_that_match_all_or_nothing(store):
    store.create("films", 2, "cosine")
    store.upsert("films", ["a", "b"], np.eye(2))
    store.delete("films", filter=parse_filter({"x": {"$in": []}}))
    assert store.stats("films").count == 2
    store.delete("films", filter=parse_filter({}))
    assert store.stats("films").count == 0


# Bad days.


def test_bursts_are_tried_again(emulator, store):
    store.create("films", 2, "cosine")
    faults = [
        Fault("too_many_requests", ("upsert",), 2, parameters={"retry_after": 0}),
        Fault("server_error", ("query",), 2, parameters={"status": 503}),
        Fault("server_error", ("delete",), 1, parameters={"status": 500}),
        Fault("lost_answer", ("upsert", "fetch")),
        Fault("dropped", ("namespaces",)),
    ]
    emulator.set_faults(*faults)
    store.upsert("films", ["a", "b"], np.eye(2))
    assert store.search("films", [[1, 0]], 1)[0].ids == ("a",)
    assert set(store.fetch("films", ["a", "b"])) == {"a", "b"}
    store.delete("films", ["a"])
    assert store.stats("films").count == 1
    met = [one.fault for one in emulator.requests if one.fault]
    assert sorted(met) == sorted(fault.name for fault in faults for _ in range(fault.times))


def test_what_stays_busy_is_told_with_the_time_to_come_again(emulator):
    store = PineconeVectors(KEY, host=emulator.url, retries=Retries(0.01, 0.02, 0.0))
    store.create("films", 2, "cosine")
    emulator.set_faults(Fault("too_many_requests", times=None, parameters={"retry_after": 0}))
    with pytest.raises(UnreachableError, match="status 429") as raised:
        store.search("films", [[1, 0]], 1)
    assert raised.value.status == 429
    emulator.set_faults()
    store.close()


class Busy(Exception):
    status_code, headers = 429, {"Retry-After": "7"}


def test_pauses_grow_and_follow_the_service():
    clock = SimulatedClock()
    calls = Calls("", Retries(1.0, 60.0, 100.0), clock)
    times = []

    def busy():
        times.append(clock.now)
        if len(times) < 4:
            raise Busy
        return "done"

    assert calls(busy) == "done"
    assert all(7 <= pause < 9 for pause in np.diff(times))

    def broken():
        times.append(clock.now)
        raise TimeoutError

    times.clear()
    with pytest.raises(UnreachableError, match="cannot be reached"):
        calls(broken)
    pauses = np.diff(times)
    assert 4 <= len(pauses) <= 9
    assert all(2**i / 2 <= pause <= 2**i for i, pause in enumerate(pauses[:4]))
    assert times[-1] - times[0] <= 100
    times.clear()
    with pytest.raises(UnreachableError) as raised:
        Calls("", Retries(1.0, 60.0, 6.0), clock)(lambda: busy() if len(times) < 3 else busy())
    assert raised.value.retry_after_s == 7.0
    assert len(times) == 1  # the service asked for more than there is


def test_a_wrong_key_and_a_gone_index(emulator, store):
    store.create("films", 2, "cosine")
    wrong = PineconeVectors("wrong-key-1", host=emulator.url)
    with pytest.raises(AuthenticationError, match="Invalid API Key"):
        wrong.stats("films")
    wrong.close()
    client = store._indexes._client
    client.delete_index("vectors-cosine-2", timeout=-1)
    with pytest.raises(NotFoundError, match="no namespace 'films'"):
        store.stats("films")


def test_a_namespace_that_somebody_else_deletes(emulator, store):
    store.create("films", 2, "cosine")
    store.upsert("films", ["a"], [[1, 0]])
    other = PineconeVectors(KEY, host=emulator.url)
    other.drop("films")
    for call in (
        lambda: store.search("films", [[1, 0]], 1),
        lambda: store.delete("films", ["a"]),
        lambda: store.stats("films"),
    ):
        with pytest.raises(NotFoundError, match="no namespace 'films'"):
            call()
        store._spaces["films"] = other._new_space("films", 2, "cosine")  # as before it was told
    other.close()


def test_a_server_that_is_away_and_comes_back(emulator, store):
    store.create("films", 2, "cosine")
    store.upsert("films", ["a"], [[1, 0]])
    emulator.set_faults(Fault("restart", ("fetch",), parameters={"seconds": 0.3}))
    assert set(store.fetch("films", ["a"])) == {"a"}


def test_what_the_service_refuses_is_typed(emulator, store):
    store.create("films", 2, "cosine")
    emulator.set_faults(
        Fault("server_error", ("upsert",), parameters={"status": 422, "text": "no"})
    )
    with pytest.raises(RefusedError, match=r"status 422 \(no\)"):
        store.upsert("films", ["a"], [[1, 0]])


# The key.


def test_the_key_comes_from_the_argument_or_the_environment(monkeypatch, emulator):
    with pytest.raises(ConfigurationError, match="PINECONE_API_KEY"):
        PineconeVectors(host=emulator.url)
    for wrong in (" ", "a b", "key\n", "ключ"):
        with pytest.raises(ConfigurationError, match="cannot be sent") as raised:
            find_key(wrong)
        assert wrong.strip() == "" or wrong not in str(raised.value)
    monkeypatch.setenv("PINECONE_API_KEY", KEY)
    store = open_store("pinecone", host=emulator.url)
    assert store.namespaces() == []
    store.close()


def test_the_key_is_nowhere_to_be_seen(monkeypatch, caplog, capfd, emulator, store):
    caplog.set_level(logging.DEBUG)
    shown = [repr(store), str(store)]
    shown += [repr(value) for value in vars(store).values()]
    shown += [repr(v) for name, v in vars(store._indexes).items() if name != "_client"]
    shown += [repr(value) for value in vars(store._call).values()]
    pickled = pickle.dumps(store)
    with pytest.raises(ConfigurationError, match="PINECONE_API_KEY"):
        pickle.loads(pickled)
    monkeypatch.setenv("PINECONE_API_KEY", KEY)
    again = pickle.loads(pickled)
    again.create("films", 2, "cosine")
    again.close()
    wrong = PineconeVectors("x" + KEY, host=emulator.url)
    away = PineconeVectors(KEY, host="http://127.0.0.1:9", retries=Retries(0.1, 0.1, 0.0))
    # A service that repeats the key, and connections that fail.
    echo = {"status": 422, "text": f"Invalid API key '{KEY}'"}
    emulator.set_faults(
        Fault("server_error", ("query",), parameters=echo),
        Fault("server_error", ("fetch",), parameters=echo),
    )
    for call in (
        lambda: store.search("films", [[1, 0]], 1),
        lambda: store.fetch("films", ["a"]),
        lambda: wrong.stats("films"),
        away.namespaces,
    ):
        with pytest.raises(Exception, match=r"\w") as raised:
            call()
        shown += [str(raised.value), repr(raised.value)]
        shown += traceback.format_exception(raised.value)
        shown.append(repr(pickle.dumps(raised.value)))
    wrong.close()
    away.close()
    out = capfd.readouterr()
    texts = [repr(pickled), caplog.text, out.out, out.err, *shown]
    assert not any(KEY in text for text in texts)
    assert any("***" in text for text in shown)
