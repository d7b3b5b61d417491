"""Counts of what an executor has done, for telemetry."""

from __future__ import annotations

import threading

# What each count means, in the order of a report.
COUNTS = {
    "jobs": "jobs that were accepted",
    "circuits": "circuits of jobs that are completed",
    "shots": "shots of completed jobs, those of all circuits together",
    "requests": "requests to the service",
    "retries": "requests that had to be made again",
    "ambiguous": "submissions without a clear answer, settled by listing",
    "sent_again": "submissions made again because the first had not arrived",
    "duplicates": "second copies of a job that were found",
    "adopted": "jobs taken up from a run that did not end",
    "failed": "jobs that failed",
    "canceled": "jobs that were canceled",
    "queue_s": "seconds jobs have waited for the machine",
    "run_s": "seconds jobs have run",
    "billed": "what was billed, in the budget's currency or US dollars",
}


class Counts:
    """Numbers by name, safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(COUNTS, 0.0)

    def add(self, name: str, amount: float = 1.0) -> None:
        """Adds to one."""
        with self._lock:
            self._counts[name] += amount

    def as_dict(self) -> dict[str, float]:
        """Returns all of them."""
        with self._lock:
            return dict(self._counts)
