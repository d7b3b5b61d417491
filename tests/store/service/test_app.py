"""The HTTP API: who may do what, what is refused, and that no request can break it."""

import json
import logging
import socket

import httpx
import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.service.client import QuantumDatabaseClient
from qstore_tf.store.service.keys import Grant, Keys
from qstore_tf.store.service.running import DatabaseServer, listen

OWNER, READER, TENANT = "owner-key-0123456789", "reader-key-0123456789", "tenant-key-0123456789"
KEYS = Keys(
    {
        OWNER: Grant("owner"),
        READER: Grant("reader", read_only=True),
        TENANT: Grant("tenant", ("tenant-*",)),
    }
)


@pytest.fixture(scope="module")
def served():
    with (
        QuantumDatabase() as database,
        DatabaseServer(database, KEYS, most_bytes=1 << 16) as server,
    ):
        database.insert("a", [1.0, 0.0])
        database.insert("secret", [1.0, 0.0], namespace="private")
        yield server


def post(server, verb, body=None, key=OWNER, **options):
    headers = {"Api-Key": key} if key else {}
    headers |= options.pop("headers", {})
    return httpx.post(f"{server.url}/v1/{verb}", json=body or {}, headers=headers, **options)


def test_plain_json_works_without_a_client(served):
    answer = post(served, "put", {"ids": ["x"], "vectors": [[0.0, 1.0]]})
    assert answer.status_code == 200 and answer.json()["stored"] == 1
    answer = post(served, "query_many", {"vectors": [[0.0, 1.0]], "top_k": 1})
    assert answer.json()[0]["matches"][0]["id"] == "x"
    answer = post(served, "get_many", {"ids": ["x"]})
    assert answer.json()[0]["vector"] == [0.0, 1.0]
    assert post(served, "remove", {"ids": "x"}).json() == 1


@pytest.mark.parametrize("refreshes", [True, False])
def test_what_is_read_becomes_younger_where_the_settings_say_so(refreshes):
    clock = ManualClock(0.0)
    with (
        QuantumDatabase(clock=clock, refresh_on_read=refreshes) as database,
        DatabaseServer(database, KEYS) as server,
    ):
        database.insert_many(["a", "b"], np.eye(2), coherence_time=100.0)
        clock.advance(50.0)
        commit = database.commit_number()
        read = {"ids": ["a", "nobody"]}
        by_reader = post(server, "get_many", read, READER).json()
        assert database.commit_number() == commit  # a key that may only read changes nothing
        assert post(server, "get_many", read).json() == by_reader
        assert by_reader[0]["id"] == "a" and by_reader[1] is None
        assert (database.commit_number() > commit) is refreshes
        with QuantumDatabaseClient(server.url, api_key=OWNER) as client:
            age = 0.0 if refreshes else 50.0
            assert client.get("a").written_at == 50.0 - age
            clock.advance(10.0)
            client.get("b")
        database.config = database.config.with_options(refresh_on_read=False)
        written = [item.written_at for item in database.get_many(["a", "b"])]
        assert written == ([50.0, 60.0] if refreshes else [0.0, 0.0])


def test_a_bearer_token_is_a_key(served):
    answer = post(served, "count", key=None, headers={"Authorization": f"Bearer {OWNER}"})
    assert answer.status_code == 200


@pytest.mark.parametrize("key", [None, "", "wrong-key-0123456789", OWNER[:-1], OWNER + "x"])
def test_without_a_good_key_nothing_is_answered(served, key):
    for verb in ("count", "put", "transaction", "namespaces"):
        answer = post(served, verb, key=key)
        assert answer.status_code == 401
        assert "API key" in answer.json()["error"]["message"]


def test_a_reader_only_reads(served):
    assert post(served, "count", key=READER).json() >= 1
    for verb, body in (
        ("put", {"ids": ["r"], "vectors": [[1.0, 0.0]]}),
        ("remove", {"ids": "a"}),
        ("decohere", {}),
        ("transaction", {"calls": [{"verb": "remove", "body": {"ids": "a"}}]}),
    ):
        answer = post(served, verb, body, READER)
        assert answer.status_code == 403 and "only read" in answer.json()["error"]["message"]
    assert post(served, "get_many", {"ids": ["a", "r"]}).json()[1] is None


def test_tenants_cannot_reach_the_namespaces_of_others(served):
    body = {"namespace": "tenant-1", "ids": ["t"], "vectors": [[1.0, 2.0]]}
    assert post(served, "put", body, TENANT).status_code == 200
    names = [space["name"] for space in post(served, "namespaces", key=TENANT).json()]
    assert names == ["tenant-1"]
    for verb, body in (
        ("get_many", {"ids": ["secret"]}),
        ("query_many", {"vectors": [[1.0, 0.0]]}),
        ("count", {}),
        ("list", {}),
        ("remove", {"ids": "secret"}),
        ("delete_namespace", {}),
        ("transaction", {"calls": [{"verb": "remove", "body": {"ids": "secret"}}]}),
    ):
        if verb == "transaction":
            body["calls"][0]["body"]["namespace"] = "private"
        else:
            body["namespace"] = "private"
        assert post(served, verb, body, TENANT).status_code == 403, verb
    assert post(served, "count", {"namespace": "private"}).json() == 1


