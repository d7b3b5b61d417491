"""A program as a few small matrices a sample, for simulators that take matrices.

Gates next to each other that act on the same one or two qubits become one matrix. Which ones is
worked out once for a program; a call computes the matrices of a whole batch in NumPy, those that
depend on theta alone once for all samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from qstore_tf.backends.arrays.angle_table import AngleTable, Scaled
from qstore_tf.backends.arrays.base import Array
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.gates.matrices import pauli_product
from qstore_tf.circuits.operation import thaw
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Flip, Phase, Rot
from qstore_tf.circuits.program import Program

# Targets of the widest matrices that stay under controls.
WIDEST_CONTROLLED = 4


@dataclass
class _Factor:
    """`constant + first(angle) * one + second(angle) * other`, the matrix of a gate.

    Attributes:
        angle: Column of the angles; None for constant matrices.
        kind: "rot": cos(a/2) and sin(a/2); "phase": exp(i a) and 0.
        parts: constant, one and other.
    """

    angle: int | None
    kind: str
    parts: tuple[Array, Array, Array]

    def times(self, before: Array, after: Array) -> _Factor:
        constant, one, other = (after @ part @ before for part in self.parts)
        return _Factor(self.angle, self.kind, (constant, one, other))


@dataclass
class Block:
    """One matrix, under controls or not.

    Attributes:
        targets: Its qubits, most significant first.
        controls: Qubits that must be 1.
    """

    targets: tuple[int, ...]
    controls: tuple[int, ...] = ()
    _factors: list[_Factor] = field(default_factory=list)

    def _append(self, factor: _Factor) -> None:
        identity = np.eye(2 ** len(self.targets))
        if self._factors and factor.angle is None:
            self._factors[-1] = self._factors[-1].times(identity, factor.parts[0])
        elif self._factors and self._factors[-1].angle is None:
            self._factors[-1] = factor.times(self._factors[-1].parts[0], identity)
        else:
            self._factors.append(factor)


class Blocks:
    """The matrices of a program; see `blocks_of`.

    Attributes:
        layout: The blocks in time order.
    """

    def __init__(self, program: Program, fuse: bool = True) -> None:
        """Works out which gates share a matrix.

        Args:
            program: The program.
            fuse: Whether gates share matrices; else each has its own, under its controls.
        """
        self._angles: list[Angle] = []
        self._last: dict[int, Block | None] = {}
        self._found: list[Block | None] = []
        for gate in program.gates:
            for piece in narrow(gate):
                self._place(piece, fuse)
        self.layout = tuple(block for block in self._found if block is not None)
        columns = [(Scaled(angle),) for angle in self._angles]
        self._table = AngleTable(columns, program.n_inputs, program.n_theta)
        self._fed = [bool(column.any()) for column in self._table.slopes[: program.n_inputs].T]

    def matrices(self, inputs: Array, theta: Array) -> list[Array]:
        """Returns the matrices of the blocks, each [B, d, d], or [1, d, d] where all are the same.

        Args:
            inputs: [B, F].
            theta: [P].
        """
        angles, shared = self._table.values(inputs, theta), self._table.shared(theta)
        found = []
        for block in self.layout:
            total: Array | None = None
            for factor in block._factors:
                one = self._evaluate(factor, angles, shared)
                total = one if total is None else one @ total
            assert total is not None
            found.append(total)
        return found

    def _evaluate(self, factor: _Factor, angles: Array, shared: Array) -> Array:
        constant, one, other = factor.parts
        if factor.angle is None:
            return constant[None]
        column = factor.angle
        values = angles[:, column] if self._fed[column] else shared[column : column + 1]
        values = values[:, None, None]
        if factor.kind == "phase":
            return constant + np.exp(1j * values) * one
        return constant + np.cos(values / 2) * one + np.sin(values / 2) * other

    def _place(self, gate: CompiledPrimitive, fuse: bool) -> None:
        controls, targets = gate.controls, gate.targets
        qubits = controls + targets
        if not qubits:  # a global phase goes wherever there is a matrix
            qubits = targets = (0,)
        if not fuse or len(qubits) > 2:
            if not targets:  # the phase of the last control, under the others
                controls, targets = controls[:-1], controls[-1:]
            if len(targets) > WIDEST_CONTROLLED:  # controls become part of the matrix
                controls, targets = (), controls + targets
            block = Block(targets, controls)
            block._append(self._factor(gate, targets))
            self._found.append(block)
            for qubit in qubits:
                self._last[qubit] = None
            return
        block = self._block_for(qubits)
        block._append(self._factor(gate, block.targets))

    def _block_for(self, qubits: tuple[int, ...]) -> Block:
        """Returns a block on the qubits to which a gate can be appended."""
        last = [self._last.get(qubit) for qubit in qubits]
        first = last[0]
        if first is not None and all(block is first for block in last):
            return first
        block = Block(tuple(qubits))
        for before in last:
            if before is not None and len(before.targets) == 1 and len(qubits) == 2:
                for factor in before._factors:  # what waited on one qubit joins the pair
                    block._append(_embed(factor, before.targets, block.targets))
                self._found[_index(self._found, before)] = None
        self._found.append(block)
        for qubit in qubits:
            self._last[qubit] = block
        return block

    def _factor(self, gate: CompiledPrimitive, qubits: Sequence[int]) -> _Factor:
        """Returns a gate's matrix on `qubits`, under those of its controls that are among them."""
        size = 2 ** len(qubits)
        controls, targets = gate.controls, gate.targets
        controls = tuple(qubit for qubit in controls if qubit in qubits)
        chosen = np.ones(size, bool)
        for qubit in controls:
            bit = 1 << (len(qubits) - 1 - list(qubits).index(qubit))
            chosen &= (np.arange(size) & bit) > 0
        on, off = np.diag(chosen.astype(complex)), np.diag((~chosen).astype(complex))
        none = np.zeros((size, size))
        if isinstance(gate, Phase):
            if not gate.angle.terms:
                return _Factor(None, "", (off + np.exp(1j * gate.angle.constant) * on, none, none))
            return _Factor(self._column(gate.angle), "phase", (off, on, none))
        if isinstance(gate, Rot):
            product = on @ _spread(pauli_product(gate.paulis), targets, qubits)
            if not gate.angle.terms:
                half = gate.angle.constant / 2
                constant = off + np.cos(half) * on - 1j * np.sin(half) * product
                return _Factor(None, "", (constant, none, none))
            return _Factor(self._column(gate.angle), "rot", (off, on, -1j * product))
        matrix = _spread(thaw(gate.matrix), targets, qubits)
        return _Factor(None, "", (off + on @ matrix, none, none))

    def _column(self, angle: Angle) -> int:
        self._angles.append(angle)
        return len(self._angles) - 1


