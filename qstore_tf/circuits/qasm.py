"""Circuits to and from OpenQASM 2 (arXiv:1707.03429).

Reading is done by `cirq.contrib.qasm_import`. Writing uses only gates of the `qelib1.inc` that
every reader has, and lowers the others to them. OpenQASM 2 knows neither symbols nor global
phases: symbols are an error, and a circuit comes back equal up to a global phase.
"""

from __future__ import annotations

import cmath
import functools
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import cirq
import numpy as np

from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.cirq_reading import from_cirq
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.optimize import without_named_controls
from qstore_tf.errors import ConversionError, describe

MAX_CHARACTERS = 20_000_000
MAX_QUBITS = 10_000
MAX_EXPANDED = 100_000
_MATRIX_ACCURACY = 1e-6

# (gate without controls, number of controls) -> name in qelib1.inc. cu3 is missing on purpose:
# versions of the file disagree about its phase.
_WRITTEN = {
    ("I", 0): "id",
    ("X", 0): "x",
    ("Y", 0): "y",
    ("Z", 0): "z",
    ("H", 0): "h",
    ("S", 0): "s",
    ("Sdg", 0): "sdg",
    ("T", 0): "t",
    ("Tdg", 0): "tdg",
    ("RX", 0): "rx",
    ("RY", 0): "ry",
    ("RZ", 0): "rz",
    ("PhaseShift", 0): "u1",
    ("U3", 0): "u3",
    ("SWAP", 0): "swap",
    ("X", 1): "cx",
    ("Y", 1): "cy",
    ("Z", 1): "cz",
    ("H", 1): "ch",
    ("RZ", 1): "crz",
    ("PhaseShift", 1): "cu1",
    ("SWAP", 1): "cswap",
    ("X", 2): "ccx",
}


# --- writing


def to_qasm(circuit: UnifiedCircuit) -> str:
    """Writes a circuit as OpenQASM 2 on one register `q`; qubit i is `q[i]`.

    Gates that `qelib1.inc` lacks are written as gates that it has, matrices by Cirq's quantum
    Shannon decomposition. Measurement markers become measurements into a register `c`.

    Args:
        circuit: the circuit, without symbols.

    Returns:
        The program, equal to the circuit up to a global phase.

    Raises:
        ConversionError: if the circuit has symbols, which OpenQASM 2 cannot express.

    >>> print(to_qasm(UnifiedCircuit(2).add_gate("CX", [0, 1])))
    OPENQASM 2.0;
    include "qelib1.inc";
    qreg q[2];
    cx q[0],q[1];
    <BLANKLINE>
    """
    if circuit.parameters:
        raise ConversionError(
            describe(
                "OpenQASM 2 cannot express symbols",
                expected="a circuit whose parameters are all numbers",
                received=circuit.parameters,
                hint="Give the symbols values with circuit.bind({...}), or use to_json.",
            )
        )
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{circuit.n_qubits}];"]
    if circuit.measured_qubits:
        lines.append(f"creg c[{circuit.n_qubits}];")
    for operation in circuit.operations:
        if operation.is_measurement:
            qubit = operation.targets[0]
            lines.append(f"measure q[{qubit}] -> c[{qubit}];")
            continue
        for written in _lowered(operation, circuit.n_qubits):
            lines.append(_line(written))
    return "\n".join(lines) + "\n"


def _line(operation: Operation) -> str:
    name = _WRITTEN[operation.gate, len(operation.controls)]
    params = ",".join(_decimal(param.constant) for param in operation.params)
    qubits = ",".join(f"q[{qubit}]" for qubit in operation.qubits)
    return f"{name}({params}) {qubits};" if params else f"{name} {qubits};"


def _decimal(value: float) -> str:
    # Exact; "1e-07" gets the decimal point that the grammar of a real number asks for.
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")
    return text


def _lowered(operation: Operation, n_qubits: int) -> Iterator[Operation]:
    """The same up to a global phase, in gates of `_WRITTEN`."""
    operation = without_named_controls(operation)
    if (operation.gate, len(operation.controls)) in _WRITTEN:
        yield operation
        return
    for step in _simpler(operation, n_qubits):
        yield from _lowered(step, n_qubits)


