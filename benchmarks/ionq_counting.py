"""Counts what a compiled circuit costs on IonQ's hardware, by one rule for all compilers.

Every output is turned into one-qubit unitaries and entanglers exp(-i a PP) of a single Pauli axis:
a two-qubit gate is as many of them as it has non-zero Weyl coordinates. One-qubit pulses are then
counted with virtual Z rotations, for a circuit that starts in |0...0> and is measured in Z:

* ZZ (Forte): between two entanglers a wire needs no pulse if what lies between leaves the axis
  Z where it is, one (GPi2) if it turns it by a right angle, two otherwise.
* MS (Aria): an entangler acts about any axis perpendicular to that of the virtual frame, which
  is chosen to need the fewest pulses: 0, 1 or 2 where it stays, turns by a right angle, turns
  otherwise.

Signs are free: of entangling angles, and of the frame inside the circuit. A wire whose whole
effect is a bit flip costs one pulse (GPi).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks import ionq_weyl

Matrix = NDArray[np.complex128]
Vector = NDArray[np.float64]
# Axes of the entanglers of a wire in time order, measured axis -> pulses.
Rule = Callable[[Sequence[Vector], Vector], int]

# How far from parallel or perpendicular two axes, or from zero a Weyl coordinate, may be.
TOLERANCE = 1e-6
Z_AXIS = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Gate:
    """One gate of a compiled circuit: qubits, the most significant first, and its matrix."""

    qubits: tuple[int, ...]
    matrix: Matrix


@dataclass(frozen=True)
class Count:
    """What a circuit costs.

    Attributes:
        two: entanglers.
        depth: entanglers on the longest path.
        angle: sum of the entangling angles, a full entangler being 1.
        forte: one-qubit pulses around ZZ.
        aria: one-qubit pulses around MS.
    """

    two: int
    depth: int
    angle: float
    forte: int
    aria: int


@dataclass
class _Block:
    """A two-qubit gate: for each wire the axes of its entanglers, seen from the circuit's start."""

    qubits: tuple[int, int]
    axes: tuple[list[Vector], list[Vector]]
    order: tuple[int, ...]


@dataclass
class _Wires:
    """Every wire's two-qubit gates in time order, and its measured axis."""

    blocks: list[_Block] = field(default_factory=list)
    on: list[list[_Block]] = field(default_factory=list)
    measured: list[Vector] = field(default_factory=list)

    def axes(self, wire: int) -> list[Vector]:
        """Axes of the entanglers of one wire in time order."""
        return [
            block.axes[block.qubits.index(wire)][place]
            for block in self.on[wire]
            for place in block.order
        ]


def count(n_qubits: int, gates: Sequence[Gate]) -> Count:
    """Counts entanglers and pulses of gates on one and two qubits, in time order."""
    wires, depth, angle = _read(n_qubits, gates)
    return Count(
        two=sum(len(block.order) for block in wires.blocks),
        depth=depth,
        angle=angle,
        forte=_pulses(wires, zz_pulses),
        aria=_pulses(wires, ms_pulses),
    )


def zz_pulses(axes: Sequence[Vector], measured: Vector) -> int:
    """Pulses of a wire whose entanglers all act about Z between its blocks."""
    steps = list(itertools.pairwise([Z_AXIS, *axes, measured]))
    pulses = sum(_turn(before, after) for before, after in steps)
    return pulses or int(np.prod([before @ after for before, after in steps]) < 0)


def ms_pulses(axes: Sequence[Vector], measured: Vector) -> int:
    """Fewest pulses of a wire whose frame is perpendicular to the axis of each entangler.

    The least cost of every possible frame after each entangler, exactly: it is the same,
    `general`, for all of the circle perpendicular to the axis but for a few `special` frames
    that cost less.
    """
    general, circle = np.inf, Z_AXIS
    special, costs = Z_AXIS[None], np.zeros(1)
    for place, axis in enumerate(axes):
        least = min(general, *costs) if len(costs) else general
        turns = _turns(special, axis)
        found, prices = [special[turns == 1]], [costs[turns == 1]]
        # From a special frame a right angle leads to one frame, or to all if it is the axis.
        found.append(_perpendicular(special[turns > 0], axis))
        prices.append(costs[turns > 0] + 1)
        onward = min([least + 2, *(costs[turns == 0] + 1)])
        if place and _turn(circle, axis) == 0:
            onward = min(onward, general)
        elif place:
            # Two circles share a frame, and each frame has a perpendicular one on any circle.
            found.append(_perpendicular(circle[None], axis))
            prices.append(np.array([general]))
            onward = min(onward, general + 1)
        general, circle = onward, axis
        special, costs = _cheapest(np.concatenate(found), np.concatenate(prices), general)
    last = [*(costs + _turns(special, measured))]
    if axes:
        last.append(general + (_turn(circle, measured) != 1))
    return int(min(last)) or int(Z_AXIS @ measured < 0)


