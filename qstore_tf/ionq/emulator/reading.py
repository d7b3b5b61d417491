"""The `input` of a job as clients of IonQ send it, read into circuits.

Native gates are read by `qstore_tf.ionq.reading`; here is the set "qis":

    x y z h s si t ti v vi not           one target
    rx ry rz                             one target and `rotation`, in radians
    cnot                                 one target and controls
    swap xx yy zz                        two targets, the last three with `rotation`
    pauliexp                             targets, `terms`, `coefficients` and `time`

each with `control` or `controls` if it is not `pauliexp`. A `z` with `rotation` is diag(1, e^(i
rotation)), which is what qiskit-ionq sends for phase gates. The letters of a term of `pauliexp` are
little-endian: the last one is for the first target. The gate is exp(-i time sum c_k P_k), exactly.

Nothing in it is trusted: every fault is a `ConversionError` that says where it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.errors import ConversionError
from qstore_tf.ionq.emulator import rows
from qstore_tf.ionq.emulator.batches import Batch
from qstore_tf.ionq.emulator.pauli_exponential import add_exponential
from qstore_tf.ionq.job_input import MAX_CIRCUITS, MAX_GATES
from qstore_tf.ionq.reading import fail, from_native, only_fields

# Name in the gate table, number of targets, whether it has a rotation.
_GATES: dict[str, tuple[str, int, bool]] = {
    "x": ("X", 1, False),
    "y": ("Y", 1, False),
    "z": ("Z", 1, False),
    "h": ("H", 1, False),
    "s": ("S", 1, False),
    "si": ("Sdg", 1, False),
    "t": ("T", 1, False),
    "ti": ("Tdg", 1, False),
    "v": ("SX", 1, False),
    "vi": ("SXdg", 1, False),
    "not": ("X", 1, False),
    "cnot": ("X", 1, False),
    "rx": ("RX", 1, True),
    "ry": ("RY", 1, True),
    "rz": ("RZ", 1, True),
    "swap": ("SWAP", 2, False),
    "xx": ("RXX", 2, True),
    "yy": ("RYY", 2, True),
    "zz": ("RZZ", 2, True),
}
GATESETS = ("qis", "native")
MAX_TERMS = 1_000  # of one pauliexp

_TOP = {"gateset", "qubits", "circuit", "circuits", "registers", "name", "format"}
_PART = {"gateset", "qubits", "circuit", "registers", "name"}
_ONLY = "The circuit"
_WHERE = ("target", "targets", "control", "controls")
_EVOLUTION = ("targets", "terms", "coefficients", "time")


def read(document: object) -> Batch:
    """Reads the `input` of a job, of type ionq.circuit.v1 or ionq.multi-circuit.v1.

    Args:
        document: What `json.loads` made of it: `{"gateset": "qis" or "native", "qubits": n,
            "circuit": [...]}`, or with `"circuits": [{"circuit": [...]}, ...]`. Each circuit may
            have its own "gateset", "qubits", "name" and "registers".

    Returns:
        The circuits by structure.

    Raises:
        ConversionError: It is damaged or too large; the message names circuit and gate.

    Example:
        >>> gates = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
        >>> read({"qubits": 2, "circuit": gates})[0].count_gates()
        {'H': 1, 'CX': 1}
    """
    if not isinstance(document, Mapping):
        fail("The input of the job is no object", "'gateset', 'qubits' and 'circuit'", document)
    parts, names = _parts(document)
    heads = [
        tuple(part.get(field, document.get(field)) for field in ("gateset", "qubits"))
        for part in parts
    ]
    circuits = [part["circuit"] for part in parts]
    labels = [part.get("name") for part in parts]
    registers = [part.get("registers") for part in parts]
    groups = rows.read_alike(heads, circuits, _read_circuit) if len(parts) > 1 else None
    if groups is not None:
        return Batch(groups, len(parts), tuple(labels), tuple(registers))
    each = zip(heads, circuits, names, strict=True)
    return Batch.of([_read_circuit(*arguments) for arguments in each], labels, registers)


def _parts(document: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Returns the parts of a job with a circuit each, and what errors call them."""
    only_fields(document, _TOP, "The input")
    if ("circuit" in document) == ("circuits" in document):
        fail("The input has no circuit, or two", "either 'circuit' or 'circuits'", list(document))
    if "circuit" in document:
        parts, names = [document], [_ONLY]
    else:
        parts = document["circuits"]
        if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MAX_CIRCUITS:
            fail("The input has unusable circuits", f"a list of 1 to {MAX_CIRCUITS}", parts)
        parts, names = list(parts), [f"Circuit {number}" for number in range(len(parts))]
    n_gates = 0
    for part, name in zip(parts, names, strict=True):
        if not isinstance(part, Mapping):
            fail(f"{name} is no circuit", "an object with 'circuit'", part)
        if part is not document:
            only_fields(part, _PART, name)
        for field, kind, expected in (
            ("circuit", list | tuple, "a list of gates"),
            ("name", str | None, "text"),
            ("registers", Mapping | None, "an object"),
        ):
            if not isinstance(part.get(field), kind):
                fail(f"{name} has an unusable {field!r}", expected, part.get(field))
        n_gates += len(part["circuit"])
    if n_gates > MAX_GATES:
        fail("The input has too many gates", f"at most {MAX_GATES}", n_gates)
    return parts, names


