"""A service, a clock, a journal and processes that die, all simulated: faults follow from a seed.

A fault depends on the seed, on what is asked for and on how often it was asked before, and not on
the order in which threads come, so that a schedule can be repeated.
"""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.journal import _SCHEMA, Journal
from qstore_tf.ionq.service.network import Answer, Broken, NotSent
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work
from qstore_tf.ionq.writing import NativeTemplate
from qstore_tf.testing.memory_file import MemoryFile

SERVER = Server("http://simulated", "a-key-of-no-use")
TARGET = "qpu.forte-1"
WIRES = 3
STEP = 1 / 4096  # from one circuit's only number to the next one's
TEMPLATE = NativeTemplate(WIRES, (("GPi", (0,)),))


def work(begin, end):
    """Circuits that are told apart by their numbers, `begin` to `end - 1`."""
    return Work(TEMPLATE, STEP * np.arange(begin, end)[:, None], n_1q=1, n_2q=0)


def outcome(number):
    """The state, by our order, that circuit `number` ends in."""
    return (5 * number + 3) % (1 << WIRES)


class Crash(BaseException):
    """The process was killed."""


class SimulatedClock(Clock):
    """A clock that waiting moves on."""

    def __init__(self):
        self.now = 1.7e9
        self._lock = threading.Lock()

    def time(self):
        return self.now

    def monotonic(self):
        return self.now

    def wait(self, seconds, event):
        with self._lock:
            self.now += max(0.0, seconds)
        return event.is_set()


@dataclass
class Life:
    """A process that dies at its n-th step; steps are requests and changes of the journal."""

    dies_at: int | None = None
    steps: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def step(self):
        with self.lock:
            self.steps += 1
            if self.dies_at is not None and self.steps >= self.dies_at:
                raise Crash

    def live_on(self):
        if self.dies_at is not None and self.steps >= self.dies_at:
            raise Crash


class MortalJournal(Journal):
    """A journal of processes that die: before or after any change, never in the middle of it."""

    def __init__(self):
        self.is_temporary, self._file = True, MemoryFile(_SCHEMA)
        self.life = Life()
        self.number, self._is_pruned = 0, False
        self.is_delivered = False
        self._owners = self

    def next_life(self, life):
        self.life, self.number = life, self.number + 1

    def me(self, now):
        return self.number

    def is_alive(self, number, me):
        return number == me


def _mortal(name):
    def method(self, *args, **kwargs):
        self.life.step()
        done = getattr(Journal, name)(self, *args, **kwargs)
        self.is_delivered |= name == "deliver"
        self.life.step()
        return done

    return method


for _name in ("open", "change", "copy", "deliver", "release"):
    setattr(MortalJournal, _name, _mortal(_name))


@dataclass
class SimulatedJob:
    id: str
    token: str
    circuits: list
    shots: int
    accepted: float
    listed: float
    starts: float
    ends: float
    end: str
    canceled: float | None = None
    debiasing: object = None
    is_twin: bool = False  # made by the network, which delivered a submission twice

    def state(self, now):
        if self.canceled is not None and self.canceled <= now:
            return "canceled"
        if now < self.starts:
            return "submitted" if now < (self.accepted + self.starts) / 2 else "ready"
        return self.end if now >= self.ends else "started"

    @property
    def is_billed(self):
        """Whether it ran, or will."""
        return self.end == "completed" and (self.canceled is None or self.canceled >= self.starts)


# What can happen to each kind of request: the name of a fault and its weight among 100.
SUBMIT = {
    "not_sent": 8,
    "refused_429": 8,
    "broken_before": 8,
    "broken_after": 12,
    "late": 6,
    "error_before": 6,
    "html_after": 6,
    "nonsense_after": 4,
    "twice": 4,
}
OTHER = {
    "not_sent": 6,
    "refused_429": 5,
    "broken_before": 5,
    "broken_after": 6,
    "error_before": 5,
    "html_after": 3,
    "nonsense_after": 3,
}


