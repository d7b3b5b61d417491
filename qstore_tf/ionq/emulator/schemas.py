"""JSON schemas of the formats of results and circuits, as the service hands them out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NUMBER = {"type": "number", "minimum": 0}
_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}
_BIT = {"type": "integer", "enum": [0, 1]}


def _map(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": dict(values)}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


_BODIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ionq.result.probabilities.json.v1": ("State to probability.", _map(_PROBABILITY)),
    "ionq.result.probabilities.json.v2": (
        "Register to bit string to probability.",
        _object(probabilities=_object(registers=_map(_map(_PROBABILITY)))),
    ),
    "ionq.result.histogram.json.v1": ("State to number of shots.", _map(_NUMBER)),
    "ionq.result.histogram.json.v2": (
        "Register to bit string to number of shots.",
        _object(histogram=_object(registers=_map(_map(_NUMBER)))),
    ),
    "ionq.result.shots.json.v1": ("The state of each shot.", _list({"type": "string"})),
    "ionq.result.shots.json.v2": (
        "The bits of each register for each shot.",
        _object(shots=_list(_object(registers=_map(_list(_BIT))))),
    ),
    "ionq.result.probabilities-aggregate.json.v1": (
        "Circuit to state to probability.",
        _map(_map(_PROBABILITY)),
    ),
    "ionq.native.v1": (
        "A circuit of native gates.",
        _object(qubits={"type": "integer", "minimum": 1}, circuit=_list({"type": "object"})),
    ),
}

SCHEMAS: Mapping[str, dict[str, Any]] = {
    name: {
        "$schema": "https://json-schema.org/draft-07/schema",
        "$id": name,
        "description": description,
        **body,
    }
    for name, (description, body) in _BODIES.items()
}
