"""Reorders a program into few large steps for the plain-TensorFlow simulator; NumPy only.

A rotation exp(-i a/2 P) becomes a constant change of basis, a diagonal with its angle, and the
change back; so angles occur in diagonals alone, and the state enters every step once (formulas
that use it twice, cos psi - i sin P psi, grow exponentially when XLA fuses them).

Neighbouring diagonals become one step (their phases add up), neighbouring permutations one step
(their index maps compose), neighbouring one-qubit matrices one step (they multiply). Gates move
past each other only where they act on different qubits or both act diagonally on the shared ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.operation import thaw
from qstore_tf.circuits.primitives import (
    Angle,
    CompiledPrimitive,
    Flip,
    Phase,
    Rot,
    Swap,
    Unitary,
    mask,
)
from qstore_tf.circuits.program import Program

_H = np.array([[1, 1], [1, -1]], np.complex128) / np.sqrt(2)
# V with P = V Z V^dagger.
_BASIS = {"X": _H, "Y": np.diag([1, 1j]) @ _H}

# Up to this many qubits a matrix is padded with the qubits between its targets; a wider one has
# its targets swapped next to each other first.
WIDEST_MATRIX = 6


@dataclass(frozen=True)
class Signs:
    """The diagonal of `angle`'s generator: +1 or (-1)^parity(z), 0 off the controlled subspace.

    Attributes:
        angle: The angle that the diagonal multiplies.
        scale: Factor: the phase of basis state j is scale * angle * sign(j).
        z: Mask whose parity gives the sign.
        controls: Mask of bits that must all be 1.
    """

    angle: Angle
    scale: float
    z: int
    controls: int


@dataclass
class Diagonal:
    """psi[j] *= exp(i sum_g scale_g angle_g sign_g(j))."""

    gates: list[Signs] = field(default_factory=list)
    diagonal_on: int = 0
    moves: int = 0


@dataclass
class Permutation:
    """Flips and swaps, in time order."""

    gates: list[Flip | Swap] = field(default_factory=list)
    diagonal_on: int = 0
    moves: int = 0


@dataclass
class Local:
    """A constant 2x2 matrix on each of some qubits."""

    matrices: dict[int, np.ndarray] = field(default_factory=dict)
    diagonal_on: int = 0
    moves: int = 0


@dataclass
class Matrix:
    """A constant matrix on the neighbouring qubits first, ..., first + k - 1."""

    matrix: np.ndarray
    first: int
    controls: int
    diagonal_on: int
    moves: int


Step = Diagonal | Permutation | Local | Matrix


def parity(index: np.ndarray, z: int) -> np.ndarray:
    """Returns (-1)^popcount(index & z) as float64."""
    value = index & z
    for shift in (32, 16, 8, 4, 2, 1):
        value = value ^ (value >> shift)
    return 1.0 - 2.0 * (value & 1)


@remember(of_programs)
def schedule(program: Program) -> tuple[Step, ...]:
    """Returns the steps of a program, in time order."""
    steps: list[Step] = []
    for gate in program.gates:
        for narrow in _narrow(gate, program.n_qubits):
            for step in _lowered(narrow, program.n_qubits):
                _place(steps, step, program.n_qubits)
    return tuple(step for step in steps if not (isinstance(step, Local) and not step.matrices))


def _place(steps: list[Step], step: Step, n_qubits: int) -> None:
    position, host = len(steps), None
    while position > 0:
        other = steps[position - 1]
        if type(other) is type(step) and not isinstance(step, Matrix):
            host = other
        if not _commute(step, other):
            break
        position -= 1
    if host is None:
        steps.insert(position, step)
    elif isinstance(host, Local) and isinstance(step, Local):
        _multiply(host, step, n_qubits)
    else:
        host.gates.extend(step.gates)  # type: ignore[union-attr, arg-type]
        host.moves |= step.moves
        host.diagonal_on = (host.diagonal_on | step.diagonal_on) & ~host.moves


def _multiply(host: Local, step: Local, n_qubits: int) -> None:
    for qubit, matrix in step.matrices.items():
        product = matrix @ host.matrices.pop(qubit, np.eye(2))
        if not np.allclose(product, np.eye(2), rtol=0, atol=1e-15):
            host.matrices[qubit] = product
    host.moves = mask(host.matrices, n_qubits)


def _commute(a: Step, b: Step) -> bool:
    return not (a.moves & (b.moves | b.diagonal_on) or a.diagonal_on & b.moves)


def _lowered(gate: CompiledPrimitive, n_qubits: int) -> list[Step]:
    controls, targets = gate.control_mask(n_qubits), gate.target_mask(n_qubits)
    if isinstance(gate, Phase):
        return [Diagonal([Signs(gate.angle, 1.0, 0, controls)], controls)]
    if isinstance(gate, Rot):
        named = list(zip(gate.targets, gate.paulis, strict=True))
        basis = {q: _BASIS[p] for q, p in named if p in _BASIS}
        diagonal = Diagonal([Signs(gate.angle, -0.5, targets, controls)], targets | controls)
        if not basis:
            return [diagonal]
        there = Local({q: v.conj().T for q, v in basis.items()}, 0, mask(basis, n_qubits))
        return [there, diagonal, Local(basis, 0, mask(basis, n_qubits))]
    if isinstance(gate, (Flip, Swap)):
        return [Permutation([gate], controls, targets)]
    matrix = thaw(gate.matrix)
    if len(gate.targets) == 1 and not controls:
        return [Local({gate.targets[0]: matrix}, 0, targets)]
    return [Matrix(*_window(matrix, gate.targets), controls, controls, targets)]


def _narrow(gate: CompiledPrimitive, n_qubits: int) -> Iterable[CompiledPrimitive]:
    """Swaps the targets of a wide matrix next to each other, and back."""
    if not isinstance(gate, Unitary):
        return [gate]
    k = len(gate.targets)
    if max(gate.targets) - min(gate.targets) < max(WIDEST_MATRIX, k):
        return [gate]
    where = list(range(n_qubits))  # where[q]: the position that qubit q has now
    first = min(min(gate.targets), n_qubits - k)
    swaps: list[CompiledPrimitive] = []
    for i, qubit in enumerate(gate.targets):
        here, there = where[qubit], first + i
        if here != there:
            swaps.append(Swap((here, there)))
            other = where.index(there)
            where[qubit], where[other] = there, here
    moved = Unitary(
        gate.matrix, tuple(where[q] for q in gate.targets), tuple(where[q] for q in gate.controls)
    )
    return [*swaps, moved, *reversed(swaps)]


def blocks(step: Local, widest: int) -> list[tuple[np.ndarray, int]]:
    """Returns the step as matrices on at most `widest` neighbouring qubits, each with its first."""
    out: list[tuple[np.ndarray, int]] = []
    qubits = sorted(step.matrices)
    while qubits:
        first = qubits[0]
        inside = [q for q in qubits if q < first + widest]
        matrix = np.eye(1)
        for qubit in range(first, inside[-1] + 1):
            matrix = np.kron(matrix, step.matrices.get(qubit, np.eye(2)))
        out.append((matrix, first))
        qubits = qubits[len(inside) :]
    return out


def _window(matrix: np.ndarray, targets: Sequence[int]) -> tuple[np.ndarray, int]:
    """Embeds a matrix into the neighbouring qubits min(targets), ..., max(targets)."""
    first, width = min(targets), max(targets) - min(targets) + 1
    rest = [q for q in range(width) if q + first not in targets]
    order = [q - first for q in targets] + rest
    full = np.kron(matrix, np.eye(2 ** len(rest))).reshape((2,) * (2 * width))
    axes = [order.index(q) for q in range(width)]
    full = full.transpose(axes + [width + a for a in axes])
    return full.reshape(2**width, 2**width), first


def source_index(
    gates: Sequence[Flip | Swap], index: Any, n_qubits: int, select: Callable[[Any, int], Any]
) -> Any:
    """Composes flips and swaps into one map: the new psi[j] is the old psi[map(j)].

    Args:
        gates: Flips and swaps in time order.
        index: The basis-state indices 0, ..., 2^n - 1, as NumPy or TensorFlow integers.
        n_qubits: Number of qubits.
        select: `select(index, bits)` is 1 where all of `bits` are set in the index, else 0.
    """
    for gate in reversed(gates):
        on = select(index, gate.control_mask(n_qubits))
        if isinstance(gate, Flip):
            index = index ^ (on * gate.target_mask(n_qubits))
        else:
            a, b = (mask([q], n_qubits) for q in gate.targets)
            differ = select(index, a) ^ select(index, b)
            index = index ^ (on * differ * (a | b))
    return index
