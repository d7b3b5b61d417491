"""Circuits to Cirq, unitary for unitary, global phase included.

Both use qubit 0 as the most significant bit. `Affine` parameters become numbers or SymPy
expressions. The way back is `cirq_reading`.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cirq
import numpy as np

from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine


def to_cirq(circuit: UnifiedCircuit) -> cirq.Circuit:
    """Converts a circuit to Cirq on `cirq.LineQubit(0), cirq.LineQubit(1), ...`.

    Gates that Cirq has become that gate; U3, GPi2 and MS, which it lacks, a few gates in a row
    with the same unitary. Qubits without gates get an identity, so that the Cirq circuit has
    as many qubits. Symbols become SymPy symbols. Measurement markers have the keys `m0, m1, ...`
    by qubit.

    Args:
        circuit: the circuit.

    Returns:
        The Cirq circuit, with the same unitary.

    >>> print(to_cirq(UnifiedCircuit(2).add_gate("CX", [0, 1])))
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

    >>> operation_to_cirq(UnifiedCircuit(1).add_gate("X", [0]).operations[0])
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
    steps = _TO_CIRQ[operation.gate](*operation.params)
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


def _single(make: Callable[..., cirq.Gate]) -> Callable[..., _Steps]:
    def steps(*params: Affine) -> _Steps:
        gate = make(*(_number(param) for param in params))
        return [(gate, tuple(range(cirq.num_qubits(gate))))]

    return steps


def _constant(gate: cirq.Gate) -> Callable[..., _Steps]:
    return lambda: [(gate, tuple(range(cirq.num_qubits(gate))))]


def _scaled(make: Callable[[Any], cirq.Gate], factor: float) -> Callable[..., _Steps]:
    inner = _single(make)
    return lambda angle: inner(angle * factor)


def _rotation(name: str, controlled: bool = False) -> Callable[..., _Steps]:
    rotate = {"X": cirq.rx, "Y": cirq.ry, "Z": cirq.rz}[name]
    return _single(lambda t: cirq.ControlledGate(rotate(t)) if controlled else rotate(t))


def _two_qubit_rotation(gate: type[Any]) -> Callable[..., _Steps]:
    return _scaled(lambda t: gate(exponent=t, global_shift=-0.5), 1 / math.pi)


def _z_power(angle: Affine) -> cirq.Gate:
    return cirq.ZPowGate(exponent=_number(angle * (1 / math.pi)))


def _u3(theta: Affine, phi: Affine, lam: Affine) -> _Steps:
    return [(_z_power(lam), (0,)), (cirq.ry(_number(theta)), (0,)), (_z_power(phi), (0,))]


def _gpi(turns: Affine) -> _Steps:
    gate = cirq.PhasedXPowGate(phase_exponent=_number(turns * 2.0))
    return [(gate, (0,))]


def _gpi2(turns: Affine) -> _Steps:
    exponent = _number(turns * 2.0)
    return [(cirq.PhasedXPowGate(phase_exponent=exponent, exponent=0.5, global_shift=-0.5), (0,))]


def _ms(phi0: Affine, phi1: Affine, theta: Affine) -> _Steps:
    turn = 2 * math.pi
    before = [(cirq.rz(_number(phi * -turn)), (q,)) for q, phi in enumerate((phi0, phi1))]
    after = [(cirq.rz(_number(phi * turn)), (q,)) for q, phi in enumerate((phi0, phi1))]
    core = cirq.XXPowGate(exponent=_number(theta * 2.0), global_shift=-0.5)
    return [*before, (core, (0, 1)), *after]


_TO_CIRQ: Mapping[str, Callable[..., _Steps]] = {
    "I": _constant(cirq.I),
    "X": _constant(cirq.X),
    "Y": _constant(cirq.Y),
    "Z": _constant(cirq.Z),
    "H": _constant(cirq.H),
    "S": _constant(cirq.S),
    "Sdg": _constant(cirq.S**-1),
    "T": _constant(cirq.T),
    "Tdg": _constant(cirq.T**-1),
    "SX": _constant(cirq.X**0.5),
    "SXdg": _constant(cirq.X**-0.5),
    "RX": _rotation("X"),
    "RY": _rotation("Y"),
    "RZ": _rotation("Z"),
    "PhaseShift": _scaled(lambda t: cirq.ZPowGate(exponent=t), 1 / math.pi),
    "U3": _u3,
    "CX": _constant(cirq.CNOT),
    "CY": _constant(cirq.ControlledGate(cirq.Y)),
    "CZ": _constant(cirq.CZ),
    "CH": _constant(cirq.ControlledGate(cirq.H)),
    "CRX": _rotation("X", controlled=True),
    "CRY": _rotation("Y", controlled=True),
    "CRZ": _rotation("Z", controlled=True),
    "CPhase": _scaled(lambda t: cirq.CZPowGate(exponent=t), 1 / math.pi),
    "SWAP": _constant(cirq.SWAP),
    "ISWAP": _constant(cirq.ISWAP),
    "RXX": _two_qubit_rotation(cirq.XXPowGate),
    "RYY": _two_qubit_rotation(cirq.YYPowGate),
    "RZZ": _two_qubit_rotation(cirq.ZZPowGate),
    "XPow": _single(lambda t: cirq.XPowGate(exponent=t)),
    "YPow": _single(lambda t: cirq.YPowGate(exponent=t)),
    "ZPow": _single(lambda t: cirq.ZPowGate(exponent=t)),
    "CXPow": _single(lambda t: cirq.CXPowGate(exponent=t)),
    "CZPow": _single(lambda t: cirq.CZPowGate(exponent=t)),
    "FSim": _single(lambda theta, phi: cirq.FSimGate(theta, phi)),
    "CCX": _constant(cirq.CCX),
    "CCZ": _constant(cirq.CCZ),
    "CSWAP": _constant(cirq.CSWAP),
    "GPi": _gpi,
    "GPi2": _gpi2,
    "MS": _ms,
    "ZZ": _scaled(lambda t: cirq.ZZPowGate(exponent=t, global_shift=-0.5), 2.0),
}
