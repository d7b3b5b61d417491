"""Lists: filters, and pages that neither lose nor double a job."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from qstore_tf.testing.daily import daily_seed


def pages(client, limit, **params):
    """All jobs of a list, page by page."""
    found, following = [], None
    while True:
        query = {**params, "limit": limit, **({"next": following} if following else {})}
        body = client.get("/v0.4/jobs", params=query).json()
        assert len(body["jobs"]) <= limit
        found += body["jobs"]
        following = body["next"]
        if following is None:
            return found
        assert len(body["jobs"]) == limit


def test_pages_of_any_size_hold_each_job_once_the_newest_first(start):
    _, client = start()
    ids = [client.accepted([]) for _ in range(30)]
    rng = np.random.default_rng([daily_seed(), 3])
    for limit in {1, 7, 29, 30, 31, *rng.integers(2, 30, 3).tolist()}:
        assert [job["id"] for job in pages(client, limit)] == ids[::-1]


def test_jobs_that_come_and_go_do_not_disturb_the_others(start):
    _, client = start()
    ids = [client.accepted([]) for _ in range(40)]
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            client.delete(f"/v0.4/jobs/{client.accepted([])}")
            client.accepted([])

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(5):
            found = [job["id"] for job in pages(client, 6)]
            assert [one for one in found if one in ids] == ids[::-1]
            assert len(set(found)) == len(found)
    finally:
        stop.set()
        thread.join()


def test_random_filters_hold_exactly_the_jobs_that_fit(start, new_client):
    emulator, client = start(delay_s=0.0)
    rng = np.random.default_rng([daily_seed(), 4])
    session = client.post("/v0.4/sessions", json={"backend": "simulator"}).json()["id"]
    made = []
    for _ in range(40):
        backend = str(rng.choice(["simulator", "qpu.forte-1", "qpu.aria-1"]))
        fields = {"session_id": session} if backend == "simulator" and rng.random() < 0.5 else {}
        job_id = client.accepted([], backend=backend, qubits=int(rng.choice([2, 40])), **fields)
        made.append(job_id)
    for job_id in made[::4]:
        client.put(f"/v0.4/jobs/{job_id}/status/cancel")
    with new_client(emulator, "another-key") as other:
        other.accepted([])
    jobs = [client.wait(one) for one in made]
    conditions = {
        "status": lambda job, value: job["status"] == value,
        "target": lambda job, value: job["backend"] in value.split(","),
        "session_id": lambda job, value: job["session_id"] == value,
        "submitter_id": lambda job, value: job["submitter_id"] == value,
        "ids": lambda job, value: job["id"] in value.split(","),
    }
    values = {
        "status": ["completed", "failed", "canceled", "started"],
        "target": ["simulator", "qpu.forte-1", "simulator,qpu.aria-1"],
        "session_id": [session, "none"],
        "submitter_id": [jobs[0]["submitter_id"], "nobody"],
        "ids": [",".join(made[:5]), made[7]],
    }
    for _ in range(40):
        names = rng.choice(list(conditions), int(rng.integers(0, 3)), replace=False)
        query = {str(name): str(rng.choice(values[str(name)])) for name in names}
        wanted = [j["id"] for j in jobs if all(conditions[n](j, v) for n, v in query.items())]
        found = [job["id"] for job in pages(client, int(rng.integers(1, 20)), **query)]
        assert found == wanted[::-1], query


def test_ids_come_as_a_list_too(start):
    _, client = start()
    ids = [client.accepted([]) for _ in range(3)]
    body = client.get("/v0.4/jobs", params={"ids": ids[:2]}).json()
    assert [job["id"] for job in body["jobs"]] == ids[1::-1]


def test_next_is_absent_at_the_end_for_cirq_alone(start):
    _, client = start()
    client.accepted([])
    assert client.get("/v0.4/jobs").json()["next"] is None
    cirq = {"User-Agent": "cirq/1.7.0 (python/3.11.7)"}
    assert set(client.get("/v0.4/jobs", headers=cirq).json()) == {"jobs"}
    client.accepted([])
    assert client.get("/v0.4/jobs?limit=1", headers=cirq).json()["next"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "limit=-1", "status=running", "next=xyz", "next=" + "f" * 32]
)
def test_queries_that_make_no_sense_are_refused(start, query):
    _, client = start()
    assert client.get(f"/v0.4/jobs?{query}").status_code == 400


def test_a_list_may_lag_behind(start, clock):
    _, client = start(lag_s=3, clock=clock)
    job_id = client.accepted([])
    assert client.get("/v0.4/jobs").json()["jobs"] == []
    assert client.job(job_id)["id"] == job_id
    clock.now += 3
    assert [job["id"] for job in client.get("/v0.4/jobs").json()["jobs"]] == [job_id]


def test_a_list_of_a_thousand_is_quick(start):
    emulator, client = start(simulate=lambda batch, **_: [{0: 1.0}] * len(batch))
    job_id = client.accepted([])
    client.wait(job_id)
    template = emulator.jobs()[0]
    for k in range(999):
        emulator.service.store.add_job(replace(template, id=f"copy-{k}"), [], b"{}")
    begin = time.monotonic()
    assert len(client.get("/v0.4/jobs?limit=1000").json()["jobs"]) == 1000
    assert time.monotonic() - begin < 3
