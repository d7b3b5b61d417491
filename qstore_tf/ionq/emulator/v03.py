"""The routes of version 0.3 of the API, which cirq-ionq 1.5 and 1.6 use."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from qstore_tf.ionq.emulator import bodies
from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.listing import filter_of, page, read_limit, read_next
from qstore_tf.ionq.emulator.machines import MACHINES, SIMULATOR, characterization_body, iso, known
from qstore_tf.ionq.emulator.records import Job
from qstore_tf.ionq.emulator.service import Service, body_of, caller_of, fault_of, service_of
from qstore_tf.ionq.emulator.states import STATES
from qstore_tf.ionq.emulator.submission import MULTI, from_v03
from qstore_tf.ionq.emulator.v04.jobs import accept, seen, whole
from qstore_tf.ionq.emulator.v04.results import results_of

router = APIRouter(prefix="/v0.3")
_OF_V04 = {bodies.v03_status(status): status for status in STATES}


@router.post("/jobs")
def create(request: Request) -> dict[str, Any]:
    """Accepts a job."""
    caller_of(request)
    answer = accept(request, from_v03(body_of(request)), "v0.3", request.state.body)
    return {**answer, "request": int(service_of(request).jobs.now)}


@router.get("/jobs")
def list_jobs(request: Request) -> dict[str, Any]:
    """Lists jobs, the newest first."""
    service, caller = service_of(request), caller_of(request)
    word = request.query_params.get("status")
    if word is not None and word not in (*_OF_V04, *STATES):
        bad_request(f'"status" must be one of {", ".join(_OF_V04)}', "status")
    which = filter_of(
        request, caller.organization, request.query_params.get("session_id"), read_next(request)
    )
    stale = fault_of(request, "stale_state")
    jobs, following = service.jobs.listed(
        which,
        read_limit(request),
        None if word is None else _OF_V04.get(word, word),
        lambda job: seen(service, job, stale),
    )
    return page("jobs", [_body(service, job, stale) for job in jobs], following, request)


@router.get("/jobs/{job_id}")
def get_job(request: Request, job_id: str) -> dict[str, Any]:
    """Tells how a job is doing."""
    service = service_of(request)
    return _body(service, whole(service, request, job_id), fault_of(request, "stale_state"))


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


@router.get("/jobs/{job_id}/results")
def results(request: Request, job_id: str) -> Response:
    """The probabilities of a job; those of a batch by the ids of its circuits."""
    return results_of(request, job_id, "probabilities")


@router.get("/backends")
def list_backends(request: Request) -> list[dict[str, Any]]:
    """Lists the machines."""
    return [_machine(service_of(request), name) for name in MACHINES]


@router.get("/backends/{backend}")
def get_backend(request: Request, backend: str) -> dict[str, Any]:
    """Describes a machine."""
    return _machine(service_of(request), known(backend).api_name)


@router.get("/calibrations")
def calibrations(request: Request) -> dict[str, Any]:
    """Lists how the machines were measured."""
    caller_of(request)
    made = [_calibration(name) for name in MACHINES if name != SIMULATOR]
    return page("calibrations", made, None, request)


@router.get("/calibrations/current")
def current_calibration(request: Request) -> dict[str, Any]:
    """Tells how the first of the machines was measured."""
    caller_of(request)
    return _calibration("qpu.aria-1")


@router.get("/characterizations/backends/{backend}/current")
def current_characterization(request: Request, backend: str) -> dict[str, Any]:
    """Tells how a machine was measured."""
    target = known(backend)
    if target.api_name == SIMULATOR:
        not_found()
    return _calibration(target.api_name)


def _body(service: Service, job: Job, stale: Fault | None) -> dict[str, Any]:
    ids = service.store.part_ids(job.id) if job.type == MULTI else None
    return bodies.v03_job(job, seen(service, job, stale), ids)


def _machine(service: Service, name: str) -> dict[str, Any]:
    jobs, target = service.jobs, MACHINES[name]
    return {
        "backend": name,
        "status": "available",
        "qubits": target.n_qubits,
        "average_queue_time": round(jobs.queue_ms(name)),
        "last_updated": iso(jobs.now),
        "has_access": True,
    }


def _calibration(name: str) -> dict[str, Any]:
    body = characterization_body(MACHINES[name])
    # Cirq reads "target", and "mean" for each of the figures.
    fidelity = {
        what: None if figure is None else {"mean": figure["median"], **figure}
        for what, figure in body["fidelity"].items()
    }
    return {**body, "target": name, "fidelity": fidelity}
