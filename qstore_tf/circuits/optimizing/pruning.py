"""Takes entangling gates out of a circuit until it is as short as it is to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.optimizing.fusing import fused
from qstore_tf.circuits.optimizing.near_identities import Left, distance
from qstore_tf.circuits.optimizing.passes import optimize
from qstore_tf.circuits.reference import ComplexArray, apply_matrix, primitive_matrix
from qstore_tf.errors import CircuitError, describe

# Up to here, what a gate costs is read from state vectors.
MAX_STATE_QUBITS = 12

Costs = Callable[[Sequence[Operation], Sequence[int]], list[float]]


def pruned(
    circuit: Circuit, max_depth: int, values: Mapping[str, float] | None = None
) -> tuple[Circuit, list[Left]]:
    """Returns a circuit of at most some depth, and the gates that were taken out for it.

    First, what costs nothing: runs of one-qubit gates become one. Then, one after the other, the
    gate on the longest path that is on several qubits and costs least: where all numbers are known
    and there are at most 12 qubits, the one without which the state made from |0...0> is nearest
    to the whole circuit's; else the one nearest to the identity, the last of those equally near.

    Args:
        circuit: The circuit; it is not changed.
        max_depth: Time steps, as `circuit.depth` counts them.
        values: Values of symbols, by which gates are chosen.

    Raises:
        CircuitError: It stays deeper without any gate on several qubits, as one-qubit gates with
            symbols are not joined.
    """
    costs = _costs(circuit, values)
    operations = list(circuit.operations)
    left: list[Left] = []
    while True:
        operations = _shortened(circuit.n_qubits, operations)
        depth = _circuit(circuit.n_qubits, operations).depth
        if depth <= max_depth:
            return _circuit(circuit.n_qubits, operations), left
        places = [k for k in longest_path(operations) if len(operations[k].qubits) > 1]
        if not places:
            raise CircuitError(
                describe(
                    "The circuit cannot be made as short as that",
                    expected=f"max_depth of at least {depth}",
                    received=max_depth,
                    hint="Bind the symbols: gates on one qubit are then joined",
                )
            )
        found = costs(operations, places)
        chosen = min(range(len(places)), key=lambda k: (round(found[k], 9), -places[k]))
        gate = operations.pop(places[chosen])
        left.append(Left(str(gate), distance(gate)))


def longest_path(operations: Sequence[Operation]) -> list[int]:
    """Returns the places of all gates that are on a longest path.

    Example:
        >>> circuit = Circuit(3).add_gate("CX", [0, 1]).add_gate("H", 1).add_gate("X", 2)
        >>> longest_path(circuit.operations)
        [0, 1]
    """
    before, after = _steps(operations), _steps(operations[::-1])[::-1]
    whole = max(before, default=0)
    return [place for place, step in enumerate(before) if step and step + after[place] - 1 == whole]


def _steps(operations: Sequence[Operation]) -> list[int]:
    """The time step of each gate, from 1; 0 for what takes no time."""
    ready: dict[int, int] = {}
    steps = []
    for operation in operations:
        if not operation.qubits or operation.is_measurement:
            steps.append(0)
            continue
        step = max(ready.get(q, 0) for q in operation.qubits) + 1
        ready.update(dict.fromkeys(operation.qubits, step))
        steps.append(step)
    return steps


def _shortened(n_qubits: int, operations: Sequence[Operation]) -> list[Operation]:
    exact = optimize(_circuit(n_qubits, fused(operations)))
    return list(exact.operations)


def _circuit(n_qubits: int, operations: Sequence[Operation]) -> Circuit:
    return Circuit.from_operations(n_qubits, operations)


def _costs(circuit: Circuit, values: Mapping[str, float] | None) -> Costs:
    known = values or {}
    if circuit.n_qubits > MAX_STATE_QUBITS or not set(circuit.parameters) <= set(known):
        return lambda operations, places: [distance(operations[k]) for k in places]
    wanted = _run(circuit.n_qubits, [op.bind(known) for op in circuit.operations])[-1]

    def costs(operations: Sequence[Operation], places: Sequence[int]) -> list[float]:
        bound = [op.bind(known) for op in operations]
        forward = _run(circuit.n_qubits, bound)
        # Row k: what the gates after gate k make into the wanted state.
        inverses = [gate for op in bound[::-1] for gate in _inverse(op)]
        counts = np.cumsum([0, *(len(_inverse(op)) for op in bound[::-1])])
        backward = _run(circuit.n_qubits, inverses, wanted)
        last = len(bound) - 1
        return [1 - abs(np.vdot(backward[counts[last - k]], forward[k])) ** 2 for k in places]

    return costs


def _inverse(operation: Operation) -> tuple[Operation, ...]:
    return () if operation.is_measurement else operation.inverse()


def _run(
    n_qubits: int, operations: Sequence[Operation], start: ComplexArray | None = None
) -> list[ComplexArray]:
    """The states before the first gate, after it, after the second, ..."""
    state = np.eye(1, 2**n_qubits, dtype=np.complex128)[0] if start is None else start
    states = [state]
    for operation in operations:
        program = compile_circuit(Circuit.from_operations(n_qubits, [operation]))
        for gate in program.gates:
            qubits, matrix = primitive_matrix(gate, [], [])
            state = apply_matrix(state, matrix, qubits, n_qubits)
        states.append(state)
    return states
