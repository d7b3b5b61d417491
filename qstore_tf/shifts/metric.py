"""The Fubini-Study metric in overlaps of shifted states: which to count, and how they add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore_tf.caching import of_arrays, remember
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.theta_blocks import theta_blocks
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.shifts.rules import shift_rule
from qstore_tf.shifts.unrolled import unroll

APPROXIMATIONS = ("full", "block_diagonal", "diagonal")


def check_approximation(approximation: Any) -> None:
    """Raises ConfigurationError unless there is such an approximation of the metric."""
    if approximation not in APPROXIMATIONS:
        raise ConfigurationError(
            describe(
                "There is no approximation of the metric of this name",
                expected="one of " + ", ".join(map(repr, APPROXIMATIONS)),
                received=approximation,
                hint=did_you_mean(str(approximation), APPROXIMATIONS),
            )
        )


@remember(of_arrays)
def kept_elements(program: Program, approximation: str) -> np.ndarray:
    """Returns 1 where an approximation keeps the metric's element and 0 elsewhere, [P, P]."""
    if approximation == "full":
        return np.ones((program.n_theta, program.n_theta))
    if approximation == "diagonal":
        return np.eye(program.n_theta)
    blocks = np.array(theta_blocks(program))
    return (blocks[:, None] == blocks[None, :]).astype(float)


@dataclass(frozen=True, eq=False)
class OverlapPlan:
    """Which overlaps to count and how they add up to the metric.

    Attributes:
        shifts: Shifts of the G angles, [R, G].
        index: For each of N pairs of angles, the overlaps its element takes, [N, K]; R stands
            for the overlap without a shift, which is 1.
        weights: Their weights, [N, K].
        pair: The pair of each element of the angles' metric, [G, G]; N stands for zero.
        jacobian: d angle / d theta, [G, P].
    """

    shifts: np.ndarray
    index: np.ndarray
    weights: np.ndarray
    pair: np.ndarray
    jacobian: np.ndarray


@remember(lambda plan, *args: of_arrays(tuple(vars(plan).values()), *args), most=64)
def overlap_plan(program: Program, approximation: str) -> OverlapPlan:
    """Returns the plan of a program, for one of `APPROXIMATIONS`."""
    unrolled = unroll(program)
    jacobian = unrolled.jacobian(program.n_theta)
    kept = np.abs(jacobian) @ kept_elements(program, approximation) @ np.abs(jacobian).T > 0
    rules = [shift_rule(gate.frequencies) for gate in unrolled.gates]
    n_angles = len(unrolled.columns)
    rows: dict[tuple[tuple[int, float], ...], int] = {}
    terms: list[list[tuple[int, float]]] = []
    pair = np.full((n_angles, n_angles), -1)
    for c in range(n_angles):
        for d in range(c, n_angles):
            if kept[c, d] and rules[c] and rules[d]:
                pair[c, d] = pair[d, c] = len(terms)
                terms.append(_second_derivative(rows, c, rules[c], d, rules[d]))
    pair[pair < 0] = len(terms)
    shifts = np.zeros((len(rows), n_angles))
    for key, row in rows.items():
        for column, shift in key:
            shifts[row, column] = shift
    index = np.full((len(terms), max(map(len, terms), default=0)), len(rows))
    weights = np.zeros(index.shape)
    for number, sums in enumerate(terms):
        for k, (row, weight) in enumerate(sums):
            index[number, k] = len(rows) if row < 0 else row
            weights[number, k] = weight
    return OverlapPlan(shifts, index, weights, pair, jacobian)


def _second_derivative(
    rows: dict[tuple[tuple[int, float], ...], int],
    c: int,
    rule_c: Sequence[tuple[float, float]],
    d: int,
    rule_d: Sequence[tuple[float, float]],
) -> list[tuple[int, float]]:
    """Returns (row, weight) of -1/2 d^2 F / ds_c ds_d, which is the metric; row -1 is F(0)."""
    found: dict[int, float] = {}
    for shift_c, weight_c in rule_c:
        for shift_d, weight_d in rule_d:
            moved = {c: shift_c}
            moved[d] = moved.get(d, 0.0) + shift_d
            key = tuple((k, round(s, 12)) for k, s in sorted(moved.items()) if abs(s) > 1e-9)
            row = rows.setdefault(key, len(rows)) if key else -1
            found[row] = found.get(row, 0.0) - weight_c * weight_d / 2
    return list(found.items())
