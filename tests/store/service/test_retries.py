"""What the client sends again, against a server that fails in the middle of things."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest

from qstore_tf.errors import NotFoundError, StoreError, UnreachableError
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.store.service import schemas
from qstore_tf.store.service.client import QuantumDatabaseClient

# What each verb is called by, and an answer that is good.
STORED = {"stored": 1, "errors": [], "commit": 1}
FOUND = {"matches": [], "mode": "balanced", "commit": 1, "cost": None}
MEASURED = {
    "declared": 0.5,
    "measured": {"rho": 0.5, "low": 0.0, "high": 1.0, "count": 3},
    "mutual_information": 0.1,
    "entanglement_entropy": 0.1,
    "log_negativity": 0.1,
}
AGAIN = {
    "upsert": (lambda c: c.upsert("a", [1.0, 0.0]), STORED),
    "upsert_many": (lambda c: c.upsert_many(["a"], [[1.0, 0.0]]), STORED),
    "update": (lambda c: c.update("a", [1.0, 0.0]), STORED),
    "define_context": (lambda c: c.define_context("x"), None),
    "get_many": (lambda c: c.get_many(["a"]), [None]),
    "count": (lambda c: c.count(), 1),
    "list": (lambda c: c.list(), {"ids": [], "next_token": None}),
    "namespaces": (lambda c: c.namespaces(), []),
    "query": (lambda c: c.query([1.0, 0.0]), [FOUND]),
    "tunnel_search": (lambda c: c.tunnel_search([1.0, 0.0]), FOUND),
    "entangled_groups": (lambda c: c.entangled_groups(), {}),
    "measure_correlation": (lambda c: c.measure_correlation("a", "b"), MEASURED),
    "propose_groups": (lambda c: c.propose_groups(), []),
    "stale": (lambda c: c.stale(), []),
}
ONCE = {
    "insert": (lambda c: c.insert("a", [1.0, 0.0]), STORED),
    "insert_many": (lambda c: c.insert_many(["a"], [[1.0, 0.0]]), STORED),
    "delete": (lambda c: c.delete("a"), 1),
    "feedback": (lambda c: c.feedback("a", [1.0, 0.0]), {}),
    "create_entangled_group": (lambda c: c.create_entangled_group("g", ["a"]), None),
    "delete_entangled_group": (lambda c: c.delete_entangled_group("g"), None),
    "apply_decoherence": (lambda c: c.apply_decoherence(), 0),
    "restore": (lambda c: c.restore("a"), 0),
    "create_namespace": (lambda c: c.create_namespace("n", 2), None),
    "delete_namespace": (lambda c: c.delete_namespace("n"), None),
}
BOTH = AGAIN | ONCE


def answer(status, body):
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (
        status,
        len(text),
    ) + text  # fmt: skip


LOST = b""  # the request is read, and the connection ends
FAULTS = {"lost": LOST, "half": b"HTTP/1.1 200 x\r\nContent-Le"} | {
    status: answer(status, {"error": {"type": "StoreBusyError", "message": "m"}})
    for status in (429, 502, 503, 504)
}


@contextmanager
def answering(answers):
    """A server that gives these answers, each to one connection; gives address and requests."""
    requests = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def run():
            for text in answers:
                with server.accept()[0] as connection, connection.makefile("rb") as stream:
                    first, length = stream.readline().decode(), 0
                    while (line := stream.readline().strip().lower()) != b"":
                        if line.startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    requests.append((first.split()[1], stream.read(length)))
                    connection.sendall(text)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        finally:
            thread.join()


def client(url):
    return QuantumDatabaseClient(url, timeout_s=15, retries=Retries(0.001, 0.002))


def test_all_verbs_are_spoken_of():
    answers = [answer(200, good) for _, good in BOTH.values()]
    with answering(answers) as (url, requests), client(url) as asking:
        for call, _ in BOTH.values():
            call(asking)
    verbs = {path.removeprefix("/v1/") for path, _ in requests}
    assert verbs == set(schemas.READS | schemas.WRITES)


@pytest.mark.parametrize("fault", ["lost", "half", 502, 504])
def test_what_may_be_done_twice_is_sent_again_and_nothing_else(fault):
    for name, (call, good) in AGAIN.items():
        answers = [FAULTS[fault], answer(200, good)]
        with answering(answers) as (url, requests), client(url) as asking:
            call(asking)
        assert len(requests) == 2 and requests[0] == requests[1], name
    for name, (call, _) in ONCE.items():
        unknown = pytest.raises(UnreachableError, match="is not known")
        with answering([FAULTS[fault]]) as (url, requests), client(url) as asking, unknown:
            call(asking)
        assert len(requests) == 1, name


@pytest.mark.parametrize("fault", [429, 503])
def test_what_was_not_done_is_sent_again(fault):
    for name, (call, good) in BOTH.items():
        answers = [FAULTS[fault], answer(200, good)]
        with answering(answers) as (url, requests), client(url) as asking:
            call(asking)
        assert len(requests) == 2 and requests[0] == requests[1], name


@pytest.mark.parametrize("verb", ["upsert", "insert"])
def test_a_transaction_is_repeatable_if_all_of_it_is(verb):
    def send(asking):
        with asking.transaction() as batch:
            batch.upsert("a", [1.0, 0.0])
            getattr(batch, verb)("b", [1.0, 0.0])

    answers = [LOST, answer(200, [STORED, STORED])]
    if verb == "insert":
        unknown = pytest.raises(UnreachableError, match="is not known")
        with answering(answers[:1]) as (url, _), client(url) as asking, unknown:
            send(asking)
    else:
        with answering(answers) as (url, requests), client(url) as asking:
            send(asking)
        assert len(requests) == 2


@pytest.mark.parametrize(("status", "kind"), [(404, NotFoundError), (500, StoreError)])
def test_other_answers_are_final(status, kind):
    text = answer(status, {"error": {"type": kind.__name__, "message": "no"}})
    refused = pytest.raises(kind, match="no")
    with answering([text]) as (url, requests), client(url) as asking, refused:
        asking.count()
    assert len(requests) == 1


def test_a_service_that_is_not_there_yet_is_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    made = []

    def later():
        with socket.create_server(("127.0.0.1", port)) as server:
            connection = server.accept()[0]
            with connection, connection.makefile("rb") as stream:
                while stream.readline().strip():
                    pass
                connection.sendall(answer(200, STORED))
            made.append(True)

    starter = threading.Timer(0.3, later)
    starter.start()
    with client(f"http://127.0.0.1:{port}") as asking:
        asking.insert("a", [1.0, 0.0])
    starter.join()
    assert made
