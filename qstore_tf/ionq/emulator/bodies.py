"""Jobs as the versions of the API write them."""

from __future__ import annotations

import json
from typing import Any

from qstore_tf.ionq.emulator import results
from qstore_tf.ionq.emulator.compiled import ARTIFACT, FORMAT
from qstore_tf.ionq.emulator.machines import SIMULATOR, iso
from qstore_tf.ionq.emulator.pricing import ComputeTime, Price, compute_time_us
from qstore_tf.ionq.emulator.records import Job, Part
from qstore_tf.ionq.emulator.states import done_at, is_billed, status_at
from qstore_tf.ionq.emulator.submission import MULTI, SINGLE
from qstore_tf.ionq.emulator.work import noise_of


def v04_job(
    job: Job,
    now: float,
    child_ids: list[str] | None,
    price: Price | None,
    machine_noise: bool,
) -> dict[str, Any]:
    """A job as v0.4 writes it.

    Args:
        job: The job.
        now: The time whose state it shows.
        child_ids: The ids of its circuits; None for a job of one circuit.
        price: That of its machine, which says how it is billed.
        machine_noise: As in the settings.
    """
    status = status_at(job, now)
    ran = status == "completed" and not job.dry_run
    compute_us = compute_time_us(job.n_1q, job.n_2q, job.shots)
    stats: dict[str, Any] = {
        "qubits": job.n_qubits,
        "circuits": job.n_circuits,
        "gate_counts": {"1q": job.n_1q, "2q": job.n_2q},
    }
    body: dict[str, Any] = {
        "id": job.id,
        "status": status,
        "type": job.type,
        "backend": job.backend,
        "dry_run": job.dry_run,
        "submitter_id": job.submitter,
        "project_id": None,
        "parent_job_id": None,
        "child_job_ids": child_ids,
        "session_id": job.session,
        "metadata": json.loads(job.metadata),
        "name": job.name,
        "submitted_at": iso(job.submitted),
        "started_at": _started(job, now, status),
        "completed_at": _completed(job, status),
        "predicted_wait_time_ms": round(max(job.starts - job.submitted, 0) * 1000),
        "predicted_execution_duration_ms": round((job.ends - job.starts) * 1000),
        "execution_duration_ms": round((job.ends - job.starts) * 1000) if ran else None,
        "failure": _failure(job) if status == "failed" else None,
        "settings": json.loads(job.settings),
        "output": {},
        "stats": stats,
        "results": None,
    }
    if job.backend == SIMULATOR:
        body["noise"] = {"model": job.noise}
        if job.noise_seed is not None:
            body["noise"]["seed"] = job.noise_seed
    if job.backend != SIMULATOR or job.noise != "ideal":
        body["shots"] = job.shots
    if price is not None:
        body["cost_model"] = "2QGE_operations"
        if isinstance(price, ComputeTime):
            body["cost_model"] = "QCT"
            stats["predicted_quantum_compute_time_us"] = compute_us
            if ran:
                stats["billed_quantum_compute_time_us"] = compute_us
    if ran:
        drawn = noise_of(job, machine_noise)[1]
        body["results"] = results.index(job.id, job.type, drawn)
        debiasing: Any = False
        if job.debiasing:
            debiasing = {"variants": results.variants(job), "aggregation_method": "average"}
        compilation: dict[str, Any] = {}
        if job.type != MULTI and job.backend != SIMULATOR:
            entry = {"id": ARTIFACT, "format": FORMAT, "media_type": results.JSON}
            compilation = {"compiled_circuits": {FORMAT: entry}}
        body["output"] = {
            "compilation": compilation,
            "error_mitigation": {"debiasing": debiasing},
        }
    return body


def v04_child(parent: dict[str, Any], job: Job, part: Part, machine_noise: bool) -> dict[str, Any]:
    """A circuit of a batch as a job of its own, from what its parent looks like."""
    ran = parent["results"] is not None
    return {
        **parent,
        "id": part.id,
        "type": SINGLE,
        "name": part.name,
        "parent_job_id": job.id,
        "child_job_ids": None,
        "stats": {
            "qubits": part.n_qubits,
            "circuits": 1,
            "gate_counts": {"1q": part.n_1q, "2q": part.n_2q},
        },
        "results": results.index(part.id, SINGLE, noise_of(job, machine_noise)[1]) if ran else None,
    }


def v03_job(job: Job, now: float, child_ids: list[str] | None) -> dict[str, Any]:
    """A job as v0.3 writes it: "running" for "started", times as whole seconds."""
    status = status_at(job, now)
    completed = status == "completed"
    run_ms = round((job.ends - job.starts) * 1000)
    body: dict[str, Any] = {
        "id": job.id,
        "status": v03_status(status),
        "request": int(job.submitted),
        "name": job.name,
        "target": job.backend,
        "type": "circuit",
        "metadata": json.loads(job.metadata) or {},
        "shots": job.shots,
        "error_mitigation": {"debias": job.debiasing},
        "gate_counts": {"1q": job.n_1q, "2q": job.n_2q},
        "qubits": job.n_qubits,
        "circuits": job.n_circuits,
        "cost_usd": float(job.price or 0) if job.unit == "usd" and is_billed(job, now) else None,
        "predicted_execution_time": run_ms,
    }
    if job.backend == SIMULATOR:
        body["noise"] = {"model": job.noise, "seed": job.noise_seed}
    if status in ("started", "completed"):
        body["start"] = int(job.starts)
    if completed:
        body["response"] = int(done_at(job) or job.ends)
        body["execution_time"] = run_ms
        body["results_url"] = f"/v0.3/jobs/{job.id}/results"
    if child_ids is not None and job.type == MULTI:
        body["children"] = child_ids
    if status == "failed":
        body["failure"] = {"error": job.message, "code": job.failure}
    return body


def v03_status(status: str) -> str:
    """A status by the words of v0.3."""
    return "running" if status == "started" else status


def cost(job: Job, now: float) -> dict[str, Any]:
    """What a job was estimated at and what it costs; neither where it has no price."""
    body: dict[str, Any] = {"dry_run": job.dry_run}
    if job.price is not None:
        body["estimated_cost"] = {"value": float(job.price), "unit": job.unit}
        if status_at(job, now) in ("completed", "failed", "canceled"):
            value = float(job.price) if is_billed(job, now) else 0.0
            body["cost"] = {"value": value, "unit": job.unit}
    return body


def _failure(job: Job) -> dict[str, str | None]:
    # `error` is what clients of an older schema read.
    return {"code": job.failure, "message": job.message, "error": job.message}


def _started(job: Job, now: float, status: str) -> str | None:
    started = job.starts <= now and (job.canceled is None or job.canceled >= job.starts)
    return iso(job.starts) if started and status not in ("submitted", "ready") else None


def _completed(job: Job, status: str) -> str | None:
    if status == "canceled" and job.canceled is not None:
        return iso(job.canceled)
    if status == "failed":
        return iso(job.ends)
    done = done_at(job)
    return iso(done) if status == "completed" and done is not None else None
