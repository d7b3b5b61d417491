"""Jobs of v0.4: what is accepted, how they look, and what can be done with them."""

import json
import math

import numpy as np
import pytest

from qstore_tf.testing.daily import daily_seed

# What the published schema of a job requires, and what it allows besides.
REQUIRED = {
    *("id", "status", "type", "backend", "dry_run", "submitter_id", "project_id", "session_id"),
    *("parent_job_id", "metadata", "name", "submitted_at", "started_at", "completed_at"),
    *("predicted_wait_time_ms", "predicted_execution_duration_ms", "execution_duration_ms"),
    *("failure", "output", "settings", "stats", "results"),
}
ALLOWED = {*REQUIRED, "shots", "noise", "cost_model", "child_job_ids"}


def test_a_job_has_all_fields_of_the_schema_and_no_others(start):
    _, client = start()
    done = client.wait(client.accepted(name="bell"))
    failed = client.wait(client.accepted(backend="qpu.forte-1", qubits=40))
    waiting = client.job(client.accepted(backend="qpu.forte-1"))
    for job in (done, failed, waiting):
        assert REQUIRED <= set(job) <= ALLOWED
    assert done["name"] == "bell" and done["noise"] == {"model": "ideal"}
    assert "shots" not in done  # the ideal simulator ignores them
    assert waiting["shots"] == 100 and "noise" not in waiting
    entries = client.get("/v0.4/jobs").json()
    assert set(entries) == {"jobs", "next"} and entries["next"] is None
    for job in entries["jobs"]:
        assert REQUIRED <= set(job) <= ALLOWED - {"child_job_ids"}


def test_creating_answers_201_and_three_fields(start):
    _, client = start()
    answer = client.submit()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": answer.json()["id"],
        "status": "submitted",
        "session_id": None,
    }


@pytest.mark.parametrize("gateset", ["qis", "native"])
def test_probabilities_have_qubit_0_as_the_least_significant_bit(start, gateset):
    _, client = start()
    flip = {"qis": {"gate": "x", "target": 1}, "native": {"gate": "gpi", "target": 1, "phase": 0}}
    job_id = client.accepted([flip[gateset]], gateset=gateset, qubits=3)
    assert client.probabilities(job_id) == {"2": pytest.approx(1.0)}


def test_random_rotations_give_the_probabilities_that_they_have(start):
    _, client = start()
    rng = np.random.default_rng([daily_seed(), 1])
    angles = rng.uniform(-7, 7, (40, 3))
    circuits = [
        [{"gate": "ry", "target": q, "rotation": float(angle)} for q, angle in enumerate(row)]
        for row in angles
    ]
    job_id = client.accepted(circuits=circuits, qubits=3)
    found = client.probabilities(job_id)
    assert list(found) == client.job(job_id)["child_job_ids"]
    for row, outcome in zip(angles, found.values(), strict=True):
        ones = np.sin(row / 2) ** 2
        for state in range(8):
            wanted = math.prod(ones[q] if state >> q & 1 else 1 - ones[q] for q in range(3))
            assert outcome.get(str(state), 0.0) == pytest.approx(wanted, abs=1e-9)


def test_metadata_comes_back_verbatim(start):
    _, client = start()
    metadata = {
        "measurement0": "m\x1f0,1\x1ekey é\u2028",
        "shots": "10",
        "measurements": json.dumps([{"a": 1}]),
        "empty": "",
    }
    job_id = client.accepted(metadata=metadata)
    assert client.job(job_id)["metadata"] == metadata
    assert client.get("/v0.4/jobs").json()["jobs"][0]["metadata"] == metadata
    assert client.job(client.accepted())["metadata"] is None


def test_text_shots_lang_and_unknown_fields_are_taken(start):
    _, client = start()
    job = client.wait(client.accepted(backend="qpu.aria-1", shots="250", lang="json", more=[1]))
    assert job["shots"] == 250
    assert client.job(client.accepted(backend="qpu.aria-1", shots=None))["shots"] == 100


def test_a_batch_has_a_job_for_each_circuit(start):
    _, client = start()
    one = [{"gate": "x", "target": 0}]
    body = {
        "gateset": "qis",
        "qubits": 2,
        "circuits": [{"circuit": one, "name": "first"}, {"circuit": [], "qubits": 1}],
    }
    job_id = client.accepted(input=body, type="ionq.multi-circuit.v1")
    job = client.wait(job_id)
    first, second = (client.job(child) for child in job["child_job_ids"])
    assert job["stats"] == {"qubits": 2, "circuits": 2, "gate_counts": {"1q": 1, "2q": 0}}
    assert (first["name"], second["name"]) == ("first", None)
    assert first["parent_job_id"] == second["parent_job_id"] == job_id
    assert (first["stats"]["qubits"], second["stats"]["qubits"]) == (2, 1)
    assert client.probabilities(first["id"]) == {"1": pytest.approx(1.0)}
    children = client.get("/v0.4/jobs", params={"parent_job_id": job_id, "limit": 1}).json()
    assert [child["id"] for child in children["jobs"]] == [first["id"]]
    rest = {"parent_job_id": job_id, "next": children["next"]}
    children = client.get("/v0.4/jobs", params=rest).json()
    assert [child["id"] for child in children["jobs"]] == [second["id"]]
    assert children["next"] is None
    assert len(client.get("/v0.4/jobs").json()["jobs"]) == 1
    assert client.put(f"/v0.4/jobs/{first['id']}/status/cancel").status_code == 400


def test_qasm3_runs(start):
    pytest.importorskip("openqasm3")
    _, client = start()
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; bit[2] c; x q[1]; c = measure q;'
    job_id = client.accepted(type="ionq.qasm3.v1", input={"data": text})
    assert client.probabilities(job_id) == {"2": pytest.approx(1.0)}
    answer = client.submit(type="ionq.qasm3.v1", input={"data": "OPENQASM 3.0; nonsense"})
    assert answer.status_code == 400


