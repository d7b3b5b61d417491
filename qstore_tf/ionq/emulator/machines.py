"""The machines that the local IonQ has, and how the service describes them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from itertools import combinations
from typing import Any

from qstore_tf.circuits.gates import GATES
from qstore_tf.ionq.emulator.answers import bad_request, not_found
from qstore_tf.ionq.targets import TARGETS, Target

MACHINES: Mapping[str, Target] = {target.api_name: target for target in TARGETS.values()}
SIMULATOR = "simulator"
# The names of old clients for a machine of no particular kind.
ALIASES = {"qpu": "qpu.aria-1"}
MODELS = (
    "ideal",
    *(target.name for target in TARGETS.values() if target.depolarizing is not None),
)
# Models that the service has, whose figures are not published.
UNPUBLISHED = ("harmony", "harmony-1", "harmony-2", "forte-enterprise-1")
_QIS = (
    *("x", "y", "z", "h", "s", "si", "t", "ti", "v", "vi", "rx", "ry", "rz"),
    *("not", "cnot", "swap", "xx", "yy", "zz", "pauliexp"),
)
_SINCE = 1_748_736_000.0  # 2025-06-01, when the figures below "were measured"


def machine(name: object) -> Target:
    """The machine that a job names.

    Raises:
        Refusal: There is none.
    """
    found = MACHINES.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if found is None:
        bad_request(
            f"Unknown backend: {str(name)[:100]!r}. Known: {', '.join(MACHINES)}", "backend"
        )
    return found


def known(name: str) -> Target:
    """The machine of a path.

    Raises:
        Refusal: There is none: 404.
    """
    return MACHINES.get(ALIASES.get(name, name)) or not_found()


def model_of(target: Target) -> str:
    """The noise model that a machine runs with; "ideal" where none is published."""
    return target.name if target.name in MODELS else "ideal"


def native_words(target: Target) -> list[str]:
    """The native gates that a machine takes, by the names of the API."""
    return [str(GATES[gate].ionq) for gate in target.native_gates]


def iso(seconds: float) -> str:
    """A time as the service writes it."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def backend_body(target: Target, queue_ms: float, now: float) -> dict[str, Any]:
    """What GET /backends says of a machine."""
    body: dict[str, Any] = {
        "backend": target.api_name,
        "status": "available",
        "degraded": False,
        "qubits": target.n_qubits,
        "average_queue_time": round(queue_ms),
        "last_updated": iso(now),
        "supported_gates": list(_QIS),
        "supported_native_gates": native_words(target),
        "supported_error_mitigations": [] if target.api_name == SIMULATOR else ["debiasing"],
    }
    if target.api_name != SIMULATOR:
        body["characterization_id"] = characterization_id(target)
        body["location"] = "this computer"
        body["kw"] = 0.0
    return body


def characterization_id(target: Target) -> str:
    """The id of a machine's only characterization."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"characterization:{target.api_name}"))


def characterization_body(target: Target) -> dict[str, Any]:
    """What a characterization says: published figures, and null where none is published."""
    spam, one, two = (
        None if error is None else {"median": 1 - error, "stderr": None}
        for error in (target.error_spam, target.error_1q, target.error_2q)
    )
    times = (target.time_1q_us, target.time_2q_us)
    one_s, two_s = (None if time is None else time / 1e6 for time in times)
    return {
        "id": characterization_id(target),
        "backend": target.api_name,
        "date": iso(_SINCE),
        "qubits": target.n_qubits,
        "connectivity": [list(pair) for pair in combinations(range(target.n_qubits), 2)],
        "fidelity": {"spam": spam or {"median": None, "stderr": None}, "1q": one, "2q": two},
        "timing": {"1q": one_s, "2q": two_s, "readout": None, "reset": None},
    }
