"""Each fault at each call: what the client sees, and what the server did."""

import time

import httpx
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.emulator.fault_kinds import CALLS, FAILURES, TABLE
from qstore_tf.ionq.emulator.faults import Fault, Faults, random_faults
from qstore_tf.testing.daily import daily_seed


class Calls:
    """One request of each kind, on a job that is completed; and what is there afterwards."""

    def __init__(self, emulator, client, make_payload):
        self.emulator, self.client, self.payload = emulator, client, make_payload()
        self.job_id = client.accepted()
        client.wait(self.job_id)

    def send(self, call):
        path = f"/v0.4/jobs/{self.job_id}"
        return {
            "submit": lambda: self.client.post("/v0.4/jobs", json=self.payload),
            "poll": lambda: self.client.get(path),
            "list": lambda: self.client.get("/v0.4/jobs"),
            "fetch": lambda: self.client.get(f"{path}/results/probabilities"),
            "cancel": lambda: self.client.put(f"{path}/status/cancel"),
            "delete": lambda: self.client.delete(path),
            "other": lambda: self.client.get("/v0.4/whoami"),
        }[call]()

    def done(self, call):
        """Whether the server did what the request asks for; None if that leaves no trace."""
        jobs = {job.id: job for job in self.emulator.jobs()}
        if call == "submit":
            return len(jobs) == 2
        if call == "cancel":
            return jobs[self.job_id].canceled is not None
        return self.job_id not in jobs if call == "delete" else None


@pytest.fixture
def calls(start, make_payload):
    emulator, client = start()
    return Calls(emulator, client, make_payload)


@pytest.mark.parametrize("call", CALLS)
def test_errors_happen_before_anything_is_done(calls, call):
    calls.emulator.set_faults(
        Fault("too_many_requests", call, times=2, parameters={"retry_after": 7}),
        Fault("too_many_requests", call, parameters={"retry_after": None}),
        *[Fault("server_error", call, parameters={"status": s}) for s in (500, 502, 503, 529)],
        Fault("server_error", call, parameters={"html": False}),
    )
    burst = [calls.send(call) for _ in range(3)]
    assert [answer.status_code for answer in burst] == [429] * 3
    assert [answer.headers.get("retry-after") for answer in burst] == ["7", "7", None]
    assert burst[0].json()["statusCode"] == 429
    for status in (500, 502, 503, 529):
        answer = calls.send(call)
        assert answer.status_code == status
        assert answer.text.startswith("<html>") and "html" in answer.headers["content-type"]
    assert calls.send(call).json()["statusCode"] == 500
    assert not calls.done(call)
    assert calls.send(call).is_success
    assert calls.done(call) is not False


@pytest.mark.parametrize("call", CALLS)
def test_a_dropped_connection_does_nothing_and_a_lost_answer_does_it(calls, call):
    calls.emulator.set_faults(Fault("dropped", call), Fault("lost_answer", call))
    with pytest.raises(httpx.TransportError):
        calls.send(call)
    assert not calls.done(call)
    with pytest.raises(httpx.TransportError):
        calls.send(call)
    assert calls.done(call) is not False
    statuses = [one.status for one in calls.emulator.requests(call)[-2:]]
    assert statuses == [None, None]


@pytest.mark.parametrize("call", CALLS)
def test_half_an_answer_and_wrong_json(calls, call):
    calls.emulator.set_faults(
        Fault("lost_answer", call, parameters={"part": True}), Fault("wrong_json", call)
    )
    with pytest.raises(httpx.RemoteProtocolError):
        calls.send(call)
    assert calls.done(call) is not False
    answer = calls.send(call)
    with pytest.raises(ValueError):
        answer.json()


@pytest.mark.parametrize("call", CALLS)
def test_slow_answers_come_late_but_come(calls, call):
    calls.emulator.set_faults(Fault("slow", call, parameters={"seconds": 0.15}))
    begin = time.monotonic()
    assert calls.send(call).is_success
    assert time.monotonic() - begin >= 0.15
    with pytest.raises(httpx.ReadTimeout):
        calls.emulator.set_faults(Fault("slow", call, parameters={"seconds": 0.3}))
        calls.client.timeout = 0.1
        calls.send(call)


