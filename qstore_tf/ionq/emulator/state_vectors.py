"""State vectors of many circuits of one structure, in NumPy, all in one pass.

A chunk of circuits is one array [2^n, B]. Bit q of the first index is qubit q, which is the order
of IonQ's keys; the circuits come last, so that each step is a few operations on long rows.
One-qubit gates are gathered on each wire, as four numbers per circuit, until an operation on
several wires needs them. States are kept up to a global phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import memory
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Flip, Phase, Rot, Swap
from qstore_tf.circuits.program import Program

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]
# The entries of a 2x2 matrix, row by row: a number, or one for each circuit.
Two = tuple[Any, Any, Any, Any]

CHUNK = 2**17  # numbers of an array: more no longer fit the cache, fewer leave overhead
ZERO = 0.0  # off the diagonal of a diagonal matrix, told from others by being this very object
_ROOT = 0.5**0.5
# Turns each letter to Z (U P U^dagger = Z), and back.
_TO_Z: dict[str, tuple[Two, Two]] = {
    "X": ((_ROOT, _ROOT, _ROOT, -_ROOT), (_ROOT, _ROOT, _ROOT, -_ROOT)),
    "Y": ((_ROOT, -1j * _ROOT, _ROOT, 1j * _ROOT), (_ROOT, _ROOT, 1j * _ROOT, -1j * _ROOT)),
}
_FLIP: Two = (0.0, 1.0, 1.0, 0.0)


class States:
    """The state vectors of a chunk of circuits; starts in |0...0>.

    Args:
        n_qubits: Number of qubits n.
        size: Number of circuits B.

    Raises:
        MemoryLimitError: There is no memory for them.
    """

    def __init__(self, n_qubits: int, size: int) -> None:
        memory.check(2**n_qubits * size * 32, "The state of the local IonQ")
        self._n, self._size = n_qubits, size
        # One axis for each qubit, the last one first.
        self._state = np.zeros((2,) * n_qubits + (size,), dtype=np.complex128)
        self._state.reshape(-1, size)[0] = 1
        self._waiting: list[Two | None] = [None] * n_qubits

    def apply(self, gate: CompiledPrimitive, angle: ArrayLike = 0.0) -> None:
        """Applies a primitive, with one angle or one for each circuit, radians."""
        if isinstance(gate, Phase):
            if gate.controls:  # else it is a global phase
                self._turn_parity(gate.controls[:1], gate.controls[1:], None, _phase(angle))
        elif isinstance(gate, Rot) and len(gate.targets) > 1:
            self._rotate(gate, angle)
        elif isinstance(gate, Swap) or len(gate.targets) > 1:
            self._apply_blocks(gate)
        else:
            matrix = _matrix(gate, angle)
            if gate.controls:
                self._flush(gate.qubits)
                self._apply_one(gate.targets[0], matrix, gate.controls)
            else:
                self.turn(gate.targets[0], matrix)

    def turn(self, qubit: int, matrix: Two) -> None:
        """Applies a one-qubit gate, by its four entries."""
        before = self._waiting[qubit]
        self._waiting[qubit] = matrix if before is None else _product(matrix, before)

    def probabilities(self) -> FloatArray:
        """Returns the probabilities, shape [2^n, B]; bit q of the first index is qubit q."""
        amplitudes = self.amplitudes()
        probabilities: FloatArray = amplitudes.real**2 + amplitudes.imag**2
        return probabilities

    def amplitudes(self) -> ComplexArray:
        """Returns the states, shape [2^n, B], each up to a global phase."""
        self._flush(range(self._n))
        return self._state.reshape(-1, self._size)

    def _part(self, values: dict[int, int]) -> ComplexArray:
        """Returns the view in which some qubits have given values."""
        index: list[slice | int] = [slice(None)] * (self._n + 1)
        for qubit, value in values.items():
            index[self._n - 1 - qubit] = value
        part: ComplexArray = self._state[tuple(index)]
        return part

    def _parts(self, targets: Sequence[int], controls: Sequence[int]) -> list[ComplexArray]:
        """Returns the views of all values of the targets, the first most significant."""
        on = dict.fromkeys(controls, 1)
        return [
            self._part({**on, **dict(zip(targets, values, strict=True))})
            for values in np.ndindex(*(2,) * len(targets))
        ]

    def _flush(self, qubits: Sequence[int]) -> None:
        for qubit in qubits:
            matrix = self._waiting[qubit]
            if matrix is not None:
                self._waiting[qubit] = None
                self._apply_one(qubit, matrix, ())

    def _apply_one(self, qubit: int, matrix: Two, controls: Sequence[int]) -> None:
        zero, one = self._parts([qubit], controls)
        a, b, c, d = matrix
        if b is ZERO and c is ZERO:
            zero *= a
            one *= d
            return
        new = a * zero
        new += b * one
        one *= d
        zero *= c
        one += zero
        zero[...] = new

    def _turn_parity(
        self,
        qubits: Sequence[int],
        controls: Sequence[int],
        even: ComplexArray | None,
        odd: ComplexArray,
    ) -> None:
        """Multiplies where the parity of `qubits` is even (None: by 1) or odd, under controls."""
        if len(qubits) == 1 and not controls:
            self.turn(qubits[0], (1.0 if even is None else even, ZERO, ZERO, odd))
            return
        self._flush([*qubits, *controls])
        if even is not None and not controls:  # up to a global phase
            odd = odd / even
            even = None
        for number, part in enumerate(self._parts(qubits, controls)):
            factor = odd if number.bit_count() % 2 else even
            if factor is not None:
                part *= factor

    def _rotate(self, gate: Rot[Angle], angle: ArrayLike) -> None:
        """Applies a rotation about a product of letters: turned to Z, about Z, turned back."""
        turns = [(q, *_TO_Z[p]) for q, p in zip(gate.targets, gate.paulis, strict=True) if p != "Z"]
        for qubit, there, _ in turns:
            self.turn(qubit, there)
        half = _phase(np.asarray(angle) / -2)
        self._turn_parity(gate.targets, gate.controls, half, half.conj())
        for qubit, _, back in turns:
            self.turn(qubit, back)

    def _apply_blocks(self, gate: Any) -> None:
        self._flush(gate.qubits)
        parts = self._parts(gate.targets, gate.controls)
        before = [part.copy() for part in parts]
        for part, row in zip(parts, gate.matrix, strict=True):
            part[...] = 0
            for entry, block in zip(row, before, strict=True):
                if entry:
                    part += entry * block


def angle_of(gate: CompiledPrimitive, values: FloatArray) -> Any:
    """Returns the angle of a primitive for each row of `values`, [B]; a number if constant."""
    if not isinstance(gate, Rot | Phase):
        return 0.0
    angle: Any = gate.angle.constant
    for _, slot, coefficient in gate.angle.terms:
        angle = angle + coefficient * values[:, slot]
    return angle


def run(program: Program, values: FloatArray) -> States:
    """Runs a program for rows of numbers, all in one array.

    Args:
        program: What is run, without theta and without an initial state.
        values: Its inputs, shape [B, n_inputs].

    Example:
        >>> from qstore_tf.circuits import Circuit, compile_circuit
        >>> program = compile_circuit(Circuit(2).add_gate("RX", 1, "x"), inputs=["x"])
        >>> run(program, np.array([[0.0], [np.pi]])).probabilities().round(3).T.tolist()
        [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """
    states = States(program.n_qubits, len(values))
    for gate in program.gates:
        states.apply(gate, angle_of(gate, values))
    return states


def _phase(angle: ArrayLike) -> ComplexArray:
    phase: ComplexArray = np.exp(1j * np.asarray(angle))
    return phase


def _matrix(gate: CompiledPrimitive, angle: ArrayLike) -> Two:
    if isinstance(gate, Flip):
        return _FLIP
    if not isinstance(gate, Rot):
        assert not isinstance(gate, Phase)
        (a, b), (c, d) = gate.matrix
        return a, b, c, d
    half = np.asarray(angle) / 2
    if gate.paulis == "Z":
        return _phase(-half), ZERO, ZERO, _phase(half)
    cosine, sine = np.cos(half), np.sin(half)
    if gate.paulis == "X":
        return cosine, -1j * sine, -1j * sine, cosine
    return cosine, -sine, sine, cosine


def _product(left: Two, right: Two) -> Two:
    a, b, c, d = left
    e, f, g, h = right
    if b is ZERO and c is ZERO:
        if f is ZERO and g is ZERO:
            return a * e, ZERO, ZERO, d * h
        return a * e, a * f, d * g, d * h
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h
