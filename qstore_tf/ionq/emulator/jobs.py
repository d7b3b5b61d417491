"""What can be done with jobs: accept, find, list, cancel, delete, clone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from qstore_tf.ionq.emulator.answers import Refusal, bad_request, not_found
from qstore_tf.ionq.emulator.callers import Caller
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.planning import plan
from qstore_tf.ionq.emulator.pricing import compute_time_us, price_of
from qstore_tf.ionq.emulator.records import Filter, Job, Part
from qstore_tf.ionq.emulator.sessions import Sessions
from qstore_tf.ionq.emulator.settings import Settings
from qstore_tf.ionq.emulator.states import OVER, status_at
from qstore_tf.ionq.emulator.store import Store
from qstore_tf.ionq.emulator.submission import MULTI, Submission, check
from qstore_tf.ionq.emulator.work import Worker

MOST_LISTED = 1_000


class Jobs:
    """The jobs of the local IonQ.

    Args:
        store: Where they are.
        settings: The behaviour.
        worker: Computes them.
        sessions: The sessions that they may belong to.
    """

    def __init__(
        self, store: Store, settings: Settings, worker: Worker, sessions: Sessions
    ) -> None:
        self.store, self._settings = store, settings
        self._worker, self._sessions = worker, sessions

    @property
    def now(self) -> float:
        """The time, by the clock of the settings."""
        return self._settings.clock()

    def accept(
        self,
        submission: Submission,
        caller: Caller,
        version: str,
        body: bytes | None = None,
        fault: Fault | None = None,
    ) -> Job:
        """Stores a job and has it computed.

        Args:
            submission: What was sent.
            caller: Who sent it.
            version: By which version of the API.
            body: The body of the request, which has the circuits; None to write them again.
            fault: What is to go wrong with it.

        Raises:
            Refusal: Its session does not take it.
        """
        job, parts = self._job_of(submission, caller, version)
        if fault is not None:
            job = _spoiled(job, fault)
        if body is None:
            body = json.dumps({"input": submission.input}).encode()
        with self.store.transaction:
            if self._worker.closed:
                raise Refusal(503, "The local IonQ stops")
            if job.session is not None:
                self._sessions.admit(job, caller)
            job = self.store.add_job(job, parts, body)
            self._plan(job.backend)
            if job.failure is None and job.canceled is None:
                self._worker.hand_over(job, submission.batch)
        return job

    def find(self, job_id: str, caller: Caller) -> Job:
        """The job of an id, which may be that of one of its circuits as well.

        Raises:
            Refusal: There is none, or it belongs to others: 404.
        """
        job = self.store.job(job_id)
        if job is None:
            found = self.store.part(job_id)
            job = self.store.job(found[0]) if found else None
        if job is None or job.organization != caller.organization:
            not_found()
        return job

    def listed(
        self,
        which: Filter,
        limit: int,
        status: str | None = None,
        seen: Callable[[Job], float] | None = None,
    ) -> tuple[list[Job], int | None]:
        """Jobs, the newest first.

        Args:
            which: The jobs.
            limit: How many.
            status: Only those of a status.
            seen: The time whose status counts; None: now.

        Returns:
            The jobs, and the number before which a next list would go on; None at the end.
        """
        now = self.now
        found: list[Job] = []
        for job in self.store.jobs(which):
            if status is None or status_at(job, seen(job) if seen else now) == status:
                if len(found) == limit:
                    return found, found[-1].number
                found.append(job)
        return found, None

    def cancel(self, job: Job) -> None:
        """Cancels a job; one that is over too, as the service does."""
        with self.store.transaction:
            current = self.store.job(job.id)
            if current is not None and current.canceled is None:
                self.store.update_job(job.id, canceled=self.now)
                self._plan(job.backend)

    def delete(self, job: Job) -> None:
        """Deletes a job, with its circuits and results."""
        with self.store.transaction:
            self.store.delete_job(job.id)
            self._plan(job.backend)

    def clone(self, job: Job, changes: Mapping[str, Any]) -> Submission:
        """What a copy of a job submits.

        Args:
            job: The original.
            changes: What is to be different, as in the body of POST /jobs/{id}/clone.

        Raises:
            Refusal: The changes cannot be made.
        """
        data = {
            "backend": job.backend,
            "type": job.type,
            "name": job.name,
            "metadata": json.loads(job.metadata),
            "shots": job.shots,
            "session_id": job.session,
            "settings": json.loads(job.settings),
            "dry_run": job.dry_run,
            "noise": {"model": job.noise, "seed": job.noise_seed},
            "input": self.store.input(job.id),
        }
        fixed = ("type", "input")
        return check({**data, **{k: v for k, v in changes.items() if k in data and k not in fixed}})

    def moved(self, job: Job) -> None:
        """Takes a job away that goes on as another one.

        Raises:
            Refusal: It has started.
        """
        if status_at(job, self.now) not in ("submitted", "ready"):
            bad_request("Only a job that has not started can be moved")
        self.cancel(job)

    def queue_ms(self, backend: str) -> float:
        """How long a job that comes now would wait, in milliseconds."""
        settings, now = self._settings, self.now
        if settings.slots is None:
            return settings.delay_s * 1000
        ends = sorted(job.ends for job in self.store.planned(backend, now))
        free = ends[-settings.slots] if len(ends) >= settings.slots else now
        return max(free - now, settings.delay_s) * 1000

    def run_seconds(self, n_circuits: int) -> float:
        """How long a job runs."""
        return self._settings.run_s + n_circuits * self._settings.per_circuit_s

    def _plan(self, backend: str) -> None:
        if self._settings.slots is not None:
            jobs = [
                job
                for job in self.store.planned(backend, self.now)
                if status_at(job, self.now) not in OVER
            ]
            self.store.set_times(plan(jobs, self._settings.slots, self.now, self._settings.delay_s))

    def _job_of(
        self, submission: Submission, caller: Caller, version: str
    ) -> tuple[Job, list[Part]]:
        settings, batch, now = self._settings, submission.batch, self.now
        job_id = str(uuid.uuid4())
        counts = [(int(one), int(two)) for one, two in batch.gate_counts]
        n_1q, n_2q = (sum(column) for column in zip(*counts, strict=True))
        widths = [0] * len(batch)
        for group in batch.groups:
            for position in group.positions.tolist():
                widths[position] = group.n_qubits
        parts = [
            Part(
                id=str(uuid.uuid4()) if submission.type == MULTI else job_id,
                name=batch.names[k],
                n_qubits=widths[k],
                n_1q=counts[k][0],
                n_2q=counts[k][1],
                registers=json.dumps(batch.registers[k] or {}),
            )
            for k in range(len(batch))
        ]
        price = price_of(
            settings.prices.get(submission.target.api_name),
            counts,
            submission.shots,
            submission.debiasing,
            compute_time_us(n_1q, n_2q, submission.shots),
        )
        ready, starts = now + settings.delay_s / 2, now + settings.delay_s
        if settings.slots is not None:
            # Not yet: the plan says when there is a place.
            starts += 1.0
        failure, message = submission.failure or (None, None)
        job = Job(
            id=job_id,
            organization=caller.organization,
            submitter=caller.key_id,
            version=version,
            backend=submission.target.api_name,
            type=submission.type,
            name=submission.name,
            metadata=json.dumps(submission.metadata),
            shots=submission.shots,
            dry_run=submission.dry_run,
            session=submission.session,
            settings=json.dumps(submission.settings),
            noise=submission.noise,
            noise_seed=submission.noise_seed,
            n_qubits=batch.n_qubits,
            n_circuits=len(batch),
            n_1q=n_1q,
            n_2q=n_2q,
            debiasing=submission.debiasing,
            submitted=now,
            ready=ready,
            starts=starts,
            ends=starts + (0.0 if failure else self.run_seconds(len(batch))),
            failure=failure,
            message=message,
            price=None if price is None else str(price.value),
            unit=None if price is None else price.unit,
        )
        return job, parts


def _spoiled(job: Job, fault: Fault) -> Job:
    """A job that will go wrong as a fault says."""
    values = fault.parameters
    if fault.name == "failed_job":
        billed = values["billed"]
        return replace(
            job, failure=values["code"], message=values["message"], failure_billed=billed
        )
    if fault.name == "stuck_job":
        return replace(job, stuck=values["status"])
    if fault.name == "canceled_job":
        return replace(job, canceled=job.ready)
    return job


def ids_of(data: Mapping[str, Any]) -> Iterable[str]:
    """The ids of a request about many jobs.

    Raises:
        Refusal: It has none, or too many.
    """
    ids = data.get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        bad_request('"ids" must be a list of ids', "ids")
    if len(ids) > MOST_LISTED:
        bad_request(f'"ids" may hold at most {MOST_LISTED} ids', "ids")
    return dict.fromkeys(ids)
