"""Pulls the Clifford gates of two wires to the end: what is left are rotations about many letters.

A circuit of exponentials of Pauli strings, as for molecules, is written with ladders of CX around
each rotation. Without them it is a list of rotations about products of letters on many wires, then
one Clifford gate on all wires (Litinski, arXiv:1808.02892, section 1). In that form two rotations
about the same product that meet are one, and what the start in |0...0> or a measurement makes
superfluous is seen on rotations of any number of wires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import LETTERS, PULLED
from qstore_tf.ionq.compiler.conjugating import is_quarter
from qstore_tf.ionq.compiler.merging import LOOKBACK
from qstore_tf.ionq.compiler.rotations import Rotations, quarter_turns
from qstore_tf.ionq.compiler.strings import PauliString, anticommute, product, pulled, string_of

Gadget = tuple[PauliString, Affine]
"""exp(-i angle/2 P): a positive string P and an angle in radians."""


@dataclass(frozen=True)
class Pulled:
    """Rotations about Pauli strings, then a Clifford gate C on all wires.

    Attributes:
        n_wires: The number of wires.
        gadgets: The rotations in time order.
        images: For each wire C^dagger X C and C^dagger Z C.
        wires: For each qubit of the circuit the wire on which it ends.
    """

    n_wires: int
    gadgets: tuple[Gadget, ...]
    images: tuple[tuple[PauliString, PauliString], ...]
    wires: tuple[int, ...]


def pull(circuit: Rotations) -> Pulled:
    """Returns a circuit with all its Clifford gates at the end.

    Example:
        >>> circuit = Rotations(3)
        >>> circuit.add([0, 1], "ZX", Affine.of("pi/2"))
        >>> circuit.add([1, 2], "ZZ", Affine.of("a"))
        >>> [string.letters() for string, _ in pull(circuit).gadgets]
        [{0: 'Z', 1: 'Y', 2: 'Z'}]
    """
    n = circuit.n_wires
    # The images of X, Y and Z of each wire under the entangling Clifford gates so far.
    rows = [{letter: string_of([wire], letter) for letter in LETTERS} for wire in range(n)]
    gadgets: list[Gadget] = []
    for rotation in circuit.rotations:
        wires, letters, angle = rotation
        string = rows[wires[0]][letters[0]]
        if len(wires) == 2:
            string = product(string, rows[wires[1]][letters[1]])
        if not is_quarter(rotation):
            gadgets.append(_gadget(string, angle))
            continue
        # Letters that anticommute with the quarter turn's own take its string on.
        quarters = quarter_turns(angle) or 0
        for wire, letter in zip(wires, letters, strict=True):
            row = rows[wire]
            for other in LETTERS:
                if other != letter:
                    row[other] = pulled(row[other], string, quarters)
    images = []
    for wire, frame in enumerate(circuit.frames):
        x, z = (_signed(rows[wire][letter], sign) for sign, letter in _ends(frame))
        images.append((x, z))
    return Pulled(n, tuple(gadgets), tuple(images), tuple(circuit.wires))


def _ends(frame: int) -> tuple[tuple[int, str], tuple[int, str]]:
    return PULLED[frame]["X"], PULLED[frame]["Z"]


def _signed(string: PauliString, sign: int) -> PauliString:
    return string if sign > 0 else string._replace(power=(string.power + 2) % 4)


def _gadget(string: PauliString, angle: Affine) -> Gadget:
    return string.positive(), angle if string.sign > 0 else -angle


def fold(circuit: Pulled) -> Pulled:
    """Returns an equal circuit in which no two rotations about one string can meet.

    What the two come to may be quarter turns, which are pulled out as well.
    """
    left, ends = list(circuit.gadgets), list(circuit.images)
    while True:
        kept: list[Gadget] = []
        known: set[PauliString] = set()
        for number, (string, angle) in enumerate(left):
            partner = _partner(string, kept) if string in known else None
            if partner is None:
                kept.append((string, angle))
                known.add(string)
                continue
            total = kept[partner][1] + angle
            quarters = quarter_turns(total)
            if quarters is None:
                kept[partner] = (string, total)
                continue
            later = kept[partner + 1 :]
            del kept[partner:]
            kept += [_gadget(pulled(p, string, quarters), a) for p, a in later]
            known = {string for string, _ in kept}
            left[number + 1 :] = [
                _gadget(pulled(p, string, quarters), a) for p, a in left[number + 1 :]
            ]
            ends = [(pulled(x, string, quarters), pulled(z, string, quarters)) for x, z in ends]
        if len(kept) == len(left):
            return replace(circuit, gadgets=tuple(kept), images=tuple(ends))
        left = kept


def _partner(string: PauliString, kept: Sequence[Gadget]) -> int | None:
    """The latest gadget about the same string with only commuting ones after it."""
    for place in range(len(kept) - 1, max(-1, len(kept) - 2 - LOOKBACK), -1):
        other = kept[place][0]
        if other == string:
            return place
        if anticommute(other, string):
            return None
    return None


def needed_for_outcomes(circuit: Pulled) -> Pulled:
    """Returns what makes the same outcomes of |0...0>, measured in Z, without what that saves.

    Moved to the beginning, Z on a wire that is still |0> changes nothing; moved to the end, a
    rotation that commutes with all that is measured changes no outcome.
    """
    started: list[Gadget] = []
    for string, angle in circuit.gadgets:
        if any(anticommute(string, earlier) for earlier, _ in started):
            started.append((string, angle))
        elif string.x:
            bare = PauliString(string.x, string.z & string.x, 0)
            bare = bare._replace(power=(bare.x & bare.z).bit_count() % 4)
            started.insert(0, (bare, angle))
    kept: list[Gadget] = []
    for string, angle in reversed(started):
        if any(anticommute(string, later) for later, _ in kept) or any(
            anticommute(string, z) for _, z in circuit.images
        ):
            kept.append((string, angle))
    return replace(circuit, gadgets=tuple(reversed(kept)))
