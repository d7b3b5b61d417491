"""The form in which circuits are compiled: Pauli rotations, then one-qubit Clifford gates.

Each gate is a product of rotations exp(-i angle/2 P) with P a product of Pauli letters on one or
two wires; one-qubit Clifford gates are pulled to the end (which changes letters and signs of what
follows), and swaps only rename wires. So every pass handles one kind of thing, and asks of two
rotations only whether their letters commute. The global phase is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import IDENTITY, PULLED, THEN, TURNS

HALF_PI = math.pi / 2
# Angles this close to a multiple of pi/2 are that multiple.
TOLERANCE = 1e-10


class Rotation(NamedTuple):
    """exp(-i angle/2 P): `letters[k]` of P acts on `wires[k]`; one or two wires, ascending."""

    wires: tuple[int, ...]
    letters: str
    angle: Affine

    @property
    def is_entangling(self) -> bool:
        """Whether it acts on two wires."""
        return len(self.wires) == 2

    def letter(self, wire: int) -> str:
        """Returns the letter on one of its wires."""
        return self.letters[self.wires.index(wire)]


def commute(first: Rotation, second: Rotation) -> bool:
    """Whether two rotations commute, whatever their angles."""
    wires, letters, _ = first
    others, its, _ = second
    differ = False
    for wire, letter in zip(wires, letters, strict=True):
        if wire == others[0]:
            differ ^= letter != its[0]
        elif wire == others[-1]:
            differ ^= letter != its[-1]
    return not differ


def quarter_turns(angle: Affine) -> int | None:
    """Returns k where the angle is k pi/2 for all values of its symbols, with 0 <= k < 4."""
    if angle.terms:
        return None
    k = round(angle.constant / HALF_PI)
    return k % 4 if abs(angle.constant - k * HALF_PI) < TOLERANCE else None


class Rotations:
    """A circuit that is being compiled, up to global phase.

    Attributes:
        n_wires: The number of wires.
        rotations: Pauli rotations in time order.
        frames: For each wire the Clifford gate (its number in `cliffords`) after all rotations.
        wires: For each qubit of the circuit the wire on which it ends.
    """

    def __init__(self, n_wires: int) -> None:
        self.n_wires = n_wires
        self.rotations: list[Rotation] = []
        self.frames = [IDENTITY] * n_wires
        self.wires = list(range(n_wires))

    def __eq__(self, other: object) -> bool:
        """Whether the other is the same, rotation by rotation."""
        if not isinstance(other, Rotations):
            return NotImplemented
        return (
            self.rotations == other.rotations
            and self.frames == other.frames
            and self.wires == other.wires
        )

    __hash__ = None  # type: ignore[assignment]

    def turn(self, wire: int, axis: str, k: int) -> None:
        """Adds the rotation of one wire by k quarter turns."""
        self.frames[wire] = THEN[self.frames[wire]][TURNS[axis][k % 4]]

    def add(self, wires: Sequence[int], letters: str, angle: Affine) -> None:
        """Adds a rotation about one or two letters after everything that is there."""
        k = quarter_turns(angle)
        if k == 0:
            return
        if len(wires) == 1:
            if k is not None:
                self.turn(wires[0], letters, k)
                return
            sign, letter = PULLED[self.frames[wires[0]]][letters]
            one = (wires[0],)
            self.rotations.append(Rotation(one, letter, angle if sign > 0 else -angle))
            return
        first, second = wires
        sign, letter = PULLED[self.frames[first]][letters[0]]
        by, other = PULLED[self.frames[second]][letters[1]]
        if sign != by:
            angle = -angle
        if not angle.terms:
            # A half turn about a product of letters is that product, so at most a quarter is left.
            halves = math.ceil(angle.constant / math.pi - 0.5 - TOLERANCE)
            if halves % 2:
                self.turn(first, letters[0], 2)
                self.turn(second, letters[1], 2)
            if halves:
                angle = Affine(angle.constant - halves * math.pi)
            if k == 2:
                return
        pair, both = (first, second), letter + other
        if first > second:
            pair, both = (second, first), other + letter
        self.rotations.append(Rotation(pair, both, angle))

    def again(self, rotations: Sequence[Rotation]) -> Rotations:
        """Returns the same circuit with other rotations, of which Clifford ones are pulled out."""
        new = Rotations(self.n_wires)
        for rotation in rotations:
            new.add(rotation.wires, rotation.letters, rotation.angle)
        new.follow(self)
        return new

    def follow(self, earlier: Rotations) -> None:
        """Takes over the frames and wires of the circuit that this one was rewritten from."""
        self.frames = [THEN[own][of] for own, of in zip(self.frames, earlier.frames, strict=True)]
        self.wires = list(earlier.wires)
