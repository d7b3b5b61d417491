"""Programs in which every angle is an input of its own, so that each can be moved by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive
from qstore_tf.circuits.program import Program


@dataclass(frozen=True)
class Column:
    """One column of an unrolled program: an angle in terms of the original's slots."""

    angle: Angle
    scale: float = 1.0


@dataclass(frozen=True)
class Unrolled:
    """A program without theta; its inputs are computed from the original's inputs and theta.

    Attributes:
        program: The program, with G inputs.
        columns: For each of its inputs, what it is in terms of the original's slots.
        gates: For each of its inputs, the one gate that reads it; empty for `promote`.
    """

    program: Program
    columns: tuple[Column, ...]
    gates: tuple[CompiledPrimitive, ...] = ()

    def reads_theta(self, column: int) -> bool:
        """Whether a column depends on theta, and not on inputs alone."""
        return any(kind == "t" for kind, _, _ in self.columns[column].angle.terms)

    def jacobian(self, n_theta: int) -> np.ndarray:
        """Returns d column / d theta, [G, P]."""
        table = np.zeros((len(self.columns), n_theta))
        for number, column in enumerate(self.columns):
            for kind, slot, coefficient in column.angle.terms:
                if kind == "t":
                    table[number, slot] += coefficient
        return table


@remember(of_programs)
def unroll(program: Program) -> Unrolled:
    """Makes every gate angle that depends on a slot an input of its own, in time order."""
    columns: list[Column] = []
    moving: list[CompiledPrimitive] = []
    gates: list[CompiledPrimitive] = []
    for gate in program.gates:
        if gate.angle is None or not gate.terms:
            gates.append(gate)
            continue
        own = Angle(0.0, (("i", len(columns), 1.0),))
        moving.append(gate)
        columns.append(Column(gate.angle))
        gates.append(gate.with_angle(lambda _, own=own: own))  # type: ignore[misc]
    unrolled = Program(program.n_qubits, len(columns), 0, program.has_initial, tuple(gates))
    return Unrolled(unrolled, tuple(columns), tuple(moving))


@remember(of_programs)
def promote(program: Program) -> Unrolled:
    """Makes the entries of theta inputs, after the program's own, so that rows may differ."""
    n_inputs, n_theta = program.n_inputs, program.n_theta

    def promoted(angle: Angle) -> Angle:
        ahead = {"i": 0, "t": n_inputs}
        return Angle(angle.constant, tuple(("i", k + ahead[kind], c) for kind, k, c in angle.terms))

    gates = tuple(gate.with_angle(promoted) for gate in program.gates)
    slots = [("i", k) for k in range(n_inputs)] + [("t", k) for k in range(n_theta)]
    columns = tuple(Column(Angle(0.0, ((kind, slot, 1.0),))) for kind, slot in slots)
    return Unrolled(
        Program(program.n_qubits, n_inputs + n_theta, 0, program.has_initial, gates), columns
    )


@remember(of_programs)
def there_and_back(program: Program) -> Program:
    """Returns the unrolled program with its G angles, then its inverse with G more."""
    if program.n_theta:
        program = unroll(program).program
    width = program.n_inputs
    back = [
        gate.inverse().with_angle(lambda angle: angle.moved(width, 0))
        for gate in reversed(program.gates)
    ]
    gates = (*program.gates, *back)
    return Program(program.n_qubits, 2 * program.n_inputs, 0, program.has_initial, gates)
