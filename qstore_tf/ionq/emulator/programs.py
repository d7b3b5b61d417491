"""Circuits as primitives, gate by gate, and native ones from any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.primitives import CompiledPrimitive
from qstore_tf.circuits.program import Program
from qstore_tf.ionq.compiling import compile
from qstore_tf.ionq.emulator.batches import Group, group_of
from qstore_tf.ionq.targets import Target

Step = tuple[tuple[int, ...], tuple[CompiledPrimitive, ...]]


def program_of(circuit: Circuit) -> Program:
    """Returns the program of a structure, whose inputs are its numbers v0, v1, ..."""
    return compile_circuit(circuit, inputs=_symbols(circuit))


def steps_of(circuit: Circuit) -> list[Step]:
    """Returns the qubits and primitives of each gate of a structure, in time order."""
    gates = iter(program_of(circuit).gates)
    return [(op.qubits, tuple(next(gates) for _ in op.primitives())) for op in circuit.operations]


def without_idle(group: Group) -> tuple[Group, tuple[int, ...]]:
    """Leaves out the qubits without gates, of which compilers with a wide machine leave many.

    Returns:
        The circuits on the other qubits, at least one, in their order; and which these are.
    """
    used = sorted({q for op in group.circuit.operations for q in op.qubits}) or [0]
    if len(used) == group.n_qubits:
        return group, tuple(used)
    places = {qubit: place for place, qubit in enumerate(used)}
    moved = [
        replace(
            op,
            targets=tuple(places[q] for q in op.targets),
            controls=tuple(places[q] for q in op.controls),
        )
        for op in group.circuit.operations
    ]
    circuit = Circuit.from_operations(len(used), moved)
    return Group(circuit, group.values, group.positions), tuple(used)


def native_group(group: Group, target: Target | str) -> tuple[Group, tuple[int, ...]]:
    """Compiles circuits of one structure to native gates.

    Args:
        group: The circuits.
        target: The machine.

    Returns:
        The native circuits, and for each qubit the wire on which it ends.

    Raises:
        CircuitError: They do not fit the machine.
    """
    if group.native:
        return group, tuple(range(group.n_qubits))
    compiled = compile(group.circuit, target)
    gates = compiled.template.gates
    columns = compiled.bind(group.values).columns
    circuit = Circuit(group.n_qubits)
    for gate in gates:
        circuit.add_gate(gate.name, gate.wires, [0.0] * len(gate.columns))
    slots = [column for gate in gates for column in gate.columns]
    values = np.asarray(columns)[:, slots]
    return group_of(circuit, values, group.positions), compiled.output_permutation


def _symbols(circuit: Circuit) -> list[str]:
    return [f"v{k}" for k in range(sum(len(op.params) for op in circuit.operations))]
