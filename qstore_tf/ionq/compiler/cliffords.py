"""The 24 one-qubit Clifford gates, known by how they turn the Pauli axes.

A compiler that pulls Clifford gates to the end of a circuit needs two things of each: what a Pauli
rotation before it becomes when it is moved behind it, and what two of them make in a row. Both are
looked up by number here; global phases are dropped.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.gates.matrices import PAULIS

LETTERS = "XYZ"
# The letter that a product of two different ones is, up to a phase.
THIRD = {a + b: c for a in LETTERS for b in LETTERS for c in LETTERS if {a, b, c} == set(LETTERS)}

# C^dagger P C for P = X, Y, Z, as sign and letter.
_Images = tuple[tuple[int, str], tuple[int, str], tuple[int, str]]


def product_sign(first: str, second: str) -> int:
    """Returns s of first * second = s i third, for two different letters.

    >>> product_sign("X", "Y"), product_sign("Y", "X")
    (1, -1)
    """
    return 1 if first + second in ("XY", "YZ", "ZX") else -1


def _quarter(axis: str) -> _Images:
    """How exp(-i pi/4 axis) turns the axes: P becomes i axis P where the two anticommute."""
    images = []
    for letter in LETTERS:
        if letter == axis:
            images.append((1, letter))
        else:
            images.append((-product_sign(axis, letter), THIRD[axis + letter]))
    return (images[0], images[1], images[2])


def _pulled(images: _Images, sign: int, letter: str) -> tuple[int, str]:
    by, other = images[LETTERS.index(letter)]
    return sign * by, other


def _then(first: _Images, second: _Images) -> _Images:
    """The images of second times first, where `first` acts first."""
    x, y, z = (_pulled(first, *image) for image in second)
    return x, y, z


def _group() -> tuple[list[_Images], list[NDArray[np.complex128]]]:
    images: list[_Images] = [((1, "X"), (1, "Y"), (1, "Z"))]
    matrices = [np.eye(2, dtype=np.complex128)]
    for known, matrix in zip(images, matrices, strict=False):
        for axis in LETTERS:
            new = _then(known, _quarter(axis))
            if new not in images:
                images.append(new)
                turn = (np.eye(2) - 1j * PAULIS[axis]) / math.sqrt(2)
                matrices.append(turn @ matrix)
    return images, matrices


_IMAGES, _MATRICES = _group()
_NUMBER = {images: number for number, images in enumerate(_IMAGES)}

IDENTITY = 0
COUNT = len(_IMAGES)
MATRICES: NDArray[np.complex128] = np.array(_MATRICES)
"""Their matrices, [24, 2, 2]."""

PULLED = tuple(dict(zip(LETTERS, images, strict=True)) for images in _IMAGES)
"""For each gate C and letter P the sign and letter of C^dagger P C."""

THEN = tuple(tuple(_NUMBER[_then(first, second)] for second in _IMAGES) for first in _IMAGES)
"""THEN[first][second] is the gate that `first` and, after it, `second` make."""

INVERSE = tuple(row.index(IDENTITY) for row in THEN)


HADAMARD = _NUMBER[(1, "Z"), (-1, "Y"), (1, "X")]
"""The gate that exchanges X and Z."""


def _turns(axis: str) -> tuple[int, int, int, int]:
    one = _NUMBER[_quarter(axis)]
    two = THEN[one][one]
    return IDENTITY, one, two, THEN[two][one]


TURNS = {axis: _turns(axis) for axis in LETTERS}
"""TURNS[axis][k] is the rotation about the axis by k quarter turns."""


def taking(axis: str, sign: int = 1) -> int:
    """Returns a gate C with C axis C^dagger = sign Z; the identity where that is one.

    >>> taking("Z") == IDENTITY
    True
    """
    return next(n for n in range(COUNT) if PULLED[n]["Z"] == (sign, axis))
