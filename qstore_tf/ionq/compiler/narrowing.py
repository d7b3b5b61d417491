"""Brings entangling rotations to the angles that are wanted: full ones only, or none too small."""

from __future__ import annotations

import math

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import LETTERS, THIRD, product_sign
from qstore_tf.ionq.compiler.conjugating import is_quarter
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations

TURN = 2 * math.pi


def limit_partial(circuit: Rotations, most: float) -> Rotations:
    """Returns an equal circuit without partial entanglers of more than `most` turns.

    One that is larger, or has symbols, becomes a turn of one wire between two full ones.
    """
    new = Rotations(circuit.n_wires)
    for rotation in circuit.rotations:
        if (
            not rotation.is_entangling
            or is_quarter(rotation)
            or (not rotation.angle.terms and abs(rotation.angle.constant) <= most * TURN)
        ):
            new.add(rotation.wires, rotation.letters, rotation.angle)
            continue
        first, second = rotation.letters[0], rotation.letters[1]
        side = next(letter for letter in LETTERS if letter != second)
        third = THIRD[side + second]
        # With C the quarter turn about first side, C^dagger third C is -s first second.
        new.add(rotation.wires, first + side, Affine(math.pi / 2))
        new.add(rotation.wires[1:], third, rotation.angle * -product_sign(side, third))
        new.add(rotation.wires, first + side, Affine(-math.pi / 2))
    new.follow(circuit)
    return new


def drop_small(circuit: Rotations, infidelity: float) -> Rotations:
    """Returns a circuit without its smallest entangling rotations.

    Args:
        circuit: The circuit.
        infidelity: What the unitary may lose: 1 - |tr(U^dagger V)|^2 / 4^n, and likewise
            1 - |<psi|phi>|^2 for every state.
    """
    # Leaving out a rotation by a changes no state by more than |2 sin(a/4)|, and changes add up.
    left = math.sqrt(infidelity)
    dropped: set[int] = set()
    by_size = sorted(
        (abs(2 * math.sin(rotation.angle.constant / 4)), number)
        for number, rotation in enumerate(circuit.rotations)
        if rotation.is_entangling and not rotation.angle.terms
    )
    for change, number in by_size:
        left -= change
        if left < 0:
            break
        dropped.add(number)
    kept: list[Rotation] = [r for n, r in enumerate(circuit.rotations) if n not in dropped]
    return circuit.again(kept)