@remember(of_programs)
def blocks_of(program: Program, fuse: bool = True) -> Blocks:
    """Returns the blocks of a program; the same object for the same program."""
    return Blocks(program, fuse)


def narrow(gate: CompiledPrimitive, widest: int = 2) -> list[CompiledPrimitive]:
    """Returns the gate, a rotation of many qubits as one of its last qubit between two ladders.

    Args:
        gate: A primitive.
        widest: Rotations of at most this many qubits stay as they are.

    Example:
        >>> len(narrow(Rot("ZZZ", (0, 1, 2), Angle(0.5))))
        5
    """
    if not isinstance(gate, Rot) or len(gate.targets) <= widest:
        return [gate]
    before: list[CompiledPrimitive] = []
    after: list[CompiledPrimitive] = []
    # Conjugation with RY(pi/2) takes Z to X, with RX(-pi/2) Z to Y.
    for pauli, qubit in zip(gate.paulis, gate.targets, strict=True):
        if pauli != "Z":
            axis, half = ("Y", np.pi / 2) if pauli == "X" else ("X", -np.pi / 2)
            before.append(Rot(axis, (qubit,), Angle(-half)))
            after.append(Rot(axis, (qubit,), Angle(half)))
    ladder = [
        Flip(target, (control,))
        for control, target in zip(gate.targets, gate.targets[1:], strict=False)
    ]
    core = Rot("Z", gate.targets[-1:], gate.angle, gate.controls)
    return [*before, *ladder, core, *reversed(ladder), *after]


def _spread(matrix: Array, targets: Sequence[int], qubits: Sequence[int]) -> Array:
    """Returns a matrix on `targets` as one on `qubits`, which contain them."""
    rest = [qubit for qubit in qubits if qubit not in targets]
    wide = np.kron(matrix, np.eye(2 ** len(rest))).reshape((2,) * (2 * len(qubits)))
    order = [[*targets, *rest].index(qubit) for qubit in qubits]
    axes = [*order, *(len(qubits) + axis for axis in order)]
    return wide.transpose(axes).reshape(2 ** len(qubits), -1)


def _embed(factor: _Factor, targets: Sequence[int], qubits: Sequence[int]) -> _Factor:
    constant, one, other = (_spread(part, targets, qubits) for part in factor.parts)
    return _Factor(factor.angle, factor.kind, (constant, one, other))


def _index(blocks: Sequence[Block | None], wanted: Block) -> int:
    return next(k for k in range(len(blocks) - 1, -1, -1) if blocks[k] is wanted)
