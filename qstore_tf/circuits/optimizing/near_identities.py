"""Leaves out rotations and phases by angles that are as good as nothing, and says how far off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.optimizing.elements import (
    TOLERANCE,
    TWO_PI,
    Element,
    element_of,
    is_identity,
    write,
)
from qstore_tf.circuits.reference import unitary


@dataclass(frozen=True)
class Left:
    """A gate that was left out.

    Attributes:
        gate: As text.
        distance: The least operator norm of its difference from a phase, from 0 to 2; the most if
            it has symbols.
    """

    gate: str
    distance: float


def without_small(
    operations: Sequence[Operation], threshold: float
) -> tuple[list[Operation], list[Left]]:
    """Returns operations without rotations and phases of at most some angle.

    Each angle counts from the nearest full turn, which stays: it may be a sign. A controlled gate
    of a rotation and a phase loses the one that is small.

    Args:
        operations: In time order.
        threshold: Radians.

    Returns:
        What is left, and what was left out.

    Example:
        >>> rotations = Circuit(1).add_gate("RX", 0, [1e-7]).add_gate("RY", 0, [0.3])
        >>> [str(gate) for gate in without_small(rotations.operations, 1e-6)[0]]
        ['RY(0.3) 0']
    """
    kept: list[Operation] = []
    left: list[Left] = []
    for operation in operations:
        element = element_of(operation)
        moved = None if element is None else _snap(element, threshold)
        if element is None or moved is None:
            kept.append(operation)
            continue
        left.append(Left(str(operation), moved))
        if is_identity(element):
            continue
        written, phase = write(element)
        kept += written
        if phase.terms or phase.constant:
            kept.append(Operation("GlobalPhase", (), (phase,)))
    return kept, left


def _snap(element: Element, threshold: float) -> float | None:
    """Takes small angles out of an element; returns how far that moves it, None if nothing is."""
    if element.paulis is None:
        return None
    turn = rest = 0.0
    if element.paulis and element.theta.is_constant:
        angle = math.remainder(element.theta.constant, TWO_PI)
        if abs(angle) <= threshold:
            turn = angle
    if element.controls and element.phi.is_constant:
        # Half a turn of sign for each full turn of theta, which the phase is joined with.
        half = (element.theta.constant - turn) / 2 if element.theta.is_constant else 0.0
        angle = math.remainder(element.phi.constant - half, TWO_PI)
        alone = not element.paulis or turn != 0.0
        if alone and abs(angle) <= threshold:
            rest = angle
    if max(abs(turn), abs(rest)) <= TOLERANCE:
        return None
    element.theta, element.phi = element.theta - turn, element.phi - rest
    element.operation = None
    turns = [rest + turn / 2, rest - turn / 2] if element.paulis else [rest]
    return arc_distance([0.0, *turns] if element.controls else turns)


def distance(operation: Operation) -> float:
    """Returns how far a gate is from doing nothing, as `Left.distance`.

    Example:
        >>> round(distance(Operation("CX", (0, 1))), 3)
        1.414
    """
    if not all(param.is_constant for param in operation.params):
        return 2.0
    places = {qubit: number for number, qubit in enumerate(operation.qubits)}
    alone = Operation(
        operation.gate,
        tuple(places[q] for q in operation.targets),
        operation.params,
        tuple(places[q] for q in operation.controls),
        operation.matrix,
    )
    matrix = unitary(Circuit.from_operations(max(1, len(places)), [alone]))
    return arc_distance(np.angle(np.linalg.eigvals(matrix)))


def arc_distance(phases: Iterable[float]) -> float:
    """Returns the least norm of diag(exp(i phases)) minus a phase.

    Example:
        >>> round(arc_distance([0.0, 0.2]), 6), arc_distance([1.0, 1.0])
        (0.099958, 0.0)
    """
    around = np.sort(np.mod(np.asarray(list(phases)), TWO_PI))
    gaps = np.diff(np.append(around, around[0] + TWO_PI))
    return float(2 * math.sin((TWO_PI - gaps.max()) / 4))
