"""What the start in |0...0> makes superfluous.

Moved to the beginning, a rotation about Z of a wire that is still |0> is a phase, and one about a
product of Z there and a letter elsewhere is one about that letter alone.
"""

from __future__ import annotations

from collections import defaultdict

from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute


def from_zero(circuit: Rotations) -> Rotations:
    """Returns a circuit that makes the same state of |0...0>, without what that start saves."""
    while True:
        kept, first = _shortened(circuit.rotations)
        if not first and len(kept) == len(circuit.rotations):
            return circuit
        # Put in front, where quarter turns of one wire are pulled out through all the others.
        circuit = circuit.again([*first, *kept])
        if not first:
            return circuit


def _shortened(rotations: list[Rotation]) -> tuple[list[Rotation], list[Rotation]]:
    """Returns what is left in its place, and what is left of rotations about a Z at the start."""
    kept: list[Rotation] = []
    on_wire: dict[int, list[Rotation]] = defaultdict(list)
    first: list[Rotation] = []
    for rotation in rotations:
        factors = [
            (w, p) for w, p in zip(rotation.wires, rotation.letters, strict=True) if p != "Z"
        ]
        if len(factors) < len(rotation.wires) and all(
            commute(rotation, earlier) for wire in rotation.wires for earlier in on_wire[wire]
        ):
            for wire, letter in factors:
                first.append(Rotation((wire,), letter, rotation.angle))
                on_wire[wire].append(first[-1])
            continue
        kept.append(rotation)
        for wire in rotation.wires:
            on_wire[wire].append(rotation)
    return kept, first
