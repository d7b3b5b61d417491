"""Which failures of workers have one cause, and so count as one restart of the group."""

from __future__ import annotations

from dataclasses import dataclass, field

from qstore_tf.distribute.launch.exit_codes import GROUP_CODES

# The process that lost a peer, and its successor, which may still meet the peers from before.
_MAX_FAILURES_OF_A_WORKER = 2


@dataclass(frozen=True)
class Failure:
    """The end of one process of one worker.

    Attributes:
        worker: The worker's index.
        returncode: As `subprocess` gives it.
        attempt: The number of the worker's process, from 1.
        started: When that process was started, in seconds.
        ended: When it ended, on the same clock.
    """

    worker: int
    returncode: int
    attempt: int
    started: float
    ended: float


@dataclass
class Incident:
    """Failures with one cause.

    Attributes:
        failures: In the order in which they were seen.
        restarted: Whether a worker has been restarted since.
    """

    failures: list[Failure] = field(default_factory=list)
    restarted: bool = False

    @property
    def cause(self) -> Failure:
        """The first failure that does not report an event of the group, or else the first."""
        causes = (f for f in self.failures if f.returncode not in GROUP_CODES)
        return next(causes, self.failures[0])

    def includes(self, failure: Failure) -> bool:
        """Whether a later failure is a part of this incident.

        It is if no worker has been restarted yet. After that it is if its process was running
        while another worker failed, and it or the cause reports an event of the group.
        """
        if not self.restarted:
            return True
        overlaps = any(
            f.worker != failure.worker and failure.started < f.ended for f in self.failures
        )
        count = sum(f.worker == failure.worker for f in self.failures)
        reported = failure.returncode in GROUP_CODES or self.cause.returncode in GROUP_CODES
        return overlaps and reported and count < _MAX_FAILURES_OF_A_WORKER


class Incidents:
    """All incidents of a run.

    Example:
        >>> incidents = Incidents()
        >>> incidents.add(Failure(1, -9, 1, started=0.0, ended=5.0)).restarted = True
        >>> same = incidents.add(Failure(0, 76, 1, started=0.0, ended=9.0))
        >>> len(incidents.all), same.cause.worker
        (1, 1)
    """

    def __init__(self) -> None:
        self.all: list[Incident] = []

    def add(self, failure: Failure) -> Incident:
        """Adds a failure to the last incident or to a new one, and returns that incident."""
        if not self.all or not self.all[-1].includes(failure):
            self.all.append(Incident())
        self.all[-1].failures.append(failure)
        return self.all[-1]