@pytest.mark.parametrize("call", ["submit", "poll", "list", "fetch", "cancel"])
def test_a_restart_drops_the_connection_and_keeps_the_jobs(calls, call):
    calls.emulator.set_faults(Fault("restart", call, parameters={"seconds": 0.1}))
    begin = time.monotonic()
    while True:
        try:
            assert calls.send(call).is_success
            break
        except httpx.TransportError:
            time.sleep(0.01)
    assert time.monotonic() - begin >= 0.1
    assert calls.job_id in [job.id for job in calls.emulator.jobs()]


def test_a_duplicate_is_a_second_job(calls):
    calls.emulator.set_faults(Fault("duplicate"))
    answer = calls.send("submit")
    jobs = calls.client.get("/v0.4/jobs").json()["jobs"]
    assert len(jobs) == 3 and jobs[0]["id"] == answer.json()["id"]
    assert calls.client.wait(jobs[1]["id"])["status"] == "completed"


def test_a_lagging_list_and_a_stale_state(start, clock):
    emulator, client = start(clock=clock, delay_s=10)
    emulator.set_faults(
        Fault("lagging_list", parameters={"seconds": 3}), Fault("stale_state", times=2)
    )
    job_id = client.accepted()
    assert client.get("/v0.4/jobs").json()["jobs"] == []
    clock.now += 7  # ready since 2 seconds; the stale state is that of 5 seconds ago
    assert client.job(job_id)["status"] == "submitted"
    assert client.get("/v0.4/jobs?status=submitted").json()["jobs"][0]["status"] == "submitted"
    assert client.job(job_id)["status"] == "ready"


@pytest.mark.parametrize("code", FAILURES)
def test_jobs_fail_by_every_code(calls, code):
    calls.emulator.set_faults(Fault("failed_job", parameters={"code": code, "message": "because"}))
    job_id = calls.send("submit").json()["id"]
    job = calls.client.wait(job_id)
    assert job["failure"] == {"code": code, "message": "because", "error": "because"}
    assert calls.client.get(f"/v0.4/jobs/{job_id}/results/probabilities").status_code == 404


def test_failed_jobs_cost_nothing_unless_the_fault_says_so(start):
    emulator, client = start()
    for billed in (False, True):
        emulator.set_faults(Fault("failed_job", parameters={"billed": billed}))
        job_id = client.accepted(backend="qpu.forte-1")
        cost = client.get(f"/v0.4/jobs/{job_id}/cost").json()
        assert (cost["cost"]["value"] > 0) == billed


@pytest.mark.parametrize("status", ["submitted", "ready", "started"])
def test_stuck_jobs_stay_and_can_be_canceled(start, clock, status):
    emulator, client = start(clock=clock, delay_s=2, run_s=2)
    emulator.set_faults(Fault("stuck_job", parameters={"status": status}))
    job_id = client.accepted()
    for _ in range(3):
        clock.now += 1000
        assert client.job(job_id)["status"] == status
    client.put(f"/v0.4/jobs/{job_id}/status/cancel")
    assert client.job(job_id)["status"] == "canceled"


def test_the_service_cancels_a_job(calls):
    calls.emulator.set_faults(Fault("canceled_job"))
    job_id = calls.send("submit").json()["id"]
    assert calls.client.wait(job_id)["status"] == "canceled"


def test_faults_come_one_after_another_and_go():
    faults = Faults(0, [Fault("slow", "poll", after=1, times=2), Fault("dropped", times=1)])
    met = [faults.take(call) for call in ("list", "poll", "poll", "poll", "poll", "list")]
    names = [fault and fault.name for fault in met]
    assert names == ["dropped", None, "slow", "slow", None, None]
    assert [one["happened"] for one in faults.body()] == [2, 1]
    forever = Faults(0, [Fault("slow", times=None)])
    assert all(forever.take("poll") for _ in range(100))


