"""Workers meet in any order, or get one clear error; strangers do no harm."""

import json
import socket
import struct
import threading
import time
from typing import Any

import pytest

from qstore_tf.distribute.group.channel import GREETING, MAX_MESSAGE_BYTES
from qstore_tf.distribute.group.cluster import Cluster, split
from qstore_tf.distribute.group.meeting import meet
from qstore_tf.errors import StartTimeoutError, WorkerMismatchError
from tests.distribute.rendezvous import clusters, free_ports, in_threads


def attend(cluster: Cluster, facts: Any = None, timeout: float = 20.0, late: float = 0.0) -> Any:
    time.sleep(late)
    meeting = meet(cluster, facts or {}, timeout)
    for channel in meeting.channels.values():
        channel.close()
    return sorted(meeting.channels)


@pytest.mark.parametrize("late", [(0.0, 0.3, 0.1), (0.4, 0.0, 0.0)], ids=["chief", "others"])
def test_the_first_to_arrive_wait_for_the_others(late: tuple[float, ...]) -> None:
    met = in_threads(
        [lambda c=c, s=s: attend(c, late=s) for c, s in zip(clusters(3), late, strict=True)]
    )
    assert [future.result() for future in met] == [[1, 2], [0], [0]]


def test_one_worker_meets_nobody() -> None:
    assert attend(clusters(1)[0], timeout=0.01) == []


def test_the_chief_names_the_missing_worker() -> None:
    chief, one, two = clusters(3)
    first, second = in_threads(
        [lambda: attend(chief, timeout=0.5), lambda: attend(one, timeout=1.0)]
    )
    with pytest.raises(StartTimeoutError, match=rf"worker 2 \({two.address}\)") as caught:
        first.result()
    assert "worker 1" not in str(caught.value)
    with pytest.raises(StartTimeoutError, match="chief"):
        second.result()


def test_a_worker_names_the_chief_it_waits_for() -> None:
    chief, worker = clusters(2)
    with pytest.raises(StartTimeoutError, match=chief.address):
        attend(worker, timeout=0.3)


def test_a_chief_whose_port_is_taken_says_so() -> None:
    chief, _ = clusters(2)
    with socket.socket() as other:
        other.bind(split(chief.address))
        other.listen()
        with pytest.raises(StartTimeoutError, match="in use"):
            attend(chief, timeout=0.3)


def test_a_chief_whose_name_leads_nowhere_says_so() -> None:
    cluster = Cluster(("no-such-host.invalid:2222", "127.0.0.1:2223"), 0)
    with pytest.raises(StartTimeoutError, match=r"no-such-host.invalid"):
        attend(cluster, timeout=0.1)


def test_every_worker_names_what_differs() -> None:
    facts = [{"the version of Keras": v, "x": 1} for v in ("3.15", "3.15", "3.3")]
    met = in_threads(
        [lambda c=c, f=f: attend(c, f) for c, f in zip(clusters(3), facts, strict=True)]
    )
    for future in met:
        with pytest.raises(WorkerMismatchError) as caught:
            future.result()
        for part in ("the version of Keras", "3.15", "3.3", "worker 2"):
            assert part in str(caught.value)


def test_different_lists_of_workers_are_found() -> None:
    chief, worker = clusters(2)
    other = Cluster((chief.address, worker.address, "127.0.0.1:9"), 1)
    met = in_threads([lambda: attend(chief), lambda: attend(other)])
    for future in met:
        with pytest.raises(WorkerMismatchError, match="list of workers"):
            future.result()


STRANGERS = [
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    b"\x00\xff\n",
    b"[" * 20_000 + b"\n",
    b"x" * (2 * MAX_MESSAGE_BYTES),
    b"{}\n",
    b"null\n",
    *(
        json.dumps({"greeting": GREETING, "index": index, "facts": facts}).encode() + b"\n"
        for index, facts in [(0, {}), (-1, {}), (2, {}), (True, {}), ("1", {}), (1, []), (None, {})]
    ),
]


def test_strangers_on_the_port_do_no_harm() -> None:
    chief, worker = clusters(2)

    def annoy() -> None:
        for text in STRANGERS:
            deadline = time.monotonic() + 10
            while True:
                try:
                    with socket.create_connection(split(chief.address), timeout=5) as stranger:
                        stranger.sendall(text)
                    break
                except ConnectionResetError:
                    break  # thrown out while it still talked
                except ConnectionRefusedError:
                    assert time.monotonic() < deadline
                    time.sleep(0.02)

    met = in_threads([lambda: attend(chief), annoy, lambda: attend(worker, late=0.5)])
    assert [future.result() for future in met] == [[1], None, [0]]


def greeted(chief: Cluster, index: int) -> socket.socket:
    """A connection of a worker that says hello and nothing more."""
    deadline = time.monotonic() + 10
    while True:
        try:
            connection = socket.create_connection(split(chief.address), timeout=5)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    facts = {"the list of workers": list(chief.workers)}
    hello = {"greeting": GREETING, "index": index, "facts": facts}
    connection.sendall(json.dumps(hello).encode() + b"\n")
    assert json.loads(connection.makefile().readline())["greeting"] == GREETING
    return connection


def test_a_worker_that_dies_while_it_waits_may_come_again() -> None:
    chief, one, two = clusters(3)

    def dies_and_comes_again() -> Any:
        greeted(chief, 1).close()
        return attend(one)

    met = in_threads([lambda: attend(chief), dies_and_comes_again, lambda: attend(two, late=0.6)])
    assert [future.result() for future in met] == [[1, 2], [0], [0]]


def test_a_second_process_of_the_same_index_waits_and_gets_the_reason() -> None:
    chief, one, _ = clusters(3)
    errors: list[BaseException] = []

    def second() -> None:
        with greeted(chief, 1):
            try:
                attend(one, timeout=0.5)
            except StartTimeoutError as error:
                errors.append(error)

    with pytest.raises(StartTimeoutError):
        thread = threading.Thread(target=second)
        thread.start()
        try:
            attend(chief, timeout=1.2)
        finally:
            thread.join()
    assert "another process has the index of worker 1" in str(errors[0])


@pytest.mark.slow
def test_a_worker_that_breaks_off_at_once_may_come_again() -> None:
    chief, one = clusters(2)

    def breaks_off_and_comes_again() -> Any:
        for _ in range(5):
            connection = greeted(chief, 1)
            # The peer gets a reset, as from a process that was killed.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            time.sleep(0.3)
        return attend(one)

    third = Cluster((*chief.workers, "127.0.0.1:9"), 0)
    with pytest.raises(StartTimeoutError, match="worker 2"):
        met = in_threads(
            [
                lambda: attend(third, timeout=4.0),
                lambda: breaks_off_and_comes_again(),
            ]
        )
        met[0].result()


def test_a_worker_waits_out_a_server_that_is_not_the_chief_yet() -> None:
    chief, worker = clusters(2)
    with socket.socket() as old:
        old.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        old.bind(split(chief.address))
        old.listen()

        def server_of_the_run_before() -> None:
            for _ in range(2):
                connection, _ = old.accept()
                connection.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\n")
                connection.close()
            old.close()

        met = in_threads([server_of_the_run_before, lambda: attend(worker), lambda: attend(chief)])
    assert [future.result() for future in met] == [None, [0], [1]]


def test_free_ports_are_free() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
