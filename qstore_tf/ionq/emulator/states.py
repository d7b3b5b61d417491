"""The status of a job, which follows from what is planned for it, what happened, and the clock.

submitted -> ready -> started -> completed | failed | canceled
"""

from __future__ import annotations

from qstore_tf.ionq.emulator.records import Job

STATES = ("submitted", "ready", "started", "canceled", "failed", "completed")
OVER = ("canceled", "failed", "completed")


def done_at(job: Job) -> float | None:
    """When a job's results were there, or will be as soon as the clock says so."""
    return None if job.computed is None else max(job.ends, job.computed)


def status_at(job: Job, now: float) -> str:
    """The status of a job at a time, which may lie back.

    A job that cannot be computed in time stays "started" until it is.
    """
    if job.canceled is not None and job.canceled <= now:
        return "canceled"
    order = STATES[:3]
    reached = 0 if now < job.ready else 1 if now < job.starts else 2
    if job.stuck is not None:
        return order[min(reached, order.index(job.stuck))]
    if reached < 2:
        return order[reached]
    if job.failure is not None:
        return "failed" if now >= job.ends else "started"
    done = done_at(job)
    return "completed" if done is not None and now >= done else "started"


def is_billed(job: Job, now: float) -> bool:
    """Whether a job costs what was estimated.

    One that ran does, even if it was canceled since; so does one that is canceled while it runs,
    which is the worst that a client has to expect.
    """
    if job.dry_run or job.price is None:
        return False
    if job.canceled is not None and job.canceled <= now:
        ran = job.canceled > job.starts and job.stuck in (None, "started")
        return ran and (job.failure is None or job.failure_billed)
    status = status_at(job, now)
    return status == "completed" or (status == "failed" and job.failure_billed)
