"""The circuits on which compilers for IonQ's native gates are compared.

Each is built with fixed seeds and handed to every compiler as the same OpenQASM 2 text. Random
numbers are drawn from one generator per circuit and seed, so adding a circuit changes no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cirq
import numpy as np

from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.circuits.encodings.amplitudes import amplitude_angles
from qstore_tf.circuits.encodings.circuits import amplitude_encoding

Generator = np.random.Generator
# Pauli strings exp(-i t P) of excitations between spin orbitals (Jordan-Wigner), with signs.
SINGLE = (("XY", 1), ("YX", -1))
DOUBLE = (
    ("XXYX", 1),
    ("XXXY", 1),
    ("YXYY", 1),
    ("XYYY", 1),
    ("YXXX", -1),
    ("XYXX", -1),
    ("YYYX", -1),
    ("YYXY", -1),
)
# What the random circuits draw from: name, qubits, angles.
MIXED = (
    ("H", 1, 0),
    ("S", 1, 0),
    ("T", 1, 0),
    ("X", 1, 0),
    ("RX", 1, 1),
    ("RY", 1, 1),
    ("RZ", 1, 1),
    ("U3", 1, 3),
    ("CX", 2, 0),
    ("CX", 2, 0),
    ("CZ", 2, 0),
    ("CPhase", 2, 1),
    ("SWAP", 2, 0),
    ("CCX", 3, 0),
)


@dataclass(frozen=True)
class Case:
    """One circuit, perhaps with several seeds.

    Attributes:
        build: seed -> circuit without symbols.
        seeds: one row of the table for each; the first has no suffix.
    """

    build: Callable[[int], UnifiedCircuit]
    seeds: tuple[int, ...] = (7,)


def ansatz(n_qubits: int, n_layers: int) -> UnifiedCircuit:
    """Layers of RY and RZ on every qubit and a chain of CX, one symbol per rotation."""
    circuit = UnifiedCircuit(n_qubits)
    for layer in range(n_layers):
        for qubit in range(n_qubits):
            circuit.add_gate("RY", qubit, f"y_{layer}_{qubit}")
            circuit.add_gate("RZ", qubit, f"z_{layer}_{qubit}")
        for qubit in range(n_qubits - 1):
            circuit.add_gate("CX", [qubit, qubit + 1])
    return circuit


def bound_ansatz(n_qubits: int, n_layers: int, seed: int) -> UnifiedCircuit:
    """The ansatz with random angles."""
    circuit = ansatz(n_qubits, n_layers)
    angles = np.random.default_rng(seed).uniform(-np.pi, np.pi, circuit.n_parameters)
    return circuit.bind(dict(zip(circuit.parameters, angles.tolist(), strict=True)))


def fourier(n_qubits: int) -> UnifiedCircuit:
    """The quantum Fourier transform with its final swaps."""
    circuit = UnifiedCircuit(n_qubits)
    for target in range(n_qubits):
        circuit.add_gate("H", target)
        for control in range(target + 1, n_qubits):
            circuit.add_gate("CPhase", [control, target], np.pi / 2 ** (control - target))
    for qubit in range(n_qubits // 2):
        circuit.add_gate("SWAP", [qubit, n_qubits - 1 - qubit])
    return circuit


def ghz(n_qubits: int) -> UnifiedCircuit:
    """One Hadamard and a chain of CX."""
    circuit = UnifiedCircuit(n_qubits).add_gate("H", 0)
    for qubit in range(n_qubits - 1):
        circuit.add_gate("CX", [qubit, qubit + 1])
    return circuit


def qaoa(n_qubits: int, n_layers: int, seed: int) -> UnifiedCircuit:
    """Maximum cut of a ring: from the uniform state, ZZ on every edge, RX on every qubit."""
    rng = np.random.default_rng(seed)
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("H", qubit)
    for _ in range(n_layers):
        gamma, beta = rng.uniform(0.2, 1.4, 2).tolist()
        for qubit in range(n_qubits):
            _zz(circuit, qubit, (qubit + 1) % n_qubits, gamma)
        for qubit in range(n_qubits):
            circuit.add_gate("RX", qubit, beta)
    return circuit


def ising(n_qubits: int, n_steps: int) -> UnifiedCircuit:
    """First-order Trotter steps of the transverse-field Ising chain."""
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(n_steps):
        for first in (0, 1):
            for qubit in range(first, n_qubits - 1, 2):
                _zz(circuit, qubit, qubit + 1, 0.4)
        for qubit in range(n_qubits):
            circuit.add_gate("RX", qubit, 0.5)
    return circuit


def brickwork(n_qubits: int, n_layers: int, seed: int) -> UnifiedCircuit:
    """Random SU(4), as three CZ each, on pairs (0, 1), (2, 3) ... and (1, 2), (3, 4) ..."""
    rng = np.random.default_rng(seed)
    circuit = UnifiedCircuit(n_qubits)
    for layer in range(n_layers):
        for qubit in range(layer % 2, n_qubits - 1, 2):
            parts = cirq.two_qubit_matrix_to_cz_operations(
                *cirq.LineQubit.range(2), _haar(rng, 4), allow_partial_czs=False
            )
            made = UnifiedCircuit.from_cirq(cirq.Circuit(parts))
            circuit = circuit.compose(made, [qubit, qubit + 1])
    return circuit


def adder(n_bits: int) -> UnifiedCircuit:
    """The ripple-carry adder of Cuccaro et al.: carry in, n pairs (b, a), carry out."""
    circuit = UnifiedCircuit(2 * n_bits + 2)
    carries = [0, *(2 * bit + 2 for bit in range(n_bits))]
    for bit in range(n_bits):
        carry, b, a = carries[bit], 2 * bit + 1, 2 * bit + 2
        circuit.add_gate("CX", [a, b]).add_gate("CX", [a, carry])
        circuit.add_gate("CCX", [carry, b, a])
    circuit.add_gate("CX", [carries[-1], 2 * n_bits + 1])
    for bit in reversed(range(n_bits)):
        carry, b, a = carries[bit], 2 * bit + 1, 2 * bit + 2
        circuit.add_gate("CCX", [carry, b, a])
        circuit.add_gate("CX", [a, carry]).add_gate("CX", [carry, b])
    return circuit


def amplitudes(n_qubits: int, seed: int) -> UnifiedCircuit:
    """A random real vector as amplitudes, by multiplexed rotations."""
    vector = np.random.default_rng(seed).normal(size=(1, 2**n_qubits))
    circuit = amplitude_encoding(n_qubits)
    angles = amplitude_angles(vector)[0].tolist()
    return circuit.bind(dict(zip(circuit.parameters, angles, strict=True)))


def coupled_clusters(
    n_qubits: int,
    singles: Sequence[tuple[int, int]],
    doubles: Sequence[tuple[int, int, int, int]],
    seed: int,
) -> UnifiedCircuit:
    """Excitations of the lower half of the orbitals, each a product of exp(-i t P).

    Args:
        n_qubits: orbitals, of which the first half is filled at the start.
        singles: (from, to) of each single excitation.
        doubles: (from, from, to, to) of each double excitation, rising.
        seed: of the angles.
    """
    rng = np.random.default_rng(seed)
    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits // 2):
        circuit.add_gate("X", qubit)
    for strings, orbitals in [(SINGLE, pair) for pair in singles] + [
        (DOUBLE, four) for four in doubles
    ]:
        angle = float(rng.uniform(0.1, 0.6)) / len(strings)
        for paulis, sign in strings:
            letters = dict(zip(orbitals, paulis, strict=True))
            for first, last in zip(orbitals[::2], orbitals[1::2], strict=True):
                letters |= {between: "Z" for between in range(first + 1, last)}
            _pauli_exponential(circuit, letters, sign * angle)
    return circuit


def mixed(n_qubits: int, seed: int) -> UnifiedCircuit:
    """Random gates of many kinds on random qubits, five per qubit."""
    rng = np.random.default_rng([n_qubits, seed])
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(5 * n_qubits):
        name, n_targets, n_angles = MIXED[rng.integers(len(MIXED))]
        targets = rng.permutation(n_qubits)[:n_targets].tolist()
        circuit.add_gate(name, targets, rng.uniform(-np.pi, np.pi, n_angles).tolist())
    return circuit


CASES: dict[str, Case] = {
    "hea6x4": Case(lambda seed: bound_ansatz(6, 4, seed), (7, 8)),
    "qft5": Case(lambda _: fourier(5)),
    "qft8": Case(lambda _: fourier(8)),
    "ghz8": Case(lambda _: ghz(8)),
    "qaoa6x2": Case(lambda seed: qaoa(6, 2, seed), (7, 8)),
    "toffoli": Case(lambda _: UnifiedCircuit(3).add_gate("CCX", [0, 1, 2])),
    "ising8x4": Case(lambda _: ising(8, 4)),
    "su4_6x6": Case(lambda seed: brickwork(6, 6, seed), (7, 8)),
    "cuccaro3": Case(lambda _: adder(3)),
    "state64": Case(lambda seed: amplitudes(6, seed), (7, 8)),
    "ucc4": Case(lambda seed: coupled_clusters(4, [(0, 2), (1, 3)], [(0, 1, 2, 3)], seed)),
    "ucc6s": Case(
        lambda seed: coupled_clusters(6, [(0, 3), (1, 4), (2, 5), (0, 5)], [(0, 2, 3, 5)], seed)
    ),
    "ucc6d": Case(lambda seed: coupled_clusters(6, [(2, 3)], [(0, 1, 3, 4), (1, 2, 4, 5)], seed)),
    **{f"mixed{n}": Case(lambda seed, n=n: mixed(n, seed), (7, 8)) for n in (3, 4, 5, 6)},
    **{f"mixed{n}": Case(lambda seed, n=n: mixed(n, seed)) for n in (8, 10, 12)},
    "hea12x8": Case(lambda seed: bound_ansatz(12, 8, seed)),
}
# The ansatz whose compile time and binding of numbers are compared: qubits, layers, samples.
TIMED = ("hea12x8", (12, 8), 256)


def circuits(names: Sequence[str] = ()) -> dict[str, UnifiedCircuit]:
    """The circuits of the named cases (all without names), one for each seed."""
    made = {}
    for name in names or CASES:
        case = CASES[name]
        for place, seed in enumerate(case.seeds):
            made[name + (f".{place + 1}" if place else "")] = case.build(seed)
    return made


def _zz(circuit: UnifiedCircuit, a: int, b: int, angle: float) -> None:
    circuit.add_gate("CX", [a, b]).add_gate("RZ", b, angle).add_gate("CX", [a, b])


def _pauli_exponential(circuit: UnifiedCircuit, letters: dict[int, str], t: float) -> None:
    """exp(-i t P): into the eigenbasis, parity to the last qubit, RZ, and back."""
    qubits = sorted(letters)
    for qubit in qubits:
        if letters[qubit] == "X":
            circuit.add_gate("H", qubit)
        elif letters[qubit] == "Y":
            circuit.add_gate("RX", qubit, np.pi / 2)
    ladder = list(zip(qubits, qubits[1:], strict=False))
    for pair in ladder:
        circuit.add_gate("CX", pair)
    circuit.add_gate("RZ", qubits[-1], 2 * t)
    for pair in reversed(ladder):
        circuit.add_gate("CX", pair)
    for qubit in qubits:
        if letters[qubit] == "X":
            circuit.add_gate("H", qubit)
        elif letters[qubit] == "Y":
            circuit.add_gate("RX", qubit, -np.pi / 2)


def _haar(rng: Generator, size: int) -> np.ndarray:
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    q, r = np.linalg.qr(matrix)
    return q * (np.diag(r) / np.abs(np.diag(r)))
