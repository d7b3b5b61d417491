"""The results of jobs, in version 0.4 of the API."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request, Response

from qstore_tf.ionq.emulator import bodies, results
from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.compiled import ARTIFACT, compiled
from qstore_tf.ionq.emulator.machines import MACHINES, SIMULATOR
from qstore_tf.ionq.emulator.records import Job, Part
from qstore_tf.ionq.emulator.service import Service, caller_of, service_of
from qstore_tf.ionq.emulator.states import status_at
from qstore_tf.ionq.emulator.submission import MULTI, read_input

router = APIRouter(prefix="/v0.4")


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
    """Results in one of their formats, or the circuit that was run."""
    if artifact == ARTIFACT:
        return _compiled(request, job_id)
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


def _compiled(request: Request, job_id: str) -> Response:
    service = service_of(request)
    job = service.jobs.find(job_id, caller_of(request))
    ran = status_at(job, service.jobs.now) == "completed" and not job.dry_run
    if not ran or job.type == MULTI or job.backend == SIMULATOR:
        not_found()
    batch = read_input(job.type, service.store.input(job.id))
    text = json.dumps(compiled(batch, MACHINES[job.backend]))
    return Response(text, media_type=results.JSON)


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
