"""What a client submits, checked and brought into one form, whichever version it came by.

Refused at the door (400, or 413 for the length) is what breaks the published limits and shapes:
unknown types, machines, fields of gates, numbers out of range, shots outside 1 to 1,000,000,
debiasing with fewer than 500 shots, more than 5,000 circuits or 150,000 gates. What only the
machine can tell makes a job that fails: more qubits than it has (NotEnoughQubits) and native gates
that it does not take (UnsupportedGate).

Fields that the service's schema does not know are left out silently, and shots may be text, because
its own clients send both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qstore_tf.circuits.formats.qasm3.reading import from_qasm3
from qstore_tf.errors import QstoreError
from qstore_tf.ionq.emulator.answers import bad_request
from qstore_tf.ionq.emulator.batches import Batch
from qstore_tf.ionq.emulator.machines import MODELS, SIMULATOR, UNPUBLISHED, machine
from qstore_tf.ionq.emulator.reading import read
from qstore_tf.ionq.targets import Target

MAX_SHOTS = 1_000_000
DEBIASING_SHOTS = 500
# Of metadata. Documented are 10 pairs with names of 40 characters; clients send more of both.
_MOST_PAIRS, _MOST_NAME, _MOST_VALUE = 50, 200, 40_000

SINGLE, MULTI, QASM3 = "ionq.circuit.v1", "ionq.multi-circuit.v1", "ionq.qasm3.v1"
TYPES = (SINGLE, MULTI, QASM3)
# Types of the service that are not run here.
ELSEWHERE = ("ionq.qir.v1", "quantum-function", "qctrl.qaoa.v1")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A job that can be accepted.

    Attributes:
        target: The machine.
        type: One of `TYPES`.
        name: The job's name, or None.
        metadata: As it was sent, or None.
        shots: Number of shots.
        dry_run: Whether it is only to be priced.
        session: A session's id, or None.
        settings: As they were sent.
        debiasing: Whether error mitigation is on.
        noise: A noise model.
        noise_seed: Its seed, or None.
        input: As it was sent.
        batch: The circuits.
        failure: The code and the text by which the job fails; None if it can run.
    """

    target: Target
    type: str
    name: str | None
    metadata: Mapping[str, Any] | None
    shots: int
    dry_run: bool
    session: str | None
    settings: Mapping[str, Any]
    debiasing: bool
    noise: str
    noise_seed: int | None
    input: Mapping[str, Any]
    batch: Batch
    failure: tuple[str, str] | None


def from_v04(data: Mapping[str, Any]) -> Submission:
    """Reads the body of POST /v0.4/jobs.

    Raises:
        Refusal: It cannot be accepted; the message says why.
    """
    for field in ("backend", "type", "input"):
        if field not in data:
            bad_request(f'"{field}" is required', field)
    return check(data)


def from_v03(data: Mapping[str, Any]) -> Submission:
    """Reads the body of POST /v0.3/jobs; errors as in `from_v04`."""
    if "target" not in data:
        bad_request('"target" is required', "target")
    body = data.get("input", data.get("body"))
    if not isinstance(body, Mapping):
        bad_request('"body" must be an object', "body")
    mitigation = data.get("error_mitigation")
    if mitigation is not None and not isinstance(mitigation, Mapping):
        bad_request('"error_mitigation" must be an object', "error_mitigation")
    settings: dict[str, Any] = {}
    for word in ("debias", "debiasing"):
        if mitigation and mitigation.get(word) is not None:
            settings = {"error_mitigation": {"debiasing": mitigation[word]}}
    kind = MULTI if "circuits" in body else QASM3 if "data" in body else SINGLE
    taken = ("name", "metadata", "shots", "noise", "session_id", "dry_run")
    rest = {field: data[field] for field in taken if field in data}
    return check(
        {**rest, "backend": data["target"], "type": kind, "input": body, "settings": settings}
    )


def check(data: Mapping[str, Any]) -> Submission:
    """Checks a job of the form of v0.4; errors as in `from_v04`."""
    target = machine(data.get("backend"))
    kind = data.get("type")
    if kind in ELSEWHERE:
        bad_request(f'"type" {kind} is not run by the local IonQ, which runs {_listed()}', "type")
    if kind not in TYPES:
        bad_request(f'"type" must be one of {_listed()}', "type")
    settings = _object(data, "settings")
    mitigation = _object(settings, "error_mitigation", "settings.")
    debiasing = _flag(mitigation, "debiasing", "settings.error_mitigation.")
    _flag(mitigation, "symmetry_verification", "settings.error_mitigation.")
    shots = _shots(data.get("shots"))
    if debiasing and shots < DEBIASING_SHOTS:
        bad_request(f"Debiasing needs at least {DEBIASING_SHOTS} shots. Received: {shots}", "shots")
    noise, noise_seed = _noise(data, target)
    body = data.get("input")
    if not isinstance(body, Mapping):
        bad_request('"input" must be an object', "input")
    batch = _circuits(str(kind), body)
    return Submission(
        target=target,
        type=str(kind),
        name=_text(data, "name"),
        metadata=_metadata(data.get("metadata")),
        shots=shots,
        dry_run=_flag(data, "dry_run"),
        session=_text(data, "session_id"),
        settings=settings,
        debiasing=debiasing and target.api_name != SIMULATOR,
        noise=noise,
        noise_seed=noise_seed,
        input=body,
        batch=batch,
        failure=_failure(batch, target),
    )


