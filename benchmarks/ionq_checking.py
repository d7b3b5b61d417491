"""Whether a compiled circuit does what its input does.

Up to 8 qubits every column of the unitary is compared, beyond that three random states. Compared
are amplitudes after the best global phase; the error is the largest difference of any two. A
circuit compiled for |0...0> is compared by the state that it makes, and one that is compiled for
measurement too by the probabilities of its outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ionq_counting import Gate
from qstore_tf.circuits import UnifiedCircuit, compile_circuit
from qstore_tf.circuits.reference import apply_matrix, primitive_matrix

States = NDArray[np.complex128]

# Largest error of a circuit that counts as the same, and as nearly the same.
TOLERANCE, NEARLY = 1e-6, 1e-3
ALL_COLUMNS = 8
RANDOM_STATES = 3


@dataclass(frozen=True)
class Verdict:
    """How a compiled circuit compares with its input.

    Attributes:
        kept: "unitary", "unitary up to Z" (a Z rotation on each wire at the end, which no outcome
            sees), "state up to Z" (of |0...0>, after the turns that are declared), "outcomes",
            "nearly" (one of these, but for an error), or "nothing".
        error: largest difference under that reading.
    """

    kept: str
    error: float


def gates_of(circuit: UnifiedCircuit) -> list[Gate]:
    """Matrices of a circuit without symbols."""
    made = (primitive_matrix(gate, [], []) for gate in compile_circuit(circuit).gates)
    return [Gate(tuple(qubits), matrix) for qubits, matrix in made]


def check(circuit: UnifiedCircuit, gates: Sequence[Gate], output: dict[str, Any]) -> Verdict:
    """Compares a circuit with what a peer made of it (see `ionq_peers/protocol.py`)."""
    n_qubits = circuit.n_qubits
    if output.get("outcomes"):
        start = np.eye(1, 2**n_qubits, dtype=np.complex128)
        wanted = np.abs(_run(start, gates_of(circuit), n_qubits)[0]) ** 2
        made = np.abs(_run(start, gates, n_qubits)[0]) ** 2
        mapped = np.bincount(output["outcomes"], weights=made, minlength=2**n_qubits)
        return _verdict([("outcomes", float(np.abs(mapped - wanted).max()))])
    from_zero = output.get("from_zero", False)
    start = np.eye(1, 2**n_qubits, dtype=np.complex128) if from_zero else _starts(n_qubits)
    if from_zero:
        # What a single state has no neighbouring amplitudes for cannot be found from it.
        turns = enumerate(np.exp(1j * np.array(output.get("frames", ()))))
        gates = [*gates, *(Gate((wire,), np.diag([1, turn])) for wire, turn in turns)]
    wanted = _run(start, gates_of(circuit), n_qubits)
    made = _unpermuted(_run(start, gates, n_qubits), output["permutation"], n_qubits)
    if from_zero:
        return _verdict([("state up to Z", _distance(wanted, made))])
    turned = made * _frame(wanted, made, n_qubits)
    return _verdict(
        [("unitary", _distance(wanted, made)), ("unitary up to Z", _distance(wanted, turned))]
    )


def _verdict(errors: Sequence[tuple[str, float]]) -> Verdict:
    for kept, error in errors:
        if error < TOLERANCE:
            return Verdict(kept, error)
    error = min(error for _, error in errors)
    return Verdict("nearly" if error < NEARLY else "nothing", error)


def _starts(n_qubits: int) -> States:
    if n_qubits <= ALL_COLUMNS:
        return np.eye(2**n_qubits, dtype=np.complex128)
    rng = np.random.default_rng(7)
    shape = (RANDOM_STATES, 2**n_qubits)
    states = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return states / np.linalg.norm(states, axis=1, keepdims=True)


def _run(states: States, gates: Sequence[Gate], n_qubits: int) -> States:
    for gate in _fused(gates):
        states = apply_matrix(states, gate.matrix, gate.qubits, n_qubits)
    return states


def _fused(gates: Iterable[Gate]) -> Iterator[Gate]:
    """The same with one-qubit gates multiplied into the next larger gate."""
    waiting: dict[int, NDArray[np.complex128]] = {}
    for gate in gates:
        if len(gate.qubits) == 1:
            before = waiting.get(gate.qubits[0], np.eye(2))
            waiting[gate.qubits[0]] = gate.matrix @ before
            continue
        local = np.eye(1)
        for qubit in gate.qubits:
            local = np.kron(local, waiting.pop(qubit, np.eye(2)))
        yield Gate(gate.qubits, gate.matrix @ local)
    for qubit, matrix in waiting.items():
        yield Gate((qubit,), matrix)


def _unpermuted(states: States, permutation: Sequence[int] | None, n_qubits: int) -> States:
    """Puts qubit k, which ended on wire permutation[k], back to its place."""
    if permutation is None:
        return states
    wires = states.reshape(len(states), *[2] * n_qubits)
    return wires.transpose(0, *(wire + 1 for wire in permutation)).reshape(states.shape)


def _distance(wanted: States, made: States) -> float:
    overlap = np.vdot(made, wanted)
    phase = overlap / abs(overlap) if abs(overlap) > 1e-12 else 1.0
    return float(np.abs(made * phase - wanted).max())


def _frame(wanted: States, made: States, n_qubits: int) -> States:
    """Phases by basis state of the Z rotations that bring `made` closest to `wanted`."""
    by_outcome = (made.conj() * wanted).sum(0)
    phases = np.ones(2**n_qubits, dtype=np.complex128)
    outcomes = np.arange(2**n_qubits)
    for qubit in range(n_qubits):
        bit = outcomes >> (n_qubits - 1 - qubit) & 1
        # Neighbours that differ in this bit alone differ by its phase.
        pairs = by_outcome.reshape(2**qubit, 2, -1)
        turn = np.vdot(pairs[:, 0], pairs[:, 1])
        phases = phases * np.where(bit == 1, turn / (abs(turn) or 1.0), 1.0)
    return phases
