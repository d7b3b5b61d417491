"""Waiting: when it is looked, and how it ends."""

import random
import threading

import pytest
from conftest import KEY, RETRIES
from simulated import SimulatedClock

from qstore_tf.errors import JobStuckError, UnreachableError
from qstore_tf.ionq.service import Server
from qstore_tf.ionq.service.client import Client, NotThere
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.jobs import Job
from qstore_tf.ionq.service.pacing import Pace
from qstore_tf.ionq.service.versions import Options, body
from qstore_tf.ionq.service.waiting import Waiter


class Service:
    """A job whose state depends on the time: `[(from, state)]`, where None is not known."""

    def __init__(self, clock, *states, cancel=None):
        self.clock, self.states, self.begin = clock, states, clock.now
        self.looks, self.canceled, self._cancel = [], [], cancel

    def job(self, job_id, patience):
        now = self.clock.now - self.begin
        self.looks.append(now)
        state = [state for since, state in self.states if since <= now][-1]
        if isinstance(state, Exception):
            raise state
        return Job(job_id, state, queue_s=10.0, run_s=20.0)

    def cancel(self, job_id, patience):
        self.canceled.append(job_id)
        if self._cancel is not None:
            raise self._cancel


def waiter(service, pace=None, **options):
    rng = random.Random(1)
    return Waiter(service, service.clock, pace or Pace(), rng=rng, **{"poll_s": 1.0, **options})


def waited(service, seconds=None, known_s=0.0, pace=None, **options):
    patience = Patience(service.clock, seconds)
    return waiter(service, pace, **options).wait("7", 3, patience, known_s)


def test_looks_are_at_growing_intervals():
    service = Service(SimulatedClock(), (0, "queued"), (3000, "running"), (6000, "completed"))
    assert waited(service, stuck_s=None).state == "completed"
    pauses = [b - a for a, b in zip(service.looks, service.looks[1:], strict=False)]
    assert 0.8 <= pauses[0] <= 1.0 + 1e-6 and max(pauses) <= 30.0 + 1e-6
    assert all(pause >= 24 for pause in pauses[-20:])
    assert len(pauses) < 400 and 6000 <= service.looks[-1] < 6031


def test_who_knows_how_long_jobs_take_looks_just_then():
    pace = Pace()
    for _ in range(5):
        pace.observe(30.0, 3, queue_s=10.0, run_s=20.0)
    service = Service(SimulatedClock(), (0, "queued"), (30, "completed"))
    waited(service, pace=pace)
    assert len(service.looks) == 1 and 30 <= service.looks[0] < 32


@pytest.mark.parametrize("end", ["completed", "failed", "canceled"])
def test_every_end_is_an_end(end):
    assert waited(Service(SimulatedClock(), (0, "running"), (5, end))).state == end


def test_who_waits_in_the_queue_is_never_stuck_and_who_runs_is():
    service = Service(SimulatedClock(), (0, "queued"), (50_000, "running"))
    with pytest.raises(JobStuckError, match="asked to stop") as caught:
        waited(service, stuck_s=100.0)
    assert service.canceled == ["7"] and caught.value.job_ids == ("7",)
    assert 50_100 <= service.looks[-1] < 50_200
    broken = Service(SimulatedClock(), (0, "running"), cancel=UnreachableError("it is down"))
    with pytest.raises(JobStuckError, match="stopping it failed: it is down"):
        waited(broken, stuck_s=100.0)
    with pytest.raises(Over):
        waited(Service(SimulatedClock(), (0, "running"), cancel=Over()), stuck_s=100.0)


def test_a_job_may_be_unknown_for_a_while_after_it_was_accepted():
    service = Service(SimulatedClock(), (0, NotThere("no")), (40, "running"), (60, "completed"))
    assert waited(service, absent_s=60.0).state == "completed"
    gone = Service(SimulatedClock(), (0, NotThere("no")))
    with pytest.raises(NotThere):
        waited(gone, absent_s=60.0)
    assert gone.looks[-1] < 100
    old = Service(SimulatedClock(), (0, NotThere("no")))
    with pytest.raises(NotThere):  # the service has had it for long
        waited(old, absent_s=60.0, known_s=100.0)
    assert len(old.looks) == 1


def test_waiting_ends_with_the_patience_and_with_a_word():
    service = Service(SimulatedClock(), (0, "running"))
    with pytest.raises(Over):
        waited(service, seconds=25.0)
    assert service.clock.now - service.begin == pytest.approx(25.0)
    stop = threading.Event()
    stop.set()
    patience = Patience(service.clock, None, stop)
    with pytest.raises(Over):
        waiter(service).wait("7", 1, patience)


@pytest.mark.parametrize(
    ("fault", "parameters", "end"),
    [
        ("too_many_requests", {"retry_after": 3.0}, "completed"),
        ("server_error", {"status": 502, "html": True}, "completed"),
        ("dropped", {}, "completed"),
        ("lost_answer", {}, "completed"),
        ("wrong_json", {}, "completed"),
        ("stale_state", {"seconds": 0.1}, "completed"),
        ("failed_job", {}, "failed"),
        ("canceled_job", {}, "canceled"),
    ],
)
def test_what_real_servers_do(start_ionq_emulator, fault, parameters, end):
    emulator = start_ionq_emulator(run_s=0.02)
    where = "submit" if end != "completed" else "poll"
    emulator.set_faults({"name": fault, "where": where, "times": 3, "parameters": parameters})
    client = Client(Server(emulator.url, KEY), Clock(), RETRIES)
    patience = Patience(client.clock, 20.0)
    circuit = '{"circuit":[{"gate":"gpi2","target":0,"phase":0.0}]}'
    job_id = client.submit(body("v0.4", Options(), "t", circuit, 1, 1), patience)
    found = Waiter(client, client.clock, Pace(), poll_s=0.01).wait(job_id, 1, patience)
    assert (found.id, found.state, found.token) == (job_id, end, "t")
