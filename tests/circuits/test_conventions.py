"""The rules of docs/conventions.md, each checked by itself, and the page's own examples."""

import doctest
from pathlib import Path

import cirq
import numpy as np
import pytest
from scipy.linalg import expm

from qstore_tf.circuits import (
    GATES,
    PauliSum,
    UnifiedCircuit,
    compile_circuit,
    parse_observables,
    reference,
)
from qstore_tf.circuits.gates.matrices import pauli_product

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"


def state(circuit):
    return reference.state_vector(compile_circuit(circuit))[0]


@pytest.mark.parametrize("qubit", range(5))
def test_qubit_zero_is_the_most_significant_bit(qubit):
    assert abs(state(UnifiedCircuit(5).add_gate("X", qubit)))[2 ** (4 - qubit)] == 1


def test_the_order_of_qubits_is_cirqs():
    circuit = UnifiedCircuit(3).add_gate("RY", 0, 0.3).add_gate("RX", 1, 1.1).add_gate("CX", [1, 2])
    q = cirq.LineQubit.range(3)
    same = cirq.Circuit(cirq.ry(0.3)(q[0]), cirq.rx(1.1)(q[1]), cirq.CX(q[1], q[2]))
    np.testing.assert_allclose(circuit.unitary(), cirq.unitary(same), atol=1e-7)


def test_the_first_target_is_the_most_significant_bit_of_the_matrix():
    matrix = np.eye(4)[[0, 1, 3, 2]]  # flips its second qubit where the first is 1
    circuit = UnifiedCircuit(2).add_gate("X", 1).add_unitary(matrix, [1, 0])
    assert abs(state(circuit))[0b11] == 1


@pytest.mark.parametrize("name", ["CX", "CRX", "CPhase", "CSWAP"])
def test_controls_come_first(name):
    row = GATES[name]
    matrix = row.matrix(*[0.7] * row.n_params)
    half = len(matrix) // 2
    np.testing.assert_array_equal(matrix[:half, :half], np.eye(half))


@pytest.mark.parametrize("paulis", ["X", "Y", "Z", "XX", "YY", "ZZ"])
def test_rotations_are_exponentials_of_half_the_angle_in_radians(paulis):
    expected = expm(-0.5j * 0.77 * pauli_product(paulis))
    np.testing.assert_allclose(GATES[f"R{paulis}"].matrix(0.77), expected, atol=1e-14)


def test_ionq_gates_take_turns():
    np.testing.assert_allclose(GATES["GPi"].matrix(0.25), GATES["Y"].matrix(), atol=1e-14)
    np.testing.assert_allclose(GATES["GPi2"].matrix(0), GATES["RX"].matrix(np.pi / 2), atol=1e-14)
    expected = expm(-1j * np.pi * 0.1 * pauli_product("ZZ"))
    np.testing.assert_allclose(GATES["ZZ"].matrix(0.1), expected, atol=1e-14)
    entangled = abs(GATES["MS"].matrix(0, 0, 0.25)[:, 0]) ** 2
    np.testing.assert_allclose(entangled, [0.5, 0, 0, 0.5], atol=1e-14)


def test_more_than_ten_parameters_stay_in_order_of_appearance():
    names = [f"theta_{k}" for k in range(12)]
    circuit = UnifiedCircuit(12).add_parameterized_layer("RY", "theta")
    assert circuit.parameters == tuple(names)
    theta = np.linspace(0.1, 1.2, 12)
    states = reference.state_vector(compile_circuit(circuit), theta=theta)
    expected = np.array([1.0])
    for angle in theta:
        expected = np.kron(expected, [np.cos(angle / 2), np.sin(angle / 2)])
    np.testing.assert_allclose(states[0], expected, atol=1e-13)


def test_letters_of_an_observable_count_from_qubit_zero():
    (dense,) = parse_observables("XIZ", 3)
    assert dense == PauliSum.of("X0 Z2")
    assert dense == parse_observables(cirq.X(cirq.LineQubit(0)) * cirq.Z(cirq.LineQubit(2)), 3)[0]
    np.testing.assert_array_equal(dense.matrix(3), pauli_product("XIZ"))


def test_adding_changes_the_circuit_and_the_rest_returns_a_new_one():
    circuit = UnifiedCircuit(1)
    assert circuit.add_gate("RX", 0, "x") is circuit
    before = circuit.operations
    for other in (circuit.inverse(), circuit.bind({"x": 1}), circuit.compose(circuit)):
        assert other is not circuit and circuit.operations == before


def test_the_examples_of_the_page_run():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 8 and results.failed == 0
