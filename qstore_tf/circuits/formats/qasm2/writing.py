"""Circuits to OpenQASM 2 (arXiv:1707.03429).

Only gates of the `qelib1.inc` that every reader has are written, and the others lowered to them.
OpenQASM 2 knows neither symbols nor global phases: symbols are an error, and a circuit comes back
equal up to a global phase. `reading` does the reverse.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator
from typing import Any

import cirq
import numpy as np

from qstore_tf.circuits import reference
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.cirq.reading import from_cirq
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import Operation
from qstore_tf.errors import ConversionError, describe

_MATRIX_ACCURACY = 1e-6

# (gate without controls, number of controls) -> name in the first qelib1.inc, but for cu3, about
# whose phase the versions of the file disagree.
_WRITTEN = {row.controlled or (row.name, 0): row.qasm2 for row in GATES.values() if row.qasm2}


def to_qasm(circuit: Circuit) -> str:
    """Writes a circuit as OpenQASM 2 on one register `q`; qubit i is `q[i]`.

    Gates that `qelib1.inc` lacks are written as gates that it has, matrices by Cirq's quantum
    Shannon decomposition. Measurement markers become measurements into a register `c`.

    Args:
        circuit: the circuit, without symbols.

    Returns:
        The program, equal to the circuit up to a global phase.

    Raises:
        ConversionError: if the circuit has symbols, which OpenQASM 2 cannot express.

    >>> print(to_qasm(Circuit(2).add_gate("CX", [0, 1])))
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
    operation = operation.with_plain_controls()
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
    made = reference.unitary(circuit)
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


def _shannon_circuit(matrix: Any) -> Circuit:
    """Gates that make up a matrix on several qubits, up to a global phase."""
    n_qubits = len(matrix).bit_length() - 1
    qubits = cirq.LineQubit.range(n_qubits)
    # Cirq's decomposition fails on some matrices with blocks of zeros, such as X (x) I; a
    # generic rotation first, cancelled by the gates before it, makes them ordinary.
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
        overlap = abs(np.trace(reference.unitary(circuit).conj().T @ matrix)) / len(matrix)
        if overlap > 1 - 1e-9:
            return circuit
    raise ConversionError(
        describe(
            f"Cirq cannot decompose a matrix on {n_qubits} qubits",
            hint="Replace the matrix by gates, or use to_json.",
        )
    )


def _one_qubit_circuit(matrix: Any) -> Circuit:
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
    return Circuit(1).add_gate("U3", [0], [theta, phi, lam])
