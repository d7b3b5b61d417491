"""Native ops, plain ops, the NumPy reference and Cirq compute the same numbers."""

import cirq
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf import memory
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.ops import native, plain, plain_state
from qstore_tf.testing import random_circuits as rc

MODULES = pytest.mark.parametrize("ops", [plain, native], ids=["plain", "native"])
DTYPES = pytest.mark.parametrize(("real", "atol"), [(np.float64, 1e-10), (np.float32, 2e-5)])
SETTINGS = settings(max_examples=12, deadline=None)


def draw(seed: int, has_initial: bool, batch: int = 3, n_gates: int = 20):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    program = rc.random_program(rng, n, n_gates, 3, 4, has_initial)
    inputs, theta, initial = rc.random_values(rng, program, batch)
    return program, rc.random_observables(rng, n, 3), inputs, theta, initial


def cast(real, inputs, theta, initial):
    complex_dtype = np.complex64 if real == np.float32 else np.complex128
    return (
        inputs.astype(real),
        theta.astype(real),
        None if initial is None else initial.astype(complex_dtype),
    )


@MODULES
@DTYPES
@SETTINGS
@given(seed=st.integers(0, 10**6), has_initial=st.booleans())
def test_states_and_expectations_equal_the_reference(ops, real, atol, seed, has_initial):
    program, observables, *values = draw(seed, has_initial)
    arguments = cast(real, *values)
    states = ops.state_vector(program, *arguments)
    expectations = ops.expectation(program, observables, *arguments)
    assert expectations.dtype == real
    scale = 1 + sum(abs(t.coefficient) for o in observables for t in o.terms)
    np.testing.assert_allclose(states, reference.state_vector(program, *values), atol=atol)
    np.testing.assert_allclose(
        expectations, reference.expectation(program, observables, *values), atol=atol * scale
    )
    np.testing.assert_allclose(
        ops.probabilities(program, *arguments),
        np.abs(reference.state_vector(program, *values)) ** 2,
        atol=atol,
    )


@MODULES
@SETTINGS
@given(seed=st.integers(0, 10**6))
def test_states_equal_those_of_cirq(ops, seed):
    circuit = rc.random_circuit(seed, 4, 15)
    program = compile_circuit(circuit)
    qubits = cirq.LineQubit.range(4)
    simulator = cirq.Simulator(dtype=np.complex128)
    want = simulator.simulate(circuit.to_cirq(), qubit_order=qubits).final_state_vector
    got = ops.state_vector(program, np.zeros((1, 0)), np.zeros(0))
    np.testing.assert_allclose(got[0], want, atol=1e-6)


@pytest.mark.slow
@MODULES
@pytest.mark.parametrize("batch", [0, 1, 3, 17, 33])
@pytest.mark.parametrize("has_initial", [False, True])
def test_every_batch_size_works_known_or_not_while_tracing(ops, batch, has_initial):
    program, observables, *values = draw(5, has_initial, batch)
    n_states = 2**program.n_qubits
    signature = [tf.TensorSpec([None, 3], tf.float64), tf.TensorSpec([4], tf.float64)]
    if has_initial:
        signature.append(tf.TensorSpec([None, n_states], tf.complex128))

    @tf.function(input_signature=signature)
    def traced(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            values = ops.expectation(program, observables, *arguments)
        return values, ops.state_vector(program, *arguments), tape.gradient(values, arguments)

    arguments = [v for v in values if v is not None]
    expectations, states, gradients = traced(*arguments)
    assert expectations.shape == (batch, 3) and states.shape == (batch, n_states)
    assert [g.shape for g in gradients] == [a.shape for a in arguments]
    np.testing.assert_allclose(
        expectations, ops.expectation(program, observables, *values), atol=1e-12
    )
    if batch:
        want = reference.expectation(program, observables, *values)
        np.testing.assert_allclose(expectations, want, atol=1e-9)
    else:
        assert not np.any(gradients[1])


@pytest.mark.slow
@SETTINGS
@given(seed=st.integers(0, 10**6), has_initial=st.booleans())
def test_tables_computed_in_the_graph_equal_constant_ones(seed, has_initial):
    program, observables, *values = draw(seed, has_initial)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_state, "WIDEST_CONSTANT", 0)
        patch.setattr(plain, "WIDEST_CONSTANT", 0)
        states = plain.state_vector(program, *values)
        expectations = plain.expectation(program, observables, *values)
    np.testing.assert_allclose(states, plain.state_vector(program, *values), atol=1e-12)
    want = plain.expectation(program, observables, *values)
    np.testing.assert_allclose(expectations, want, atol=1e-11)


