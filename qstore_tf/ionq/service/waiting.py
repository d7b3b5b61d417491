"""Waits until a job is over: looks when it should be, then at growing intervals."""

from __future__ import annotations

import random

from qstore_tf.errors import JobStuckError, describe
from qstore_tf.ionq.service.client import NotThere, Transport
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.jobs import RUNNING, Job
from qstore_tf.ionq.service.pacing import Pace

_PART = 0.08  # of the time a job has taken so far, between two looks


class Waiter:
    """Waits for jobs.

    Args:
        transport: Asks the service.
        clock: The clock.
        pace: What is known of how long jobs take.
        poll_s: The shortest pause between two looks.
        most_poll_s: The longest.
        stuck_s: For how long a job may run; None: for ever. While it waits for the machine it is
            never stuck.
        absent_s: For how long the service may not know a job that it has accepted.
        rng: Spreads looks.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        pace: Pace,
        poll_s: float = 0.05,
        most_poll_s: float = 30.0,
        stuck_s: float | None = 3600.0,
        absent_s: float = 60.0,
        rng: random.Random | None = None,
    ) -> None:
        self._transport, self._clock, self._pace = transport, clock, pace
        self._poll_s, self._most_poll_s = poll_s, most_poll_s
        self._stuck_s, self._absent_s = stuck_s, absent_s
        self._rng = rng or _rng

    def wait(self, job_id: str, n_circuits: int, patience: Patience, known_s: float = 0.0) -> Job:
        """Returns a job that is over.

        Args:
            job_id: The service's name of it.
            n_circuits: How many circuits it has.
            patience: For how long.
            known_s: For how long the service has had it already.

        Raises:
            JobStuckError: It runs for too long; it was asked to stop.
            NotThere: The service does not know it.
            ServiceError: The service cannot be asked.
            Over: The patience is.
        """
        begin = self._clock.monotonic()
        running_since: float | None = None
        pause = max(self._poll_s, self._pace.first_look_s() or 0.0)
        while True:
            patience.wait(pause)
            asked = self._clock.monotonic()
            job = self._look(job_id, known_s + asked - begin, patience)
            now = self._clock.monotonic()
            self._pace.trip(now - asked)
            if job is not None and job.is_over:
                self._pace.observe(now - begin, n_circuits, job.queue_s, job.run_s)
                return job
            if job is not None and job.state == RUNNING:
                running_since = asked if running_since is None else running_since
                if self._stuck_s is not None and now - running_since > self._stuck_s:
                    raise self._stop(job, now - running_since, patience)
            longest = min(self._most_poll_s, max(self._poll_s, _PART * (now - begin)))
            pause = self._rng.uniform(0.8 * longest, longest)

    def _look(self, job_id: str, elapsed: float, patience: Patience) -> Job | None:
        try:
            return self._transport.job(job_id, patience)
        except NotThere:
            if elapsed > self._absent_s:
                raise
            return None  # a part of the service that has not heard of it yet

    def _stop(self, job: Job, seconds: float, patience: Patience) -> JobStuckError:
        outcome = "it was asked to stop"
        try:
            self._transport.cancel(job.id, patience)
        except Over:
            raise
        except Exception as error:  # what matters is that it is stuck
            outcome = f"stopping it failed: {error}"
        stuck = JobStuckError(
            describe(
                f"Job {job.id} has been running for {seconds:.0f} s; {outcome}",
                expected=f"at most {self._stuck_s:g} s",
                hint="Raise stuck_s where jobs take longer",
            )
        )
        stuck.job_ids = (job.id,)
        return stuck


_rng = random.Random()