def _read_circuit(head: tuple[Any, Any], entries: list[Any], name: str) -> Circuit:
    """Reads one circuit from its gate set, its number of qubits and its gates."""
    gateset, n_qubits = head
    gateset = "qis" if gateset is None else gateset
    if gateset not in GATESETS:
        fail(f"{name} is of an unknown gate set", "'qis' or 'native'", gateset)
    if gateset == "native":
        try:
            return from_native({"gateset": "native", "qubits": n_qubits, "circuit": entries})
        except ConversionError as error:
            if name == _ONLY:
                raise
            raise ConversionError(f"{name}: {error}") from error
    most = limits.QUBITS.current
    if type(n_qubits) is not int or not 1 <= n_qubits <= most:
        fail(f"{name} has an unusable number of qubits", f"'qubits' from 1 to {most}", n_qubits)
    circuit = Circuit(n_qubits)
    prefix = "Gate" if name == _ONLY else f"{name}, gate"
    for position, entry in enumerate(entries):
        _read_gate(circuit, entry, f"{prefix} {position}")
    return circuit


def _read_gate(circuit: Circuit, entry: Any, where: str) -> None:
    word = entry.get("gate") if isinstance(entry, Mapping) else None
    if word == "pauliexp":
        _read_exponential(circuit, entry, f"{where}, pauliexp,")
        return
    if not isinstance(word, str) or word not in _GATES:
        known = ", ".join(map(repr, [*_GATES, "pauliexp"]))
        fail(
            f"{where} is no gate of the set 'qis'", f"an object with 'gate', one of {known}", entry
        )
    gate, n_targets, turns = _GATES[word]
    if word == "z" and "rotation" in entry:
        gate, turns = "PhaseShift", True
    where = f"{where}, {word},"
    only_fields(entry, {"gate", *_WHERE, *(("rotation",) if turns else ())}, where)
    targets = _qubits(entry, "target", where, circuit.n_qubits)
    controls = _qubits(entry, "control", where, circuit.n_qubits)
    if len(targets) != n_targets:
        fail(f"{where} has a wrong number of targets", str(n_targets), targets)
    if word == "cnot" and not controls:
        fail(f"{where} has no control", "'control' or 'controls'", entry)
    if len({*targets, *controls}) != len(targets) + len(controls):
        fail(f"{where} is on a qubit twice", "different qubits", [*controls, *targets])
    numbers = [_number(entry.get("rotation"), where, "rotation")] if turns else []
    if gate == "X" and len(controls) == 1:
        gate, targets, controls = "CX", [*controls, *targets], []
    circuit.add_gate(gate, targets, numbers, controls)


def _read_exponential(circuit: Circuit, entry: Mapping[str, Any], where: str) -> None:
    only_fields(entry, {"gate", "target", *_EVOLUTION}, where)
    targets = _qubits(entry, "target", where, circuit.n_qubits)
    if not targets or len(set(targets)) != len(targets):
        fail(f"{where} has unusable targets", "different qubits", targets)
    terms, coefficients = entry.get("terms"), entry.get("coefficients")
    if not isinstance(terms, list | tuple) or not 1 <= len(terms) <= MAX_TERMS:
        fail(f"{where} has unusable 'terms'", f"a list of 1 to {MAX_TERMS}", terms)
    if not isinstance(coefficients, list | tuple) or len(coefficients) != len(terms):
        fail(f"{where} has unusable 'coefficients'", f"a list of {len(terms)}", coefficients)
    for term in terms:
        if not isinstance(term, str) or len(term) != len(targets) or set(term) - set("IXYZ"):
            fail(f"{where} has an unusable term", f"{len(targets)} letters of I, X, Y, Z", term)
    time = _number(entry.get("time"), where, "time")
    if time < 0:
        fail(f"{where} has a negative time", "at least 0; the sign is in the coefficients", time)
    scaled = [time * _number(number, where, "coefficient") for number in coefficients]
    if not all(map(math.isfinite, scaled)):
        fail(f"{where} has numbers that are too large", "finite products with the time", time)
    # Little-endian text: the last letter is for the first target.
    add_exponential(circuit, targets, [term[::-1] for term in terms], scaled, where)


def _qubits(entry: Mapping[str, Any], field: str, where: str, n_qubits: int) -> list[int]:
    """Returns the qubits in `field` or in its plural; none where there is neither."""
    one, many = entry.get(field), entry.get(f"{field}s")
    if one is not None and many is not None:
        fail(f"{where} has '{field}' and '{field}s'", "one of them", [one, many])
    qubits = many if many is not None else ([] if one is None else [one])
    if not isinstance(qubits, list | tuple) or len(qubits) > n_qubits:
        fail(f"{where} has unusable '{field}s'", "a list of qubits", qubits)
    for q in qubits:
        if type(q) is not int or not 0 <= q < n_qubits:
            fail(f"{where} is on a qubit that is not there", f"0 to {n_qubits - 1}", q)
    return list(qubits)


def _number(value: Any, where: str, field: str) -> float:
    if value is None:
        fail(f"{where} has no {field!r}", "a number")
    # The comparison is false for NaN, and holds for integers of any length.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not abs(value) <= rows.LARGEST
    ):
        fail(f"{where} has an unusable {field}", "a finite number", value)
    return float(value)
