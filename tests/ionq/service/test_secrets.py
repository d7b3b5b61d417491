"""The key is nowhere: not in logs, reprs, pickles, the journal, errors or tracebacks."""

import copy
import json
import logging
import pickle
import traceback

import pytest
from conftest import KEY, some_work

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    JobError,
    QstoreError,
    ServiceError,
)
from qstore_tf.ionq.service import Executor, Server, Session
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Clock, Patience
from qstore_tf.ionq.service.network import Answer, Http
from qstore_tf.ionq.service.retrying import Retries

FAULTS = ("server_error", "dropped", "lost_answer", "wrong_json", "failed_job", "restart")


def variables_of(error):
    """The traceback with the variables of every frame, as some tools write it."""
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(frames.format())


def test_the_key_is_in_nothing_that_is_left_behind(
    start_ionq_emulator, quick, tmp_path, caplog, capfd
):
    emulator = start_ionq_emulator(keys=[KEY])
    caplog.set_level(logging.DEBUG)
    texts = []
    for transport in ("http", "cirq"):
        for fault in FAULTS:
            emulator.set_faults({"name": fault, "where": "submit", "times": 1})
            executor = quick(
                emulator, transport=transport, connect=None, deadline_s=20, journal=tmp_path / fault
            )
            try:
                executor.run(some_work())
            except QstoreError as error:
                texts += [repr(error), str(error), variables_of(error)]
            texts += [repr(executor), repr(vars(executor)), repr(executor.telemetry())]
        with pytest.raises(AuthenticationError) as caught:
            wrong = Server(emulator.url, KEY + "-wrong")
            Executor(wrong, transport=transport, journal=":memory:").run(some_work())
        assert caught.value.status in (401, 403)
        texts += [repr(caught.value), variables_of(caught.value)]
        with pytest.raises((ServiceError, JobError)) as caught:
            away, short = Server("http://127.0.0.1:1", KEY), Retries(0.01, 0.01, 0.05)
            options = {"transport": transport, "most_unclear": 1, "settle_s": 0.0}
            Executor(away, journal=":memory:", retries=short, **options).run(some_work())
        texts += [repr(caught.value), variables_of(caught.value)]
    server = Server(emulator.url, KEY)
    texts += [repr(server), str(vars(server)), f"{pickle.dumps(server)!r}", str(caplog.records)]
    texts += [repr(Http(server)), repr(vars(Http(server))), caplog.text, *capfd.readouterr()]
    texts += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(caplog.records) > 20 and all(len(text) > 10 for text in texts[:3])
    for text in texts:
        where = text.find(KEY)
        assert where < 0, text[max(0, where - 500) : where]


def test_a_copy_has_the_key_and_a_pickle_has_not(monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY", raising=False)
    server = Server("http://localhost:1", KEY)
    assert copy.deepcopy(server).key() == copy.copy(server).key() == KEY
    loaded = pickle.loads(pickle.dumps(server))
    assert loaded.url == server.url
    with pytest.raises(ConfigurationError, match="no API key"):
        loaded.key()
    monkeypatch.setenv("IONQ_API_KEY", KEY)
    assert loaded.key() == KEY


def test_a_service_that_sends_the_key_back_does_not_get_it_into_an_error():
    class Echo:
        def send(self, method, path, params=None, body=None):
            return Answer(400, json.dumps({"message": f"bad header apiKey {KEY}"}).encode())

        def close(self):
            pass

    client = Client(Server("http://localhost:1", KEY), wire=Echo())
    with pytest.raises(ServiceError) as caught:
        client.job("x", Patience(Clock(), 5))
    assert "bad header apiKey ***" in caught.value.text and KEY not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.ionq.co",  # plain http over the internet
        "ftp://api.ionq.co",
        "https://user:secret@api.ionq.co",
        "https://api.ionq.co/v0.4?x=1",
        "api.ionq.co",
        "https://[::1",
        "",
    ],
)
def test_addresses_that_cannot_be_used(url, monkeypatch):
    for name in ("IONQ_API_URL", "IONQ_REMOTE_HOST"):
        monkeypatch.setenv(name, url)
    if url:
        with pytest.raises(ConfigurationError) as caught:
            Server(api_key="k")
        assert "secret" not in str(caught.value)
    else:
        assert Server(api_key="k").url == "https://api.ionq.co/v0.4"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.ionq.co/v0.4", "https://api.ionq.co/v0.4"),
        ("https://api.ionq.co/v0.3/", "https://api.ionq.co/v0.3"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v0.4"),
        ("http://[::1]:8000/v0.4", "http://[::1]:8000/v0.4"),
        ("http://local-ionq/proxy/v0.4", "http://local-ionq/proxy/v0.4"),
        ("http://ionq.dev.svc.cluster.local:80", "http://ionq.dev.svc.cluster.local:80/v0.4"),
    ],
)
def test_addresses_in_every_form(url, expected, monkeypatch):
    assert Server(url, "k").url == expected
    monkeypatch.setenv("IONQ_REMOTE_HOST", url)
    assert Server(api_key="k").url == expected
    monkeypatch.setenv("IONQ_API_URL", "http://localhost:1/v0.4")
    assert Server(api_key="k").url == "http://localhost:1/v0.4"


@pytest.mark.parametrize("key", ["a\nb", "a b", "", "é", "x" * 501])
def test_keys_that_cannot_be_used(key, monkeypatch):
    monkeypatch.delenv("IONQ_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        Server("http://localhost", key).key()
    assert not key or key not in str(caught.value)


def test_a_session_passes_the_limits_to_the_service(ionq_emulator, quick):
    server = Server(ionq_emulator.url, KEY)
    capped = Session(server, "qpu.forte-1", usd="0.01", max_jobs=3)
    with capped as session, pytest.raises(ServiceError, match="limit of cost"):
        quick(ionq_emulator, session=session).run(some_work())
    with Session(server, "qpu.forte-1", max_jobs=1) as session:
        executor = quick(ionq_emulator, session=session)
        assert len(executor.run(some_work())) == 2
        with pytest.raises(ServiceError, match="limit of jobs"):
            executor.run(some_work(seed=1))
    with pytest.raises(ServiceError, match="has ended"):
        executor.run(some_work(seed=2))
