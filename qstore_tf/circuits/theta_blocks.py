"""Which trained angles of a program stand in one layer of commuting gates."""

from __future__ import annotations

from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.primitives import CompiledPrimitive, commute
from qstore_tf.circuits.program import Program


@remember(of_programs)
def theta_blocks(program: Program) -> tuple[int, ...]:
    """Returns the block of each entry of theta, numbered from 0 in the order of theta.

    The layer of a gate is the largest number of gates with theta that come before it, none of
    them commuting with the next. Two entries of theta are in one block where a layer has gates
    of both, or where a third entry links them so. Gates count as commuting where they share no
    qubit, where both are diagonal, or where both are uncontrolled rotations about commuting
    Pauli strings.

    Example:
        >>> from qstore_tf.circuits import compile_circuit
        >>> from qstore_tf.circuits.ansatz import hardware_efficient
        >>> theta_blocks(compile_circuit(hardware_efficient(2, depth=2)))  # RY RZ RY RZ, twice
        (0, 1, 0, 1, 2, 3, 2, 3)
    """
    parent = list(range(program.n_theta))

    def root(slot: int) -> int:
        while parent[slot] != slot:
            slot = parent[slot]
        return slot

    leader: dict[int, int] = {}  # layer -> one of its slots
    for gate, layer in zip(program.gates, _layers(program), strict=True):
        for slot in _slots(gate):
            first = leader.setdefault(layer, slot)
            parent[root(slot)] = root(first)
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(root(slot), len(numbers)) for slot in range(program.n_theta))


def _layers(program: Program) -> list[int]:
    """Returns the layer of each gate."""
    by_qubit: dict[int, list[int]] = {q: [] for q in range(program.n_qubits)}
    layers: list[int] = []
    for number, gate in enumerate(program.gates):
        before = {other for q in gate.qubits for other in by_qubit[q]}
        blocking = [k for k in before if not commute(program.gates[k], gate)]
        layers.append(
            max((layers[k] + bool(_slots(program.gates[k])) for k in blocking), default=0)
        )
        for q in gate.qubits:
            by_qubit[q].append(number)
    return layers


def _slots(gate: CompiledPrimitive) -> list[int]:
    return [slot for kind, slot, _ in gate.terms if kind == "t"]
