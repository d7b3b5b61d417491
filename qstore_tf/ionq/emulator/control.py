"""Routes that the service does not have: faults, requests that came, and all jobs with their costs.

    GET, PUT, DELETE  /emulator/faults      a list of faults, as in `faults`
    GET, DELETE       /emulator/requests    what was received; ?call=submit for one kind
    GET               /emulator/jobs        all jobs; ?limit and ?offset
    GET               /emulator/jobs/{id}   one of them, with its circuits and results
    GET               /emulator/settings    how the server behaves

They ask for no key, and show none: the local IonQ is for one user, or for people who trust each
other.
"""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request

from qstore_tf.errors import QstoreError
from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.bodies import cost
from qstore_tf.ionq.emulator.fault_kinds import CALLS, TABLE
from qstore_tf.ionq.emulator.machines import MACHINES, SIMULATOR
from qstore_tf.ionq.emulator.records import Job
from qstore_tf.ionq.emulator.service import service_of
from qstore_tf.ionq.emulator.v04.jobs import job_body

router = APIRouter(prefix="/emulator")
_MOST = 1_000


@router.get("/faults")
def get_faults(request: Request) -> dict[str, Any]:
    """Lists the faults that wait, and the table of all that there are."""
    table = {
        name: {
            "where": list(kind.calls),
            "parameters": {
                parameter: {"default": what.default, "expected": what.text()}
                for parameter, what in kind.parameters.items()
            },
        }
        for name, kind in TABLE.items()
    }
    return {"faults": service_of(request).faults.body(), "table": table}


@router.put("/faults")
def put_faults(request: Request) -> dict[str, Any]:
    """Lets faults happen: a list of them, or an object with `faults` and `seed`.

    They take the place of those that wait; with `"add": true` they come behind them.
    """
    body = _json(request)
    if isinstance(body, list):
        body = {"faults": body}
    if not isinstance(body, dict) or not isinstance(body.get("faults"), list):
        bad_request('A list of faults is expected, or an object with "faults"', "faults")
    seed = body.get("seed")
    if seed is not None and type(seed) is not int:
        bad_request('"seed" must be an integer', "seed")
    faults = service_of(request).faults
    try:
        faults.put(body["faults"], seed=seed, keep=body.get("add") is True)
    except QstoreError as error:
        bad_request(str(error), "faults")
    return {"faults": faults.body()}


@router.delete("/faults")
def delete_faults(request: Request) -> dict[str, Any]:
    """Lets no faults happen any more."""
    service_of(request).faults.put([])
    return {"faults": []}


@router.get("/requests")
def get_requests(request: Request) -> dict[str, Any]:
    """Lists what was received, the oldest first."""
    call = request.query_params.get("call")
    if call is not None and call not in CALLS:
        bad_request(f'"call" must be one of {", ".join(CALLS)}', "call")
    kept = service_of(request).requests.all()
    return {"requests": [one.as_json() for one in kept if call in (None, one.call)]}


@router.delete("/requests")
def delete_requests(request: Request) -> dict[str, Any]:
    """Forgets what was received."""
    service_of(request).requests.clear()
    return {"requests": []}


@router.get("/jobs")
def get_jobs(request: Request) -> dict[str, Any]:
    """Lists the jobs of all organizations, the newest first."""
    store = service_of(request).store
    jobs = store.page(_count(request, "limit", 50), _count(request, "offset", 0))
    return {"jobs": [_body(request, job) for job in jobs], "total": store.count()}


@router.get("/jobs/{job_id}")
def get_job(request: Request, job_id: str) -> dict[str, Any]:
    """Shows a job with its circuits and results."""
    store = service_of(request).store
    job = store.job(job_id)
    if job is None:
        not_found()
    body = _body(request, job)
    shown = body["results"] is not None
    return {
        "job": body,
        "input": store.input(job.id),
        "cost": body["cost"],
        "probabilities": [json.loads(part.probabilities or "{}") for part in store.parts(job.id)]
        if shown
        else [],
    }


@router.get("/settings")
def get_settings(request: Request) -> dict[str, Any]:
    """Tells how the server behaves."""
    settings = service_of(request).settings
    names = ("delay_s", "run_s", "per_circuit_s", "slots", "latency_s", "lag_s", "seed")
    return {
        **{name: getattr(settings, name) for name in names},
        "machine_noise": settings.machine_noise,
        "needs_known_key": settings.keys is not None,
        "stored_in": None if settings.db is None else str(settings.db),
        "machines": [name for name in MACHINES if name != SIMULATOR],
    }


def _body(request: Request, job: Job) -> dict[str, Any]:
    service = service_of(request)
    now = service.jobs.now
    prices = cost(job, now)
    return {
        **job_body(service, job, now, children=False),
        "organization": job.organization,
        "cost": prices.get("cost"),
        "estimated_cost": prices.get("estimated_cost"),
    }


def _json(request: Request) -> Any:
    try:
        return json.loads(request.state.body)
    except (ValueError, RecursionError):
        bad_request("Invalid request payload JSON format")


def _count(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        bad_request(f'"{name}" must be an integer of at least 0', name)
    return min(int(text), _MOST) if name == "limit" else int(text)
