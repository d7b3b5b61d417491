"""Hadamard tests of a program: its derivatives by all angles as runs on one more qubit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.observables import PauliString, PauliSum
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Phase, Rot
from qstore_tf.circuits.program import Program
from qstore_tf.shifts.unrolled import Unrolled


@dataclass(frozen=True)
class HadamardTests:
    """The circuits of all tests of a program, as one program with a switch for each.

    Attributes:
        program: On one qubit more, the last; its inputs are the angles, then the switches.
        columns: For each test, the angle that it helps to differentiate.
        weights: For each test, its part in that derivative.
    """

    program: Program
    columns: tuple[int, ...]
    weights: tuple[float, ...]


@remember(of_programs)
def hadamard_tests(unrolled: Unrolled, wanted: tuple[int, ...]) -> HadamardTests:
    """Returns the tests for the wanted columns of an unrolled program."""
    original = unrolled.program
    extra, n_angles = original.n_qubits, len(unrolled.columns)
    gates: list[CompiledPrimitive] = [Rot("Y", (extra,), Angle(math.pi / 2))]
    columns: list[int] = []
    weights: list[float] = []
    moving = 0
    for gate in original.gates:
        gates.append(gate)
        if not gate.terms:
            continue
        if moving in wanted:
            first = n_angles + len(columns)
            put_in, parts = _generator(gate, extra, first)
            gates += put_in
            columns += [moving] * len(parts)
            weights += parts
        moving += 1
    program = Program(
        original.n_qubits + 1, n_angles + len(columns), 0, original.has_initial, tuple(gates)
    )
    return HadamardTests(program, tuple(columns), tuple(weights))


def _generator(
    gate: CompiledPrimitive, extra: int, switch: int
) -> tuple[list[CompiledPrimitive], list[float]]:
    """Returns what a gate's tests put in, with switches from `switch` on, and their weights.

    Each switch puts in -i U under control of the extra qubit, where the weighted sum of the U,
    halved, is the generator up to a multiple of the identity, which no expectation sees. Then
    X on the extra qubit shows Im <O U>.
    """

    def turn(angle: float, *switches: int) -> Angle:
        return Angle(0.0, tuple(("i", number, angle) for number in switches))

    if not isinstance(gate, Rot):
        # exp(i a Q) has the generator -Q = (1 - 2 Q) / 2 - 1/2, and 1 - 2 Q is a phase of pi.
        if not gate.controls:
            return [], []
        return [
            Phase(turn(math.pi, switch), (extra, *gate.controls)),
            Phase(turn(-math.pi / 2, switch), (extra,)),
        ], [1.0]
    put_in: list[CompiledPrimitive]
    if not gate.controls:
        return [Rot(gate.paulis, gate.targets, turn(math.pi, switch), (extra,))], [1.0]
    # The generator Q P / 2 has no unitary for a factor. With the rotation by pi under control,
    # which is -i Q P + (1 - Q), and the same times 2 Q - 1, the parts 1 - Q cancel.
    second = switch + 1
    put_in = [
        Rot(gate.paulis, gate.targets, turn(math.pi, switch, second), (extra, *gate.controls)),
        Phase(turn(math.pi, second), (extra, *gate.controls)),
        Phase(turn(math.pi, second), (extra,)),
    ]
    return put_in, [0.5, 0.5]


def with_extra_qubit(observable: PauliSum, extra: int) -> PauliSum:
    """Returns the observable and X on the extra qubit; multiples of 1 do not change with angles."""
    terms = [
        PauliString(term.coefficient, (*term.paulis, (extra, "X")))
        for term in observable.terms
        if term.paulis
    ]
    return PauliSum(tuple(terms) or (PauliString(0.0, ((extra, "X"),)),))
