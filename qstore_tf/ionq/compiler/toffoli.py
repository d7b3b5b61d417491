"""Finds pairs of Toffoli gates that need not be exact, as the second undoes the first's phases.

X on a target under two controls, times phases of basis states, takes three entangling rotations
instead of five. The phases do no harm where the same gate comes again and what stands between them
permutes basis states without changing the bits of the three qubits, as in an adder that computes
carries and takes them back (Maslov, arXiv:1508.03273).
"""

from __future__ import annotations

from collections.abc import Sequence

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.operation import Operation

# Truth tables of what stands between have 2^wires bits.
MAX_WIRES = 14


def relative_phase_pairs(circuit: Circuit) -> frozenset[int]:
    """Returns the numbers of the operations that may be Toffoli gates up to phases.

    Example:
        >>> circuit = Circuit(4).add_gate("CCX", [0, 1, 2]).add_gate("CX", [2, 3])
        >>> sorted(relative_phase_pairs(circuit.add_gate("CCX", [0, 1, 2])))
        [0, 2]
    """
    operations = [operation.with_plain_controls() for operation in circuit.operations]
    paired: set[int] = set()
    for number, operation in enumerate(operations):
        if number not in paired and _is_toffoli(operation):
            partner = _partner(operations, number, paired)
            if partner is not None:
                paired |= {number, partner}
    return frozenset(paired)


def _is_toffoli(operation: Operation) -> bool:
    return operation.gate == "X" and len(operation.controls) == 2


def _partner(operations: Sequence[Operation], number: int, paired: set[int]) -> int | None:
    first = operations[number]
    tables = _Tables()
    before = [tables[qubit] for qubit in first.qubits]
    for later in range(number + 1, len(operations)):
        operation = operations[later]
        if (
            later not in paired
            and _is_toffoli(operation)
            and operation.targets == first.targets
            and set(operation.controls) == set(first.controls)
            and [tables[qubit] for qubit in first.qubits] == before
        ):
            return later
        if not tables.apply(operation):
            return None
    return None


class _Tables(dict[int, int]):
    """The value of each qubit as a truth table of the values that they had at the beginning."""

    def __missing__(self, qubit: int) -> int:
        place = len(self)
        # Bit r of the table is bit `place` of r.
        block = ((1 << (1 << place)) - 1) << (1 << place)
        table, width = block, 2 << place
        while width < 1 << MAX_WIRES:
            table |= table << width
            width *= 2
        self[qubit] = table
        return table

    def apply(self, operation: Operation) -> bool:
        """Applies an operation; returns whether it permutes basis states, up to phases."""
        if len(self.keys() | set(operation.qubits)) > MAX_WIRES:
            return False
        if operation.gate == "X":
            control = (1 << (1 << MAX_WIRES)) - 1
            for qubit in operation.controls:
                control &= self[qubit]
            self[operation.targets[0]] ^= control
            return True
        if operation.gate == "SWAP" and not operation.controls:
            a, b = operation.targets
            self[a], self[b] = self[b], self[a]
            return True
        return operation.matrix is None and all(
            primitive.is_diagonal for primitive in operation.primitives()
        )
