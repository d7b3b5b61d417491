"""Version 0.3 of the API, as cirq-ionq 1.5 and 1.6 speak it."""

import pytest


def payload(**fields):
    return {
        "target": "simulator",
        "lang": "json",
        "body": {"gateset": "qis", "qubits": 2, "circuit": [{"gate": "x", "targets": [0]}]},
        "metadata": {"measurement0": "m\x1f0,1", "shots": "100"},
        "shots": "100",
        **fields,
    }


def accepted(client, **fields):
    answer = client.post("/v0.3/jobs", json=payload(**fields))
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def test_a_job_runs_and_has_the_fields_that_cirq_reads(start):
    _, client = start()
    job_id = accepted(client, name="n")
    client.wait(job_id)
    job = client.get(f"/v0.3/jobs/{job_id}").json()
    assert job["status"] == "completed" and job["target"] == "simulator" and job["name"] == "n"
    assert job["metadata"] == payload()["metadata"]
    assert (job["qubits"], job["shots"]) == (2, 100)
    assert job["response"] >= job["start"] >= job["request"]
    assert client.get(job["results_url"]).json() == {"1": pytest.approx(1)}
    assert client.get(f"/v0.3/jobs/{job_id}/results", params={"sharpen": True}).status_code == 200
    # Both versions show the same job.
    assert client.job(job_id)["metadata"] == job["metadata"]


def test_started_is_called_running(start, clock):
    _, client = start(clock=clock, delay_s=2, run_s=5)
    job_id = accepted(client)
    seen = []
    for _ in range(4):
        seen.append(client.get(f"/v0.3/jobs/{job_id}").json()["status"])
        clock.now += 1
    assert seen == ["submitted", "ready", "running", "running"]
    for status, count in (("running", 1), ("started", 1), ("completed", 0)):
        jobs = client.get("/v0.3/jobs", params={"status": status}).json()["jobs"]
        assert len(jobs) == count
    assert client.get("/v0.3/jobs?status=x").status_code == 400


def test_failures_have_the_word_that_old_clients_read(start):
    _, client = start()
    body = {"qubits": 40, "circuit": []}
    job_id = accepted(client, target="qpu.aria-1", body=body)
    client.wait(job_id)
    failure = client.get(f"/v0.3/jobs/{job_id}").json()["failure"]
    assert failure["code"] == "NotEnoughQubits" and "25" in failure["error"]


def test_debias_needs_shots_and_can_be_sharpened(start):
    _, client = start()
    fields = {"target": "qpu.aria-1", "error_mitigation": {"debias": True}}
    assert client.post("/v0.3/jobs", json=payload(**fields)).status_code == 400
    job_id = accepted(client, shots="500", **fields)
    client.wait(job_id)
    job = client.get(f"/v0.3/jobs/{job_id}").json()
    assert job["error_mitigation"] == {"debias": True} and job["cost_usd"] > 97
    sharp = client.get(f"/v0.3/jobs/{job_id}/results?sharpen=true").json()
    assert sum(sharp.values()) == pytest.approx(1)


def test_lists_cancels_and_deletes(start):
    _, client = start(delay_s=100)
    ids = [accepted(client) for _ in range(3)]
    cirq = {"User-Agent": "cirq/1.6.1"}
    # Cirq sends a body with GET.
    listed = client.request("GET", "/v0.3/jobs", json={"limit": 1000}, headers=cirq).json()
    assert [job["id"] for job in listed["jobs"]] == ids[::-1] and "next" not in listed
    answer = client.put(f"/v0.3/jobs/{ids[0]}/status/cancel")
    assert answer.json() == {"id": ids[0], "status": "canceled"}
    assert client.delete(f"/v0.3/jobs/{ids[1]}").json() == {"id": ids[1], "status": "deleted"}
    listed = client.get("/v0.3/jobs").json()["jobs"]
    assert [(job["id"], job["status"]) for job in listed] == [
        (ids[2], "submitted"),
        (ids[0], "canceled"),
    ]


def test_batches_have_children(start):
    _, client = start()
    circuits = [{"circuit": [{"gate": "x", "target": k}]} for k in range(2)]
    job_id = accepted(client, body={"gateset": "qis", "qubits": 2, "circuits": circuits})
    client.wait(job_id)
    job = client.get(f"/v0.3/jobs/{job_id}").json()
    results = client.get(f"/v0.3/jobs/{job_id}/results").json()
    assert list(results) == job["children"]
    assert [list(one) for one in results.values()] == [["1"], ["2"]]


def test_machines_and_calibrations(start):
    _, client = start()
    assert "qpu.aria-1" in [one["backend"] for one in client.get("/v0.3/backends").json()]
    assert client.get("/v0.3/backends/simulator").json()["qubits"] == 29
    current = client.get("/v0.3/calibrations/current").json()
    assert current["target"] == "qpu.aria-1" and current["fidelity"]["1q"]["mean"] > 0.99
    listed = client.request("GET", "/v0.3/calibrations", json={"limit": 1000}).json()
    assert listed["calibrations"][0] == current
    address = "/v0.3/characterizations/backends/{}/current"
    assert client.get(address.format("qpu.aria-1")).json() == current
    assert client.get(address.format("simulator")).status_code == 404
    # They are gone in v0.4.
    assert client.get("/v0.4/calibrations/current").status_code == 404
