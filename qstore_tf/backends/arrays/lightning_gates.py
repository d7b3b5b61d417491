"""Programs in the gates of PennyLane's Lightning, with their controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore_tf.backends.arrays.angle_table import AngleTable, Scaled
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.operation import thaw
from qstore_tf.circuits.primitives import Angle, Flip, Phase, Rot, Swap
from qstore_tf.circuits.program import Program


@dataclass(frozen=True)
class Op:
    """A gate of Lightning's.

    Attributes:
        name: What Lightning calls it.
        wires: Its targets.
        controls: Qubits that must have certain values.
        column: Where its angle stands in the table; None where it has none there.
        moves: Whether that angle depends on a slot.
        inverse: Whether it is the inverse of the named gate.
        matrix: The matrix, where the gate is one.
        angle: The angle, where it is a constant that is not in the table.
        ones: The values of the controls; None is all 1.
    """

    name: str
    wires: tuple[int, ...]
    controls: tuple[int, ...] = ()
    column: int | None = None
    moves: bool = False
    inverse: bool = False
    matrix: Any = None
    angle: float | None = None
    ones: tuple[bool, ...] | None = None

    @property
    def values(self) -> list[bool]:
        """The values of the controls."""
        return list(self.ones or (True,) * len(self.controls))

    def for_sweep(self) -> list[Op]:
        """Returns gates that the adjoint sweep can run: it has no matrices under controls.

        With U = V D V^-1, only D needs the controls, and it is phases on basis states.
        """
        if self.matrix is None or not self.controls:
            return [self]
        # Of all programs few have such a gate, and SciPy takes its time to import.
        from scipy.linalg import schur

        diagonal, vectors = schur(self.matrix, output="complex")
        count = len(self.wires)
        phases = [
            Op(
                "PhaseShift",
                self.controls[:1],
                self.controls[1:] + self.wires,
                angle=float(np.angle(diagonal[j, j])),
                ones=(True,) * (len(self.controls) - 1)
                + tuple(bool(j >> (count - 1 - bit) & 1) for bit in range(count)),
            )
            for j in range(2**count)
        ]
        before = Op(self.name, self.wires, matrix=np.ascontiguousarray(vectors.conj().T))
        return [before, *phases, Op(self.name, self.wires, matrix=vectors)]


@dataclass(frozen=True)
class Lowered:
    """A program for Lightning.

    Attributes:
        ops: The gates in time order.
        table: Their angles, and in its last column the global phase.
    """

    ops: tuple[Op, ...]
    table: AngleTable


# Gates that turn a Pauli into Z: SX Y SX^-1 = Z.
_TO_Z = {"X": "Hadamard", "Y": "SX"}


@remember(of_programs, most=64)
def lowered(program: Program) -> Lowered:
    """Lowers to gates that Lightning has, with their controls."""
    ops: list[Op] = []
    columns: list[tuple[Scaled, ...]] = []
    phases: list[Scaled] = []

    def turn(name: str, wires: tuple[int, ...], controls: tuple[int, ...], angle: Angle) -> None:
        ops.append(Op(name, wires, controls, len(columns), bool(angle.terms)))
        columns.append((Scaled(angle),))

    for gate in program.gates:
        if isinstance(gate, Rot) and len(gate.targets) == 1:
            turn(f"R{gate.paulis}", gate.targets, gate.controls, gate.angle)
        elif isinstance(gate, Rot):
            pairs = zip(gate.paulis, gate.targets, strict=True)
            into = [Op(_TO_Z[pauli], (q,)) for pauli, q in pairs if pauli != "Z"]
            ops.extend(into)
            turn("MultiRZ", gate.targets, gate.controls, gate.angle)
            ops.extend(Op(op.name, op.wires, inverse=True) for op in into)
        elif isinstance(gate, Phase) and gate.controls:
            turn("PhaseShift", gate.controls[-1:], gate.controls[:-1], gate.angle)
        elif isinstance(gate, Phase):
            phases.append(Scaled(gate.angle))
        elif isinstance(gate, Flip) and len(gate.controls) == 1:
            ops.append(Op("CNOT", (*gate.controls, gate.target)))
        elif isinstance(gate, Flip):
            ops.append(Op("PauliX", (gate.target,), gate.controls))
        elif isinstance(gate, Swap):
            ops.append(Op("SWAP", gate.targets, gate.controls))
        else:
            ops.append(Op("QubitUnitary", gate.targets, gate.controls, matrix=thaw(gate.matrix)))
    table = AngleTable([*columns, tuple(phases)], program.n_inputs, program.n_theta)
    return Lowered(tuple(ops), table)
