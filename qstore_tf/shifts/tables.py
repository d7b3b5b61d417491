"""All shifted runs of a program as rows of one batch: by how much each angle moves, and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from qstore_tf.caching import of_arrays, remember
from qstore_tf.circuits.primitives import CompiledPrimitive
from qstore_tf.circuits.program import Program
from qstore_tf.shifts.rules import Rule, state_rule
from qstore_tf.shifts.unrolled import Unrolled, unroll


def shift_table(
    unrolled: Unrolled, columns: Iterable[int], rule: Callable[[CompiledPrimitive], Rule]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns shifts [S, G] and the weights [S, G] with which the runs add up to d/d angle.

    All terms without a shift share one run, which comes first.

    Args:
        unrolled: A program of G angles.
        columns: The angles to differentiate by.
        rule: Returns the shifts for a gate's angle, () where the derivative is zero.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit
        >>> from qstore_tf.shifts import shift_rule
        >>> unrolled = unroll(compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "a")))
        >>> shift_table(unrolled, [0], lambda gate: shift_rule(gate.frequencies))[0].round(3)
        array([[ 1.571],
               [-1.571]])
    """
    size = len(unrolled.columns)
    unmoved = np.zeros(size)
    shifts: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for column in columns:
        for shift, weight in rule(unrolled.gates[column]):
            if shift == 0:
                unmoved[column] += weight
                continue
            shifts.append(_one_hot(size, column, shift))
            weights.append(_one_hot(size, column, weight))
    if unmoved.any():
        shifts.insert(0, np.zeros(size))
        weights.insert(0, unmoved)
    return np.reshape(shifts, (len(shifts), size)), np.reshape(weights, (len(shifts), size))


@remember(of_arrays)
def state_table(program: Program) -> tuple[np.ndarray, np.ndarray]:
    """Returns shifts [S, G] and weights [S, P]: states at these shifts add up to d psi/d theta."""
    unrolled = unroll(program)
    jacobian = unrolled.jacobian(program.n_theta)
    shifts: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for column, gate in enumerate(unrolled.gates):
        if not np.any(jacobian[column]):
            continue
        for shift, weight in state_rule(gate):
            shifts.append(_one_hot(len(unrolled.columns), column, shift))
            weights.append(weight * jacobian[column])
    size = len(unrolled.columns)
    return np.reshape(shifts, (len(shifts), size)), np.reshape(
        weights, (len(shifts), program.n_theta)
    )


def _one_hot(size: int, column: int, value: float) -> np.ndarray:
    line = np.zeros(size)
    line[column] = value
    return line