def _simpler(operation: Operation, n_qubits: int) -> list[Operation]:
    """One step towards `_WRITTEN`, exact with its phase unless there are no controls."""
    name, targets, controls = operation.gate, operation.targets, operation.controls
    params = operation.params
    if operation.matrix is not None:
        return _matrix_steps(np.array(operation.matrix), targets, controls)
    if name == "I":
        return []
    if name == "GlobalPhase":
        if not controls:
            return []
        return [Operation("PhaseShift", controls[-1:], params, controls[:-1])]
    if name == "X" and controls:
        return _many_controlled_x(controls, targets[0], n_qubits)
    if name == "PhaseShift":
        half = params[0] * 0.5
        return [
            Operation("RZ", targets, params, controls),
            Operation("PhaseShift", controls[-1:], (half,), controls[:-1]),
        ]
    if name in ("RY", "RZ"):
        half = params[0] * 0.5
        flip = Operation("X", targets, (), controls)
        return [
            Operation(name, targets, (half,)),
            flip,
            Operation(name, targets, (-half,)),
            flip,
        ]
    if name == "RX":
        turn = Operation("H", targets)
        return [turn, Operation("RZ", targets, params, controls), turn]
    if name == "SWAP":
        a, b = targets
        flip = Operation("CX", (b, a))
        return [flip, Operation("X", (b,), (), (*controls, a)), flip]
    decomposition = operation.row.decomposition
    assert decomposition is not None, f"gate {name} has no row in the writer"
    return [
        Operation(step, tuple(targets[q] for q in local), step_params, controls)
        for step, local, step_params in decomposition(*params)
    ]


def _many_controlled_x(controls: tuple[int, ...], target: int, n_qubits: int) -> list[Operation]:
    line = cirq.LineQubit.range(n_qubits)
    free = [line[q] for q in range(n_qubits) if q != target and q not in controls]
    parts = cirq.decompose_multi_controlled_x([line[q] for q in controls], line[target], free)
    return list(from_cirq(cirq.Circuit(parts), qubit_order=line).operations)


def _matrix_steps(
    matrix: Any, targets: tuple[int, ...], controls: tuple[int, ...]
) -> list[Operation]:
    circuit = _one_qubit_circuit(matrix) if len(targets) == 1 else _shannon_circuit(matrix)
    made = circuit.unitary()
    overlap = np.trace(made.conj().T @ matrix)
    circuit.add_gate("GlobalPhase", [], [cmath.phase(complex(overlap))])
    error = float(np.abs(made * (overlap / abs(overlap)) - matrix).max())
    if not error < _MATRIX_ACCURACY:
        raise ConversionError(
            describe(
                f"A matrix on {len(targets)} qubits could not be written as OpenQASM gates",
                expected=f"an error below {_MATRIX_ACCURACY}",
                received=error,
                hint="Replace the matrix by gates, or use to_json.",
            )
        )
    return [step.on(targets, controls) for step in circuit.operations]


def _shannon_circuit(matrix: Any) -> UnifiedCircuit:
    """Gates that make up a matrix on several qubits, up to a global phase."""
    n_qubits = len(matrix).bit_length() - 1
    qubits = cirq.LineQubit.range(n_qubits)
    # Cirq's decomposition fails on some matrices with blocks of zeros, such as X (x) I; a
    # generic rotation in front, undone by the gates before it, makes them ordinary.
    turns = [cirq.ry(0.7 + 0.3 * q).on(qubit) for q, qubit in enumerate(qubits)]
    undo = cirq.Circuit(cirq.inverse(turns))
    for before, turned in (
        (cirq.Circuit(), matrix),
        (undo, matrix @ cirq.Circuit(turns).unitary(qubit_order=qubits)),
    ):
        try:
            parts = cirq.quantum_shannon_decomposition(qubits, turned)
            circuit = from_cirq(cirq.Circuit(before, parts), qubit_order=qubits)
        except (IndexError, ValueError, ArithmeticError, np.linalg.LinAlgError):
            continue
        overlap = abs(np.trace(circuit.unitary().conj().T @ matrix)) / len(matrix)
        if overlap > 1 - 1e-9:
            return circuit
    raise ConversionError(
        describe(
            f"Cirq cannot decompose a matrix on {n_qubits} qubits",
            hint="Replace the matrix by gates, or use to_json.",
        )
    )


def _one_qubit_circuit(matrix: Any) -> UnifiedCircuit:
    theta = 2 * math.atan2(abs(matrix[1, 0]), abs(matrix[0, 0]))
    # Off the diagonal or on it, whichever is not close to zero, the phases are well defined.
    if abs(matrix[0, 0]) > abs(matrix[1, 0]):
        total = cmath.phase(matrix[1, 1] / matrix[0, 0])
        phi = cmath.phase(matrix[1, 0] / matrix[0, 0]) if abs(matrix[1, 0]) > 1e-9 else 0.0
        lam = total - phi
    else:
        phi = 0.0
        if abs(matrix[0, 0]) > 1e-9:
            phi = cmath.phase(matrix[1, 0] / matrix[0, 0])
        lam = cmath.phase(-matrix[0, 1] / matrix[1, 0]) + phi
    return UnifiedCircuit(1).add_gate("U3", [0], [theta, phi, lam])