@pytest.mark.parametrize(
    ("verb", "body", "status", "kind"),
    [
        ("get_many", {"ids": [""]}, 422, "RequestError"),
        ("count", {"unknown": 1}, 422, "RequestError"),
        ("query_many", {"vectors": [[1.0]]}, 400, "ItemError"),
        ("query_many", {"vectors": [[1.0, 0.0]], "context": "x"}, 404, "NotFoundError"),
        ("query_many", {"vectors": [[1.0, 0.0]], "filter": {"a": {"$x": 1}}}, 400, "FilterError"),
        ("query_many", {"vectors": [[1.0, 0.0]], "namespace": "nix"}, 404, "NotFoundError"),
        ("put", {"ids": ["b"], "vectors": [[0.0, 0.0]], "alone": True}, 400, "ItemError"),
        ("transaction", {"calls": [{"verb": "count", "body": {}}]}, 400, "ItemError"),
        ("transaction", {"calls": [{"verb": "remove", "body": {"x": 1}}]}, 422, "RequestError"),
    ],
)
def test_errors_have_one_shape(served, verb, body, status, kind):
    answer = post(served, verb, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (status, kind)
    assert error["message"] and error["request_id"] == answer.headers["X-Request-Id"]


def test_packed_arrays_are_checked(served):
    good = {"dtype": "float32", "shape": [1, 2], "base64": "AACAPwAAAAA="}
    assert post(served, "query_many", {"vectors": good}).status_code == 200
    single = {"dtype": "float32", "shape": [], "base64": "AACAPw=="}
    assert post(served, "query_many", {"vectors": single}).status_code == 400
    for spoil in ({"shape": [2, 2]}, {"shape": [1, -2]}, {"base64": "?"}, {"dtype": "object"}):
        answer = post(served, "query_many", {"vectors": good | spoil})
        assert answer.status_code in (400, 422)


def test_large_requests_are_refused_unread(served):
    answer = post(served, "put", {"ids": ["x"], "metadata": [{"a": "y" * 100_000}]})
    assert answer.status_code == 413 and "65536 bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "lengths",
    ["Transfer-Encoding: chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked"],
)
def test_bodies_of_no_stated_length_are_refused_unread(served, lengths):
    port = int(served.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = f"POST /v1/count HTTP/1.1\r\nHost: x\r\nApi-Key: {OWNER}\r\n{lengths}\r\n\r\n"
        connection.sendall(head.encode() + b"5\r\n12345\r\n")  # and no end
        assert b" 411 " in connection.recv(4096)


def test_requests_keep_their_names(served):
    answer = post(served, "count", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["X-Request-Id"] == "mine-1"
    answer = post(served, "count", headers={"X-Request-Id": "a b\tc"})
    assert answer.headers["X-Request-Id"] not in ("", "a b\tc")


def test_health_and_metrics_tell_no_secret(served):
    post(served, "count")
    assert httpx.get(served.url + "/healthz").json()["status"] == "ok"
    assert httpx.get(served.url + "/readyz").json()["status"] == "ok"
    text = httpx.get(served.url + "/metrics").text
    assert 'qstore_db_requests_total{status="200",verb="count"}' in text
    for key in (OWNER, READER, TENANT):
        assert key not in text


def test_stored_rows_are_counted_in_transactions_too(served):
    def rows():
        text = httpx.get(served.url + "/metrics").text
        [line] = [each for each in text.splitlines() if each.startswith("qstore_db_rows_total ")]
        return float(line.split()[1])

    before = rows()
    body = {"ids": ["r1", "r2", 3], "vectors": [[1.0, 0.0]] * 3}  # the last is no name
    assert post(served, "put", body).json()["stored"] == 2
    body = {"ids": ["r1", "r2"], "vectors": [[0.0, 1.0]] * 2}
    calls = [{"verb": "put", "body": body}, {"verb": "remove", "body": {"ids": ["r1", "r2"]}}]
    assert post(served, "transaction", {"calls": calls}).status_code == 200
    assert rows() - before == 4


def test_keys_are_in_no_log_repr_or_error(served, caplog):
    with caplog.at_level(logging.DEBUG):
        post(served, "count")
        post(served, "count", key="wrong-key-0123456789")
        bad = post(served, "put", {"ids": [3], "alone": True})
    for text in (caplog.text, repr(KEYS), repr(vars(KEYS)), bad.text):
        for key in (OWNER, READER, TENANT, "wrong-key-0123456789"):
            assert key not in text
    assert "owner" in caplog.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ('[{"key": "correct-horse-battery"}]', "cannot be read"),
        ('[{"key": "short", "name": "n"}]', "too short.*secrets"),
        ('{"key": "x"}', "cannot be read"),
        ('[{"key": "correct-horse-battery", "name": "n", "namespaces": "t-*"}]', "cannot be read"),
        ('[{"key": "correct-horse-battery", "name": "n", "readonly": true}]', "cannot be read"),
        ('[{"key": "correct-horse-battery", "name": "n", "read_only": "no"}]', "cannot be read"),
    ],
)
def test_wrong_keys_are_refused_and_not_shown(tmp_path, text, words):
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        Keys.read(path)
    assert "horse" not in str(caught.value)


