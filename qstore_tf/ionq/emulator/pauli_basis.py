"""Mixed states of many noisy circuits of one structure, as their Pauli coefficients.

A mixed state of n qubits is r_P = Tr(P rho) for the 4^n Pauli strings: real numbers, on which
depolarizing is a factor. With probability r the qubits of a gate become noise, so that every
string that is not I on all of them is multiplied by 1 - r. Nothing is drawn and nothing left out:
the probabilities are exact.

The order of axes is that of `states`: the last qubit first, the circuits last; letters I, X, Y, Z
along each axis. Only native gates come here: rotations about one letter, about ZZ and XX, and X.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import memory
from qstore_tf.circuits.primitives import CompiledPrimitive, Flip, Rot
from qstore_tf.ionq.emulator.batches import Group
from qstore_tf.ionq.emulator.noise import Noise
from qstore_tf.ionq.emulator.programs import steps_of
from qstore_tf.ionq.emulator.state_vectors import FloatArray, angle_of

_X, _Y, _Z = 1, 2, 3
_SWAPPED = np.array([[0, 0, 1], [0, -1, 0], [1, 0, 0]], dtype=float)[..., None]  # of H
_FLIPPED = np.diag([1.0, -1.0, -1.0])[..., None]
# Plane of each letter's rotation: what turns into what.
_PLANE = {"X": (1, 2), "Y": (2, 0), "Z": (0, 1)}


class MixedStates:
    """The mixed states of a chunk of circuits; starts in |0...0>.

    Args:
        n_qubits: Number of qubits n.
        size: Number of circuits B.

    Raises:
        MemoryLimitError: There is no memory for them.
    """

    def __init__(self, n_qubits: int, size: int) -> None:
        memory.check(4**n_qubits * size * 16, "The mixed state of the local IonQ")
        self._n, self._size = n_qubits, size
        self._r = np.zeros((4,) * n_qubits + (size,))
        self._r[(slice(None, None, _Z),) * n_qubits] = 1.0
        # What waits on each wire: a 3x3 matrix on X, Y, Z, [3, 3, 1 or B].
        self._waiting: list[NDArray[np.float64] | None] = [None] * n_qubits

    def apply(self, gate: CompiledPrimitive, angle: ArrayLike = 0.0) -> None:
        """Applies a primitive of a native gate, with one angle or one for each circuit."""
        if isinstance(gate, Flip) and not gate.controls:
            self._turn(gate.target, _FLIPPED)
        elif isinstance(gate, Rot) and not gate.controls and gate.paulis in _PLANE:
            self._turn(gate.targets[0], _rotation(gate.paulis, angle))
        elif isinstance(gate, Rot) and not gate.controls and gate.paulis in ("XX", "ZZ"):
            around = gate.targets if gate.paulis == "XX" else ()
            for qubit in around:
                self._turn(qubit, _SWAPPED)
            self._rotate_zz(gate.targets[0], gate.targets[1], angle)
            for qubit in around:
                self._turn(qubit, _SWAPPED)
        else:
            raise AssertionError(f"no primitive of a native gate: {gate}")

    def depolarize(self, qubits: tuple[int, ...], rate: float) -> None:
        """Replaces one or two qubits by noise, with this probability."""
        if len(qubits) == 1:
            self._turn(qubits[0], np.full((1, 1, 1), 1.0 - rate))
            return
        self._flush(*qubits)
        quiet = self._part(dict.fromkeys(qubits, 0)).copy()
        self._r *= 1.0 - rate
        self._part(dict.fromkeys(qubits, 0))[...] = quiet

    def probabilities(self) -> FloatArray:
        """Returns the probabilities, shape [2^n, B]; bit q of the first index is qubit q."""
        self._flush(*range(self._n))
        signs = self._r[(slice(None, None, _Z),) * self._n].copy()
        for axis in range(self._n):
            even, odd = np.take(signs, 0, axis), np.take(signs, 1, axis)
            signs = np.stack([(even + odd) / 2, (even - odd) / 2], axis)
        # Rounding leaves probabilities such as -1e-18.
        return np.maximum(signs.reshape(-1, self._size), 0.0)

    def _part(self, letters: dict[int, Any]) -> NDArray[np.float64]:
        index: list[Any] = [slice(None)] * self._n
        for qubit, letter in letters.items():
            index[self._n - 1 - qubit] = letter
        part: NDArray[np.float64] = self._r[tuple(index)]
        return part

    def _turn(self, qubit: int, matrix: NDArray[np.float64]) -> None:
        before = self._waiting[qubit]
        if before is None:
            after = matrix * np.eye(3)[..., None] if matrix.shape[0] == 1 else matrix
        elif matrix.shape[0] == 1:
            after = matrix * before
        else:
            after = (matrix[:, :, None] * before[None]).sum(1)
        self._waiting[qubit] = after

    def _flush(self, *qubits: int) -> None:
        for qubit in qubits:
            matrix = self._waiting[qubit]
            if matrix is None:
                continue
            self._waiting[qubit] = None
            parts = [self._part({qubit: letter}) for letter in (_X, _Y, _Z)]
            new = [row[0] * parts[0] + row[1] * parts[1] + row[2] * parts[2] for row in matrix]
            for part, values in zip(parts, new, strict=True):
                part[...] = values

    def _rotate_zz(self, first: int, second: int, angle: ArrayLike) -> None:
        """exp(-i angle/2 ZZ): X I turns to Y Z, X Z to Y I, and so with the qubits exchanged."""
        self._flush(first, second)
        cosine, sine = np.cos(angle), np.sin(angle)
        for one, other in ((first, second), (second, first)):
            for here, there in ((0, _Z), (_Z, 0)):
                x, y = self._part({one: _X, other: here}), self._part({one: _Y, other: there})
                new = cosine * x - sine * y
                y *= cosine
                y += sine * x
                x[...] = new


def noisy_probabilities(group: Group, values: FloatArray, noise: Noise) -> FloatArray:
    """Returns the exact probabilities of native circuits with noise after every gate.

    Args:
        group: The structure, of native gates.
        values: Numbers of the circuits, [B, n_values].
        noise: The noise model.

    Returns:
        Probabilities, [2^n, B]; bit q of the first index is qubit q.
    """
    states = MixedStates(group.n_qubits, len(values))
    for qubits, primitives in steps_of(group.circuit):
        for gate in primitives:
            states.apply(gate, angle_of(gate, values))
        states.depolarize(qubits, noise.rate(len(qubits)))
    return states.probabilities()


def _rotation(letter: str, angle: ArrayLike) -> NDArray[np.float64]:
    angle = np.atleast_1d(np.asarray(angle, dtype=np.float64))
    matrix = np.zeros((3, 3, len(angle)))
    i, j = _PLANE[letter]
    k = 3 - i - j
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i] = np.sin(angle)
    matrix[i, j] = -matrix[j, i]
    matrix[k, k] = 1.0
    return matrix
