"""Native circuits in IonQ's JSON, read from whoever sent them.

Read is what `wire` writes and what the clients of IonQ send (cirq-ionq, qiskit-ionq and
pennylane-ionq), where it differs:

- the angle of a `zz` may be called `phase` (cirq-ionq), and lie in (-0.5, 0.5] (qiskit-ionq);
- the angle of an `ms` may be missing, which means 0.25, the full entangler;
- one qubit may stand in `targets`;
- `nop` is read as nothing, after a check of its qubits;
- each circuit of a batch may have a `name`, `registers` (which say how its results are grouped),
  `qubits` and `gateset` of its own.

Nothing in the text is trusted: size, nesting, fields, types, qubits, numbers and their ranges are
checked, and every fault is a `ConversionError` that says where it is. Gates of the set "qis" are
refused. The limits on size are the service's own, see `template`.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from typing import Any, NoReturn

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.errors import ConversionError, describe
from qstore_tf.ionq.job_input import MAX_BYTES, MAX_CIRCUITS, MAX_GATES
from qstore_tf.ionq.writing import PARAMETERS, PHASE, SIGNED, Range

_TOP = {"gateset", "qubits", "circuit", "circuits"}
_PART = {"gateset", "qubits", "circuit", "name", "registers"}
_GATES = {GATES[gate].ionq: gate for gate in PARAMETERS}
# What each gate may have beside "gate", "target" and "targets".
_FIELDS: dict[str, set[str]] = {
    "gpi": {"phase"},
    "gpi2": {"phase"},
    "ms": {"phases", "angle"},
    "zz": {"angle", "phase"},
    "nop": set(),
}
_NATIVE = "'native', the only set that is read here"
_LONG_DIGITS = re.compile(r"\d{25}")

Document = str | bytes | Mapping[str, Any]


def from_native(
    document: Document, *, signed_zz: bool = True, default_gateset: str = "qis"
) -> Circuit:
    """Reads one native circuit.

    Args:
        document: The JSON text, or what `json.loads` made of it:
            `{"gateset": "native", "qubits": n, "circuit": [...]}`, the `input` of a job.
        signed_zz: Whether ZZ may have angles in (-0.5, 0.5] turns; False for [0, 0.25]. True
            here, because clients send them and what they mean is clear.
        default_gateset: The set where none is named, "qis" as for the service. Artifacts in the
            format ionq.native.v1 name none: pass "native".

    Returns:
        The circuit, with gates GPi, GPi2, MS and ZZ and parameters in turns.

    Raises:
        ConversionError: It is damaged, too large, of another gate set or holds many circuits; the
            message says where.

    Example:
        >>> text = '{"gateset": "native", "qubits": 1, "circuit": [{"gate": "gpi", "target": 0}]}'
        >>> from_native(text)
        Traceback (most recent call last):
            ...
        qstore_tf.errors.ConversionError: Gate 0, gpi, has no 'phase'. Expected: turns in [-1, 1].
        >>> print(from_native(text.replace("}]", ', "phase": 0.5}]')).operations[0])
        GPi(0.5) 0
    """
    data = _parse(document)
    if "circuits" in data:
        fail("This holds many circuits", "one, as 'circuit'", hint="Use from_native_batch")
    return _read_circuits(data, signed_zz, default_gateset)[0]


def from_native_batch(
    document: Document, *, signed_zz: bool = True, default_gateset: str = "qis"
) -> list[Circuit]:
    """Reads the native circuits of a job.

    Args:
        document: As in `from_native`, or with many circuits as `{"circuits": [{"circuit": [...]},
            ...]}` in place of "circuit".
        signed_zz: As in `from_native`.
        default_gateset: As in `from_native`.

    Returns:
        The circuits in the order of the document, one if it holds one.

    Raises:
        ConversionError: As in `from_native`; the message names the circuit too.

    Example:
        >>> zz = {"gate": "zz", "targets": [0, 1], "angle": 0.25}
        >>> part = {"circuit": [zz]}
        >>> from_native_batch({"gateset": "native", "qubits": 2, "circuits": [part, part]})
        [<Circuit: 2 qubits, 1 operations, 0 parameters>, <Circuit: 2 qubits, 1 operations, 0 \
parameters>]
    """
    return _read_circuits(_parse(document), signed_zz, default_gateset)


def _parse(document: object) -> Mapping[str, Any]:
    if isinstance(document, str | bytes):
        if len(document) > MAX_BYTES:
            fail("The JSON text is too long", f"at most {MAX_BYTES} bytes", len(document))
        if isinstance(document, str):
            document = document.removeprefix("\ufeff")
        try:
            # Long integers are refused before they cost quadratic time; no field needs them.
            document = json.loads(document, parse_constant=_no_constant, parse_int=_short_int)
        except RecursionError:
            fail("The JSON text is nested too deeply", "a native circuit of IonQ's")
        except ValueError as error:  # bytes that are no Unicode raise one too
            fail(f"The text is not valid JSON: {error}", "a native circuit of IonQ's")
    if not isinstance(document, Mapping):
        fail("This is no native circuit of IonQ's", "a JSON object", document)
    return document


def _read_circuits(data: Mapping[str, Any], signed_zz: bool, gateset: str) -> list[Circuit]:
    only_fields(data, _TOP, "The document")
    if ("circuit" in data) == ("circuits" in data):
        fail("The document has no circuit, or two", "either 'circuit' or 'circuits'", list(data))
    gateset = data.get("gateset", gateset)
    if "circuit" in data:
        parts, names = [data], ["The circuit"]
    else:
        parts = data["circuits"]
        if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MAX_CIRCUITS:
            fail("The document has unusable circuits", f"a list of 1 to {MAX_CIRCUITS}", parts)
        names = [f"Circuit {number}" for number in range(len(parts))]
        for part, name in zip(parts, names, strict=True):
            if not isinstance(part, Mapping):
                fail(f"{name} is no circuit", "an object with 'circuit'", part)
            only_fields(part, _PART, name)
    n_gates = 0
    for part, name in zip(parts, names, strict=True):
        entries = part.get("circuit")
        if not isinstance(entries, list | tuple):
            fail(f"{name} has no list of gates", "a list as 'circuit'", entries)
        n_gates += len(entries)
    if n_gates > MAX_GATES:
        fail("The document has too many gates", f"at most {MAX_GATES}", n_gates)
    return [
        _read_circuit(part, name, part.get("qubits", data.get("qubits")), signed_zz, gateset)
        for part, name in zip(parts, names, strict=True)
    ]


def _read_circuit(
    part: Mapping[str, Any], name: str, n_qubits: Any, signed_zz: bool, gateset: Any
) -> Circuit:
    gateset = part.get("gateset", gateset)
    if gateset != "native":
        hint = "Gates of the set 'qis' have to be compiled first" if gateset == "qis" else None
        fail(f"{name} is of another gate set", _NATIVE, gateset, hint)
    if not isinstance(part.get("name", ""), str):
        fail(f"{name} has an unusable 'name'", "text", part["name"])
    if not isinstance(part.get("registers", {}), Mapping):
        fail(f"{name} has unusable 'registers'", "an object", part["registers"])
    most = limits.QUBITS.current
    if type(n_qubits) is not int or not 1 <= n_qubits <= most:
        fail(f"{name} has an unusable number of qubits", f"'qubits' from 1 to {most}", n_qubits)
    circuit = Circuit(n_qubits)
    zz = SIGNED if signed_zz else PARAMETERS["ZZ"][0][1]
    prefix = "Gate" if name == "The circuit" else f"{name}, gate"
    for position, entry in enumerate(part["circuit"]):
        _read_gate(circuit, entry, f"{prefix} {position}", zz)
    return circuit


def _read_gate(circuit: Circuit, entry: Any, where: str, zz: Range) -> None:
    word = entry.get("gate") if isinstance(entry, Mapping) else None
    if not isinstance(word, str) or word not in _FIELDS:
        expected = f"an object with 'gate', one of {', '.join(map(repr, _FIELDS))}"
        fail(f"{where} is no native gate", expected, entry)
    where = f"{where}, {word},"
    only_fields(entry, {"gate", "target", "targets"} | _FIELDS[word], where)
    wanted = 2 if word in ("ms", "zz") else 1
    qubits = _qubits(entry, where, circuit.n_qubits, None if word == "nop" else wanted)
    if word == "nop":
        return
    if word == "ms":
        phases = entry.get("phases")
        if not isinstance(phases, list | tuple) or len(phases) != 2:
            fail(f"{where} has unusable 'phases'", "a list of two numbers", phases)
        numbers = [_turns(phase, where, "phase", PHASE) for phase in phases]
        angle = entry.get("angle", 0.25)
        numbers.append(_turns(angle, where, "angle", PARAMETERS["MS"][2][1]))
    elif word == "zz":
        if "angle" in entry and "phase" in entry:
            fail(f"{where} has an 'angle' and a 'phase'", "one of them")
        field = "phase" if "phase" in entry else "angle"
        numbers = [_turns(entry.get(field), where, field, zz)]
    else:
        numbers = [_turns(entry.get("phase"), where, "phase", PHASE)]
    circuit.add_gate(_GATES[word], qubits, numbers)


def _qubits(entry: Mapping[str, Any], where: str, n_qubits: int, wanted: int | None) -> list[int]:
    """Returns the gate's qubits, `wanted` different ones; None for any number."""
    if ("target" in entry) == ("targets" in entry):
        if wanted is None and "target" not in entry:
            return []
        fail(f"{where} has no target, or two", "either 'target' or 'targets'", list(entry))
    qubits = [entry["target"]] if "target" in entry else entry["targets"]
    if not isinstance(qubits, list | tuple) or len(qubits) not in (
        range(n_qubits + 1) if wanted is None else (wanted,)
    ):
        fail(f"{where} has unusable targets", f"{wanted or 'any'} of the qubits", qubits)
    for q in qubits:
        if type(q) is not int or not 0 <= q < n_qubits:
            fail(f"{where} is on a qubit that is not there", f"0 to {n_qubits - 1}", q)
    if len(set(qubits)) != len(qubits):
        fail(f"{where} is on a qubit twice", "different qubits", qubits)
    return list(qubits)


