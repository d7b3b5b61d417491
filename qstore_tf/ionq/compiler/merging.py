"""Merges rotations about the same letters that meet after others have been moved out of the way.

Each rotation is moved back past those it commutes with. Where it meets one about the same letters,
the two become one, by the sum of their angles, or none. What is left is often a quarter turn of one
wire, which is a Clifford gate and is pulled to the end; so the pass is repeated until it is quiet.
"""

from __future__ import annotations

from collections.abc import Iterator

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute

# How many rotations one is moved past; it bounds the time to linear in the rotations.
LOOKBACK = 128
_MAX_PASSES = 20


def merge(circuit: Rotations) -> Rotations:
    """Returns an equal circuit in which no two rotations can be merged by commuting them.

    That is the circuit itself where there are none.
    """
    for _ in range(_MAX_PASSES):
        kept = _one_pass(circuit.rotations)
        if len(kept) == len(circuit.rotations):
            return circuit
        circuit = circuit.again(kept)
    return circuit


def _one_pass(rotations: list[Rotation]) -> list[Rotation]:
    kept: list[Rotation | None] = []
    on_wire: dict[int, list[int]] = {}
    for rotation in rotations:
        partner = _partner(rotation, kept, on_wire)
        if partner is None:
            for wire in rotation.wires:
                on_wire.setdefault(wire, []).append(len(kept))
            kept.append(rotation)
            continue
        earlier = kept[partner]
        assert earlier is not None
        angle = earlier.angle + rotation.angle
        if angle == Affine():
            kept[partner] = None
            for wire in rotation.wires:
                on_wire[wire].remove(partner)
        else:
            kept[partner] = earlier._replace(angle=angle)
    return [rotation for rotation in kept if rotation is not None]


def _partner(
    rotation: Rotation, kept: list[Rotation | None], on_wire: dict[int, list[int]]
) -> int | None:
    """The latest rotation about the same letters with only commuting ones after it."""
    for steps, number in enumerate(_before(rotation.wires, on_wire)):
        other = kept[number]
        assert other is not None
        if other[:2] == rotation[:2]:
            return number
        if steps == LOOKBACK or not commute(other, rotation):
            return None
    return None


def _before(wires: tuple[int, ...], on_wire: dict[int, list[int]]) -> Iterator[int]:
    """The numbers of the rotations on these wires, the latest first, each once."""
    if len(wires) == 1:
        yield from reversed(on_wire.get(wires[0], ()))
        return
    first, second = (on_wire.get(wire, []) for wire in wires)
    i, j = len(first) - 1, len(second) - 1
    while i >= 0 or j >= 0:
        number = max(first[i] if i >= 0 else -1, second[j] if j >= 0 else -1)
        i -= i >= 0 and first[i] == number
        j -= j >= 0 and second[j] == number
        yield number
