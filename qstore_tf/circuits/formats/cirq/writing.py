"""Circuits to Cirq, unitary for unitary, global phase included.

Cirq and qstore_tf both use qubit 0 as the most significant bit. `Affine` parameters become numbers
or SymPy expressions. `reading` does the reverse.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import cirq
import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import CirqPower, lookup
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine


def to_cirq(circuit: Circuit) -> cirq.Circuit:
    """Converts a circuit to Cirq on `cirq.LineQubit(0), cirq.LineQubit(1), ...`.

    A gate that Cirq has is written as that gate, another (U3, MS) as a few gates with the same
    unitary. Qubits without gates get an identity, so that the Cirq circuit has
    as many qubits. Symbols become SymPy symbols. Measurement markers have the keys `m0, m1, ...`
    by qubit.

    Args:
        circuit: the circuit.

    Returns:
        The Cirq circuit, with the same unitary.

    >>> print(to_cirq(Circuit(2).add_gate("CX", [0, 1])))
    0: ───@───
          │
    1: ───X───
    """
    operations: list[cirq.Operation] = []
    for operation in circuit.operations:
        operations.extend(operation_to_cirq(operation))
    qubits = cirq.LineQubit.range(circuit.n_qubits)
    used = {qubit for operation in operations for qubit in operation.qubits}
    operations.extend(cirq.I(qubit) for qubit in qubits if qubit not in used)
    return cirq.Circuit(operations)


def operation_to_cirq(operation: Operation) -> list[cirq.Operation]:
    """The Cirq operations, in time order, that make up one operation of a circuit.

    >>> operation_to_cirq(Circuit(1).add_gate("X", [0]).operations[0])
    [cirq.X(cirq.LineQubit(0))]
    """
    targets = [cirq.LineQubit(q) for q in operation.targets]
    controls = [cirq.LineQubit(q) for q in operation.controls]
    if operation.gate == "Measure":
        return [cirq.measure(q, key=f"m{q.x}") for q in targets]
    if operation.gate == "GlobalPhase":
        return _phase_to_cirq(operation.params[0], controls)
    if operation.matrix is not None:
        gate = cirq.MatrixGate(np.array(operation.matrix, dtype=np.complex128))
        return [gate.on(*targets).controlled_by(*controls)]
    steps = _steps(operation.gate, operation.params)
    return [gate.on(*(targets[q] for q in local)).controlled_by(*controls) for gate, local in steps]


def _phase_to_cirq(angle: Affine, controls: Sequence[cirq.Qid]) -> list[cirq.Operation]:
    if controls:
        gate = cirq.ZPowGate(exponent=_number(angle * (1 / math.pi)))
        return [gate.on(controls[-1]).controlled_by(*controls[:-1])]
    if angle.is_constant:
        return [cirq.global_phase_operation(cmath.exp(1j * angle.constant))]
    # Cirq cannot draw a symbolic global phase; these two together are the same multiple of I.
    qubit = cirq.LineQubit(0)
    return [
        cirq.ZPowGate(exponent=_number(angle * (2 / math.pi))).on(qubit),
        cirq.rz(_number(angle * -2.0)).on(qubit),
    ]


def _number(value: Affine) -> Any:
    return value.constant if value.is_constant else value.to_sympy()


_Steps = list[tuple[cirq.Gate, tuple[int, ...]]]


def _steps(name: str, params: Sequence[Affine]) -> _Steps:
    """Gates of Cirq on local qubits, in time order, that make up a gate of the table."""
    row = lookup(name)
    if name in _OTHERS:
        return [(_OTHERS[name](*map(_number, params)), tuple(range(row.n_qubits or 0)))]
    if row.cirq is not None:
        return [(_power(row.cirq, params), tuple(range(row.n_qubits or 0)))]
    if row.controlled is not None:
        base, n_controls = row.controlled
        ((gate, local),) = _steps(base, params)
        controlled = cirq.ControlledGate(gate, n_controls)
        return [(controlled, tuple(range(n_controls + len(local))))]
    assert row.decomposition is not None, f"gate {name} has no counterpart in Cirq"
    return [
        (gate, tuple(qubits[q] for q in local))
        for step, qubits, step_params in row.decomposition(*params)
        for gate, local in _steps(step, step_params)
    ]


def _power(form: CirqPower, params: Sequence[Affine]) -> cirq.Gate:
    made: cirq.Gate
    if not params:
        return _constant(form)
    if form.name:
        made = getattr(cirq, form.name)(_number(params[0]))
        return made
    exponent = _number(params[0] * form.exponent)
    made = getattr(cirq, form.kind)(exponent=exponent, global_shift=form.global_shift)
    return made


@cache
def _constant(form: CirqPower) -> cirq.Gate:
    made: cirq.Gate
    if form.name:
        made = getattr(cirq, form.name)
    else:
        made = getattr(cirq, form.kind)(exponent=form.exponent, global_shift=form.global_shift)
    return made


# Gates of Cirq that are not powers.
_OTHERS: Mapping[str, Callable[..., cirq.Gate]] = {
    "I": lambda: cirq.I,
    "CSWAP": lambda: cirq.CSWAP,
    "FSim": cirq.FSimGate,
    "GPi": lambda turns: cirq.PhasedXPowGate(phase_exponent=turns * 2.0),
    "GPi2": lambda turns: cirq.PhasedXPowGate(
        phase_exponent=turns * 2.0, exponent=0.5, global_shift=-0.5
    ),
}
