"""Makes one gate of each run of one-qubit gates whose angles are numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.reference import ComplexArray, unitary
from qstore_tf.circuits.symbols import Affine


def fused(operations: Sequence[Operation]) -> list[Operation]:
    """Returns operations in which each run of one-qubit gates is one U3, and a global phase.

    Gates with symbols or controls stay. Native gates of machines are joined too: compile after.

    Example:
        >>> circuit = Circuit(1).add_gate("H", 0).add_gate("T", 0).add_gate("H", 0)
        >>> [gate.gate for gate in fused(circuit.operations)]
        ['U3', 'GlobalPhase']
    """
    runs: dict[int, list[Operation]] = {}
    result: list[Operation] = []
    phase = 0.0

    def end(qubit: int) -> None:
        nonlocal phase
        run = runs.pop(qubit, [])
        if len(run) < 2:
            result.extend(run)
            return
        alone = [Operation(op.gate, (0,), op.params, (), op.matrix) for op in run]
        angles, extra = euler(unitary(Circuit.from_operations(1, alone)))
        phase += extra
        result.append(Operation("U3", (qubit,), tuple(Affine(angle) for angle in angles)))

    for operation in operations:
        if _joins(operation):
            runs.setdefault(operation.qubits[0], []).append(operation)
            continue
        for qubit in operation.qubits:
            end(qubit)
        result.append(operation)
    for qubit in list(runs):
        end(qubit)
    if phase:
        result.append(Operation("GlobalPhase", (), (Affine(phase),)))
    return result


def _joins(operation: Operation) -> bool:
    return (
        len(operation.qubits) == 1
        and not operation.controls
        and not operation.is_measurement
        and all(param.is_constant for param in operation.params)
    )


def euler(matrix: ComplexArray) -> tuple[tuple[float, float, float], float]:
    """Returns the angles of U3 and the phase of a one-qubit matrix.

    Example:
        >>> angles, phase = euler(np.array([[0, 1], [1, 0]], dtype=complex))
        >>> [round(angle / np.pi, 6) for angle in angles], phase
        ([1.0, 0.0, -1.0], 0.0)
    """
    theta = 2 * math.atan2(abs(matrix[1, 0]), abs(matrix[0, 0]))
    # Where one of both is zero up to rounding, its angle is free.
    alpha = float(np.angle(matrix[0, 0])) if abs(matrix[0, 0]) > 1e-12 else 0.0
    phi = float(np.angle(matrix[1, 0])) - alpha if abs(matrix[1, 0]) > 1e-12 else 0.0
    if abs(matrix[0, 0]) >= abs(matrix[1, 0]):
        lam = float(np.angle(matrix[1, 1])) - alpha - phi
    else:
        lam = float(np.angle(-matrix[0, 1])) - alpha
    return (theta, phi, lam), alpha
