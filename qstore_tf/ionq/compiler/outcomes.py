"""What a measurement makes superfluous: the last rotations become a map of the outcomes.

Moved to the end, a rotation about a product of the measured letters changes no probability. A
quarter turn about a product that differs from the measured letters on one wire only, such as CX,
makes that wire's outcome the sum of two: it is computed afterwards instead of run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore_tf.ionq.compiler.cliffords import PULLED, THIRD, product_sign, taking
from qstore_tf.ionq.compiler.conjugating import is_quarter
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute, quarter_turns


@dataclass(frozen=True)
class OutcomeMap:
    """How outcomes of wires become those of qubits: qubits = matrix wires + offset, modulo 2.

    Attributes:
        matrix: [qubits, wires], of 0 and 1.
        offset: [qubits].
    """

    matrix: NDArray[np.uint8]
    offset: NDArray[np.uint8]

    def __call__(self, bits: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Returns the outcomes of qubits, [..., qubits], for outcomes of wires, [..., wires]."""
        return np.asarray((bits @ self.matrix.T.astype(np.int64) + self.offset) % 2, np.uint8)

    @property
    def is_permutation(self) -> bool:
        """Whether each qubit's outcome is that of one wire, unchanged."""
        return not self.offset.any() and bool((self.matrix.sum(axis=1) == 1).all())


def permutation(wires: list[int]) -> OutcomeMap:
    """Returns the map that reads qubit k on wire `wires[k]`."""
    matrix = np.zeros((len(wires), len(wires)), np.uint8)
    matrix[np.arange(len(wires)), wires] = 1
    return OutcomeMap(matrix, np.zeros(len(wires), np.uint8))


def drop_unmeasured(circuit: Rotations) -> tuple[Rotations, OutcomeMap]:
    """Returns a shorter circuit with the same outcomes under a map, if all wires are measured."""
    n = circuit.n_wires
    letters: list[str] = []
    # The outcome of each wire as a sum of the outcomes of the letters that are measured.
    sums = np.eye(n, dtype=np.uint8)
    offset = np.zeros(n, np.uint8)
    for wire in range(n):
        sign, letter = PULLED[circuit.frames[wire]]["Z"]
        letters.append(letter)
        offset[wire] = sign < 0
    kept: list[Rotation] = []
    on_wire: list[list[Rotation]] = [[] for _ in range(n)]
    for rotation in reversed(circuit.rotations):
        if all(commute(rotation, later) for wire in rotation.wires for later in on_wire[wire]):
            differ = [wire for wire in rotation.wires if rotation.letter(wire) != letters[wire]]
            if not differ:
                continue
            if len(differ) == 1 and is_quarter(rotation):
                wire = differ[0]
                other = next(w for w in rotation.wires if w != wire)
                mine, measured = rotation.letter(wire), letters[wire]
                direction = 1 if quarter_turns(rotation.angle) == 1 else -1
                # With C the quarter turn about P, C^dagger Q C is i P Q.
                negative = direction * product_sign(mine, measured) > 0
                letters[wire] = THIRD[mine + measured]
                offset ^= sums[:, wire] * np.uint8(negative)
                sums[:, other] ^= sums[:, wire]
                continue
        kept.append(rotation)
        for wire in rotation.wires:
            on_wire[wire].append(rotation)
    new = Rotations(n)
    new.rotations = kept[::-1]
    new.frames = [taking(letter) for letter in letters]
    return new, OutcomeMap(sums[circuit.wires], offset[circuit.wires])
