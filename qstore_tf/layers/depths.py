"""The layers that a circuit is made of, and the circuit of the first ones alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.unified import UnifiedCircuit


def count_repetitions(circuit: UnifiedCircuit, fed: Collection[str]) -> int:
    """Returns how often the shortest block is repeated that a circuit consists of.

    Blocks are alike where their gates, qubits, numbers and fed symbols are; trained symbols may
    differ. 1 where nothing is repeated, 0 for a circuit without gates.

    Args:
        circuit: The circuit. Its measurement markers do not count.
        fed: The symbols that are fed with features; all others are trained.

    >>> circuit = UnifiedCircuit(1)
    >>> for layer in range(3):
    ...     circuit = circuit.add_gate("RX", 0, "x").add_gate("RY", 0, f"w{layer}")
    >>> count_repetitions(circuit, ["x"]), count_repetitions(circuit, ["x", "w0"])
    (3, 1)
    """
    forms = [_form(operation, fed) for operation in _gates(circuit)]
    size = len(forms)
    for block in range(1, size // 2 + 1):
        if size % block == 0 and forms[block:] == forms[:-block]:
            return size // block
    return min(size, 1)


def first_repetitions(circuit: UnifiedCircuit, count: int, of: int) -> UnifiedCircuit:
    """Returns the first `count` of the `of` repetitions that a circuit consists of."""
    gates = _gates(circuit)
    return UnifiedCircuit.from_operations(circuit.n_qubits, gates[: count * len(gates) // of])


def _gates(circuit: UnifiedCircuit) -> list[Operation]:
    return [operation for operation in circuit.operations if not operation.is_measurement]


def _form(operation: Operation, fed: Collection[str]) -> tuple[Any, ...]:
    """An operation with the names of trained symbols left out."""
    params = [
        (
            tuple([(name if name in fed else None, factor) for name, factor in param.terms]),
            param.constant,
        )
        for param in operation.params
    ]
    return operation.gate, operation.targets, operation.controls, operation.matrix, params