@pytest.mark.slow
def test_no_request_breaks_the_service(served):
    """Random bodies for every verb, as its schema has them and not, never end in a 5xx."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_dict(httpx.get(served.url + "/openapi.json").json())
    operations = [
        operation.ok() for operation in schema.get_all_operations() if "/v1/" in operation.ok().path
    ]
    assert len(operations) >= 20
    for operation in operations:
        strategy = operation.as_strategy()

        @settings(
            max_examples=8,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def check(case):
            body = case.body if isinstance(case.body, (dict, list)) else {}
            text = json.dumps(body, default=str)
            answer = httpx.post(
                f"{served.url}{case.path}",
                content=text.encode("utf-8", "surrogatepass"),
                headers={"Api-Key": OWNER, "Content-Type": "application/json"},
                timeout=30,
            )
            assert answer.status_code < 500, (case.path, text[:500], answer.text)
            assert answer.status_code == 200 or answer.json()["error"]["message"]

        check()
    assert post(served, "count").status_code == 200


def test_bytes_that_are_no_json_are_refused(served):
    rng = np.random.default_rng(0)
    for size in (0, 1, 100):
        answer = httpx.post(
            f"{served.url}/v1/count",
            content=rng.bytes(size),
            headers={"Api-Key": OWNER, "Content-Type": "application/json"},
        )
        assert answer.status_code in (400, 422)
    deep = b"[" * 20_000
    answer = httpx.post(
        f"{served.url}/v1/count",
        content=deep,
        headers={"Api-Key": OWNER, "Content-Type": "application/json"},
    )
    assert answer.status_code in (400, 422)


def test_strangers_are_refused_before_they_have_sent_anything(served):
    port = int(served.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        head = "POST /v1/count HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
        connection.sendall(head.encode())  # and not one byte of it
        assert b" 401 " in connection.recv(4096)


def test_a_service_without_keys_answers_to_its_own_names_alone():
    with QuantumDatabase() as database, DatabaseServer(database) as server:
        assert httpx.post(server.url + "/v1/count", json={}).json() == 0
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example"):
            answer = httpx.post(server.url + "/v1/count", json={}, headers={"Host": host})
            assert answer.status_code == 403 and "own names" in answer.text
        plain = httpx.post(server.url + "/v1/count", content=b"{}")
        assert plain.status_code == 415


def test_transactions_are_all_or_none(served):
    calls = [
        {"verb": "put", "body": {"ids": ["p", "q"], "vectors": [[1.0, 0.0], [0.0, 0.0]]}},
        {"verb": "remove", "body": {"ids": "a"}},
    ]
    assert post(served, "transaction", {"calls": calls}).status_code == 400
    found = post(served, "get_many", {"ids": ["p", "q", "a"]}).json()
    assert found[0] is None and found[1] is None and found[2]["id"] == "a"


def test_names_that_are_no_text_are_told_and_answered(served):
    body = {"ids": ["ok", "\ud800"], "vectors": [[1.0, 0.0], [1.0, 0.0]]}
    text = json.dumps(body).encode()
    headers = {"Api-Key": OWNER, "Content-Type": "application/json"}
    answer = httpx.post(f"{served.url}/v1/put", content=text, headers=headers)
    assert answer.status_code == 200 and len(answer.json()["errors"]) == 1
    text = json.dumps({"prefix": "\ud800"}).encode()
    answer = httpx.post(f"{served.url}/v1/list", content=text, headers=headers)
    assert answer.status_code in (400, 422)
    post(served, "remove", {"ids": "ok"})


def test_one_request_cannot_ask_for_everything(served):
    body = {"vectors": [[1.0, 0.0]] * 500, "top_k": 10_000}
    assert post(served, "query_many", body).status_code == 400
    packed = {"dtype": "float32", "shape": [6000, 2], "base64": "AACAPwAAAAA=" * 1}
    assert post(served, "query_many", {"vectors": packed}).status_code in (400, 422)


def test_its_address_takes_connections_before_it_is_told():
    with listen("127.0.0.1", 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=10).close()
