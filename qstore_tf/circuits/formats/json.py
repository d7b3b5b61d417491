"""Circuits as JSON: a versioned format that is safe to read from strangers.

    {"format": "qstore_tf.circuit", "version": 1, "n_qubits": 2, "operations": [
        {"gate": "RX", "targets": [0], "params": [{"constant": 0.0, "terms": [["x", 2.0]]}]},
        {"gate": "Z", "targets": [1], "controls": [0]},
        {"gate": "Unitary", "targets": [0], "matrix": [[[0, 0], [1, 0]], [[1, 0], [0, 0]]]}]}

A parameter without symbols is a plain number, in the units of its gate. A matrix is its rows of
`[real, imaginary]` pairs. Numbers are written so that they read back to the same bits. Nothing
in the text is ever executed; its size is bounded and every field is checked.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

FORMAT = "qstore_tf.circuit"
VERSION = 1
CHARACTERS_PER_OPERATION = 80
CHARACTERS = limits.TEXT_OPERATIONS.per(CHARACTERS_PER_OPERATION, "characters")
MAX_TERMS = 10_000

_T = TypeVar("_T")
_TOP_KEYS = {"format", "version", "n_qubits", "operations"}
_OPERATION_KEYS = {"gate", "targets", "params", "controls", "matrix"}
_LONG_DIGITS = re.compile(r"\d{25}")


def to_json(circuit: Circuit, indent: int | None = None) -> str:
    """Writes a circuit as JSON.

    Args:
        circuit: the circuit.
        indent: spaces per level for people to read; None for one line.

    Returns:
        Text that `from_json` reads back to an equal circuit.

    >>> from_json(to_json(Circuit(1).add_gate("RX", [0], ["x"]))).parameters
    ('x',)
    """
    return json.dumps(to_dict(circuit), indent=indent, allow_nan=False)


def from_json(text: str | bytes, *, max_operations: int | None = None) -> Circuit:
    """Reads a circuit that `to_json` wrote.

    Args:
        text: the JSON; it may start with a byte order mark.
        max_operations: the most operations that are read; None for `limits.TEXT_OPERATIONS`.
            The text may have 80 characters for each of them.

    Returns:
        The circuit.

    Raises:
        ConversionError: if the text is not such JSON, is damaged, too large, or was written by
            a newer version; the message names the operation.
    """
    if not isinstance(text, (str, bytes)):
        _fail("A circuit is read from JSON text", "a str", type(text).__name__, "Pass the text.")
    limit = limits.TEXT_OPERATIONS.unless("max_operations", max_operations, ConversionError)
    characters = limit.per(CHARACTERS_PER_OPERATION, "characters")
    characters.check(len(text), "The JSON text", ConversionError)
    if isinstance(text, str):
        text = text.removeprefix("\ufeff")
    try:
        # Long integers are refused before they cost quadratic time; no field needs them.
        data = json.loads(text, parse_constant=_no_constant, parse_int=_short_int)
    except RecursionError:
        _fail(
            "The JSON text is nested too deeply for a circuit",
            "the nesting that to_json writes",
            None,
            "The file is damaged or is not a circuit.",
        )
    except ValueError as error:
        raise ConversionError(
            describe(
                f"The text is not valid JSON: {error}",
                expected="a circuit as to_json writes it",
                received=text[:80],
                hint="The file is damaged or is not a circuit.",
            )
        ) from error
    return _read(data, limit)


def to_dict(circuit: Circuit) -> dict[str, Any]:
    """The same as `to_json`, as plain dicts, lists, strings and numbers.

    >>> to_dict(Circuit(1))["version"]
    1
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "n_qubits": circuit.n_qubits,
        "operations": [_operation_to_dict(operation) for operation in circuit.operations],
    }


def from_dict(data: Mapping[str, Any]) -> Circuit:
    """Reads what `to_dict` wrote, up to `limits.OPERATIONS`; errors as in `from_json`."""
    return _read(data, limits.OPERATIONS)


def _read(data: Any, limit: limits.Limit) -> Circuit:
    if not isinstance(data, Mapping):
        _fail("This is not a circuit", "a JSON object", data, "Pass what to_json wrote.")
    if data.get("format") != FORMAT:
        _fail(
            "This is not a circuit",
            f"the field 'format' to be {FORMAT!r}",
            data.get("format"),
            "Pass what to_json wrote.",
        )
    version = data.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        _fail("The circuit has no usable version", "a number from 1 up", version, _DAMAGED)
    if version > VERSION:
        _fail(
            f"The circuit was written in version {version} of the format",
            f"version {VERSION}, the newest that this qstore_tf reads",
            version,
            "Upgrade with `pip install --upgrade qstore-tf`.",
        )
    _only_keys(data, _TOP_KEYS, "The circuit")
    n_qubits = data.get("n_qubits")
    if type(n_qubits) is not int or n_qubits < 1:
        _fail(
            "The circuit has no usable number of qubits",
            "a positive integer as 'n_qubits'",
            n_qubits,
            _DAMAGED,
        )
    limits.QUBITS.check(n_qubits, "The circuit", ConversionError)
    operations = data.get("operations")
    if not isinstance(operations, (list, tuple)):
        _fail("The circuit has no list of operations", "a list", operations, _DAMAGED)
    limit.check(len(operations), "The circuit", ConversionError)
    circuit = Circuit(n_qubits)
    for position, entry in enumerate(operations):
        try:
            _add_operation(circuit, entry, f"Operation {position}")
        except CircuitError as error:
            raise ConversionError(f"Operation {position} of the circuit: {error}") from error
    return circuit


