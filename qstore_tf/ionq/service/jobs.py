"""Jobs as the service describes them, whichever version and shape."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qstore_tf.ionq.service.versions import token_of

QUEUED, RUNNING, COMPLETED, FAILED, CANCELED = (
    "queued",
    "running",
    "completed",
    "failed",
    "canceled",
)
OVER = (COMPLETED, FAILED, CANCELED)

# The words of v0.4, those of v0.3 and those that old documents have.
STATES: Mapping[str, str] = {
    "submitted": QUEUED,
    "ready": QUEUED,
    "queued": QUEUED,
    "preflight": QUEUED,
    "started": RUNNING,
    "running": RUNNING,
    "completed": COMPLETED,
    "failed": FAILED,
    "canceled": CANCELED,
    "cancelled": CANCELED,
    "deleted": CANCELED,
}
_LONGEST = 500  # characters of the service's words


@dataclass(frozen=True)
class Job:
    """A job at one moment.

    Attributes:
        id: The service's name of it.
        state: One of the states above; a word that is not known counts as running.
        token: Ours; None: the job is not.
        submitted: Seconds since 1970; None: not said.
        code: The service's code of a failure.
        text: The service's words on a failure.
        children: The ids of the circuits' own jobs, in order; () where not said.
        ran: Whether it has begun to run, so that it may be billed.
        queue_s: Seconds that it waited; None: not said, or not over.
        run_s: Seconds that it ran; None: not said, or not over.
    """

    id: str
    state: str
    token: str | None = None
    submitted: float | None = None
    code: str = ""
    text: str = ""
    children: tuple[str, ...] = ()
    ran: bool = False
    queue_s: float | None = None
    run_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER


def read_job(document: Any) -> Job | None:
    """Reads a job; None where this is none.

    Example:
        >>> read_job({"id": "7", "status": "started", "name": "qs-t1"})
        Job(id='7', state='running', token='t1', submitted=None, code='', text='', children=(), \
ran=True, queue_s=None, run_s=None)
    """
    if not isinstance(document, dict):
        return None
    identity, status = document.get("id"), document.get("status")
    if not isinstance(identity, str) or not identity or not isinstance(status, str):
        return None
    state = STATES.get(status.casefold(), RUNNING)
    failure = document.get("failure")
    code = text = ""
    if isinstance(failure, dict):
        code = str(failure.get("code") or "")[:_LONGEST]
        # v0.4 says `message`, v0.3 `error`.
        text = str(failure.get("message") or failure.get("error") or "")[:_LONGEST]
    children = document.get("child_job_ids") or document.get("children") or ()
    usable = isinstance(children, list) and all(isinstance(child, str) for child in children)
    submitted = _seconds(document.get("submitted_at", document.get("request")))
    began = _seconds(document.get("started_at", document.get("start")))
    ended = _seconds(document.get("completed_at", document.get("response")))
    return Job(
        identity,
        state,
        token_of(document.get("name"), document.get("metadata")),
        submitted,
        code,
        text,
        tuple(children) if usable else (),
        state in (RUNNING, COMPLETED) or began is not None,
        _between(submitted, began),
        _between(began, ended),
    )


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else max(0.0, end - begin)


def _seconds(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and len(value) < 50:
        with contextlib.suppress(ValueError, OverflowError):
            moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.timezone.utc)
            return moment.timestamp()
    return None