# --- reading

# Gates that Cirq's reader gets wrong or lacks, defined here under names of their own, up to a
# global phase. In every version cu3 reduces theta modulo 2 pi, which under a control is not the
# same; that of 1.5 also has a wrong phase in cu1 and no parameters for u1 to u3 in definitions.
_WRONG = {
    "cu3": "(a,b,c) x,y { rz((b+c)/2) x; rz((c-b)/2) y; cx x,y; rz(-(b+c)/2) y; ry(-a/2) y; "
    "cx x,y; ry(a/2) y; rz(b) y; }",
}
_WRONG_IN_OLD_READERS = {
    "p": "(a) x { rz(a) x; }",
    "u1": "(a) x { rz(a) x; }",
    "u2": "(b,c) x { rz(c) x; ry(pi/2) x; rz(b) x; }",
    "u3": "(a,b,c) x { rz(c) x; ry(a) x; rz(b) x; }",
    "u": "(a,b,c) x { rz(c) x; ry(a) x; rz(b) x; }",
    "U": "(a,b,c) x { rz(c) x; ry(a) x; rz(b) x; }",
    "cu1": "(a) x,y { rz(a/2) x; cx x,y; rz(-a/2) y; cx x,y; rz(a/2) y; }",
    "cp": "(a) x,y { rz(a/2) x; cx x,y; rz(-a/2) y; cx x,y; rz(a/2) y; }",
    "sx": " x { rx(pi/2) x; }",
    "sxdg": " x { rx(-pi/2) x; }",
    "csx": " x,y { h y; rz(pi/4) x; cx x,y; rz(-pi/4) y; cx x,y; rz(pi/4) y; h y; }",
    "crx": "(a) x,y { h y; crz(a) x,y; h y; }",
    "cry": "(a) x,y { ry(a/2) y; cx x,y; ry(-a/2) y; cx x,y; }",
    "rzz": "(a) x,y { cx x,y; rz(a) y; cx x,y; }",
    "rxx": "(a) x,y { h x; h y; cx x,y; rz(a) y; cx x,y; h x; h y; }",
}
_COMMENT = re.compile(r"//[^\n]*")
# These two match whatever follows the keyword, so that a damaged text costs linear time too.
_BARRIER = re.compile(r"\bbarrier\b[^;]*(?:;|\Z)")
_DEFINITION = re.compile(r"\bgate\s+(\w+)[^{}]*(?:\{([^{}]*)(?:\}|\Z)|\}|\Z)")
_INCLUDE = re.compile(r'include\s*"qelib1\.inc"\s*;')
_HEADER = re.compile(r"\s*OPENQASM\s+2(?:\.0*)?\s*;")
_REGISTER = re.compile(r"\bqreg\s+([A-Za-z_]\w*)\s*\[\s*(\d+)\s*\]")
_CLASSICAL = re.compile(r"\bcreg\s+([A-Za-z_]\w*)\s*\[\s*(\d+)\s*\]")
_NUMBER = re.compile(r"(?<![\w.])(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?![\w.]|\s*\])")
_NAME = re.compile(r"\s*(\w+)")
_UNSUPPORTED = re.compile(r"\b(if|reset|opaque)\b")


def from_qasm(text: str) -> UnifiedCircuit:
    """Reads OpenQASM 2.

    Registers follow each other in the order of their declarations: the first qubit declared is
    qubit 0. Gate definitions are expanded, barriers dropped, measurements become markers.

    Args:
        text: the program.

    Returns:
        The circuit, equal up to a global phase.

    Raises:
        ConversionError: if the program cannot be read or uses what a circuit cannot hold
            (`if`, `reset`, `opaque`, gates after a measurement), or the reader's dependency
            `ply` is not installed.

    >>> from_qasm('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; cx q[0],q[1];').count_gates()
    {'CX': 1}
    """
    program, registers = _prepared(text)
    try:
        from cirq.contrib.qasm_import import circuit_from_qasm
    except ImportError as error:
        raise ConversionError(
            describe(
                "Reading OpenQASM needs the package 'ply'",
                expected="an environment with ply",
                received=str(error),
                hint="Install it with `pip install ply`.",
            )
        ) from error
    program = _with_own_definitions(program)
    try:
        with np.errstate(all="ignore"):
            circuit = circuit_from_qasm(program)
    # The parser lets through whatever its actions run into (a division by zero, a missing key).
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        _fail(f"The OpenQASM program cannot be read: {reason}", "valid OpenQASM 2", text[:80])
    qubits = [cirq.NamedQubit(f"{name}_{i}") for name, size in registers for i in range(size)]
    return from_cirq(circuit, qubit_order=qubits)


