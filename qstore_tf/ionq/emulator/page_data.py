"""What the web page of the local IonQ shows, as JSON: jobs, circuits to draw, outcomes, costs.

    GET /emulator/page/jobs              the newest jobs, and sums over them; ?limit
    GET /emulator/page/jobs/{id}         one job; ?circuit=k for its k-th circuit, to be drawn,
                                         with the outcomes that came most often

As all of /emulator it asks for no key. What clients sent (names, metadata) goes out as JSON
strings and is for the page to show as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Request

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.drawing.labels import affine_text
from qstore_tf.circuits.drawing.layout import columns
from qstore_tf.errors import QstoreError
from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.emulator.bodies import cost
from qstore_tf.ionq.emulator.service import Service, service_of
from qstore_tf.ionq.emulator.states import done_at, status_at
from qstore_tf.ionq.emulator.store import Job, Part
from qstore_tf.ionq.emulator.submission import read_input
from qstore_tf.ionq.emulator.work import noise_of

router = APIRouter(prefix="/emulator/page")

MOST_JOBS = 1_000
MOST_COLUMNS = 300  # of a picture
MOST_QUBITS = 64
MOST_OUTCOMES = 32


@router.get("/jobs")
def get_jobs(request: Request) -> dict[str, Any]:
    """Lists the newest jobs, and sums up the newest 1,000."""
    service = service_of(request)
    now = service.jobs.now
    jobs = service.store.page(MOST_JOBS, 0)
    statuses: dict[str, int] = {}
    spent: dict[str, Decimal] = {}
    for job in jobs:
        status = status_at(job, now)
        statuses[status] = statuses.get(status, 0) + 1
        paid = cost(job, now).get("cost")
        if paid is not None:
            spent[paid["unit"]] = spent.get(paid["unit"], Decimal()) + Decimal(str(paid["value"]))
    listed = jobs[: _whole(request, "limit", 100)]
    return {
        "now": now,
        "total": service.store.count(),
        "summed": len(jobs),
        "statuses": statuses,
        "spent": [{"unit": unit, "value": float(value)} for unit, value in spent.items()],
        "jobs": [_summary(job, now) for job in listed],
    }


@router.get("/jobs/{job_id}")
def get_job(request: Request, job_id: str) -> dict[str, Any]:
    """Shows one job and one of its circuits."""
    service = service_of(request)
    job = service.store.job(job_id)
    if job is None:
        not_found()
    now = service.jobs.now
    number = _whole(request, "circuit", 0)
    parts = service.store.parts(job.id)
    if number >= len(parts):
        bad_request(f'"circuit" must be below {len(parts)}', "circuit")
    part = parts[number]
    done = status_at(job, now) == "completed"
    return {
        "job": {
            **_summary(job, now),
            "metadata": json.loads(job.metadata),
            "settings": json.loads(job.settings),
            "noise": noise_of(job, service.settings.machine_noise)[0],
            "debiasing": job.debiasing,
            "session": job.session,
            "version": job.version,
            "type": job.type,
            "starts": job.starts,
            "ends": done_at(job) if done else job.ends,
            "failure": {"code": job.failure, "message": job.message} if job.failure else None,
        },
        "circuit": {
            "number": number,
            "name": part.name,
            "gates": [part.n_1q, part.n_2q],
            **_picture(service, job, number),
        },
        "outcomes": _outcomes(part) if done else None,
    }


def _summary(job: Job, now: float) -> dict[str, Any]:
    prices = cost(job, now)
    return {
        "id": job.id,
        "name": job.name,
        "status": status_at(job, now),
        "target": job.backend,
        "shots": job.shots,
        "circuits": job.n_circuits,
        "qubits": job.n_qubits,
        "gates": [job.n_1q, job.n_2q],
        "submitted": job.submitted,
        "dry_run": job.dry_run,
        "cost": prices.get("cost"),
        "estimated_cost": prices.get("estimated_cost"),
    }


def _picture(service: Service, job: Job, number: int) -> dict[str, Any]:
    """Returns what stands where in a picture of a circuit, or why there is none."""
    document = service.store.input(job.id)
    if isinstance(document.get("circuits"), list):
        document = {**document, "circuits": document["circuits"][number : number + 1]}
    try:
        circuit = read_input(job.type, document)[0]
        if circuit.n_qubits > MOST_QUBITS:
            return {"qubits": circuit.n_qubits, "problem": "It has too many qubits for a picture."}
        return picture(circuit)
    except QstoreError as error:
        return {"qubits": job.n_qubits, "problem": str(error)[:500]}


def picture(circuit: Circuit) -> dict[str, Any]:
    """Returns what stands where in a picture of a circuit.

    Args:
        circuit: The circuit.

    Returns:
        `qubits`; `columns`, each a list of gates with `name`, `sign` ("box", "flip", "swap", "dot"
        or "meter"), `colour`, `parameters`, `targets` and `controls`; and `left_out`, how many
        gates are not shown.

    Example:
        >>> bell = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> [[gate["name"] for gate in column] for column in picture(bell)["columns"]]
        [['H'], ['X']]
    """
    # Each gate takes at least one column of one wire, so that what is cut off is not laid out.
    few = circuit
    most_gates = MOST_COLUMNS * circuit.n_qubits
    if len(circuit) > most_gates:
        few = Circuit.from_operations(circuit.n_qubits, circuit.operations[:most_gates])
    placed, _ = columns(few)
    shown = [
        [
            {
                "name": glyph.name,
                "sign": glyph.sign,
                "colour": glyph.colour,
                "parameters": ", ".join(map(affine_text, glyph.params)),
                "targets": list(glyph.targets),
                "controls": list(glyph.controls),
            }
            for glyph in column
        ]
        for column in placed[:MOST_COLUMNS]
    ]
    n_shown = sum(map(len, shown))
    return {"qubits": circuit.n_qubits, "columns": shown, "left_out": len(circuit) - n_shown}


def _outcomes(part: Part) -> dict[str, Any]:
    """Returns the outcomes that came most often, with qubit 0 first in their text."""
    found: Mapping[str, float] = json.loads(part.probabilities or "{}")
    largest = sorted(found.items(), key=lambda entry: (-round(entry[1], 12), int(entry[0])))[
        :MOST_OUTCOMES
    ]
    return {
        "shown": [
            {"bits": f"{int(state):0{part.n_qubits}b}"[::-1], "probability": probability}
            for state, probability in largest
        ],
        "number": len(found),
        "rest": max(0.0, sum(found.values()) - sum(probability for _, probability in largest)),
    }


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        bad_request(f'"{name}" must be an integer of at least 0', name)
    return int(text)