def test_canceled_jobs_stay_canceled_and_have_no_results(start, clock):
    _, client = start(delay_s=10, clock=clock)
    job_id = client.accepted()
    answer = client.put(f"/v0.4/jobs/{job_id}/status/cancel")
    assert answer.json() == {"id": job_id, "status": "canceled"}
    clock.now += 100
    job = client.job(job_id)
    assert job["status"] == "canceled" and job["started_at"] is None
    assert client.get(f"/v0.4/jobs/{job_id}/results/probabilities").status_code == 404


def test_a_completed_job_can_be_canceled_too(start):
    _, client = start()
    job_id = client.accepted()
    client.wait(job_id)
    client.put(f"/v0.4/jobs/{job_id}/status/cancel")
    assert client.job(job_id)["status"] == "canceled"


def test_many_are_canceled_and_deleted_at_once(start):
    _, client = start(delay_s=100)
    ids = [client.accepted() for _ in range(3)]
    answer = client.put("/v0.4/jobs/status/cancel", json={"ids": ids[:2]})
    assert answer.json() == {"ids": ids[:2], "status": "canceled"}
    assert [client.job(one)["status"] for one in ids] == ["canceled", "canceled", "submitted"]
    answer = client.request("DELETE", "/v0.4/jobs", json={"ids": ids[:2]})
    assert answer.json() == {"ids": ids[:2], "status": "deleted"}
    assert [job["id"] for job in client.get("/v0.4/jobs").json()["jobs"]] == ids[2:]
    # One that is not there leaves the others alone.
    answer = client.request("DELETE", "/v0.4/jobs", json={"ids": [ids[2], ids[0]]})
    assert answer.status_code == 404 and client.job(ids[2])
    assert client.request("DELETE", "/v0.4/jobs", json={"ids": "x"}).status_code == 400


def test_a_deleted_job_is_gone(start):
    _, client = start()
    job_id = client.accepted()
    answer = client.delete(f"/v0.4/jobs/{job_id}")
    assert answer.json() == {"id": job_id, "status": "deleted"}
    for path in ("", "/cost", "/results/probabilities"):
        assert client.get(f"/v0.4/jobs/{job_id}{path}").status_code == 404
    assert client.delete(f"/v0.4/jobs/{job_id}").status_code == 404


def test_a_clone_runs_the_same_with_changes(start):
    _, client = start()
    job_id = client.accepted(metadata={"a": "b"}, name="first")
    answer = client.post(f"/v0.4/jobs/{job_id}/clone", json={"name": "second", "shots": 7})
    assert answer.status_code == 201
    clone = client.wait(answer.json()["id"])
    assert (clone["name"], clone["metadata"]) == ("second", {"a": "b"})
    assert client.probabilities(clone["id"]) == client.probabilities(job_id)
    answer = client.post(f"/v0.4/jobs/{job_id}/clone")
    assert client.wait(answer.json()["id"])["name"] == "first"
    assert client.post(f"/v0.4/jobs/{job_id}/clone", json={"shots": 0}).status_code == 400


def test_a_moved_job_runs_elsewhere_unless_it_has_started(start):
    _, client = start(delay_s=100)
    job_id = client.accepted()
    answer = client.post(f"/v0.4/jobs/{job_id}/move", json={"backend": "qpu.forte-1"})
    assert client.job(answer.json()["id"])["backend"] == "qpu.forte-1"
    assert client.job(job_id)["status"] == "canceled"
    assert client.post(f"/v0.4/jobs/{job_id}/move").status_code == 400


def test_a_dry_run_is_priced_and_not_run(start):
    _, client = start()
    job_id = client.accepted(backend="qpu.forte-1", dry_run=True)
    job = client.wait(job_id)
    assert job["status"] == "completed" and job["results"] is None
    cost = client.get(f"/v0.4/jobs/{job_id}/cost").json()
    assert cost["dry_run"] and cost["estimated_cost"]["value"] > 25 and cost["cost"]["value"] == 0
    assert client.get(f"/v0.4/jobs/{job_id}/results/probabilities").status_code == 404


def test_jobs_of_a_machine_are_noisy_and_the_same_for_the_same_seed(start, native):
    def run(**settings):
        _, client = start(**settings)
        job_id = client.accepted(native, gateset="native", backend="qpu.forte-1", shots=1000)
        return client.probabilities(job_id)

    assert run(seed=3) == run(seed=3) != run(seed=4)
    for outcome in run(seed=3).values():
        assert outcome * 1000 == pytest.approx(round(outcome * 1000))


def test_an_engine_that_fails_makes_a_failed_job(start):
    def broken(batch, **_):
        raise RuntimeError("no more electricity")

    _, client = start(simulate=broken)
    failure = client.wait(client.accepted())["failure"]
    assert failure["code"] == "SimulationError"
    assert failure["message"] == failure["error"] == "no more electricity"


def test_all_circuits_of_a_job_are_computed_in_one_call(start):
    calls = []

    def simulate(batch, **options):
        calls.append((len(batch), options))
        return [{0: 1.0}] * len(batch)

    _, client = start(simulate=simulate, seed=5)
    client.probabilities(client.accepted(circuits=[[], [], []]))
    client.probabilities(client.accepted(noise={"model": "aria-1", "seed": 8}, shots=50))
    assert [count for count, _ in calls] == [3, 1]
    assert calls[0][1]["shots"] is None and calls[0][1]["noise"] == "ideal"
    assert calls[1][1] == {"shots": 50, "noise": "aria-1", "seed": 8}
