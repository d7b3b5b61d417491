"""How long jobs take here: when to look, and how many circuits belong into one job."""

from __future__ import annotations

import math
import threading

_WEIGHT = 0.3  # of the newest job in an average
_MARGIN = 0.03  # so that a look is rather a little late than a little early


class Pace:
    """Averages of the jobs so far, the newest counting most. Safe for threads.

    Args:
        job_s: How long a job should run at most, so that one that fails takes little along.
    """

    def __init__(self, job_s: float = 300.0) -> None:
        self._job_s = job_s
        self._lock = threading.Lock()
        self._fixed: float | None = None
        self._per_circuit: float | None = None
        self._queue: float | None = None
        self._trip = 0.0

    def observe(
        self, took_s: float, n_circuits: int, queue_s: float | None, run_s: float | None
    ) -> None:
        """Takes in a job that is over.

        Args:
            took_s: From its acceptance until it was seen to be over.
            n_circuits: Its circuits.
            queue_s: How long it waited, where the service says so.
            run_s: How long it ran, where the service says so.
        """
        run = took_s if run_s is None else run_s
        with self._lock:
            self._per_circuit = _mean(self._per_circuit, run / max(1, n_circuits))
            self._queue = _mean(self._queue, max(0.0, took_s - run) if queue_s is None else queue_s)
            # The service's own times are better than ours: ours have a look's delay in them.
            known = took_s if queue_s is None or run_s is None else queue_s + run_s
            self._fixed = _mean(self._fixed, min(took_s, known))

    def trip(self, seconds: float) -> None:
        """Takes in how long a request and its answer took."""
        with self._lock:
            self._trip = seconds if not self._trip else _mean(self._trip, seconds)

    def first_look_s(self) -> float | None:
        """Seconds after its acceptance when to ask about a job, so that the answer comes in time.

        Returns:
            None: no job is known yet.
        """
        with self._lock:
            if self._fixed is None:
                return None
            return max(0.0, (1 + _MARGIN) * self._fixed - self._trip)

    def circuits_per_job(self, most: int) -> int:
        """Returns how many circuits a job should have.

        As many as there may be, until it is known that such a job runs for too long; but never so
        few that it waits for longer than it runs.

        Args:
            most: As many as the limits of the service allow.

        Example:
            >>> pace = Pace(job_s=10.0)
            >>> pace.circuits_per_job(1000)
            1000
            >>> pace.observe(200.0, 100, queue_s=0.0, run_s=200.0)
            >>> pace.circuits_per_job(1000)
            5
        """
        with self._lock:
            if self._per_circuit is None or self._queue is None or self._per_circuit <= 0:
                return most
            seconds = max(self._job_s, self._queue)
            return max(1, min(most, math.floor(seconds / self._per_circuit)))


def _mean(before: float | None, new: float) -> float:
    return new if before is None else (1 - _WEIGHT) * before + _WEIGHT * new