def _turns(value: Any, where: str, field: str, allowed: Range) -> float:
    if value is None:
        fail(f"{where} has no {field!r}", f"turns in {allowed.text}")
    # The comparison is false for NaN, and holds for integers of any length.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not allowed.low <= value <= allowed.high
    ):
        fail(f"{where} has an unusable {field}", f"turns in {allowed.text}", value)
    return float(value)


def only_fields(data: Mapping[str, Any], known: set[str], where: str) -> None:
    """Raises `ConversionError` where an object of the document has other fields than the known."""
    unknown = [key for key in data if key not in known]
    if unknown:
        fail(f"{where} has unknown fields", ", ".join(sorted(known)), unknown)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _short_int(digits: str) -> int:
    if _LONG_DIGITS.search(digits):
        raise ValueError(f"a whole number of {len(digits)} digits")
    return int(digits)


_NOTHING = object()


def fail(
    what: str, expected: str, received: object = _NOTHING, hint: str | None = None
) -> NoReturn:
    """Raises `ConversionError`; arguments as of `errors.describe`."""
    if received is _NOTHING:
        raise ConversionError(describe(what, expected=expected, hint=hint))
    raise ConversionError(describe(what, expected=expected, received=_Top(received), hint=hint))


class _Top:
    """Shows the top of a value only: a full `repr` of deeply nested lists overflows the stack."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return _SHORT.repr(self._value)


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write integers of thousands of digits.
        return super().repr_int(x, level) if x.bit_length() < 128 else "an integer of many digits"


_SHORT = _Short()
