"""Turns of one qubit under two controls as commutators of turns under one control each.

With both controls A B A^-1 B^-1 is left, and with one of them or none nothing. Turns by a and b
about perpendicular axes make one by t, about some axis, with sin(t/4) = sin(a/2) sin(b/2): as of
cos(t/2) = 1 - 2 sin^2(a/2) sin^2(b/2), the half trace of the product. So a turn takes four partial
entanglers, and a Toffoli gate, which is one and a phase of both controls, five that are together
3.04 full ones.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.gates.matrices import PAULIS

# About no axis there is nothing to be turned.
_LEAST = 1e-3
# For each letter one that is perpendicular to it and, but for Z itself, to Z; and their product.
_ASIDE = {"X": ("Y", 1, "Z"), "Y": ("X", -1, "Z"), "Z": ("X", 1, "Y")}


def commutator(angle: float, letter: str) -> tuple[float, NDArray[np.complex128]] | None:
    """Writes exp(-i angle/2 P) as a commutator of turns about X and Y, in another basis.

    Args:
        angle: In radians.
        letter: P.

    Returns:
        a and W [2, 2], so that the turn is, in time order, W^dagger, X(a), Y(a), X(-a), Y(-a), W;
        None where the angle is too near to a multiple of 2 pi.

    Example:
        >>> a, _ = commutator(math.pi, "X")
        >>> round(4 * a / math.pi, 2)  # in full entanglers
        2.54
    """
    angle = math.remainder(angle, 4 * math.pi)
    if abs(math.sin(angle / 2)) < _LEAST:
        return None
    a = 2 * math.asin(math.sqrt(abs(math.sin(angle / 4))))
    made = _turn("Y", -a) @ _turn("X", -a) @ _turn("Y", a) @ _turn("X", a)
    axis = 1j * (made - np.trace(made) / 2 * np.eye(2)) / math.sin(angle / 2)
    # Their eigenvectors, in the same order, take one axis to the other.
    change = np.linalg.eigh(PAULIS[letter])[1] @ np.linalg.eigh(axis)[1].conj().T
    # About it the first turn is brought to the equator, where it takes the fewest pulses.
    first = change @ PAULIS["X"] @ change.conj().T
    aside, sign, across = _ASIDE[letter]
    along, off = (float(np.trace(first @ PAULIS[p]).real) for p in (aside, across))
    return a, _turn(letter, -math.atan2(sign * off, along)) @ change


def _turn(letter: str, angle: float) -> NDArray[np.complex128]:
    half = angle / 2
    return np.asarray(math.cos(half) * np.eye(2) - 1j * math.sin(half) * PAULIS[letter])
