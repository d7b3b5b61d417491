"""Qiskit at its highest level with partial ZZ rotations, which is not native but close to it."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import qiskit
from qiskit import QuantumCircuit, qasm2, transpile
from qiskit.circuit import Parameter
from qiskit.transpiler import generate_preset_pass_manager

from benchmarks.ionq_peers.protocol import Output, Variant, main

BASIS = ["rz", "sx", "x", "rzz"]
TITLE = "qiskit level 3, {rz, sx, x, rzz}"
manager = generate_preset_pass_manager(optimization_level=3, basis_gates=BASIS, seed_transpiler=7)


def load(qasm: str) -> QuantumCircuit:
    """Reads OpenQASM 2 with all of today's `qelib1.inc`."""
    return qasm2.loads(qasm, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)


def read(circuit: QuantumCircuit, native: bool = False) -> Output:
    """Gates of a circuit; Qiskit's first qubit is the less significant one."""
    gates = []
    for instruction in circuit.data:
        if instruction.name != "barrier" and instruction.qubits:
            qubits = [circuit.find_bit(qubit).index for qubit in reversed(instruction.qubits)]
            gates.append((qubits, np.asarray(instruction.operation.to_matrix())))
    sizes = [len(qubits) for qubits, _ in gates]
    layout = circuit.layout
    return Output(
        gates,
        permutation=None if layout is None else layout.final_index_layout(),
        native=(sizes.count(1), sizes.count(2)) if native else None,
    )


def parametric(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same with a parameter for every number."""
    numbered = itertools.count()
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        symbols = [Parameter(f"p{next(numbered)}") for _ in instruction.params]
        operation = instruction.operation
        if symbols:
            operation = operation.base_class(*symbols)
        result.append(operation, instruction.qubits)
    return result


def bind(qasm: str, samples: int) -> dict[str, float]:
    """Milliseconds to put new numbers into the compiled circuit."""
    return {TITLE: rebinding(manager.run(parametric(load(qasm))), samples)}


def rebinding(compiled: Any, samples: int) -> float:
    """Processor milliseconds of `assign_parameters`, mean over the samples or five seconds."""
    values = np.random.default_rng(7).uniform(-3, 3, (samples, compiled.num_parameters))
    compiled.assign_parameters(values[0])
    started, done = time.process_time(), 0
    while done < samples and time.process_time() - started < 5:
        compiled.assign_parameters(values[done])
        done += 1
    return (time.process_time() - started) / done * 1e3


def transpiled(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same by the usual call, which sets the passes up each time."""
    return transpile(circuit, basis_gates=BASIS, optimization_level=3, seed_transpiler=7)


VARIANTS = {
    TITLE: Variant(manager.run, read),
    f"qiskit transpile(), {TITLE[7:]}": Variant(transpiled, read, only="hea12x8"),
}

if __name__ == "__main__":
    main({"qiskit": qiskit.__version__}, load, VARIANTS, bind)