def _cheapest(frames: Vector, costs: Vector, bound: float) -> tuple[Vector, Vector]:
    """Those that cost less than the bound, each frame once."""
    below = np.flatnonzero(costs < bound)
    order = below[np.argsort(costs[below], kind="stable")]
    frames, costs = frames[order], costs[order]
    same = 1 - np.abs(frames @ frames.T) < TOLERANCE**2
    first = ~np.tril(same, -1).any(axis=1)
    return frames[first], costs[first]


def _turns(frames: Vector, axis: Vector) -> NDArray[np.int64]:
    """For each frame, 0 if it is parallel to the axis, 1 if perpendicular, 2 otherwise."""
    cosines = np.abs(frames @ axis)
    return np.where(1 - cosines < TOLERANCE**2, 0, np.where(cosines < TOLERANCE, 1, 2))


def _turn(a: Vector, b: Vector) -> int:
    return int(_turns(a[None], b)[0])


def _perpendicular(frames: Vector, axis: Vector) -> Vector:
    cross = np.cross(frames, axis)
    return cross / np.linalg.norm(cross, axis=1, keepdims=True)


def _read(n_qubits: int, gates: Sequence[Gate]) -> tuple[_Wires, int, float]:
    # For each wire, the product of all its local gates so far, as a rotation of the Bloch sphere.
    turned = [np.eye(3) for _ in range(n_qubits)]
    wires = _Wires(on=[[] for _ in range(n_qubits)])
    depth, angle = [0] * n_qubits, 0.0
    for gate in gates:
        if len(gate.qubits) == 1:
            turned[gate.qubits[0]] = _rotation(gate.matrix) @ turned[gate.qubits[0]]
            continue
        a, b = gate.qubits
        weyl = ionq_weyl.decompose(gate.matrix)
        for qubit, local in zip((a, b), weyl.before, strict=True):
            turned[qubit] = _rotation(local) @ turned[qubit]
        used = [axis for axis in range(3) if abs(weyl.coordinates[axis]) > TOLERANCE]
        if used:
            axes = tuple([turned[qubit][axis] for axis in used] for qubit in (a, b))
            block = _Block((a, b), (axes[0], axes[1]), tuple(range(len(used))))
            wires.blocks.append(block)
            wires.on[a].append(block)
            wires.on[b].append(block)
            depth[a] = depth[b] = max(depth[a], depth[b]) + len(used)
            angle += sum(abs(weyl.coordinates[axis]) for axis in used) / (np.pi / 4)
        for qubit, local in zip((a, b), weyl.after, strict=True):
            turned[qubit] = _rotation(local) @ turned[qubit]
    wires.measured = [rotation[2] for rotation in turned]
    return wires, max(depth), angle


def _rotation(unitary: Matrix) -> Vector:
    """R with U+ P_i U = sum_j R_ij P_j: its rows are the axes as seen before U."""
    images = unitary.conj().T @ ionq_weyl.PAULIS @ unitary
    overlaps = np.einsum("iab,jba->ij", images, ionq_weyl.PAULIS).real / 2
    return overlaps / abs(np.linalg.det(unitary))


def _pulses(wires: _Wires, rule: Rule) -> int:
    """Pulses of all wires, commuting entanglers of one gate in the order that needs the fewest."""

    def of(wire: int) -> int:
        return rule(wires.axes(wire), wires.measured[wire])

    choices = [block for block in wires.blocks if len(block.order) > 1]
    for _ in range(2):
        changed = False
        for block in choices:
            costs = {}
            present = block.order
            for order in itertools.permutations(present):
                block.order = order
                costs[order] = sum(map(of, block.qubits))
            block.order = min(costs, key=lambda order: (costs[order], order != present))
            changed |= block.order != present
        if not changed:
            break
    return sum(map(of, range(len(wires.on))))
