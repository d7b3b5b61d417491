"""Removes pairs of quarter turns by turning what stands between them: CX RZ(a) CX is RZZ(a).

Between a quarter turn about A and its inverse, a rotation about Q that anticommutes with A is one
about i A Q. Where fewer entangling rotations are left that way, or as many by smaller angles, the
pair goes.
"""

from __future__ import annotations

from qstore_tf.ionq.compiler.cliffords import THIRD, product_sign
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute, quarter_turns

# How many rotations a pair may enclose.
LOOKAHEAD = 64


def conjugate(circuit: Rotations) -> Rotations:
    """Returns an equal circuit without the pairs of quarter turns that cost more than they do."""
    number = 0
    while number < len(circuit.rotations):
        shorter = _without_pair(circuit, number)
        if shorter is None:
            number += 1
        else:
            circuit = shorter
    return circuit


def is_quarter(rotation: Rotation) -> bool:
    """Whether it entangles fully: a Clifford rotation of two wires."""
    return rotation.is_entangling and quarter_turns(rotation.angle) in (1, 3)


def turned(quarter: Rotation, sign: int, rotation: Rotation) -> tuple[dict[int, str], int]:
    """Returns i sign A Q as letters by wire, and its sign, for A and Q that anticommute."""
    factors = dict(zip(rotation.wires, rotation.letters, strict=True))
    power = 1  # of i
    for wire, letter in zip(quarter.wires, quarter.letters, strict=True):
        other = factors.get(wire)
        if other is None:
            factors[wire] = letter
        elif other == letter:
            del factors[wire]
        else:
            power += product_sign(letter, other)
            factors[wire] = THIRD[letter + other]
    return factors, sign * (1 if power % 4 == 0 else -1)


def _without_pair(circuit: Rotations, start: int) -> Rotations | None:
    quarter = circuit.rotations[start]
    if not is_quarter(quarter):
        return None
    sign = 1 if quarter_turns(quarter.angle) == 1 else -1
    between: list[tuple[Rotation, tuple[dict[int, str], int] | None]] = []
    gain = 2
    for number in range(start + 1, min(len(circuit.rotations), start + 1 + LOOKAHEAD)):
        rotation = circuit.rotations[number]
        if rotation.wires == quarter.wires and rotation.letters == quarter.letters:
            if gain <= 0 or not is_quarter(rotation):
                return None
            return _rewritten(circuit, start, number, between)
        if commute(quarter, rotation):
            between.append((rotation, None))
            continue
        factors, by = turned(quarter, sign, rotation)
        if len(factors) > 2:
            return None
        gain -= (len(factors) == 2) - rotation.is_entangling
        if gain < -1:
            return None
        between.append((rotation, (factors, by)))
    return None


def _rewritten(
    circuit: Rotations,
    start: int,
    end: int,
    between: list[tuple[Rotation, tuple[dict[int, str], int] | None]],
) -> Rotations:
    first, second = circuit.rotations[start], circuit.rotations[end]
    new = Rotations(circuit.n_wires)
    new.rotations = circuit.rotations[:start]
    for rotation, change in between:
        if change is None:
            new.add(rotation.wires, rotation.letters, rotation.angle)
        else:
            factors, by = change
            new.add(list(factors), "".join(factors.values()), rotation.angle * by)
    # The two make no turn, or a half turn, which is a gate of each wire.
    new.add(first.wires, first.letters, first.angle + second.angle)
    rest = circuit.rotations[end + 1 :]
    if any(new.frames):
        for rotation in rest:
            new.add(rotation.wires, rotation.letters, rotation.angle)
    else:
        new.rotations += rest
    new.follow(circuit)
    return new
