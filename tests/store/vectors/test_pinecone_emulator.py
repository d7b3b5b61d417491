"""The emulator of Pinecone keeps the limits, and its own settings."""

import math

import httpx
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.testing.pinecone_emulator import Fault, PineconeEmulator

HEADERS = {"Api-Key": "key", "X-Pinecone-Api-Version": "2025-10"}
SERVERLESS = {"serverless": {"cloud": "aws", "region": "us-east-1"}}


class Caller:
    def __init__(self, emulator, dimension=2):
        self.http = httpx.Client(headers=HEADERS, base_url=emulator.url)
        body = {"name": "a", "dimension": dimension, "metric": "cosine", "spec": SERVERLESS}
        self.made = self.http.post("/indexes", json=body)
        self.base = "/data/a/"

    def post(self, path, **body):
        return self.http.post(self.base + path, json={"namespace": "n", **body})

    def upsert(self, *vectors):
        return self.post("vectors/upsert", vectors=[{"id": i, "values": v} for i, v in vectors])

    def query(self, **body):
        return self.post("query", vector=[1, 0], **{"topK": 10, **body})


@pytest.fixture
def emulator():
    with PineconeEmulator(delay_s=math.inf, seed=3) as emulator:
        yield emulator


@pytest.fixture
def caller(emulator):
    caller = Caller(emulator)
    yield caller
    caller.http.close()


def test_the_two_versions_of_the_wire(emulator, caller):
    old = caller.made.json()
    assert (old["dimension"], old["metric"], old["vector_type"]) == (2, "cosine", "dense")
    assert old["spec"]["serverless"]["cloud"] == "aws"
    newer = {"X-Pinecone-Api-Version": "2026-07"}
    new = caller.http.get("/indexes/a", headers=newer).json()
    field = {"type": "dense_vector", "dimension": 2, "metric": "cosine"}
    assert new["schema"]["fields"] == {"_values": field}
    assert new["deployment"]["deployment_type"] == "managed"
    assert new["host"] == old["host"] == f"{emulator.url}/data/a"
    caller.post("namespaces", name="m")
    for headers, count in (({}, 0), (newer, "0")):
        found = caller.http.get("/data/a/namespaces/m", headers=headers).json()
        assert found["record_count"] == count
    unknown = caller.http.get("/indexes", headers={"X-Pinecone-Api-Version": "2020-01"})
    assert unknown.status_code == 400


def test_reads_lag_behind_and_the_log_says_how_far(emulator, caller):
    writes = [caller.upsert(("x", [1, 0])), caller.upsert(("y", [3, 4])), caller.upsert()]
    assert [one.headers.get("x-pinecone-request-lsn") for one in writes] == ["1", "2", None]
    before = caller.query()
    assert before.json()["matches"] == []
    assert before.headers["x-pinecone-max-indexed-lsn"] == "0"
    emulator.catch_up()
    emulator.restart()
    after = caller.query(includeValues=True)
    assert after.headers["x-pinecone-max-indexed-lsn"] == "2"
    found = [(one["id"], one["score"], one["values"]) for one in after.json()["matches"]]
    assert found == [("x", 1.0, [1.0, 0.0]), ("y", pytest.approx(0.6, abs=1e-15), [3.0, 4.0])]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("vectors/delete", {"ids": ["a"] * 1001}, "1000 ids"),
        ("vectors/delete", {}, "Exactly one"),
        ("vectors/delete", {"ids": ["a"], "deleteAll": True}, "Exactly one"),
        ("query", {"vector": [1, 0], "topK": 10_001}, "10000"),
        ("query", {"vector": [1, 0, 0], "topK": 1}, "dimension"),
        ("query", {"vector": [1, 0], "topK": 1, "filter": {"a": {"$not": 1}}}, "valid operator"),
        ("query", {"vector": [1, 0], "topK": 1, "filter": {"$not": {"a": 1}}}, "not supported"),
        ("query", {"vector": [1, 0], "topK": 1, "filter": {"a": {"$gt": "x"}}}, "does not take"),
        ("query", {"vector": [1, 0], "topK": 1, "filter": {"a": {"$in": []}}}, "does not take"),
        ("query", {"vector": [1, 0], "topK": 1, "filter": {"a": None}}, "does not take"),
        ("vectors/upsert", {"vectors": [{"id": "é", "values": [1, 0]}]}, "ASCII"),
        ("vectors/upsert", {"vectors": [{"id": "a" * 513, "values": [1, 0]}]}, "512"),
        ("vectors/upsert", {"vectors": [{"id": "a", "values": [1e39, 0]}]}, "finite"),
        ("vectors/upsert", {"vectors": [{"id": "a", "values": [0, 0]}]}, "non-zero"),
        ("vectors/upsert", {"vectors": [], "padding": "x" * 2_100_000}, "too large"),
    ],
)
def test_limits(caller, path, body, words):
    answer = caller.post(path, **body)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_limits_of_fetches_and_indexes(caller):
    ids = {"ids": ["a"] * 1001}
    assert caller.http.get("/data/a/vectors/fetch", params=ids).status_code == 400
    for name, dimension, status in (("b", 20_001, 400), ("B", 2, 400), ("a", 2, 409)):
        body = {"name": name, "dimension": dimension, "metric": "cosine", "spec": SERVERLESS}
        answer = caller.http.post("/indexes", json=body)
        assert answer.status_code == answer.json()["status"] == status
    assert caller.http.get("/indexes", headers={"Api-Key": ""}).status_code == 401


def test_faults_are_those_that_were_asked_for(emulator, caller):
    emulator.set_faults(Fault("duplicate", parameters={"seconds": 0.0}), Fault("half"))
    caller.upsert(("x", [1, 0]))
    assert caller.upsert(("x", [0, 1]), ("y", [0, 1])).status_code == 500
    assert caller.upsert(("z", [0, 1])).headers["x-pinecone-request-lsn"] == "4"
    emulator.catch_up()
    assert {one["id"] for one in caller.query().json()["matches"]} == {"x", "z"}
    for name, where, parameters in (
        ("half", ("query",), {}),
        ("halve", (), {}),
        ("slow", (), {"minutes": 1}),
    ):
        with pytest.raises(ConfigurationError):
            Fault(name, where, parameters=parameters)