def _with_own_definitions(program: str) -> str:
    own = _WRONG | ({} if _reads_current_gates() else _WRONG_IN_OLD_READERS)
    names = "|".join(own)
    used = dict.fromkeys(re.findall(rf"\b({names})\b", program))
    include = _INCLUDE.search(program)
    if not used or include is None:
        return program
    prelude = "".join(f" gate own_{name}{own[name]}" for name in used)
    body = re.sub(rf"\b({names})\b(?=\s*[(a-z])", r"own_\1", program[include.end() :])
    return program[: include.end()] + prelude + body


def _prepared(text: object) -> tuple[str, list[tuple[str, int]]]:
    """The program as the reader takes it, and its quantum registers."""
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        size = f"{len(text)} characters" if isinstance(text, str) else type(text).__name__
        _fail("This is no OpenQASM program", f"text of at most {MAX_CHARACTERS} characters", size)
    program = _COMMENT.sub("", text)
    header = _HEADER.match(program)
    if header is None:
        _fail(
            "The text does not start as an OpenQASM 2 program",
            "'OPENQASM 2.0;' first (from_qasm3 reads OpenQASM 3)",
            program.strip()[:40],
        )
    unsupported = _UNSUPPORTED.search(program)
    if unsupported:
        line = program.count("\n", 0, unsupported.start()) + 1
        _fail(
            f"Line {line} uses {unsupported.group(1)!r}, which a circuit cannot hold",
            "gates, barriers and final measurements",
            program[unsupported.start() :].split(";")[0][:80],
        )
    registers = [(name, _size(digits)) for name, digits in _REGISTER.findall(program)]
    bits = sum(_size(digits) for _, digits in _CLASSICAL.findall(program))
    total = sum(size for _, size in registers)
    if not 1 <= total <= MAX_QUBITS or bits > MAX_QUBITS:
        _fail(
            "The OpenQASM program has no usable number of qubits",
            f"registers of 1 to {MAX_QUBITS} qubits, and as many bits, in all",
            f"{total} qubits, {bits} bits",
        )
    _check_expansion(program)
    body = _BARRIER.sub(lambda found: "\n" * found.group(0).count("\n"), program[header.end() :])
    newlines = "\n" * header.group(0).count("\n")
    return newlines + "OPENQASM 2.0;" + _NUMBER.sub(_readable_number, body), registers


def _check_expansion(program: str) -> None:
    """Refuses gate definitions that call each other until a short text is a huge circuit."""
    sizes: dict[str, int] = {}

    def expanded(statements: str) -> int:
        names = (_NAME.match(statement) for statement in statements.split(";"))
        return sum(sizes.get(name.group(1), 1) for name in names if name)

    for name, body in _DEFINITION.findall(program):
        sizes[name] = expanded(body)
    calls = expanded(_DEFINITION.sub("", program))
    if sizes and calls > MAX_EXPANDED:
        _fail(
            "The gate definitions of the OpenQASM program expand to too many gates",
            f"at most {MAX_EXPANDED}",
            calls,
        )


def _size(digits: str) -> int:
    return int(digits) if len(digits) < 10 else 10**9


def _readable_number(found: re.Match[str]) -> str:
    # Cirq's lexer does not know 12.5e-7, and would raise whole numbers to powers exactly,
    # however large; as d.ddde-07 it reads both.
    try:
        value = float(found.group(0))
    except ValueError:
        return found.group(0)
    return f"{value:.17e}" if math.isfinite(value) else found.group(0)


@functools.lru_cache(maxsize=1)
def _reads_current_gates() -> bool:
    from cirq.contrib.qasm_import import QasmException, circuit_from_qasm

    probe = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; rzz(0.1) q[0],q[1]; p(0.1) q[0];'
    try:
        circuit_from_qasm(probe)
    except QasmException:
        return False
    return True


def _fail(what: str, expected: str, received: object) -> NoReturn:
    raise ConversionError(
        describe(what, expected=expected, received=received, hint="Correct the program.")
    )
