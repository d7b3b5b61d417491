"""Draws of outcomes, and how the shots of a machine become one histogram."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Below this a probability is what rounding has left.
NOTHING = 1e-18


def draw(chances: FloatArray, shots: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Draws outcomes.

    Args:
        chances: Probabilities of all outcomes, [K]; they may be off 1 by rounding.
        shots: How many to draw.
        rng: Where from.

    Returns:
        The outcomes that came, in order, and how often each.
    """
    if shots < len(chances):  # do not toss for each of a million outcomes
        upto = np.cumsum(chances)
        found = np.searchsorted(upto, rng.random(shots) * upto[-1], side="right")
        return np.unique(np.minimum(found, len(chances) - 1), return_counts=True)
    counts = rng.multinomial(shots, chances / chances.sum())
    outcomes = np.flatnonzero(counts)
    return outcomes, counts[outcomes]
