"""Shift rules: derivatives of expectations and of states from their values at shifted angles.

As a function of one angle, an expectation value is a constant plus waves whose frequencies are
the differences between the eigenvalues of the gate's generator. So a few values at shifted
angles give the derivative, exactly (arXiv:1811.11184, arXiv:2107.12390).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from qstore_tf import limits
from qstore_tf.circuits.primitives import CompiledPrimitive, Rot
from qstore_tf.errors import ConfigurationError, describe

# (shift, weight): dE/da = sum of weight * E(a + shift).
Rule = tuple[tuple[float, float], ...]


@lru_cache(maxsize=256)
def shift_rule(frequencies: tuple[float, ...]) -> Rule:
    """Returns the shifts that give the derivative of a sum of waves of these frequencies.

    R frequencies take 2 R values: two terms for one, four for two, and so on. Multiples 1 to R
    of one frequency are a closed form; others are a linear system.

    Args:
        frequencies: Positive, each once.

    Returns:
        Pairs of shift and weight, so that dE/da is the sum of weight * E(a + shift).

    Raises:
        ConfigurationError: A frequency is not positive or appears twice, or there are more
            than `limits.FREQUENCIES`; each adds two circuits to a step.

    Example:
        >>> [(round(shift, 4), round(weight, 4)) for shift, weight in shift_rule((1.0,))]
        [(1.5708, 0.5), (-1.5708, -0.5)]
    """
    limits.FREQUENCIES.check(len(frequencies), "A shift rule")
    ordered = sorted(float(f) for f in frequencies)
    if any(not math.isfinite(f) or f <= 0 for f in ordered) or len(set(ordered)) < len(ordered):
        raise ConfigurationError(
            describe(
                "There is no shift rule for these frequencies",
                expected="positive numbers, each once",
                received=frequencies,
            )
        )
    if not ordered:
        return ()
    count, base = len(ordered), ordered[0]
    if np.allclose(ordered, base * np.arange(1, count + 1), rtol=1e-12):
        number = np.arange(count)
        shifts = (2 * number + 1) * math.pi / (2 * count * base)
        weights = base * (-1.0) ** number / (4 * count * np.sin(shifts * base / 2) ** 2)
    else:
        shifts, weights = _solved(np.array(ordered))
    pairs: list[tuple[float, float]] = []
    for shift, weight in zip(shifts, weights, strict=True):
        pairs += [(float(shift), float(weight)), (-float(shift), -float(weight))]
    return tuple(pairs)


def state_rule(gate: CompiledPrimitive) -> Rule:
    """Returns (shift, weight): d psi/d angle = sum of weight * psi(angle + shift), exactly.

    Example:
        >>> from qstore_tf.circuits.primitives import Angle
        >>> state_rule(Rot("X", (0,), Angle()))
        ((3.141592653589793, 0.5),)
    """
    if not isinstance(gate, Rot):
        return ((math.pi / 2, 0.5), (-math.pi / 2, -0.5))
    if gate.controls:
        return ((math.pi, 0.25), (-math.pi, -0.25))
    return ((math.pi, 0.5),)  # exp(-i (a + pi)/2 P) = -i P exp(-i a/2 P)


def difference_rule(step: float, scheme: str) -> Rule:
    """Returns the terms of a finite difference, "central" or "forward"; approximate.

    Example:
        >>> difference_rule(0.5, "central")
        ((0.5, 1.0), (-0.5, -1.0))
    """
    if scheme == "forward":
        return ((step, 1 / step), (0.0, -1 / step))
    return ((step, 0.5 / step), (-step, -0.5 / step))


def _solved(frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns R shifts and weights; of several grids of shifts the one with small weights.

    E(x) - E(-x) is the sum of 2 b sin(f x), and E'(0) the sum of f b, over the frequencies f.
    Large weights would amplify the noise of shots and of rounding.
    """
    count = len(frequencies)
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    odd = 2 * np.arange(1, count + 1) - 1
    grids = min(64, max(8, 2000 // count))
    for widest in np.linspace(frequencies[-1] / count, frequencies[0], grids):
        shifts = odd * math.pi / (2 * count * widest)
        table = 2 * np.sin(np.outer(frequencies, shifts))
        if np.linalg.cond(table, 1) > 1e8:
            continue
        weights = np.linalg.solve(table, frequencies)
        size = float(np.abs(weights).sum())
        if best is None or size < best[0]:
            best = size, shifts, weights
    if best is None:
        raise ConfigurationError(
            describe(
                "The frequencies are too close to each other for a shift rule",
                received=tuple(frequencies),
                hint="Use gradient='finite_difference'",
            )
        )
    return best[1], best[2]