def test_random_faults_are_the_same_for_the_same_seed():
    seed = daily_seed()
    half = [Fault("slow", times=None, probability=0.5)]

    def schedule(seed):
        faults = Faults(seed, half)
        return [faults.take("poll") is not None for _ in range(400)]

    assert schedule(seed) == schedule(seed) != schedule(seed + 1)
    assert 120 < sum(schedule(seed)) < 280
    made = random_faults(seed, 300)
    assert made == random_faults(seed, 300)
    assert {fault.name for fault in made} == set(TABLE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "fire"},
        {"name": ["slow"]},
        {},
        [],
        {"name": "slow", "where": "nowhere"},
        {"name": "duplicate", "where": "poll"},
        {"name": "slow", "seconds": -1},
        {"name": "slow", "seconds": None},
        {"name": "slow", "minutes": 1},
        {"name": "server_error", "status": 200},
        {"name": "failed_job", "code": "Bored"},
        {"name": "slow", "times": 0},
        {"name": "slow", "after": -1},
        {"name": "slow", "probability": 2},
        {"name": "slow", "parameters": 1},
    ],
)
def test_faults_that_make_no_sense_are_refused_and_change_nothing(start, wrong):
    with pytest.raises(ConfigurationError):
        Fault.of(wrong)
    _, client = start()
    good = {"name": "slow", "seconds": 0, "where": "poll"}
    client.put("/emulator/faults", json=[good]).raise_for_status()
    assert client.put("/emulator/faults", json=[wrong]).status_code == 400
    assert [one["name"] for one in client.get("/emulator/faults").json()["faults"]] == ["slow"]


def test_no_number_is_no_time():
    with pytest.raises(ConfigurationError):
        Fault("slow", parameters={"seconds": float("nan")})


def test_faults_are_set_over_http(start):
    emulator, client = start()
    body = {"faults": [{"name": "server_error", "where": ["list"], "status": 503}], "seed": 3}
    assert client.put("/emulator/faults", json=body).json()["faults"][0]["times"] == 1
    more = {"faults": [{"name": "dropped", "where": "poll"}], "add": True}
    assert len(client.put("/emulator/faults", json=more).json()["faults"]) == 2
    assert client.get("/v0.4/jobs").status_code == 503
    answer = client.get("/emulator/faults").json()
    assert [one["happened"] for one in answer["faults"]] == [1, 0]
    assert set(answer["table"]) == set(TABLE)
    assert client.delete("/emulator/faults").json() == {"faults": []}
    assert client.get("/v0.4/jobs").status_code == 200
    assert client.put("/emulator/faults", content=b"{").status_code == 400
    assert client.put("/emulator/faults", json={"faults": 1}).status_code == 400
    many = [{"name": "slow"}] * 10_001
    assert client.put("/emulator/faults", json=many).status_code == 400
    assert emulator.service.faults.body() == []


def test_random_schedules_leave_the_server_whole(start, make_payload):
    emulator, client = start(simulate=lambda batch, **_: [{0: 1.0}] * len(batch))
    client.timeout = 2
    for schedule in range(12):
        seed = daily_seed() * 1000 + schedule
        before = len(emulator.jobs())
        emulator.set_faults(*random_faults(seed, 12, most_s=0.02))
        sent, known = 0, []
        for step in range(15):
            calls = Calls.__new__(Calls)
            calls.client, calls.payload = client, make_payload([])
            calls.job_id = known[-1] if known else "none"
            call = ("submit", "poll", "list", "fetch", "cancel")[(step * 7 + schedule) % 5]
            sent += call == "submit"
            try:
                answer = calls.send(call)
            except httpx.TransportError:
                continue
            assert answer.status_code in (200, 201, 404, 429, *range(500, 530)), answer.text
            if call == "submit" and answer.status_code == 201:
                try:
                    known.append(answer.json()["id"])
                except ValueError:
                    continue
        emulator.set_faults()
        while True:  # a restart may still be going on
            try:
                assert client.get("/v0.4/jobs").status_code == 200
                break
            except httpx.TransportError:
                time.sleep(0.01)
        made = emulator.jobs()[before:]
        assert len(known) <= len(made) <= 2 * sent
        assert {job.id for job in made} >= set(known)
        for job in made:
            assert job.stuck or client.wait(job.id)["status"] in ("completed", "failed", "canceled")
