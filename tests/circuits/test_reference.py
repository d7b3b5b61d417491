"""The reference simulator against Cirq, closed forms and itself."""

import cirq
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import PauliSum, UnifiedCircuit, compile_circuit, reference
from qstore_tf.circuits.primitives import Flip, Phase, Rot, Swap
from qstore_tf.errors import InputError
from qstore_tf.testing.random_circuits import programs, random_observables, random_values

SEEDS = st.integers(0, 2**32 - 1)
PAULI = {"X": cirq.X, "Y": cirq.Y, "Z": cirq.Z}


def to_cirq(program, inputs, theta):
    """A translation of its own, primitive by primitive, so that the two can disagree."""
    qubits = cirq.LineQubit.range(program.n_qubits)
    circuit = cirq.Circuit(cirq.I.on_each(*qubits))
    for gate in program.gates:
        controls = [qubits[q] for q in gate.controls]
        if isinstance(gate, Rot):
            # PauliStringPhasor turns the +1 eigenspace by exponent_pos half turns.
            turns = gate.angle.evaluate(inputs, theta) / (2 * np.pi)
            on = [qubits[q] for q in gate.targets]
            phasor = cirq.PauliStringPhasor(
                cirq.DensePauliString(gate.paulis).on(*on),
                exponent_pos=-turns,
                exponent_neg=turns,
            )
            operation = cirq.MatrixGate(cirq.unitary(phasor)).on(*on)
        elif isinstance(gate, Phase):
            phase = np.exp(1j * gate.angle.evaluate(inputs, theta))
            operation = cirq.global_phase_operation(phase)
        elif isinstance(gate, Flip):
            operation = cirq.X(qubits[gate.target])
        elif isinstance(gate, Swap):
            operation = cirq.SWAP(*(qubits[q] for q in gate.targets))
        else:
            matrix = cirq.MatrixGate(np.array(gate.matrix))
            operation = matrix.on(*(qubits[q] for q in gate.targets))
        circuit.append(operation.controlled_by(*controls) if controls else operation)
    return circuit, qubits


@settings(max_examples=25, deadline=None)
@given(programs(4, 12, has_initial=None), SEEDS)
def test_states_and_expectations_are_cirqs(program, seed):
    inputs, theta, initial = random_values(seed, program, 2)
    observables = random_observables(seed, program.n_qubits, 2)
    states = reference.state_vector(program, inputs, theta, initial)
    values = reference.expectation(program, observables, inputs, theta, initial)
    simulator = cirq.Simulator(dtype=np.complex128)
    for b in range(2):
        circuit, qubits = to_cirq(program, inputs[b], theta)
        start = 0 if initial is None else initial[b]
        final = simulator.simulate(circuit, initial_state=start, qubit_order=qubits)
        np.testing.assert_allclose(states[b], final.final_state_vector, atol=1e-6)
        for k, observable in enumerate(observables):
            expected = sum(
                t.coefficient
                * cirq.PauliString({qubits[q]: PAULI[p] for q, p in t.paulis})
                .expectation_from_state_vector(
                    final.final_state_vector, {q: i for i, q in enumerate(qubits)},
                    check_preconditions=False,
                ).real
                for t in observable.terms
            )  # fmt: skip
            assert values[b, k] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(programs(4, 12), SEEDS)
def test_the_state_is_the_first_column_of_the_unitary(program, seed):
    inputs, theta, _ = random_values(seed, program, 1)
    unitary = reference.unitary(program, inputs[0], theta)
    np.testing.assert_allclose(unitary @ unitary.conj().T, np.eye(len(unitary)), atol=1e-12)
    state = reference.state_vector(program, inputs, theta)[0]
    np.testing.assert_allclose(state, unitary[:, 0], atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(programs(4, 12, has_initial=None), SEEDS)
def test_expectations_are_those_of_the_observables_matrix(program, seed):
    inputs, theta, initial = random_values(seed, program, 2)
    (observable,) = random_observables(seed, program.n_qubits, 1)
    states = reference.state_vector(program, inputs, theta, initial)
    matrix = observable.matrix(program.n_qubits)
    expected = np.einsum("bi,ij,bj->b", states.conj(), matrix, states).real
    values = reference.expectation(program, [observable], inputs, theta, initial)
    np.testing.assert_allclose(values[:, 0], expected, atol=1e-12)


def test_one_rotation_has_the_closed_form():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "x")
    xs = np.linspace(-4, 4, 9)[:, None]
    program = compile_circuit(circuit, ["x"])
    values = reference.expectation(program, [PauliSum.of("Z0"), PauliSum.of("Y0")], xs)
    np.testing.assert_allclose(values, np.hstack([np.cos(xs), -np.sin(xs)]), atol=1e-14)


def test_an_empty_batch_gives_empty_results():
    program = compile_circuit(UnifiedCircuit(2).add_gate("RX", 0, "x"), ["x"])
    assert reference.state_vector(program, np.zeros((0, 1))).shape == (0, 4)
    assert reference.expectation(program, [PauliSum.of("Z0")], np.zeros((0, 1))).shape == (0, 1)


def test_the_given_initial_states_are_left_alone():
    program = compile_circuit(UnifiedCircuit(1).add_gate("X", 0), has_initial=True)
    initial = np.array([[1, 0]], dtype=complex)
    reference.state_vector(program, None, None, initial)
    np.testing.assert_array_equal(initial, [[1, 0]])


@pytest.mark.parametrize(
    ("has_initial", "inputs", "theta", "initial"),
    [
        (False, np.zeros((1, 2)), [0], None),
        (False, [0.0], [0], None),
        (False, [[0.0]], [0, 1], None),
        (False, [[0.0]], None, None),
        (False, None, [0], None),
        (True, [[0.0]], [0], None),
        (False, [[0.0]], [0], [[1, 0]]),
        (True, [[0.0]], [0], [[1, 0, 0, 0]]),
        (True, [[0.0]], [0], [[1, 0], [1, 0]]),
    ],
)
def test_values_that_do_not_fit_are_refused(has_initial, inputs, theta, initial):
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "x").add_gate("RZ", 0, "t")
    program = compile_circuit(circuit, ["x"], has_initial=has_initial)
    with pytest.raises(InputError):
        reference.state_vector(program, inputs, theta, initial)
