"""Programs as Pauli rotations without controls between constant gates, in moments.

For simulators whose parametric gates take no controls. A rotation under control becomes two
rotations by half the angle and two controlled Pauli gates; a phase under control becomes
rotations about Z. All of it is exact, the global phase included, which is kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qstore_tf.backends.arrays.angle_table import AngleTable, Scaled
from qstore_tf.circuits.operation import freeze
from qstore_tf.circuits.primitives import Angle, Flip, Phase, Rot, Swap, Unitary
from qstore_tf.circuits.program import Program

_Z = freeze(np.diag([1.0, -1.0]).astype(np.complex128))


@dataclass(frozen=True)
class Turn:
    """exp(-i angle/2 P), with P a product of X, Y and Z.

    Attributes:
        paulis: P.
        qubits: What it acts on.
        column: Where its angle stands in the table.
        moves: Whether the angle depends on a slot.
    """

    paulis: str
    qubits: tuple[int, ...]
    column: int
    moves: bool

    def inverse(self) -> Turn:
        """Returns the same turn: its inverse is the turn by the opposite angle."""
        return self


Step = Turn | Flip | Swap | Unitary


@dataclass
class Rotations:
    """A lowered program.

    Attributes:
        n_qubits: Number of qubits.
        moments: Steps in time order; those of one moment act on different qubits.
        table: The angles of the turns, and in its last column the global phase.
    """

    n_qubits: int
    moments: list[list[Step]]
    table: AngleTable


@dataclass
class _Lowering:
    steps: list[Step] = field(default_factory=list)
    columns: list[tuple[Scaled, ...]] = field(default_factory=list)
    phases: list[Scaled] = field(default_factory=list)

    def rotate(self, gate: Rot[Angle], scale: float = 1.0) -> None:
        if not gate.controls:
            return self._turn(gate, scale)
        # P turns back under the anticommuting Pauli, so with the controls off nothing is left.
        target = gate.targets[0]
        flip: Step = Flip(target, gate.controls)
        if gate.paulis[0] == "X":
            flip = Unitary(_Z, (target,), gate.controls)
        self.steps.append(flip)
        self._turn(gate, -scale / 2)
        self.steps.append(flip)
        self._turn(gate, scale / 2)

    def phase(self, gate: Phase[Angle]) -> None:
        # exp(i a) on |1> is exp(i a/2) times exp(-i a/2 Z).
        controls, scale = gate.controls, 1.0
        while controls:
            self.rotate(Rot("Z", controls[-1:], gate.angle, controls[:-1]), scale)
            controls, scale = controls[:-1], scale / 2
        self.phases.append(Scaled(gate.angle, scale))

    def _turn(self, gate: Rot[Angle], scale: float) -> None:
        moves = bool(gate.angle.terms)
        self.steps.append(Turn(gate.paulis, gate.targets, len(self.columns), moves))
        self.columns.append((Scaled(gate.angle, scale),))


def lower(program: Program) -> Rotations:
    """Lowers a program.

    Example:
        >>> gate = Rot("X", (1,), Angle(1.0), (0,))
        >>> found = lower(Program(2, 0, 0, False, (gate,)))
        >>> [type(moment[0]).__name__ for moment in found.moments]
        ['Unitary', 'Turn', 'Unitary', 'Turn']
    """
    lowering = _Lowering()
    for gate in program.gates:
        if isinstance(gate, Rot):
            lowering.rotate(gate)
        elif isinstance(gate, Phase):
            lowering.phase(gate)
        else:
            lowering.steps.append(gate)
    columns = [*lowering.columns, tuple(lowering.phases)]
    table = AngleTable(columns, program.n_inputs, program.n_theta)
    return Rotations(program.n_qubits, _moments(lowering.steps, program.n_qubits), table)


def _moments(steps: list[Step], n_qubits: int) -> list[list[Step]]:
    free = [0] * n_qubits
    moments: list[list[Step]] = []
    for step in steps:
        qubits = step.qubits
        moment = max(free[q] for q in qubits)
        if moment == len(moments):
            moments.append([])
        moments[moment].append(step)
        for q in qubits:
            free[q] = moment + 1
    return moments
