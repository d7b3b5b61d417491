"""Circuits to Qiskit, unitary for unitary, global phase included.

Qubit i becomes qubit i of the Qiskit circuit, whose basis-state indices read it as bit i from the
right. Symbols become `qiskit.circuit.Parameter` objects of the same name. The way back is
`reading`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.conversion import missing_library
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine

if TYPE_CHECKING:
    import qiskit


def to_qiskit(circuit: Circuit) -> qiskit.QuantumCircuit:
    """Converts a circuit to Qiskit.

    A gate that Qiskit has is written as that gate, another as a few gates with the same
    unitary. Measurement markers measure qubit i into classical bit i.

    Args:
        circuit: the circuit.

    Returns:
        The Qiskit circuit. Its `parameters` are sorted by name, as Qiskit's always are; the
        order of this circuit is `circuit.parameters`.

    Raises:
        LibraryError: Qiskit is not installed.
    """
    try:
        from qiskit import QuantumCircuit
        from qiskit.circuit import Parameter
    except ImportError as error:
        raise missing_library("Qiskit", "qiskit", "Converting a circuit to Qiskit") from error
    symbols = {name: Parameter(name) for name in circuit.parameters}
    bits = [circuit.n_qubits] if circuit.measured_qubits else []
    result = QuantumCircuit(circuit.n_qubits, *bits)
    for operation in circuit.operations:
        if operation.is_measurement:
            result.measure(operation.targets[0], operation.targets[0])
            continue
        for step in _lowered(operation):
            result.append(_gate(step, symbols), list(step.qubits))
    return result


def _lowered(operation: Operation) -> Iterator[Operation]:
    """The same in gates that Qiskit has."""
    if operation.gate == "GlobalPhase" and operation.controls:
        *others, last = operation.controls
        yield Operation("PhaseShift", (last,), operation.params, tuple(others))
    elif operation.row.qiskit or operation.matrix is not None:
        yield operation
    else:
        decomposition = operation.row.decomposition
        assert decomposition is not None, f"gate {operation.gate} has no row in the writer"
        for name, local, params in decomposition(*operation.params):
            targets = tuple(operation.targets[q] for q in local)
            yield from _lowered(Operation(name, targets, params, operation.controls))


def _gate(operation: Operation, symbols: Mapping[str, Any]) -> Any:
    from qiskit.circuit import library

    n_controls = len(operation.controls)
    if operation.matrix is not None:
        # The first qubit of a matrix is the least significant bit there.
        gate: Any = library.UnitaryGate(_reversed_bits(np.array(operation.matrix)))
        # Annotated, as Qiskit would otherwise search a decomposition at once.
        return gate.control(n_controls, annotated=True) if n_controls else gate
    params = [_value(param, symbols) for param in operation.params]
    gate = getattr(library, operation.row.qiskit[0])(*params)
    return gate.control(n_controls) if n_controls else gate


def _reversed_bits(matrix: Any) -> Any:
    n_qubits = len(matrix).bit_length() - 1
    order = [*reversed(range(n_qubits)), *reversed(range(n_qubits, 2 * n_qubits))]
    return matrix.reshape((2,) * (2 * n_qubits)).transpose(order).reshape(matrix.shape)


def _value(param: Affine, symbols: Mapping[str, Any]) -> Any:
    total: Any = None
    for name, coefficient in param.terms:
        term = symbols[name] if coefficient == 1 else coefficient * symbols[name]
        total = term if total is None else total + term
    if total is None:
        return param.constant
    return total + param.constant if param.constant else total
