"""Jobs, in version 0.4 of the API."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from qstore_tf.ionq.emulator import bodies
from qstore_tf.ionq.emulator.answers import bad_request
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.jobs import ids_of
from qstore_tf.ionq.emulator.listing import filter_of, page, read_limit, read_next
from qstore_tf.ionq.emulator.records import Job
from qstore_tf.ionq.emulator.service import Service, body_of, caller_of, fault_of, service_of
from qstore_tf.ionq.emulator.states import STATES
from qstore_tf.ionq.emulator.submission import MULTI, Submission, from_v04
from qstore_tf.ionq.emulator.v04.results import part_of

router = APIRouter(prefix="/v0.4")
_ON_JOBS = ("failed_job", "stuck_job", "canceled_job", "duplicate")


@router.post("/jobs", status_code=201)
def create(request: Request) -> dict[str, Any]:
    """Accepts a job."""
    caller_of(request)
    return accept(request, from_v04(body_of(request)), "v0.4", request.state.body)


def accept(
    request: Request, submission: Submission, version: str, body: bytes | None = None
) -> dict[str, Any]:
    """Accepts what was submitted; twice, where a fault says so."""
    service, caller = service_of(request), caller_of(request)
    fault = fault_of(request, *_ON_JOBS)
    job = service.jobs.accept(submission, caller, version, body, fault)
    if fault is not None and fault.name == "duplicate":
        job = service.jobs.accept(submission, caller, version, body)
    return {"id": job.id, "status": "submitted", "session_id": job.session}


@router.get("/jobs")
def list_jobs(request: Request) -> dict[str, Any]:
    """Lists jobs, the newest first."""
    return _listing(request, request.query_params.get("session_id"))


@router.get("/sessions/{session_id}/jobs")
def session_jobs(request: Request, session_id: str) -> dict[str, Any]:
    """Lists the jobs of a session."""
    session = service_of(request).sessions.find(session_id, caller_of(request))
    return _listing(request, session.id)


def _listing(request: Request, session: str | None) -> dict[str, Any]:
    service, caller = service_of(request), caller_of(request)
    status = request.query_params.get("status")
    if status is not None and status not in STATES:
        bad_request(f'"status" must be one of {", ".join(STATES)}', "status")
    limit, after = read_limit(request), read_next(request)
    parent = request.query_params.get("parent_job_id")
    if parent is not None:
        made, following = _children(request, parent, status, limit, after or 0)
        return page("jobs", made, following, request)
    which = filter_of(request, caller.organization, session, after)
    stale = fault_of(request, "stale_state")
    jobs, following = service.jobs.listed(
        which, limit, status, lambda job: seen(service, job, stale)
    )
    listed = []
    for job in jobs:
        body = job_body(service, job, seen(service, job, stale), children=False)
        # Lists hold what all types of jobs have in common.
        del body["child_job_ids"]
        listed.append(body)
    return page("jobs", listed, following, request)


def _children(
    request: Request, parent: str, status: str | None, limit: int, position: int
) -> tuple[list[dict[str, Any]], int | None]:
    service = service_of(request)
    job = service.jobs.find(parent, caller_of(request))
    body = job_body(service, job, service.jobs.now)
    if job.type != MULTI or status not in (None, body["status"]):
        return [], None
    parts = service.store.parts(job.id)
    noisy = service.settings.machine_noise
    made = [bodies.v04_child(body, job, part, noisy) for part in parts[position : position + limit]]
    return made, position + limit if position + limit < len(parts) else None


@router.delete("/jobs")
def delete_jobs(request: Request) -> dict[str, Any]:
    """Deletes jobs."""
    service, caller = service_of(request), caller_of(request)
    ids = list(ids_of(body_of(request)))
    for job in [service.jobs.find(one, caller) for one in ids]:
        service.jobs.delete(job)
    return {"ids": ids, "status": "deleted"}


@router.put("/jobs/status/cancel")
def cancel_jobs(request: Request) -> dict[str, Any]:
    """Cancels jobs."""
    service, caller = service_of(request), caller_of(request)
    ids = list(ids_of(body_of(request)))
    for job in [service.jobs.find(one, caller) for one in ids]:
        service.jobs.cancel(job)
    return {"ids": ids, "status": "canceled"}


@router.get("/jobs/{job_id}")
def get_job(request: Request, job_id: str) -> dict[str, Any]:
    """Tells how a job is doing."""
    service = service_of(request)
    job = service.jobs.find(job_id, caller_of(request))
    body = job_body(service, job, seen(service, job, fault_of(request, "stale_state")))
    if job.id == job_id:
        return body
    part = part_of(service, job, job_id)
    return bodies.v04_child(body, job, part, service.settings.machine_noise)


@router.delete("/jobs/{job_id}")
def delete_job(request: Request, job_id: str) -> dict[str, Any]:
    """Deletes a job."""
    service = service_of(request)
    service.jobs.delete(whole(service, request, job_id))
    return {"id": job_id, "status": "deleted"}


@router.put("/jobs/{job_id}/status/cancel")
def cancel_job(request: Request, job_id: str) -> dict[str, Any]:
    """Cancels a job."""
    service = service_of(request)
    service.jobs.cancel(whole(service, request, job_id))
    return {"id": job_id, "status": "canceled"}


@router.get("/jobs/{job_id}/cost")
def get_cost(request: Request, job_id: str) -> dict[str, Any]:
    """Tells what a job costs."""
    service = service_of(request)
    return bodies.cost(service.jobs.find(job_id, caller_of(request)), service.jobs.now)


@router.post("/jobs/{job_id}/clone", status_code=201)
def clone(request: Request, job_id: str) -> dict[str, Any]:
    """Accepts a copy of a job."""
    service = service_of(request)
    job = whole(service, request, job_id)
    changed = service.jobs.clone(job, body_of(request, empty=True))
    return accept(request, changed, "v0.4")


@router.post("/jobs/{job_id}/move", status_code=201)
def move(request: Request, job_id: str) -> dict[str, Any]:
    """Accepts a job in place of another one that has not started."""
    service = service_of(request)
    job = whole(service, request, job_id)
    changed = service.jobs.clone(job, body_of(request, empty=True))
    service.jobs.moved(job)
    return accept(request, changed, "v0.4")


def whole(service: Service, request: Request, job_id: str) -> Job:
    """The job of an id, which names no circuit of a batch."""
    job = service.jobs.find(job_id, caller_of(request))
    if job.id != job_id:
        bad_request(f"{job_id} is a circuit of job {job.id}")
    return job


def job_body(service: Service, job: Job, now: float, *, children: bool = True) -> dict[str, Any]:
    """A job as v0.4 writes it."""
    settings = service.settings
    ids = service.store.part_ids(job.id) if children and job.type == MULTI else None
    price = settings.prices.get(job.backend)
    return bodies.v04_job(job, now, ids, price, settings.machine_noise)


def seen(service: Service, job: Job, stale: Fault | None) -> float:
    """The time whose state of a job is shown."""
    now = service.jobs.now
    return now if stale is None else max(job.submitted, now - stale.parameters["seconds"])
