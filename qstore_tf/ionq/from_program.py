"""A compiled program as a circuit again, so that it can be compiled to native gates.

The slots of the program are the symbols of the circuit: column k of `inputs` is "i<k>", entry k of
`theta` is "t<k>".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.primitives import Angle, CompiledPrimitive, Flip, Phase, Rot, Swap
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, describe

_ROTATIONS = ("X", "Y", "Z", "XX", "YY", "ZZ")
# Turns a letter to Z.
_TO_Z = {"X": ("RY", -math.pi / 2), "Y": ("RX", math.pi / 2)}


def circuit_of(program: Program, basis: Sequence[tuple[int, str]] = ()) -> Circuit:
    """Returns a program as a circuit whose symbols are its slots.

    Args:
        program: What to run, from |0...0>.
        basis: `(qubit, letter)`: the basis in which qubits are measured, where it is not Z; each
            is turned so that it becomes Z.

    Raises:
        CircuitError: The program starts from a given state, which no gate prepares.

    Example:
        >>> from qstore_tf.circuits import compile_circuit
        >>> program = compile_circuit(Circuit(1).add_gate("RY", 0, "a"))
        >>> [str(operation) for operation in circuit_of(program, [(0, "Y")]).operations]
        ['RY(t0) 0', 'RX(1.5707963267948966) 0']
    """
    check_start(program)
    circuit = Circuit(program.n_qubits)
    for gate in program.gates:
        _add(circuit, gate)
    for qubit, letter in basis:
        if letter != "Z":
            circuit.add_gate(_TO_Z[letter][0], qubit, _TO_Z[letter][1])
    return circuit


def check_start(program: Program) -> None:
    """Raises CircuitError where a program starts from a given state, which no gate prepares."""
    if program.has_initial:
        raise CircuitError(
            describe(
                "Hardware starts in |0...0>, and this program starts from a given state",
                hint="Prepare the state by gates, as encoding='amplitude' does",
            )
        )


def values_of(symbols: Sequence[str], inputs: ArrayLike, theta: ArrayLike) -> NDArray[np.float64]:
    """Returns the values [B, symbols] of a circuit's symbols for a batch.

    Args:
        symbols: Symbols of a circuit that `circuit_of` made, in the order wanted.
        inputs: [B, F].
        theta: [P].

    Example:
        >>> values_of(["t0", "i1"], [[1.0, 2.0]], [3.0]).tolist()
        [[3.0, 2.0]]
    """
    columns, entries = np.asarray(inputs, np.float64), np.asarray(theta, np.float64)
    values = np.empty((len(columns), len(symbols)))
    for k, symbol in enumerate(symbols):
        slot = int(symbol[1:])
        values[:, k] = columns[:, slot] if symbol[0] == "i" else entries[slot]
    return values


def affine_of(angle: Angle) -> Affine:
    """Returns an angle of a program in the symbols of its slots."""
    terms = ((f"{kind}{slot}", factor) for kind, slot, factor in angle.terms)
    return Affine(angle.constant, tuple(terms))


def _add(circuit: Circuit, gate: CompiledPrimitive) -> None:
    if isinstance(gate, Rot):
        _add_rotation(circuit, gate)
    elif isinstance(gate, Phase):
        if gate.controls:  # else a global phase, which nothing sees
            *controls, last = gate.controls
            circuit.add_gate("P", last, affine_of(gate.angle), controls=controls)
    elif isinstance(gate, Flip):
        circuit.add_gate("X", gate.target, controls=gate.controls)
    elif isinstance(gate, Swap):
        circuit.add_gate("SWAP", gate.targets, controls=gate.controls)
    else:
        circuit.add_unitary(np.array(gate.matrix), gate.targets, controls=gate.controls)


def _add_rotation(circuit: Circuit, gate: Rot[Angle]) -> None:
    angle = affine_of(gate.angle)
    if gate.paulis in _ROTATIONS:
        circuit.add_gate(f"R{gate.paulis}", gate.targets, angle, controls=gate.controls)
        return
    turned = [
        (qubit, *_TO_Z[letter])
        for qubit, letter in zip(gate.targets, gate.paulis, strict=True)
        if letter != "Z"
    ]
    *others, last = gate.targets
    for qubit, name, turn in turned:
        circuit.add_gate(name, qubit, turn)
    for qubit in others:
        circuit.add_gate("CX", [qubit, last])
    circuit.add_gate("RZ", last, angle, controls=gate.controls)
    for qubit in reversed(others):
        circuit.add_gate("CX", [qubit, last])
    for qubit, name, turn in turned:
        circuit.add_gate(name, qubit, -turn)