def read_input(kind: str, body: Mapping[str, Any]) -> Batch:
    """Reads the circuits of a job of some type.

    Raises:
        QstoreError: They cannot be read; the message says where.
    """
    if kind == QASM3:
        text = body.get("data")
        circuit = from_qasm3(text if isinstance(text, str) else "")
        return Batch.of([circuit])
    return read(body)


def _circuits(kind: str, body: Mapping[str, Any]) -> Batch:
    wanted = {SINGLE: "circuit", MULTI: "circuits", QASM3: "data"}[kind]
    for field in ("circuit", "circuits", "data"):
        if (field in body) != (field == wanted):
            bad_request(f'"input" of type {kind} must have "{wanted}" alone', f"input.{field}")
    if kind == QASM3 and not isinstance(body["data"], str):
        bad_request('"input.data" must be text', "input.data")
    try:
        return read_input(kind, body)
    except QstoreError as error:
        bad_request(str(error), "input")


def _failure(batch: Batch, target: Target) -> tuple[str, str] | None:
    most = target.n_qubits
    if batch.n_qubits > most:
        text = f"The circuit needs {batch.n_qubits} qubits; {target.api_name} has {most}."
        return "NotEnoughQubits", text
    for group in batch.groups:
        if group.native:
            wrong = [gate for gate in group.gates if gate not in target.native_gates]
            if wrong:
                words = ", ".join(gate.lower() for gate in wrong)
                text = f"Gate types [{words}] are not supported by this backend."
                return "UnsupportedGate", text
    return None


def _shots(value: object) -> int:
    if value is None:
        return 100
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 1 <= value <= MAX_SHOTS:
        bad_request(f'"shots" must be an integer from 1 to {MAX_SHOTS}', "shots")
    return value


def _noise(data: Mapping[str, Any], target: Target) -> tuple[str, int | None]:
    noise = _object(data, "noise")
    model, seed = noise.get("model"), noise.get("seed")
    model = "ideal" if model is None else model
    if model in UNPUBLISHED:
        bad_request(f"The figures of noise model {model!r} are not published", "noise.model")
    if model not in MODELS:
        bad_request(f'"noise.model" must be one of {", ".join(MODELS)}', "noise.model")
    if seed is not None and (type(seed) is not int or not -(2**31) <= seed < 2**31):
        bad_request('"noise.seed" must be an integer of 32 bits', "noise.seed")
    return model, seed


def _metadata(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        bad_request('"metadata" must be an object', "metadata")
    if len(value) > _MOST_PAIRS:
        bad_request(f'"metadata" may have at most {_MOST_PAIRS} pairs', "metadata")
    for name, text in value.items():
        if text is not None and not isinstance(text, str | int | float):
            bad_request(f'"metadata.{name[:100]}" must be text', "metadata")
        if len(name) > _MOST_NAME or (isinstance(text, str) and len(text) > _MOST_VALUE):
            bad_request(f'"metadata.{name[:100]}" is too long', "metadata")
    _check_written(value, "metadata")
    return value


def _check_written(value: Mapping[str, Any], field: str) -> None:
    """Checks that an object can be written as JSON again, and is not too long to be kept."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):  # 1e999 is read as infinite
        bad_request(f'"{field}" has numbers or a depth that JSON does not have', field)
    if len(text) > _MOST_PAIRS * _MOST_VALUE:
        bad_request(f'"{field}" is too long', field)


def _object(data: Mapping[str, Any], field: str, prefix: str = "") -> Mapping[str, Any]:
    value = data.get(field)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        bad_request(f'"{prefix}{field}" must be an object', prefix + field)
    _check_written(value, prefix + field)
    return value


def _flag(data: Mapping[str, Any], field: str, prefix: str = "") -> bool:
    value = data.get(field)
    if value is not None and not isinstance(value, bool):
        bad_request(f'"{prefix}{field}" must be true or false', prefix + field)
    return bool(value)


def _text(data: Mapping[str, Any], field: str) -> str | None:
    value = data.get(field)
    if value is not None and (not isinstance(value, str) or len(value) > _MOST_VALUE):
        bad_request(f'"{field}" must be text of at most {_MOST_VALUE} characters', field)
    return value


def _listed() -> str:
    return ", ".join(TYPES)