_DAMAGED = "The circuit is damaged; write it again with to_json."


def _operation_to_dict(operation: Operation) -> dict[str, Any]:
    entry: dict[str, Any] = {"gate": operation.gate, "targets": list(operation.targets)}
    if operation.params:
        entry["params"] = [_affine_to_json(param) for param in operation.params]
    if operation.controls:
        entry["controls"] = list(operation.controls)
    if operation.matrix is not None:
        entry["matrix"] = [
            [[float(value.real), float(value.imag)] for value in row] for row in operation.matrix
        ]
    return entry


def _affine_to_json(value: Affine) -> Any:
    if value.is_constant:
        return float(value.constant)
    terms = [[name, float(coefficient)] for name, coefficient in value.terms]
    return {"constant": float(value.constant), "terms": terms}


def _add_operation(circuit: Circuit, entry: Any, where: str) -> None:
    if not isinstance(entry, Mapping):
        expected = "an object with 'gate' and 'targets'"
        _fail(f"{where} is not an operation", expected, entry, _DAMAGED)
    _only_keys(entry, _OPERATION_KEYS, where)
    gate = entry.get("gate")
    if not isinstance(gate, str):
        _fail(f"{where} names no gate", "a string", gate, _DAMAGED)
    targets = _list_of(entry.get("targets"), _integer, where, "targets")
    controls = _list_of(entry.get("controls", ()), _integer, where, "controls")
    if "matrix" in entry:
        if entry.get("params"):
            _fail(f"{where} has a matrix and parameters", "one of them", gate, _DAMAGED)
        if gate != "Unitary":
            _fail(f"{where} has a matrix but is not a matrix gate", "'Unitary'", gate, _DAMAGED)
        matrix = _list_of(entry["matrix"], _row, where, "matrix")
        circuit.add_unitary(matrix, targets, controls=controls)
        return
    params = _list_of(entry.get("params", ()), _affine, where, "params")
    circuit.add_gate(gate, targets, params, controls=controls)


def _list_of(value: Any, read: Callable[[Any, str], _T], where: str, field: str) -> list[_T]:
    if not isinstance(value, (list, tuple)):
        _fail(f"{where} has unusable {field}", "a list", value, _DAMAGED)
    return [read(item, f"{where}, field {field!r},") for item in value]


def _integer(value: Any, where: str) -> int:
    if type(value) is not int:
        _fail(f"{where} holds something that is not a qubit number", "an integer", value, _DAMAGED)
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        _fail(f"{where} holds something that is not a number", "a finite number", value, _DAMAGED)
    return float(value)


def _row(value: Any, where: str) -> list[complex]:
    def pair(item: Any, where: str) -> complex:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            _fail(f"{where} holds a bad complex number", "[real, imaginary]", item, _DAMAGED)
        return complex(_number(item[0], where), _number(item[1], where))

    return _list_of(value, pair, where, "row")


def _affine(value: Any, where: str) -> Affine:
    if not isinstance(value, Mapping):
        return Affine(_number(value, where))
    _only_keys(value, {"constant", "terms"}, where)
    terms = value.get("terms")
    if not isinstance(terms, (list, tuple)) or len(terms) > MAX_TERMS:
        _fail(f"{where} holds unusable terms", "a list of [symbol, coefficient]", terms, _DAMAGED)
    parts: dict[str, float] = {}
    for term in terms:
        if not isinstance(term, (list, tuple)) or len(term) != 2 or not isinstance(term[0], str):
            _fail(f"{where} holds an unusable term", "[symbol, coefficient]", term, _DAMAGED)
        # Through `symbol`, which refuses names that other formats could not carry.
        Affine.symbol(term[0])
        parts[term[0]] = parts.get(term[0], 0.0) + _number(term[1], where)
    # Checked again: a symbol that stands twice may come to more than a float holds.
    kept = tuple((name, _number(sum_, where)) for name, sum_ in parts.items() if sum_)
    return Affine(_number(value.get("constant", 0.0), where), kept)


def _only_keys(data: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = [key for key in data if key not in known]
    if unknown:
        _fail(f"{where} has unknown fields", ", ".join(sorted(known)), unknown[:5], _DAMAGED)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _short_int(digits: str) -> int:
    if _LONG_DIGITS.search(digits):
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


def _fail(what: str, expected: str, received: object, hint: str) -> NoReturn:
    shown = None if received is None else _Shallow(received)
    raise ConversionError(describe(what, expected=expected, received=shown, hint=hint))


class _Shallow:
    """Shows the top of a value only: a full `repr` of deeply nested lists overflows the stack."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return reprlib.repr(self._value)
