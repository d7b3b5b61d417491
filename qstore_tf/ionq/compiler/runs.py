"""What stands on one wire between its entangling rotations: one-wire runs.

A run is a list of rotations about letters, then a Clifford gate, in the coordinates in which both
neighbouring entanglers act about Z. What turns about Z at either end of it is a change of frame
that costs nothing, so it is taken off first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import IDENTITY, INVERSE, PULLED, THEN, taking
from qstore_tf.ionq.compiler.rotations import Rotations

ZERO = Affine()


class Run(NamedTuple):
    """R_Z(after) C ... R(angles[1]) R(angles[0]) R_Z(before): one-wire gates in a row.

    Attributes:
        before: The turn about Z at the beginning, radians.
        letters: Axes of the rotations between, X, Y or Z; the first is not Z, and the Clifford
            gate does not turn the last one into Z.
        angles: Their angles, radians.
        clifford: The number of the Clifford gate C in `cliffords`.
        after: The turn about Z at the end, radians.
    """

    before: Affine
    letters: str
    angles: tuple[Affine, ...]
    clifford: int
    after: Affine

    @property
    def is_constant(self) -> bool:
        """Whether no symbol stands between the turns about Z."""
        return not any([angle.terms for angle in self.angles])


def run_between(rotations: list[tuple[str, Affine]], begins: int, ends: int) -> Run:
    """Returns rotations as a run in other coordinates.

    Args:
        rotations: Letters and angles in time order.
        begins: The Clifford gate that takes the earlier entangler's axis to Z.
        ends: The one that takes the later entangler's axis to Z, or is the last gate itself.
    """
    back = INVERSE[begins]
    turned = []
    for letter, angle in rotations:
        sign, other = PULLED[back][letter]
        turned.append((other, angle if sign > 0 else -angle))
    clifford = THEN[back][ends]
    before, after = ZERO, ZERO
    while turned and turned[0][0] == "Z":
        before = before + turned.pop(0)[1]
    image = PULLED[INVERSE[clifford]]
    while turned and image[turned[-1][0]][1] == "Z":
        letter, angle = turned.pop()
        after = after + (angle if image[letter][0] > 0 else -angle)
    return Run(
        before,
        "".join([letter for letter, _ in turned]),
        tuple([angle for _, angle in turned]),
        clifford,
        after,
    )


Runs = tuple[tuple[tuple[str, Affine], ...], ...]
"""What stands before, between and after entanglers on a wire: letters and angles."""


@dataclass(frozen=True)
class Wire:
    """One wire: its entangling rotations, and the one-wire rotations around them.

    Attributes:
        letters: The letter of each entangling rotation on this wire, in time order.
        numbers: Their places among all entangling rotations.
        rotations: One more list than there are entanglers: what stands between them.
        frame: The Clifford gate at the end.
    """

    letters: str
    numbers: tuple[int, ...]
    rotations: Runs
    frame: int

    def runs(self, outside: int = IDENTITY) -> list[Run]:
        """Returns the runs before, between and after entanglers that act about Z.

        Args:
            outside: The Clifford gate that takes to the coordinates at the beginning and the end.
        """
        takings = [taking(letter) for letter in self.letters]
        sides = [outside, *takings, THEN[self.frame][outside]]
        return [
            run_between(list(between), begins, ends)
            for between, begins, ends in zip(self.rotations, sides[:-1], sides[1:], strict=True)
        ]


def wires_of(circuit: Rotations) -> list[Wire]:
    """Splits a circuit into what happens on each wire."""
    letters: list[list[str]] = [[] for _ in range(circuit.n_wires)]
    numbers: list[list[int]] = [[] for _ in range(circuit.n_wires)]
    between: list[list[list[tuple[str, Affine]]]] = [[[]] for _ in range(circuit.n_wires)]
    count = 0
    for rotation in circuit.rotations:
        if not rotation.is_entangling:
            between[rotation.wires[0]][-1].append((rotation.letters, rotation.angle))
            continue
        for wire, letter in zip(rotation.wires, rotation.letters, strict=True):
            letters[wire].append(letter)
            numbers[wire].append(count)
            between[wire].append([])
        count += 1
    return [
        Wire(
            "".join(letters[wire]),
            tuple(numbers[wire]),
            tuple([tuple(run) for run in between[wire]]),
            circuit.frames[wire],
        )
        for wire in range(circuit.n_wires)
    ]
