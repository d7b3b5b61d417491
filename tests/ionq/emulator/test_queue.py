"""The queue: status by the clock, places on a machine, what is billed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from qstore_tf.ionq.emulator.planning import plan
from qstore_tf.ionq.emulator.records import Job
from qstore_tf.ionq.emulator.states import is_billed, status_at
from qstore_tf.testing.daily import daily_seed


def job(number, submitted, run, **fields):
    return Job(
        id=f"job-{number}",
        number=number,
        organization="o",
        submitter="s",
        version="v0.4",
        backend="qpu.forte-1",
        type="ionq.circuit.v1",
        name=None,
        metadata="null",
        shots=1,
        dry_run=False,
        session=None,
        settings="{}",
        noise="ideal",
        noise_seed=None,
        n_qubits=1,
        n_circuits=1,
        n_1q=1,
        n_2q=0,
        debiasing=False,
        submitted=submitted,
        ready=submitted,
        starts=submitted + 1.0,
        ends=submitted + 1.0 + run,
        **fields,
    )


def test_a_job_moves_through_all_its_states_by_the_clock(start, clock):
    emulator, client = start(delay_s=4, run_s=5, per_circuit_s=1, clock=clock)
    job_id = client.accepted()
    begin, seen = clock.now, []
    while emulator.jobs()[0].computed is None:
        pass
    for second in range(12):
        clock.now = begin + second
        seen.append(client.job(job_id)["status"])
        found = client.get(f"/v0.4/jobs/{job_id}/results/probabilities").status_code
        assert found == (200 if seen[-1] == "completed" else 404)
    assert seen == ["submitted"] * 2 + ["ready"] * 2 + ["started"] * 6 + ["completed"] * 2
    done = client.job(job_id)
    assert done["execution_duration_ms"] == 6000 and done["predicted_wait_time_ms"] == 4000
    assert done["completed_at"] > done["started_at"] > done["submitted_at"]


def test_places_on_a_machine_are_taken_in_turn_and_given_back(start, clock):
    _, client = start(run_s=10, slots=2, clock=clock)
    ids = [client.accepted(backend="qpu.forte-1") for _ in range(4)]
    other = client.accepted(backend="qpu.aria-1")

    def states():
        return [client.job(one)["status"] for one in [*ids, other]]

    assert states() == ["started", "started", "ready", "ready", "started"]
    machine = client.get("/v0.4/backends/qpu.forte-1").json()
    assert machine["average_queue_time"] == 20_000
    clock.now += 4
    client.put(f"/v0.4/jobs/{ids[0]}/status/cancel")
    assert states() == ["canceled", "started", "started", "ready", "started"]
    clock.now += 7
    assert states()[2:4] == ["started", "started"]


def test_plans_at_random_fill_all_places_in_the_order_of_coming():
    rng = np.random.default_rng([daily_seed(), 2])
    for _ in range(200):
        slots, delay = int(rng.integers(1, 4)), float(rng.uniform(0, 3))
        jobs, now, number = [], 0.0, 0
        gone = []
        for _ in range(int(rng.integers(1, 15))):
            now += float(rng.exponential(1.0))
            if jobs and rng.random() < 0.2:
                gone.append(jobs.pop(int(rng.integers(len(jobs)))))
            else:
                jobs.append(job(number, now, float(rng.uniform(0.1, 4))))
                number += 1
            waiting = [one for one in jobs if one.ends > now]
            times = {name: (a, b) for name, a, b in plan(waiting, slots, now, delay)}
            before = jobs
            jobs = [
                replace(one, starts=times[one.id][0], ends=times[one.id][1])
                if one.id in times
                else one
                for one in jobs
            ]
            for old, new in zip(before, jobs, strict=True):
                assert new.ends - new.starts == pytest.approx(old.ends - old.starts)
                assert new.starts >= new.submitted + delay - 1e-9 or new.starts >= now
                if old.starts <= now and old.ends <= now:
                    assert new == old  # what is over does not change
        starts = [one.starts for one in jobs]
        assert starts == sorted(starts)
        for moment in starts:
            running = [one for one in jobs if one.starts <= moment < one.ends]
            assert len(running) <= slots


@pytest.mark.parametrize(
    ("fields", "now", "status", "billed"),
    [
        ({}, 0.0, "ready", False),
        ({}, 1.5, "started", False),
        ({"computed": 0.0}, 1.5, "started", False),
        ({"computed": 0.0}, 3.0, "completed", True),
        ({"computed": 4.0}, 3.5, "started", False),
        ({"computed": 4.0}, 4.0, "completed", True),
        ({"computed": 0.0, "canceled": 0.5}, 9.0, "canceled", False),
        ({"computed": 0.0, "canceled": 2.0}, 1.5, "started", False),
        ({"computed": 0.0, "canceled": 2.0}, 2.0, "canceled", True),
        ({"computed": 0.0, "canceled": 7.0}, 9.0, "canceled", True),
        ({"failure": "InternalError"}, 2.0, "started", False),
        ({"failure": "InternalError"}, 3.0, "failed", False),
        ({"failure": "InternalError", "failure_billed": True}, 3.0, "failed", True),
        ({"failure": "InternalError", "canceled": 2.0}, 3.0, "canceled", False),
        ({"stuck": "submitted", "computed": 0.0}, 9.0, "submitted", False),
        ({"stuck": "started", "computed": 0.0}, 9.0, "started", False),
        ({"stuck": "ready", "computed": 0.0, "canceled": 8.0}, 9.0, "canceled", False),
        ({"stuck": "started", "computed": 0.0, "canceled": 8.0}, 9.0, "canceled", True),
    ],
)
def test_status_and_bill(fields, now, status, billed):
    one = job(1, 0.0, 2.0, price="1.5", unit="usd", **fields)
    assert status_at(one, now) == status
    assert is_billed(one, now) == billed
    assert not is_billed(replace(one, dry_run=True), now)
    assert not is_billed(replace(one, price=None), now)


def test_all_of_it_survives_a_restart(start, clock, tmp_path):
    def slowly(batch, **_):
        return [{0: 0.25, 1: 0.75}] * len(batch)

    path = tmp_path / "state.sqlite"
    emulator, client = start(delay_s=2, run_s=2, db=path, clock=clock, simulate=slowly)
    ids = [client.accepted(circuits=[[], []], metadata={"n": str(k)}) for k in range(3)]
    session = client.post("/v0.4/sessions", json={"backend": "simulator"}).json()
    before = [client.job(one) for one in ids]
    client.put(f"/v0.4/jobs/{ids[2]}/status/cancel")
    emulator.restart()
    assert [client.job(one) for one in ids[:2]] == before[:2]
    assert client.get(f"/v0.4/sessions/{session['id']}").json() == session
    clock.now += 5
    assert [client.wait(one)["status"] for one in ids] == ["completed", "completed", "canceled"]
    assert list(client.probabilities(ids[0]).values()) == [{"0": 0.25, "1": 0.75}] * 2


def test_what_was_not_computed_before_a_restart_is_computed_after_it(start, tmp_path):
    waiting = []

    def simulate(batch, **_):
        if not waiting:
            waiting.append(True)
            raise SystemExit  # as if the process died
        return [{0: 1.0}] * len(batch)

    emulator, client = start(db=tmp_path / "state.sqlite", simulate=simulate)
    job_id = client.accepted()
    while not waiting:
        pass
    emulator.restart()
    assert client.probabilities(job_id) == {"0": 1.0}


def test_a_full_store_refuses_jobs_and_goes_on(start):
    _, client = start(most_bytes=2**18)
    ids, answer = [], None
    for _ in range(100):
        answer = client.submit(metadata={"a": "b" * 20_000})
        if answer.status_code != 201:
            break
        ids.append(answer.json()["id"])
    assert answer is not None and answer.status_code == 503
    assert "full" in json.dumps(answer.json())
    assert len(ids) > 2 and client.job(ids[0])["id"] == ids[0]
