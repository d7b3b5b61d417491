"""The routes of the API's version 0.4 for jobs and their results."""

from __future__ import annotations

import json
import uuid
from typing import Any

from fastapi import APIRouter, Request, Response

from qstore_tf.ionq.emulator import bodies, results
from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.jobs import MOST_LISTED, ids_of
from qstore_tf.ionq.emulator.service import Service, body_of, caller_of, fault_of, service_of
from qstore_tf.ionq.emulator.states import STATES, status_at
from qstore_tf.ionq.emulator.store import Filter, Job, Part
from qstore_tf.ionq.emulator.submission import MULTI, Submission, from_v04

router = APIRouter(prefix="/v0.4")
DEFAULT_LIMIT = 25
_ON_JOBS = ("failed_job", "stuck_job", "canceled_job", "duplicate")


@router.post("/jobs", status_code=201)
def create(request: Request) -> dict[str, Any]:
    """Accepts a job."""
    caller_of(request)
    return accept(request, from_v04(body_of(request)), "v0.4")


def accept(request: Request, submission: Submission, version: str) -> dict[str, Any]:
    """Accepts what was submitted; twice, where a fault says so."""
    service, caller = service_of(request), caller_of(request)
    fault = fault_of(request, *_ON_JOBS)
    job = service.jobs.accept(submission, caller, version, fault)
    if fault is not None and fault.name == "duplicate":
        job = service.jobs.accept(submission, caller, version)
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


@router.get("/jobs/{job_id}/results/probabilities")
def probabilities(request: Request, job_id: str) -> Response:
    """The probabilities of a job of one circuit, or of all circuits of a batch."""
    return results_of(request, job_id, "probabilities")


@router.get("/jobs/{job_id}/results/probabilities/aggregated")
def aggregated(request: Request, job_id: str) -> Response:
    """The probabilities of all circuits of a job, by their ids."""
    return results_of(request, job_id, "probabilities-aggregate")


@router.get("/jobs/{job_id}/results/{artifact}")
@router.get("/jobs/{job_id}/artifacts/{artifact}")
def artifacts(request: Request, job_id: str, artifact: str) -> Response:
    """Results in one of their formats."""
    if artifact not in results.FORMATS:
        not_found()
    return results_of(request, job_id, artifact)


def results_of(request: Request, job_id: str, artifact: str) -> Response:
    """The results of a job in a format; 404 while there are none."""
    service = service_of(request)
    job = service.jobs.find(job_id, caller_of(request))
    if status_at(job, service.jobs.now) != "completed" or job.dry_run:
        not_found()
    sharpen = read_sharpen(request)
    if artifact == "probabilities-aggregate" or (job.type == MULTI and job.id == job_id):
        if artifact not in ("probabilities", "probabilities-aggregate"):
            not_found()
        parts = service.store.parts(job.id)
        texts = [results.shape("probabilities", job, part, sharpen=sharpen) for part in parts]
        ids = [part.id for part in parts]
        return Response(results.aggregated(ids, texts), media_type=results.JSON)
    part = part_of(service, job, job_id)
    drawn = bodies.noise_of(job, service.settings.machine_noise)[1]
    if artifact not in results.available(job.type if job.id == job_id else "", drawn):
        not_found()
    return Response(results.shape(artifact, job, part, sharpen=sharpen), media_type=results.JSON)


def read_sharpen(request: Request) -> bool:
    """Whether variants are to vote, by either of the words for it."""
    aggregation = request.query_params.get("aggregation")
    if aggregation not in (None, "average", "voting", "majority"):
        bad_request('"aggregation" must be "average" or "voting"', "aggregation")
    sharpen = request.query_params.get("sharpen", "").casefold()
    return sharpen in ("true", "1") or aggregation in ("voting", "majority")


def part_of(service: Service, job: Job, part_id: str) -> Part:
    """The circuit of a job that an id names."""
    found = service.store.part(part_id)
    if found is None or found[0] != job.id:
        not_found()
    return found[2]


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


def filter_of(
    request: Request, organization: str, session: str | None, before: int | None
) -> Filter:
    """Which jobs a request lists."""
    service, query = service_of(request), request.query_params
    ids = [
        one
        for name in ("ids", "ids[]")
        for text in query.getlist(name)
        for one in text.split(",")
        if one
    ]
    if len(ids) > MOST_LISTED:
        bad_request(f'"ids" may hold at most {MOST_LISTED} ids', "ids")
    lag = service.settings.lag_s
    lagging = fault_of(request, "lagging_list")
    if lagging is not None:
        lag = max(lag, lagging.parameters["seconds"])
    backends = query.get("target") or query.get("backend")
    return Filter(
        organization=organization,
        ids=ids or None,
        backends=backends.split(",")[:100] if backends else None,
        session=session,
        submitter=query.get("submitter_id"),
        before=before,
        until=service.jobs.now - lag if lag else None,
    )


def read_limit(request: Request) -> int:
    """How many entries a page may hold."""
    text = request.query_params.get("limit")
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) >= 1):
        bad_request('"limit" must be an integer of at least 1', "limit")
    return min(int(text), MOST_LISTED)


def read_next(request: Request) -> int | None:
    """Where a list goes on."""
    text = request.query_params.get("next")
    if not text:
        return None
    try:
        number = uuid.UUID(text).int
    except ValueError:
        bad_request('"next" is none of ours', "next")
    if number >= 2**62:
        bad_request('"next" is none of ours', "next")
    return number


def page(
    name: str, entries: list[dict[str, Any]], following: int | None, request: Request
) -> dict[str, Any]:
    """A page of a list.

    The schema has `next` always, null at the end. Cirq goes on for ever unless it is absent there,
    and ionq-core breaks unless it is present.
    """
    token = None if following is None else str(uuid.UUID(int=following))
    body: dict[str, Any] = {name: entries}
    if token is not None or not request.headers.get("user-agent", "").startswith("cirq/"):
        body["next"] = token
    return body


def as_json(body: object) -> str:
    """JSON text without spaces."""
    return json.dumps(body, separators=(",", ":"))
