"""Starting and stopping, connections at the same time, and strange requests."""

import contextlib
import errno
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import httpx
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.emulator.running import Emulator


def test_it_starts_and_stops_quickly():
    begin = time.monotonic()
    with Emulator(page=False) as emulator:
        started = time.monotonic() - begin
        assert httpx.get(f"{emulator.url}/backends").status_code == 200
        begin = time.monotonic()
    assert started < 5 and time.monotonic() - begin < 5
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{emulator.url}/backends")


def test_it_stops_while_requests_wait():
    with Emulator(page=False, latency_s=30) as emulator:
        failed = []

        def ask():
            try:
                httpx.get(f"{emulator.url}/backends", timeout=20)
            except httpx.TransportError as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not emulator.requests():
            time.sleep(0.01)
        begin = time.monotonic()
    thread.join()
    assert failed and time.monotonic() - begin < 15


def test_ports():
    with Emulator(page=False) as emulator:
        port = int(emulator.host.rpartition(":")[2])
        with pytest.raises(ConfigurationError, match="port"), Emulator(port, page=False):
            pass
    with Emulator(port, page=False) as emulator:
        assert emulator.url == f"http://127.0.0.1:{port}/v0.4"
    for wrong in (-1, 65536, "80"):
        with pytest.raises(ConfigurationError):
            Emulator(wrong)
    with pytest.raises(ConfigurationError, match="with"):
        _ = emulator.service


def test_a_file_that_is_no_store_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("some notes, " * 100)
    with pytest.raises(ConfigurationError, match="file"), Emulator(db=path, page=False):
        pass
    assert path.read_text() == "some notes, " * 100


def test_latency_is_paid_side_by_side(start, new_client):
    emulator, client = start(latency_s=0.5)
    client.get("/v0.4/jobs")
    begin = time.monotonic()
    threads = []
    for _ in range(8):
        other = new_client(emulator)
        threads.append(threading.Thread(target=other.get, args=("/v0.4/jobs",)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert 0.5 <= time.monotonic() - begin < 3.5  # one after another: 4


def test_jobs_at_the_same_time_are_all_there(start, new_client):
    emulator, client = start()
    ids = []

    def work():
        with new_client(emulator) as own:
            ids.extend(own.accepted([]) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 60
    assert {job.id for job in emulator.jobs()} == set(ids)
    assert all(client.wait(one)["status"] == "completed" for one in ids)


def test_a_restart_closes_connections_and_keeps_the_port(start):
    emulator, client = start()
    job_id, url = client.accepted(), emulator.url
    emulator.set_faults({"name": "slow", "times": None})
    emulator.restart()
    assert emulator.url == url
    assert client.wait(job_id)["status"] == "completed"
    assert emulator.service.faults.body() == []


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"GET /v0.4/jobs HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"POST /v0.4/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v0.4/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
    ],
)
def test_strange_bytes_do_not_stop_it(start, raw):
    emulator, client = start()
    port = int(emulator.host.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        contextlib.suppress(ConnectionError),  # it may close before all is sent
    ):
        connection.sendall(raw)
        try:
            connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            assert error.errno == errno.ENOTCONN  # it has closed already
        while connection.recv(65536):
            pass
    assert client.get("/v0.4/backends").status_code == 200


@pytest.mark.parametrize("path", ["/", "/v0.4", "/v0.4/jobs/..%2f..", "/v0.5/jobs", "/v0.4/%00"])
def test_paths_that_are_not_there(start, path):
    _, client = start()
    answer = client.get(path)
    assert answer.status_code == 404 and answer.json()["statusCode"] == 404
    assert client.patch("/v0.4/jobs").status_code == 405


SERVER = """
import sys, time
from qstore_tf.ionq.emulator.running import Emulator

with Emulator(db=sys.argv[1], page=False, delay_s=0.2) as emulator:
    print(emulator.host, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_what_was_answered_survives_a_server_that_is_killed(tmp_path, new_client):
    path = tmp_path / "state.sqlite"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        host = process.stdout.readline().strip()
        ids = []
        threading.Timer(0.5, process.kill).start()
        with new_client(SimpleNamespace(host=host)) as client:
            for number in range(100_000):
                try:
                    answer = client.submit([], metadata={"number": str(number)})
                except httpx.TransportError:
                    break
                ids.append(answer.json()["id"])
    finally:
        process.kill()
        process.wait()
    assert len(ids) > 3
    with Emulator(db=path, page=False) as emulator, new_client(emulator) as client:
        for number, job_id in enumerate(ids):
            job = client.wait(job_id)
            assert (job["status"], job["metadata"]) == ("completed", {"number": str(number)})
            assert client.probabilities(job_id) == {"0": 1.0}
        # At most the job whose answer was lost is there besides.
        assert len(emulator.jobs()) - len(ids) in (0, 1)


def test_no_job_falls_between_two_lives_of_the_server(start, new_client):
    emulator, client = start(simulate=lambda batch, **_: [{0: 1.0}] * len(batch))
    stop = threading.Event()

    def submit():
        with new_client(emulator) as own:
            while not stop.is_set():
                with contextlib.suppress(httpx.TransportError):
                    own.submit([])

    threads = [threading.Thread(target=submit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        time.sleep(0.03)
        emulator.restart()
    emulator.set_faults({"name": "restart", "where": "submit", "seconds": 0.0, "times": 3})
    time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    jobs = emulator.jobs()
    assert len(jobs) > 5
    for job in jobs:
        assert client.wait(job.id)["status"] == "completed"


def test_a_bug_answers_500_in_the_words_of_the_service(start, caplog, monkeypatch):
    emulator, client = start()

    def broken(*_):
        raise KeyError("oops")

    monkeypatch.setattr(emulator.service.jobs, "find", broken)
    answer = client.get("/v0.4/jobs/x")
    assert answer.status_code == 500 and answer.json()["statusCode"] == 500
    assert "oops" in caplog.text and "oops" not in answer.text
