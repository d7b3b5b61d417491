"""One-wire runs as R_Z(a) R_Y(b) R_Z(c): a turn between frames, which cost nothing.

Where a run is one rotation about X or Y, besides a Clifford gate, a, b and c are affine in the
symbols; where it is more, they are computed from the product of its rotations.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler import formulas
from qstore_tf.ionq.compiler.cliffords import COUNT, MATRICES
from qstore_tf.ionq.compiler.rotations import TOLERANCE
from qstore_tf.ionq.compiler.runs import ZERO, Run

PI = math.pi


class Turn(NamedTuple):
    """A run as R_Z(a) R_Y(b) R_Z(c), radians.

    Attributes:
        quarters: b in quarter turns if that is a whole number, None if it is any angle.
        first: c, with all that stands before.
        middle: b.
        last: a, with all that stands after.
        run: The run itself where a, b and c are no affine functions; they are to be added then.
        signs: The signs of a and c of the run, which an X that is taken up turns around.
    """

    quarters: int | None
    first: Affine
    middle: Affine
    last: Affine
    run: Run | None = None
    signs: tuple[int, int] = (1, 1)


def turn_of(run: Run) -> Turn:
    """Returns a run as a turn, affine in its symbols where it can be."""
    if not run.is_constant and len(run.letters) == 1:
        # The Clifford gate keeps the equator, so it is a rotation about the same axis and a frame.
        frame, quarters = _split(run.clifford, run.letters)
        aside = 0.0 if run.letters == "Y" else PI / 2
        return Turn(
            None,
            run.before + aside,
            run.angles[0] + quarters * PI / 2,
            run.after + (frame - aside),
        )
    if not run.is_constant:
        return Turn(None, run.before, ZERO, run.after, run)
    quaternion = CLIFFORDS[run.clifford]
    for letter, angle in zip(run.letters[::-1], run.angles[::-1], strict=True):
        quaternion = _times_rotation(quaternion, letter, angle.constant / 2)
    w, x, y, z = quaternion
    total, difference = math.atan2(z, w), math.atan2(-x, y)
    b = 2 * math.atan2(math.hypot(x, y), math.hypot(w, z))
    quarters = round(b / (PI / 2))
    whole = abs(b - quarters * PI / 2) < TOLERANCE
    if whole and quarters == 0:
        difference = 0.0
    elif whole and quarters == 2:
        total = 0.0
    return Turn(
        quarters if whole else None,
        run.before + (total - difference),
        Affine(b),
        run.after + (total + difference),
    )


def _times_rotation(
    quaternion: tuple[float, float, float, float], letter: str, half: float
) -> tuple[float, float, float, float]:
    """A quaternion times the rotation about a letter by twice the angle given."""
    c, s = math.cos(half), math.sin(half)
    w, x, y, z = quaternion
    if letter == "X":
        return c * w - s * x, c * x + s * w, c * y + s * z, c * z - s * y
    if letter == "Y":
        return c * w - s * y, c * x - s * z, c * y + s * w, c * z + s * x
    return c * w - s * z, c * x + s * y, c * y - s * x, c * z + s * w


CLIFFORDS = tuple(formulas.quaternion(matrix) for matrix in MATRICES)


@lru_cache(maxsize=2 * COUNT)
def _split(clifford: int, letter: str) -> tuple[float, int]:
    """Returns f and k of a Clifford gate R_Z(f) R_letter(k pi/2)."""
    for k in range(4):
        rest = MATRICES[clifford] @ (
            math.cos(k * PI / 4) * np.eye(2) + 1j * math.sin(k * PI / 4) * PAULIS[letter]
        )
        if abs(rest[0, 1]) < TOLERANCE:
            return float(np.angle(rest[1, 1] / rest[0, 0])), k
    raise AssertionError(f"Clifford gate {clifford} does not keep the equator at {letter}")
