"""Reorders a program into few large steps for the plain-TensorFlow simulator; NumPy only.

Neighbouring diagonal gates become one step (their phases add up), neighbouring permutations
become one step (their index maps compose), the rest stays one gate a step. Gates move past each
other only where they act on different qubits or both act diagonally on the shared ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from qstore_tf.circuits.program import (
    Angle,
    CompiledPrimitive,
    Flip,
    Phase,
    Program,
    Rot,
    Swap,
    Unitary,
)

# Up to this many qubits a matrix is padded with the qubits between its targets; a wider one has
# its targets swapped next to each other first.
WIDEST_MATRIX = 6


@dataclass(frozen=True)
class Signs:
    """The diagonal of `angle`'s generator: +1 or (-1)^parity(z), 0 off the controlled subspace.

    Attributes:
        angle: The angle that the diagonal multiplies.
        scale: Factor in front: the phase of basis state j is scale * angle * sign(j).
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
class Rotation:
    """psi[j] = cos psi[j] - i sin (P psi)[j] for a Pauli string with at least one X or Y."""

    angle: Angle
    x: int
    z: int
    controls: int
    diagonal_on: int
    moves: int


@dataclass
class Matrix:
    """A constant matrix on the neighbouring qubits first, ..., first + k - 1."""

    matrix: np.ndarray
    first: int
    controls: int
    diagonal_on: int
    moves: int


Step = Diagonal | Permutation | Rotation | Matrix


def mask(qubits: Iterable[int], n_qubits: int) -> int:
    """Returns the basis-index mask of qubits; qubit 0 is the most significant bit."""
    out = 0
    for qubit in qubits:
        out |= 1 << (n_qubits - 1 - qubit)
    return out


def parity(index: np.ndarray, z: int) -> np.ndarray:
    """Returns (-1)^popcount(index & z) as float64."""
    value = index & z
    for shift in (32, 16, 8, 4, 2, 1):
        value = value ^ (value >> shift)
    return 1.0 - 2.0 * (value & 1)


@lru_cache(maxsize=256)
def schedule(program: Program) -> tuple[Step, ...]:
    """Returns the steps of a program, in time order."""
    steps: list[Step] = []
    for gate in program.gates:
        for narrow in _narrow(gate, program.n_qubits):
            _place(steps, narrow, program.n_qubits)
    return tuple(steps)


def _place(steps: list[Step], gate: CompiledPrimitive, n_qubits: int) -> None:
    step = _single(gate, n_qubits)
    position, host = len(steps), None
    while position > 0:
        other = steps[position - 1]
        if type(other) is type(step) and isinstance(step, (Diagonal, Permutation)):
            host = other
        if not _commute(step, other):
            break
        position -= 1
    if host is None:
        steps.insert(position, step)
        return
    assert isinstance(host, (Diagonal, Permutation)) and type(host) is type(step)
    host.gates.extend(step.gates)  # type: ignore[union-attr, arg-type]
    host.moves |= step.moves
    host.diagonal_on = (host.diagonal_on | step.diagonal_on) & ~host.moves


def _commute(a: Step, b: Step) -> bool:
    return not (a.moves & (b.moves | b.diagonal_on) or a.diagonal_on & b.moves)


def _single(gate: CompiledPrimitive, n_qubits: int) -> Step:
    controls = mask(() if isinstance(gate, Phase) else gate.controls, n_qubits)
    if isinstance(gate, Phase):
        on = mask(gate.controls, n_qubits)
        return Diagonal([Signs(gate.angle, 1.0, 0, on)], on)
    if isinstance(gate, Rot):
        named = list(zip(gate.paulis, gate.targets, strict=True))
        x = mask((q for p, q in named if p in "XY"), n_qubits)
        z = mask((q for p, q in named if p in "ZY"), n_qubits)
        if x == 0:
            return Diagonal([Signs(gate.angle, -0.5, z, controls)], z | controls)
        return Rotation(gate.angle, x, z, controls, (z & ~x) | controls, x)
    if isinstance(gate, Flip):
        return Permutation([gate], controls, mask([gate.target], n_qubits))
    if isinstance(gate, Swap):
        return Permutation([gate], controls, mask(gate.targets, n_qubits))
    matrix, first = _window(np.array(gate.matrix, np.complex128), gate.targets)
    return Matrix(matrix, first, controls, controls, mask(gate.targets, n_qubits))


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
        on = select(index, mask(gate.controls, n_qubits))
        if isinstance(gate, Flip):
            index = index ^ (on * mask([gate.target], n_qubits))
        else:
            a, b = (mask([q], n_qubits) for q in gate.targets)
            differ = select(index, a) ^ select(index, b)
            index = index ^ (on * differ * (a | b))
    return index