def test_a_circuit_too_wide_for_constant_tables_agrees():
    program = rc.random_program(3, 15, 30, 2, 3)
    inputs, theta, _ = rc.random_values(3, program, 2)
    observables = rc.random_observables(3, 15, 4)
    np.testing.assert_allclose(
        plain.expectation(program, observables, inputs, theta),
        native.expectation(program, observables, inputs, theta),
        atol=1e-10,
    )


@pytest.mark.slow
@pytest.mark.skipif(
    (memory.available_bytes() or 2**63) < 6 * 2**30, reason="two states of 28 qubits take 4 GiB"
)
def test_28_qubits_run_and_differentiate():
    n = 28
    circuit = UnifiedCircuit(n).add_gate("RY", 0, "a")
    for qubit in range(n - 1):
        circuit.add_gate("CX", [qubit, qubit + 1])
    observables = parse_observables([f"Z{n - 1}", "X" * n], n)
    theta = tf.constant([0.7])
    with tf.GradientTape() as tape:
        tape.watch(theta)
        values = native.expectation(compile_circuit(circuit), observables, tf.zeros([1, 0]), theta)
    np.testing.assert_allclose(values, [[np.cos(0.7), np.sin(0.7)]], atol=1e-5)
    slope = np.cos(0.7) - np.sin(0.7)
    np.testing.assert_allclose(tape.gradient(values, theta), [slope], atol=1e-5)


@MODULES
def test_samples_follow_the_probabilities_and_the_seed(ops):
    program, _, inputs, theta, initial = draw(11, True)
    shots = 20000
    draws = ops.sample(program, inputs, theta, initial, shots=shots, seed=[1, 2]).numpy()
    again = ops.sample(program, inputs, theta, initial, shots=shots, seed=[1, 2]).numpy()
    other = ops.sample(program, inputs, theta, initial, shots=shots, seed=[1, 3]).numpy()
    np.testing.assert_array_equal(draws, again)
    assert (draws != other).any() and draws.shape == (3, shots) and draws.dtype == np.int64
    chances = ops.probabilities(program, inputs, theta, initial).numpy()
    for row, chance in zip(draws, chances, strict=True):
        seen = np.bincount(row, minlength=len(chance)) / shots
        assert np.abs(seen - chance).max() < 6 * 0.5 / np.sqrt(shots)
        assert not seen[chance == 0].any()


# Enough work that each thread gets some of it: many samples, or one large state.
@pytest.mark.parametrize(("n_qubits", "batch"), [(10, 33), (16, 1)])
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_results_are_bitwise_the_same_for_a_fixed_number_of_threads(n_qubits, batch, num_threads):
    program = rc.random_program(7, n_qubits, 60, 3, 4)
    inputs, theta, _ = rc.random_values(7, program, batch)
    observables = rc.random_observables(7, n_qubits, 3)
    inputs, theta = tf.constant(inputs, tf.float32), tf.constant(theta, tf.float32)

    def once():
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = native.expectation(
                program, observables, inputs, theta, num_threads=num_threads
            )
        return [values, *tape.gradient(values, [inputs, theta])]

    first = once()
    for _ in range(5):
        for a, b in zip(first, once(), strict=True):
            np.testing.assert_array_equal(a, b)


@MODULES
def test_nan_features_give_nan_for_their_sample_alone(ops):
    program, observables, inputs, theta, _ = draw(2, False)
    inputs[1] = np.nan
    values = ops.expectation(program, observables, inputs, theta).numpy()
    clean = ops.expectation(program, observables, np.nan_to_num(inputs), theta).numpy()
    np.testing.assert_allclose(values[[0, 2]], clean[[0, 2]], atol=1e-12)
    assert np.isnan(values[1]).any()
