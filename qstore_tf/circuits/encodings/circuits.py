"""Circuits that load classical numbers into qubits: angle, basis and amplitude encoding.

Amplitude encoding is the construction of Mottonen, Vartiainen, Bergholm and Salomaa
(arXiv:quant-ph/0407010), whose multiplexed rotations are also those of Shende, Bullock and Markov
(arXiv:quant-ph/0406176): a cascade of uniformly controlled RY gates sets the magnitudes, one of RZ
gates the phases. Its structure depends on the number of qubits alone; `amplitude_angles` turns a
batch of amplitudes into the numbers for its symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from qstore_tf import limits
from qstore_tf.circuits.arguments import check_n_qubits, named
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, describe, did_you_mean

_AXES = {"x": "RX", "y": "RY", "z": "RZ"}


def angle_encoding(n_qubits: int, axis: str = "x", name: str = "x") -> UnifiedCircuit:
    """One rotation per qubit, its angle the feature in radians.

    Args:
        n_qubits: number of qubits, and of features.
        axis: "x", "y" or "z". The Z axis rotates nothing on |0>, so for "z" a Hadamard goes
            before each rotation.
        name: stem of the symbols `name_0, name_1, ...`.

    Returns:
        A circuit with one symbol per qubit.

    Raises:
        ConfigurationError: if the axis is not one of the three.

    >>> angle_encoding(2).parameters
    ('x_0', 'x_1')
    """
    check_n_qubits(n_qubits)
    gate = _AXES.get(axis.lower()) if isinstance(axis, str) else None
    if gate is None:
        raise ConfigurationError(
            describe(
                "Unknown axis of an angle encoding",
                expected="'x', 'y' or 'z'",
                received=axis,
                hint=did_you_mean(str(axis), _AXES),
            )
        )
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        if gate == "RZ":
            circuit.add_gate("H", [qubit])
        circuit.add_gate(gate, [qubit], [f"{name}_{qubit}"])
    return circuit


def basis_encoding(n_qubits: int, name: str = "x") -> UnifiedCircuit:
    """Bits to basis states: RX(pi * b) on each qubit, so that 0 stays |0> and 1 becomes |1>.

    Each 1 brings a factor -i with it, which no expectation value sees. A value between 0 and 1
    gives a superposition, which keeps the encoding differentiable.

    Args:
        n_qubits: number of qubits, and of bits.
        name: stem of the symbols `name_0, name_1, ...`.

    Returns:
        A circuit with one symbol per qubit.

    >>> basis_encoding(3).n_parameters
    3
    """
    check_n_qubits(n_qubits)
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("RX", [qubit], [Affine(0.0, ((f"{name}_{qubit}", float(np.pi)),))])
    return circuit


def amplitude_encoding(n_qubits: int, complex: bool = False, name: str = "x") -> UnifiedCircuit:
    """Prepares any state of `n_qubits` from |0...0>, exactly, global phase included.

    Real amplitudes take 2^n - 1 RY and 2^n - 2 CX gates. Complex ones take as many RZ more,
    2^(n+1) - 6 CX altogether (none for one qubit), and a global phase.

    Args:
        n_qubits: number of qubits.
        complex: whether the amplitudes are complex.
        name: stem of the symbols.

    Returns:
        A circuit whose symbols `name_0, name_1, ...` are the columns of `amplitude_angles`:
        2^n - 1 of them for real amplitudes, 2^(n+1) - 1 for complex ones.

    >>> amplitude_encoding(2).n_parameters
    3
    """
    check_n_qubits(n_qubits)
    # Twice as many RZ for complex amplitudes; the power itself must not become too large.
    gates = 2 ** min(n_qubits + 1 + complex, 100)
    limits.GATES.check(gates, f"An amplitude encoding of {n_qubits} qubits")
    circuit = UnifiedCircuit(n_qubits)
    count = 0

    def rotate(gate: str, qubits: list[int]) -> None:
        nonlocal count
        circuit.add_gate(gate, qubits, [f"{name}_{count}"])
        count += 1

    for target in range(n_qubits):
        size = 2**target
        for step in range(size):
            rotate("RY", [target])
            last = complex and target == n_qubits - 1 and step == size - 1
            if target and not last:
                circuit.add_gate("CX", [_gray_control(target, step), target])
    if complex:
        for target in reversed(range(n_qubits)):
            size = 2**target
            # Mirrored in time, so that its first CX cancels against the last one of the RY
            # cascade: neither is written.
            for step in reversed(range(size)):
                first = target == n_qubits - 1 and step == size - 1
                if target and not first:
                    circuit.add_gate("CX", [_gray_control(target, step), target])
                rotate("RZ", [target])
        circuit.add_gate("GlobalPhase", [], [f"{name}_{count}"])
    return circuit


def _gray_control(n_controls: int, step: int) -> int:
    """The control qubit whose bit changes between Gray codes `step` and `step + 1`."""
    if step == 2**n_controls - 1:
        return 0
    changed_bit = ((step + 1) & -(step + 1)).bit_length() - 1
    return n_controls - 1 - changed_bit


ENCODINGS: Mapping[str, Callable[..., UnifiedCircuit]] = {
    "angle": angle_encoding,
    "amplitude": amplitude_encoding,
    "basis": basis_encoding,
}
"""The encoding builders by name; each takes `n_qubits` and the keyword `name`."""


def get_encoding(name: str) -> Callable[..., UnifiedCircuit]:
    """Looks an encoding builder up by name.

    Raises:
        ConfigurationError: if there is none of that name.

    >>> get_encoding("angle")(2).n_parameters
    2
    """
    return named(ENCODINGS, name, "encoding")
