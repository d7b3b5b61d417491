"""Machines and what running on them costs, in version 0.4 of the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request

from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.machines import (
    MACHINES,
    SIMULATOR,
    backend_body,
    characterization_body,
    characterization_id,
    iso,
    known,
    machine,
)
from qstore_tf.ionq.emulator.pricing import (
    ComputeTime,
    compute_time_us,
    price_of,
    rate_card,
    unit_of,
)
from qstore_tf.ionq.emulator.service import caller_of, service_of
from qstore_tf.ionq.emulator.submission import MAX_SHOTS

router = APIRouter(prefix="/v0.4")
_MOST = 2**31 - 1


@router.get("/backends")
def list_backends(request: Request) -> list[dict[str, Any]]:
    """Lists the machines. Clients ask without a key."""
    jobs = service_of(request).jobs
    return [backend_body(MACHINES[name], jobs.queue_ms(name), jobs.now) for name in MACHINES]


@router.get("/backends/{backend}")
def get_backend(request: Request, backend: str) -> dict[str, Any]:
    """Describes a machine. Clients ask without a key."""
    jobs, target = service_of(request).jobs, known(backend)
    return backend_body(target, jobs.queue_ms(target.api_name), jobs.now)


@router.get("/backends/{backend}/characterizations")
def characterizations(request: Request, backend: str) -> dict[str, Any]:
    """Lists how a machine was measured: once, and never for the simulator."""
    target = known(backend)
    first = request.query_params.get("page", "1") == "1"
    made = [characterization_body(target)] if first and target.api_name != SIMULATOR else []
    return {"characterizations": made, "pages": 1}


@router.get("/backends/{backend}/characterizations/{which}")
def characterization(request: Request, backend: str, which: str) -> dict[str, Any]:
    """Tells how a machine was measured."""
    target = known(backend)
    if target.api_name == SIMULATOR or which not in ("current", characterization_id(target)):
        not_found()
    return characterization_body(target)


@router.get("/jobs/estimate")
def estimate(request: Request) -> dict[str, Any]:
    """Tells what a job would cost, in today's shape and in the one that older clients read."""
    service, query = service_of(request), request.query_params
    caller = caller_of(request)
    target = machine(query.get("backend"))
    qubits = _count(request, "qubits", 25, 1, _MOST)
    shots = _count(request, "shots", 1000, 1, MAX_SHOTS)
    one, two = (_count(request, f"{n}q_gates", 0, 0, _MOST) for n in (1, 2))
    word = query.get("error_mitigation", "false").casefold()
    if word not in ("true", "false"):
        bad_request('"error_mitigation" must be true or false', "error_mitigation")
    mitigation = word == "true"
    price = service.settings.prices.get(target.api_name)
    compute_us = compute_time_us(one, two, shots)
    amount = price_of(price, [(one, two)], shots, mitigation, compute_us)
    total = float(amount.value if amount else Decimal(0))
    card, old_rates = rate_card(price, mitigation)
    run_ms, queue_ms = service.jobs.run_seconds(1) * 1000, service.jobs.queue_ms(target.api_name)
    context = {
        "backend": target.api_name,
        "type": query.get("type", "ionq.circuit.v1"),
        "qubits": qubits,
        "shots": shots,
        "1q_gates": one,
        "2q_gates": two,
        "error_mitigation": mitigation,
        "organization": caller.organization,
        "project": None,
    }
    body: dict[str, Any] = {
        "estimate_context": context,
        "estimated_at": iso(service.jobs.now),
        "estimated_unit": unit_of(price),
        "rate_card": card,
        "estimated_total_cost": total,
        "estimated_execution_time": round(run_ms),
        "current_predicted_queue_time": round(queue_ms),
        # The older shape.
        "input_values": context,
        "rate_information": old_rates,
        "estimated_cost": total,
        "cost_unit": unit_of(price),
    }
    if isinstance(price, ComputeTime):
        body["estimated_quantum_compute_time_us"] = compute_us
    return body


def _count(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    whole = text.isascii() and text.isdecimal() and len(text) <= 10
    if not whole or not least <= int(text) <= most:
        bad_request(f'"{name}" must be an integer from {least} to {most}', name)
    return int(text)