class SimulatedService:
    """IonQ's service, what counts of it, at the place of the network (`network.Wire`).

    Args:
        seed: Of all faults.
        clock: The clock.
        trouble: How often something goes wrong, 0 to 1 (as often as the tables say).
        endings: How often jobs fail or are canceled by others, of 100.
        lag_s: The longest time until a job is in lists, or is known at all.
        late_s: The longest time until a submission that went wrong is accepted.
        run_s: The shortest time from acceptance to end.
    """

    def __init__(
        self, seed, clock, trouble=1.0, endings=0, lag_s=5.0, late_s=10.0, run_s=8.0, life=None
    ):
        self.seed, self.clock, self.trouble, self.endings = seed, clock, trouble, endings
        self.lag_s, self.late_s, self.run_s = lag_s, late_s, run_s
        self.life = life or Life()
        self.jobs, self.asked, self.log = {}, Counter(), []
        self._lock = threading.RLock()

    def send(self, method, path, params=None, body=None):
        self.life.step()
        with self._lock:
            answer = self._send(method, path, params or {}, body)
        self.life.live_on()
        return answer

    def close(self):
        pass

    def _send(self, method, path, params, body):
        document = json.loads(body) if body else None
        # Not by its token, which is another one each time.
        what = f"{method} {path} {document and document['input']} {params.get('next')}"
        self.asked[what] += 1
        rng = random.Random(f"{self.seed} {what} {self.asked[what]}")
        self.clock.wait(rng.uniform(0.01, 0.3), threading.Event())
        fault = None
        table = SUBMIT if (method, path) == ("POST", "/jobs") else OTHER
        # After some trouble with the same request the network is good again.
        if rng.random() < self.trouble and self.asked[what] <= 6:
            fault = rng.choices([*table, None], [*table.values(), 100 - sum(table.values())])[0]
        self.log.append((self.clock.now, method, path, fault))
        if fault == "not_sent":
            raise NotSent("ConnectError: simulated")
        if fault == "broken_before":
            raise Broken("ReadTimeout: simulated")
        if fault == "refused_429":
            after = rng.choice(["3", "", "nonsense", "Thu, 01 Jan 1970 00:00:00 GMT"])
            return Answer(429, b'{"message":"slow down"}', {"retry-after": after})
        if fault == "error_before":
            return Answer(500, b'{"error":"Internal Server Error"}')
        status, found = self._handle(method, path, params, document, rng, fault)
        if fault in ("broken_after", "late"):
            raise Broken("RemoteProtocolError: simulated")
        if fault == "html_after":
            return Answer(502, b"<html><body>Bad gateway</body></html>")
        if fault == "nonsense_after":
            return Answer(status, json.dumps(found).encode()[:-3])
        return Answer(status, json.dumps(found).encode())

    def _handle(self, method, path, params, document, rng, fault):
        if method == "POST":
            late = rng.uniform(0, self.late_s) if fault == "late" else 0.0
            job = self._accept(document, rng, late)
            if fault == "twice":
                job = self._accept(document, rng, late)
                job.is_twin = True
            return 201, {"id": job.id, "status": "submitted", "session_id": None}
        if path == "/jobs":
            moved = rng.randrange(3) if rng.random() < self.trouble else 0
            return 200, self._list(params, moved)
        parts = path.split("/")
        job = self.jobs.get(parts[2])
        now = self.clock.now
        if job is None or job.accepted > now or (job.listed > now and rng.random() < 0.3):
            return 404, {"message": "no such job"}
        if method == "PUT":
            if job.canceled is None and job.state(now) != "failed":
                job.canceled = now
            return 200, {"id": job.id, "status": "canceled"}
        if len(parts) == 3:
            stale = rng.uniform(0, 3) if rng.random() < 0.2 else 0.0
            return 200, self._job(job, max(now - stale, job.accepted))
        if parts[3] == "cost":
            cost = {"unit": "usd", "value": self.price(job) if job.is_billed else 0}
            return 200, {"dry_run": False, "cost": cost}
        if job.state(now) != "completed" or rng.random() < 0.1:
            return 404, {"message": "no results yet"}
        return 200, self._results(job)

    def price(self, job):
        """Of a job, in whole dollars."""
        return 2 * len(job.circuits)

    def _accept(self, document, rng, late):
        sent = document["input"]
        circuits = [c["circuit"] for c in sent.get("circuits", [sent])]
        numbers = [round(circuit[0]["phase"] / STEP) for circuit in circuits]
        accepted = self.clock.now + late
        starts = accepted + rng.uniform(0.5, self.run_s)
        ends = accepted + self.run_s + rng.expovariate(0.2)
        end, canceled = "completed", None
        if rng.uniform(0, 100) < self.endings:
            end = "failed"
        elif rng.uniform(0, 100) < self.endings:
            canceled = accepted + rng.uniform(0, self.run_s)
        job = SimulatedJob(
            str(uuid.UUID(int=rng.getrandbits(128))),
            document["metadata"]["qs_token"],
            numbers,
            document["shots"],
            accepted,
            accepted + rng.uniform(0, self.lag_s),
            starts,
            max(ends, starts + 1),
            end,
            canceled,
            document["settings"]["error_mitigation"]["debiasing"],
        )
        assert document["name"] == f"qs-{job.token}"
        self.jobs[job.id] = job
        return job

    def _list(self, params, moved=0):
        """A page; `moved`: how many jobs that others list were accepted since the page before."""
        now = self.clock.now
        there = [job for job in self.jobs.values() if job.listed <= now]
        there.sort(key=lambda job: -job.accepted)
        begin = max(0, int(params.get("next", 0)) - moved)
        page = there[begin : begin + 3]  # small pages, so that there are several
        following = str(begin + 3) if begin + 3 < len(there) else None
        return {"jobs": [self._job(job, now) for job in page], "next": following}

    def _job(self, job, now):
        state = job.state(now)
        body = {
            "id": job.id,
            "status": state,
            "name": f"qs-{job.token}",
            "metadata": {"qs_token": job.token},
            "submitted_at": job.accepted,
            "started_at": job.starts if now >= job.starts and state != "canceled" else None,
            "completed_at": job.ends if state == "completed" else None,
            "failure": None,
        }
        if state == "canceled" and job.canceled >= job.starts:
            body["started_at"] = job.starts
        if state == "failed":
            body["failure"] = {"code": "QuantumComputerError", "message": "an ion was lost"}
        if len(job.circuits) > 1:
            body["child_job_ids"] = [f"{job.id}-{k}" for k in range(len(job.circuits))]
        return body

    def _results(self, job):
        histograms = []
        for number in job.circuits:
            state = outcome(number)
            key = int(f"{state:0{WIRES}b}"[::-1], 2)
            other = (key + 1) % (1 << WIRES)
            histograms.append({str(key): 0.75, str(other): 0.25})
        if len(histograms) == 1:
            return histograms[0]
        pairs = {f"{job.id}-{k}": h for k, h in enumerate(histograms)}
        return dict(sorted(pairs.items(), reverse=True))  # an order of its own


class Deaf(SimulatedService):
    """Accepts jobs, or does not; nobody hears of it."""

    accepts = False

    def _handle(self, method, path, params, document, rng, fault):
        if method != "POST":
            return super()._handle(method, path, params, document, rng, fault)
        if self.accepts:
            super()._handle(method, path, params, document, rng, fault)
        return 500, {"error": "?"}


def simulated_run(tmp_path, service_class, **options):
    """A simulated service without trouble, and an executor for it."""
    clock = SimulatedClock()
    service = service_class(1, clock, trouble=0.0, lag_s=5.0)
    return service, Executor(
        SERVER,
        TARGET,
        journal=tmp_path / "j",
        clock=clock,
        connect=lambda server, clock, counts: Client(server, clock, counts=counts, wire=service),
        **options,
    )
