"""The NumPy reference simulator: slow, obvious, and what every other executor is compared to.

Each primitive becomes its matrix, the matrix is applied to the axes of its qubits, one sample
after the other, in complex128. Nothing here is clever on purpose.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.gates.matrices import controlled, pauli_product
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import CompiledPrimitive, Flip, Phase, Rot, Swap
from qstore_tf.circuits.program import Program
from qstore_tf.errors import CircuitError, InputError, MemoryLimitError, describe

MAX_MATRIX_QUBITS = 12

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]


def primitive_matrix(
    gate: CompiledPrimitive, inputs: Sequence[float], theta: Sequence[float]
) -> tuple[tuple[int, ...], ComplexArray]:
    """Returns a primitive's qubits, most significant first, and its matrix for one sample."""
    if isinstance(gate, Rot):
        half = gate.angle.evaluate(inputs, theta) / 2
        product = pauli_product(gate.paulis)
        identity = np.eye(len(product), dtype=np.complex128)
        matrix = math.cos(half) * identity - 1j * math.sin(half) * product
        return gate.controls + gate.targets, controlled(matrix, len(gate.controls))
    if isinstance(gate, Phase):
        phase = np.array([[cmath.exp(1j * gate.angle.evaluate(inputs, theta))]])
        return gate.controls, controlled(phase, len(gate.controls))
    if isinstance(gate, Flip):
        return (*gate.controls, gate.target), controlled(pauli_product("X"), len(gate.controls))
    if isinstance(gate, Swap):
        matrix = np.eye(4, dtype=np.complex128)[[0, 2, 1, 3]]
        return gate.controls + gate.targets, controlled(matrix, len(gate.controls))
    matrix = np.array(gate.matrix, dtype=np.complex128)
    return gate.controls + gate.targets, controlled(matrix, len(gate.controls))


def apply_matrix(
    state: ComplexArray, matrix: ComplexArray, qubits: Sequence[int], n_qubits: int
) -> ComplexArray:
    """Applies a matrix to some qubits of states [..., 2^n]."""
    k, front = len(qubits), state.ndim - 1
    tensor = state.reshape(state.shape[:-1] + (2,) * n_qubits)
    gate = matrix.reshape((2,) * (2 * k))
    axes = [front + q for q in qubits]
    moved = np.tensordot(gate, tensor, axes=(range(k, 2 * k), axes))
    return np.moveaxis(moved, range(k), axes).reshape(state.shape)


def state_vector(
    program: Program,
    inputs: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> ComplexArray:
    """Runs a program.

    Args:
        program: The program.
        inputs: Values per sample, [B, F], radians. None: one sample without inputs.
        theta: Shared values, [P], radians. None: none.
        initial: Start states, [B, 2^n], for programs with `has_initial`.

    Returns:
        State vectors, [B, 2^n]; qubit 0 is the most significant bit of the index.

    Raises:
        InputError: A shape does not fit the program.

    Example:
        >>> bell = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> state_vector(compile_circuit(bell)).round(3).real
        array([[0.707, 0.   , 0.   , 0.707]])
    """
    size = 2**program.n_qubits
    rows, shared = _check_values(program, inputs, theta)
    if initial is None:
        if program.has_initial:
            raise InputError(
                describe("The program needs initial states", expected=f"shape [B, {size}]")
            )
        states = np.zeros((len(rows), size), dtype=np.complex128)
        states[:, 0] = 1
    else:
        states = np.array(initial, dtype=np.complex128)
        if not program.has_initial or states.shape != (len(rows), size):
            raise InputError(
                describe(
                    "Initial states do not fit the program",
                    expected=f"shape {(len(rows), size)}" if program.has_initial else "none",
                    received=states.shape,
                )
            )
    for sample, row in enumerate(rows.tolist()):
        for gate in program.gates:
            qubits, matrix = primitive_matrix(gate, row, shared.tolist())
            states[sample] = apply_matrix(states[sample], matrix, qubits, program.n_qubits)
    return states


def expectation(
    program: Program,
    observables: Sequence[PauliSum],
    inputs: ArrayLike | None = None,
    theta: ArrayLike | None = None,
    initial: ArrayLike | None = None,
) -> FloatArray:
    """Returns the expectation values <psi| O_k |psi>, [B, K]; arguments as `state_vector`."""
    states = state_vector(program, inputs, theta, initial)
    result = np.zeros((len(states), len(observables)))
    for k, observable in enumerate(observables):
        for term in observable.terms:
            image = states
            for qubit, pauli in term.paulis:
                image = apply_matrix(image, pauli_product(pauli), [qubit], program.n_qubits)
            result[:, k] += term.coefficient * np.sum(states.conj() * image, axis=1).real
    return result


def unitary(
    circuit: Program | Circuit,
    inputs: ArrayLike | None = None,
    theta: ArrayLike | None = None,
) -> ComplexArray:
    """Returns the matrix of a program or of a circuit without symbols, [2^n, 2^n].

    Args:
        circuit: A program, or a circuit whose symbols are bound.
        inputs: Values for one sample, [F] or [1, F], radians; for programs only.
        theta: Shared values, [P], radians; for programs only.

    Raises:
        CircuitError: A symbol of the circuit is not bound.
        InputError: A shape does not fit.
        MemoryLimitError: The circuit has more than 12 qubits.
    """
    n_qubits = circuit.n_qubits
    if n_qubits > MAX_MATRIX_QUBITS:
        raise MemoryLimitError(
            describe(
                "The circuit is too large for its matrix",
                expected=f"at most {MAX_MATRIX_QUBITS} qubits",
                received=n_qubits,
                hint="Compute the state vector instead",
            )
        )
    if isinstance(circuit, Program):
        program = circuit
    elif circuit.parameters:
        raise CircuitError(
            describe(
                "The matrix of a circuit with unbound symbols is not defined",
                received=list(circuit.parameters),
                hint="Bind them, as in circuit.bind({'x': 0.1}), or pass their values",
            )
        )
    else:
        program = compile_circuit(circuit)
    if inputs is not None:
        inputs = np.reshape(np.asarray(inputs, dtype=np.float64), (1, -1))
    rows, shared = _check_values(program, inputs, theta)
    columns = np.eye(2**n_qubits, dtype=np.complex128)
    for gate in program.gates:
        qubits, matrix = primitive_matrix(gate, rows[0].tolist(), shared.tolist())
        columns = apply_matrix(columns, matrix, qubits, n_qubits)
    return np.ascontiguousarray(columns.T)


def _check_values(
    program: Program, inputs: ArrayLike | None, theta: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    rows = np.asarray(np.zeros((1, 0)) if inputs is None else inputs, dtype=np.float64)
    shared = np.asarray([] if theta is None else theta, dtype=np.float64)
    for name, array, expected, fits in (
        ("inputs", rows, f"[B, {program.n_inputs}]", rows.shape[1:] == (program.n_inputs,)),
        ("theta", shared, f"[{program.n_theta}]", shared.shape == (program.n_theta,)),
    ):
        if not fits:
            raise InputError(
                describe(
                    f"`{name}` does not fit the program",
                    expected=f"shape {expected}",
                    received=array.shape,
                )
            )
    return rows, shared
