"""Pinecone's metadata and filters: what it takes, and what a filter matches."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from qstore_tf.testing.pinecone_emulator.settings import MAX_METADATA_BYTES, Refused

Json = Mapping[str, Any]


def check_metadata(name: str, metadata: Any) -> dict[str, Any]:
    """Returns metadata as they are stored: all numbers are floats.

    Raises:
        Refused: A null, an object, a list of anything but strings, or too much.
    """
    if not isinstance(metadata, dict):
        raise Refused(400, f"Metadata of record {name} must be an object")
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
        raise Refused(
            400, f"Metadata size exceeds the limit of {MAX_METADATA_BYTES} bytes per vector"
        )
    stored: dict[str, Any] = {}
    for key, value in metadata.items():
        if key.startswith("$"):
            raise Refused(400, f"Metadata key cannot start with '$', got '{key}'")
        is_texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (isinstance(value, (str, bool)) or is_texts or _is_number(value)):
            raise Refused(
                400,
                "Metadata value must be a string, number, boolean or list of strings, got "
                f"'{json.dumps(value)[:100]}' for field '{key}'",
            )
        stored[key] = float(value) if _is_number(value) else value
    return stored


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bool)) or _is_number(value)


def _is_values(value: Any) -> bool:
    """What $in and $nin take: strings and numbers, at least one."""
    return (
        isinstance(value, list)
        and 0 < len(value) <= 10_000
        and all(isinstance(one, str) or _is_number(one) for one in value)
    )


def _equals(stored: Any, value: Any) -> bool:
    if isinstance(stored, list):
        return value in stored if isinstance(value, str) else False
    return type(stored) is type(value) and stored == value


def _one_of(stored: Any, values: list[Any]) -> bool:
    return any(_equals(stored, value) for value in values)


def _orders(test: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    return lambda stored, value: isinstance(stored, float) and test(stored, value)


# operator: (what it takes, what it finds in a key that is there, whether it negates)
_OPERATORS: dict[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool], bool]] = {
    "$eq": (_is_scalar, _equals, False),
    "$ne": (_is_scalar, lambda stored, value: not _equals(stored, value), True),
    "$gt": (_is_number, _orders(lambda a, b: a > b), False),
    "$gte": (_is_number, _orders(lambda a, b: a >= b), False),
    "$lt": (_is_number, _orders(lambda a, b: a < b), False),
    "$lte": (_is_number, _orders(lambda a, b: a <= b), False),
    "$in": (_is_values, _one_of, False),
    "$nin": (_is_values, lambda stored, values: not _one_of(stored, values), True),
}


def compile_filter(filter: Any, ne_finds_missing: bool) -> Callable[[Json], bool]:
    """Reads a filter.

    Args:
        filter: As it came.
        ne_finds_missing: Whether `$ne` and `$nin` match where the key is missing.

    Returns:
        Whether metadata match.

    Raises:
        Refused: It is none.
    """
    if not isinstance(filter, dict) or not filter:
        raise Refused(400, "Filter must be an object with at least one condition")
    parts: list[Callable[[Json], bool]] = []
    for key, value in filter.items():
        if key in ("$and", "$or"):
            if not isinstance(value, list) or not value:
                raise Refused(400, f"{key} must be a non-empty list of filters")
            inner = [compile_filter(one, ne_finds_missing) for one in value]
            parts.append(_joined(all if key == "$and" else any, inner))
        elif key.startswith("$"):
            raise Refused(400, f"the {key} operator is not supported")
        else:
            conditions = value if isinstance(value, dict) else {"$eq": value}
            if not conditions:
                raise Refused(400, f"No condition for field {key}")
            parts += [
                _condition(key, operator, operand, ne_finds_missing)
                for operator, operand in conditions.items()
            ]
    return _joined(all, parts)


def _joined(join: Callable[[Any], bool], parts: list[Callable[[Json], bool]]) -> Any:
    return lambda metadata: join(part(metadata) for part in parts)


def _condition(
    key: str, operator: str, operand: Any, ne_finds_missing: bool
) -> Callable[[Json], bool]:
    if operator == "$exists":
        if not isinstance(operand, bool):
            raise Refused(400, "the $exists operator must be followed by a boolean")
        return lambda metadata: (key in metadata) is operand
    if operator not in _OPERATORS:
        raise Refused(400, f"{operator} is not a valid operator")
    takes, finds, negates = _OPERATORS[operator]
    if not takes(operand):
        raise Refused(400, f"the {operator} operator does not take {json.dumps(operand)[:100]}")
    if _is_number(operand):
        operand = float(operand)
    elif isinstance(operand, list):
        operand = [float(one) if _is_number(one) else one for one in operand]
    missing = negates and ne_finds_missing
    return lambda metadata: finds(metadata[key], operand) if key in metadata else missing
