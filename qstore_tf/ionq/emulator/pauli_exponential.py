"""exp(-i sum a_k P_k) in gates: the `pauliexp` of IonQ's set "qis"."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates.matrices import pauli_product
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS
from qstore_tf.errors import ConversionError, describe

_ROTATIONS = {"X": "RX", "Y": "RY", "Z": "RZ", "XX": "RXX", "YY": "RYY", "ZZ": "RZZ"}
# What turns a letter to Z, and back.
_TO_Z = {"X": ("RY", -math.pi / 2), "Y": ("RX", math.pi / 2)}


def add_exponential(
    circuit: Circuit,
    targets: Sequence[int],
    terms: Sequence[str],
    coefficients: Sequence[float],
    where: str = "The gate",
) -> None:
    """Adds exp(-i sum a_k P_k) to a circuit.

    Where the terms commute it is a product of rotations; where they do not, the matrix itself on
    up to 5 qubits, without an approximation by steps.

    Args:
        circuit: What to add to.
        targets: The qubits of the letters.
        terms: One letter of I, X, Y, Z for each target.
        coefficients: The a_k, finite.
        where: Starts the message of an error.

    Raises:
        ConversionError: The terms do not commute, and are on more than 5 qubits.

    Example:
        >>> circuit = Circuit(3)
        >>> add_exponential(circuit, [0, 2], ["XX", "ZZ"], [0.1, 0.2])
        >>> [str(operation) for operation in circuit.operations]
        ['RXX(0.2) 0, 2', 'RZZ(0.4) 0, 2']
    """
    if all(_commute(one, other) for k, one in enumerate(terms) for other in terms[:k]):
        for term, coefficient in zip(terms, coefficients, strict=True):
            _add_rotation(circuit, targets, term, 2 * coefficient)
        return
    if len(targets) > MAX_UNITARY_QUBITS:
        raise ConversionError(
            describe(
                f"{where} has terms that do not commute, on many qubits",
                expected=f"at most {MAX_UNITARY_QUBITS} targets, or terms that commute",
                received=list(terms),
                hint="Send the steps of a product formula as gates of their own",
            )
        )
    generator = sum(a * pauli_product(p) for a, p in zip(coefficients, terms, strict=True))
    energies, vectors = np.linalg.eigh(generator)
    circuit.add_unitary(vectors * np.exp(-1j * energies) @ vectors.conj().T, list(targets))


def _add_rotation(circuit: Circuit, targets: Sequence[int], term: str, angle: float) -> None:
    """Adds exp(-i angle/2 P)."""
    on = [(q, p) for q, p in zip(targets, term, strict=True) if p != "I"]
    qubits, letters = [q for q, _ in on], "".join(p for _, p in on)
    if not on:
        return  # a global phase
    if letters in _ROTATIONS:
        circuit.add_gate(_ROTATIONS[letters], qubits, angle)
        return
    turns = [(*_TO_Z[p], q) for q, p in on if p in _TO_Z]
    pairs = list(zip(qubits[:-1], qubits[1:], strict=True))
    for gate, turn, q in turns:
        circuit.add_gate(gate, q, turn)
    for pair in pairs:
        circuit.add_gate("CX", pair)
    circuit.add_gate("RZ", qubits[-1], angle)
    for pair in reversed(pairs):
        circuit.add_gate("CX", pair)
    for gate, turn, q in turns:
        circuit.add_gate(gate, q, -turn)


def _commute(one: str, other: str) -> bool:
    clashes = [a != b for a, b in zip(one, other, strict=True) if "I" not in (a, b)]
    return sum(clashes) % 2 == 0
