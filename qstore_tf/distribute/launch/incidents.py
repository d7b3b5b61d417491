"""Which failures of workers belong together: one restart of the group answers all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from qstore_tf.distribute.launch.exit_codes import OF_THE_GROUP

# The process that lost a peer, and the one started in its place that still met the peers of old.
_MOST_IN_THE_WAKE = 2


@dataclass(frozen=True)
class Failure:
    """The end of one process of one worker.

    Attributes:
        worker: The worker's index.
        returncode: As of `subprocess`.
        attempt: Which process of the worker it was, from 1.
        started: When that was started, in seconds.
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
        answered: Whether a worker has been started again since.
    """

    failures: list[Failure] = field(default_factory=list)
    answered: bool = False

    @property
    def cause(self) -> Failure:
        """The first failure that does not itself tell of another, or else the first."""
        own = (f for f in self.failures if f.returncode not in OF_THE_GROUP)
        return next(own, self.failures[0])

    def includes(self, failure: Failure) -> bool:
        """Whether a later failure is a part of this incident.

        It is where nothing has been started again yet; and where its process was running while
        another worker failed, and it tells of that or is what an earlier one has told of.
        """
        if not self.answered:
            return True
        in_the_wake = any(
            f.worker != failure.worker and failure.started < f.ended for f in self.failures
        )
        fallen = sum(f.worker == failure.worker for f in self.failures)
        tells = failure.returncode in OF_THE_GROUP or self.cause.returncode in OF_THE_GROUP
        return in_the_wake and tells and fallen < _MOST_IN_THE_WAKE


class Incidents:
    """All incidents of a run.

    Example:
        >>> incidents = Incidents()
        >>> incidents.add(Failure(1, -9, 1, started=0.0, ended=5.0)).answered = True
        >>> same = incidents.add(Failure(0, 76, 1, started=0.0, ended=9.0))
        >>> len(incidents.all), same.cause.worker
        (1, 1)
    """

    def __init__(self) -> None:
        self.all: list[Incident] = []

    def add(self, failure: Failure) -> Incident:
        """Adds a failure to the last incident or to a new one, and returns that."""
        if not self.all or not self.all[-1].includes(failure):
            self.all.append(Incident())
        self.all[-1].failures.append(failure)
        return self.all[-1]
