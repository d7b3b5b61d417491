"""Sessions: jobs that belong together, with limits on their number, time and cost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.callers import Caller
from qstore_tf.ionq.emulator.machines import iso, machine
from qstore_tf.ionq.emulator.records import Filter, Job, Session
from qstore_tf.ionq.emulator.states import is_billed, status_at
from qstore_tf.ionq.emulator.store import Store


class Sessions:
    """The sessions of the local IonQ.

    Args:
        store: Where they are.
        clock: Seconds since 1970.
    """

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock

    def create(self, data: Mapping[str, Any], caller: Caller) -> Session:
        """Opens a session, as the body of POST /sessions says.

        Raises:
            Refusal: A limit makes no sense, or there is no such machine.
        """
        target = machine(data.get("backend"))
        settings = data.get("settings") or {}
        if not isinstance(settings, Mapping):
            bad_request('"settings" must be an object', "settings")
        limits = {name: settings.get(name) for name in ("job_count_limit", "duration_limit_min")}
        for name, value in limits.items():
            if value is not None and (type(value) is not int or not 1 <= value < 2**31):
                bad_request(f'"settings.{name}" must be an integer of at least 1', name)
        cost, unit = self._cost_limit(settings.get("cost_limit"))
        session = Session(
            id=str(uuid.uuid4()),
            organization=caller.organization,
            creator=caller.key_id,
            backend=target.api_name,
            created=self._clock(),
            most_jobs=limits["job_count_limit"],
            most_minutes=limits["duration_limit_min"],
            most_cost=cost,
            unit=unit,
        )
        self._store.add_session(session)
        return session

    @staticmethod
    def _cost_limit(limit: Any) -> tuple[str | None, str | None]:
        if limit is None:
            return None, None
        value = limit.get("value") if isinstance(limit, Mapping) else None
        unit = limit.get("unit", "usd") if isinstance(limit, Mapping) else None
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= 10**12
            or not isinstance(unit, str)
        ):
            bad_request('"settings.cost_limit" must have a value of at least 0', "cost_limit")
        return str(Decimal(str(value))), unit.lower()[:20]

    def find(self, session_id: str, caller: Caller) -> Session:
        """The session of an id.

        Raises:
            Refusal: There is none, or it belongs to others: 404.
        """
        session = self._store.session(session_id)
        if session is None or session.organization != caller.organization:
            not_found()
        return session

    def all_of(self, caller: Caller, active: bool | None) -> list[Session]:
        """The sessions of a caller, or only those that are active or are not."""
        sessions = self._store.sessions(caller.organization)
        return [s for s in sessions if active is None or self.is_active(s) == active]

    def end(self, session: Session, caller: Caller) -> Session:
        """Ends a session; its jobs go on."""
        if self.ended_at(session) is None:
            self._store.update_session(session.id, ended=self._clock(), ender=caller.key_id)
        return self._store.session(session.id) or session

    def admit(self, job: Job, caller: Caller) -> None:
        """Lets a job into its session.

        Raises:
            Refusal: There is none, it is over, for another machine, or a limit would be passed.
        """
        session = self._store.session(job.session or "")
        if session is None or session.organization != caller.organization:
            bad_request(f"There is no session {job.session!r}", "session_id")
        if not self.is_active(session):
            bad_request(f"Session {session.id} has ended", "session_id")
        if session.backend != job.backend:
            text = f"Session {session.id} is for {session.backend}, the job for {job.backend}"
            bad_request(text, "session_id")
        jobs = self._jobs(session)
        if session.most_jobs is not None and len(jobs) >= session.most_jobs:
            bad_request(f"Session {session.id} has reached its limit of jobs", "session_id")
        if session.most_cost is None or job.price is None or job.dry_run:
            return
        if session.unit != job.unit:
            text = f"The limit of session {session.id} is in {session.unit}, prices in {job.unit}"
            bad_request(text, "session_id")
        now = self._clock()
        spent = sum((self._bound(other, now) for other in jobs), Decimal(job.price))
        if spent > Decimal(session.most_cost):
            bad_request(f"Session {session.id} would pass its limit of cost", "session_id")

    def _jobs(self, session: Session) -> list[Job]:
        return list(self._store.jobs(Filter(session=session.id)))

    @staticmethod
    def _bound(job: Job, now: float) -> Decimal:
        """What a job costs or may still cost."""
        if job.price is None or job.dry_run:
            return Decimal(0)
        over = status_at(job, now) in ("canceled", "failed")
        return Decimal(job.price) if not over or is_billed(job, now) else Decimal(0)

    def ended_at(self, session: Session) -> float | None:
        """When a session ended, by itself or by its limit of time; None if it has not."""
        if session.most_minutes is None:
            return session.ended
        limit = session.created + 60 * session.most_minutes
        if session.ended is not None:
            return min(session.ended, limit)
        return limit if self._clock() >= limit else None

    def is_active(self, session: Session) -> bool:
        """Whether a session takes jobs."""
        return self.ended_at(session) is None

    def body(self, session: Session) -> dict[str, Any]:
        """A session as the service writes it."""
        ended = self.ended_at(session)
        started = min((job.submitted for job in self._jobs(session)), default=None)
        settings: dict[str, Any] = {}
        if session.most_jobs is not None:
            settings["job_count_limit"] = session.most_jobs
        if session.most_minutes is not None:
            settings["duration_limit_min"] = session.most_minutes
            settings["expires_at"] = iso(session.created + 60 * session.most_minutes)
        if session.most_cost is not None:
            settings["cost_limit"] = {"unit": session.unit, "value": float(session.most_cost)}
        status = "ended" if ended is not None else "created" if started is None else "started"
        return {
            "id": session.id,
            "created_at": iso(session.created),
            "organization_id": session.organization,
            "backend": session.backend,
            "project_id": None,
            "creator_id": session.creator,
            "ended_at": None if ended is None else iso(ended),
            "ender_id": session.ender,
            "settings": settings,
            "active": ended is None,
            "status": status,
            "started_at": None if started is None else iso(started),
        }
