"""cirq-ionq's native gatesets, as they are and with one-qubit gates merged before and after."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import cirq
import cirq_ionq
from cirq.contrib.qasm_import import circuit_from_qasm

from benchmarks.ionq_peers.protocol import Output, Variant, main

GATESETS = {
    "Aria": cirq_ionq.AriaNativeGateset(),
    "Forte": cirq_ionq.ForteNativeGateset(),
}


def load(qasm: str) -> tuple[cirq.Circuit, int]:
    """The circuit on line qubits, and how many there are."""
    circuit = circuit_from_qasm(qasm)
    n_qubits = int(qasm.partition("qreg q[")[2].partition("]")[0])
    names = {cirq.NamedQubit(f"q_{k}"): cirq.LineQubit(k) for k in range(n_qubits)}
    return circuit.transform_qubits(names), n_qubits


def plain(circuit: cirq.Circuit, gateset: Any) -> cirq.Circuit:
    """What the library offers."""
    return cirq.optimize_for_target_gateset(circuit, gateset=gateset)


def merged(circuit: cirq.Circuit, gateset: Any) -> cirq.Circuit:
    """The same, with Cirq's own merging of one-qubit gates before and after."""

    def native(operation: cirq.CircuitOperation) -> list[cirq.Operation]:
        matrix = cirq.unitary(operation)
        gates = gateset.single_qubit_matrix_to_native_gates(matrix)
        return [gate.on(*operation.qubits) for gate in gates]

    fewer = cirq.merge_single_qubit_gates_to_phxz(circuit)
    return cirq.merge_k_qubit_unitaries(plain(fewer, gateset), k=1, rewriter=native)


def read(circuit: cirq.Circuit) -> Output:
    """Gates of a circuit on line qubits."""
    gates = [
        ([qubit.x for qubit in operation.qubits], cirq.unitary(operation))
        for operation in circuit.all_operations()
        if operation.qubits
    ]
    sizes = [len(qubits) for qubits, _ in gates]
    return Output(gates, native=(sizes.count(1), sizes.count(2)))


VARIANTS = {
    f"cirq-ionq {device}{words}": Variant(
        lambda loaded, way=way, gateset=gateset: way(loaded[0], gateset), read
    )
    for words, way in (("", plain), (", 1q merged", merged))
    for device, gateset in GATESETS.items()
}

if __name__ == "__main__":
    main({name: version(name) for name in ("cirq-core", "cirq-ionq")}, load, VARIANTS)
