"""The circuits of a job, gathered by structure: same gates on the same qubits, other numbers.

What trains sends one circuit with many numbers. A structure is looked at once, and its numbers are
one array, so that the engine runs a whole group in one pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import InputError, describe


@dataclass(frozen=True, eq=False)
class Group:
    """Circuits of one structure.

    Attributes:
        circuit: The structure: a circuit whose numbers are the symbols "v0", "v1", ... in time
            order. It has no measurement markers.
        values: The numbers, shape [B, n_values]; radians, for native gates turns.
        positions: Which circuits of the job they are, shape [B].
    """

    circuit: Circuit
    values: NDArray[np.float64]
    positions: NDArray[np.int64]

    @property
    def n_qubits(self) -> int:
        """Number of qubits of each circuit."""
        return self.circuit.n_qubits

    @cached_property
    def native(self) -> bool:
        """Whether all gates are native ones; True for a circuit without gates."""
        return all(GATES[op.gate].native and not op.controls for op in self.circuit.operations)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """The names, in the gate table, of the gates that appear, each once."""
        return tuple(dict.fromkeys(op.gate for op in self.circuit.operations))

    @cached_property
    def gate_counts(self) -> tuple[int, int]:
        """Numbers of one-qubit and two-qubit gates of each circuit.

        A gate on N > 2 qubits counts as 6 (N - 2) two-qubit gates, which is how Azure's page of
        prices counts (learn.microsoft.com/azure/quantum/pricing).
        """
        sizes = [len(op.qubits) for op in self.circuit.operations]
        return sizes.count(1), sum(6 * (n - 2) if n > 2 else 1 for n in sizes if n > 1)

    def bound(self, row: int) -> Circuit:
        """Returns one of the circuits, with its numbers."""
        numbers = self.values[row].tolist()
        return self.circuit.bind({f"v{k}": number for k, number in enumerate(numbers)})


@dataclass(frozen=True, eq=False)
class Batch(Sequence[Circuit]):
    """The circuits of a job: a sequence of them, kept by structure.

    Attributes:
        groups: The circuits by structure, in the order in which the structures first appear.
        n_circuits: How many circuits there are.
        names: The name of each circuit; None where it has none.
        registers: For each circuit how its qubits are grouped; None where it does not say.

    Example:
        >>> bell = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> turned = [Circuit(1).add_gate("RX", 0, angle) for angle in (0.1, 0.2)]
        >>> batch = Batch.of([turned[0], bell, turned[1]])
        >>> [(group.positions.tolist(), group.values.tolist()) for group in batch.groups]
        [([0, 2], [[0.1], [0.2]]), ([1], [[]])]
    """

    groups: tuple[Group, ...]
    n_circuits: int
    names: tuple[str | None, ...]
    registers: tuple[object, ...]

    @classmethod
    def of(
        cls,
        circuits: Sequence[Circuit],
        names: Sequence[str | None] | None = None,
        registers: Sequence[object] | None = None,
    ) -> Batch:
        """Gathers circuits by their structure.

        Args:
            circuits: Circuits without symbols; measurement markers are dropped, because the
                service measures every qubit.
            names: As in the class; None for no names.
            registers: As in the class; None for none.

        Raises:
            InputError: A circuit has symbols.
        """
        rows: dict[tuple[object, ...], list[int]] = {}
        numbers: list[list[float]] = []
        for position, circuit in enumerate(circuits):
            if circuit.parameters:
                raise InputError(
                    describe(
                        f"Circuit {position} has symbols without values",
                        expected="numbers",
                        received=list(circuit.parameters),
                    )
                )
            operations = [op for op in circuit.operations if not op.is_measurement]
            structure = [(op.gate, op.targets, op.controls, op.matrix) for op in operations]
            rows.setdefault((circuit.n_qubits, *structure), []).append(position)
            numbers.append([p.constant for op in operations for p in op.params])
        groups = tuple(
            group_of(circuits[members[0]], np.array([numbers[k] for k in members]), members)
            for members in rows.values()
        )
        nothing = (None,) * len(numbers)
        return cls(groups, len(numbers), tuple(names or nothing), tuple(registers or nothing))

    @property
    def n_qubits(self) -> int:
        """Number of qubits of the widest circuit; 0 without circuits."""
        return max((group.n_qubits for group in self.groups), default=0)

    @cached_property
    def gate_counts(self) -> NDArray[np.int64]:
        """Numbers of one-qubit and two-qubit gates, shape [n_circuits, 2]."""
        counts = np.zeros((self.n_circuits, 2), dtype=np.int64)
        for group in self.groups:
            counts[group.positions] = group.gate_counts
        return counts

    def __len__(self) -> int:
        return self.n_circuits

    @overload
    def __getitem__(self, position: int) -> Circuit: ...
    @overload
    def __getitem__(self, position: slice) -> list[Circuit]: ...
    def __getitem__(self, position: int | slice) -> Circuit | list[Circuit]:
        """Returns a circuit of the job, with its numbers."""
        if isinstance(position, slice):
            return [self[k] for k in range(*position.indices(len(self)))]
        group, row = self._places[position]
        return self.groups[group].bound(row)

    @cached_property
    def _places(self) -> list[tuple[int, int]]:
        """Group of each circuit, and row in it."""
        places = [(0, 0)] * self.n_circuits
        for number, group in enumerate(self.groups):
            for row, position in enumerate(group.positions.tolist()):
                places[position] = (number, row)
        return places


def group_of(
    circuit: Circuit, values: NDArray[np.float64], positions: Sequence[int] | NDArray[np.int64]
) -> Group:
    """Returns a group from one of its circuits, whose own numbers do not matter.

    Args:
        circuit: One of the circuits.
        values: The numbers of all, shape [B, n_values].
        positions: As in `Group`, shape [B].
    """
    operations, slot = [], 0
    for op in circuit.operations:
        if op.is_measurement:
            continue
        symbols = [Affine.symbol(f"v{slot + k}") for k in range(len(op.params))]
        operations.append(Operation(op.gate, op.targets, tuple(symbols), op.controls, op.matrix))
        slot += len(symbols)
    return Group(
        Circuit.from_operations(circuit.n_qubits, operations),
        np.asarray(values, dtype=np.float64).reshape(len(positions), slot),
        np.asarray(positions, dtype=np.int64),
    )
