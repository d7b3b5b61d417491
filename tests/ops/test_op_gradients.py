"""First and second derivatives of the ops, against each other and against finite differences."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import compile_circuit, parse_observables, reference
from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ops import native, plain
from qstore_tf.testing import random_circuits as rc

MODULES = pytest.mark.parametrize("ops", [plain, native], ids=["plain", "native"])


def draw(seed, has_initial, batch=3, n_gates=20, max_qubits=5):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, max_qubits + 1))
    program = rc.random_program(rng, n, n_gates, 3, 4, has_initial)
    values = [v for v in rc.random_values(rng, program, batch) if v is not None]
    weights = rng.normal(size=(batch, 3))
    return program, rc.random_observables(rng, n, 3), values, weights


def loss(ops, program, observables, weights, *values):
    expectations = ops.expectation(program, observables, *values)
    return tf.reduce_sum(tf.cast(weights, expectations.dtype) * expectations**2)


def state_loss(ops, program, *values):
    state = ops.state_vector(program, *values)
    return tf.reduce_sum(tf.math.real(state**2 * (1 + 2j)) + tf.math.imag(state))


def gradients(function, values):
    values = [tf.constant(v) for v in values]
    with tf.GradientTape() as tape:
        tape.watch(values)
        out = function(*values)
    return [g.numpy() for g in tape.gradient(out, values, unconnected_gradients="zero")]


def finite_differences(function, values, which, step=1e-6):
    """Central differences; the real and imaginary parts of complex values each on their own."""
    base = np.array(values[which])
    out = np.zeros_like(base)
    for index in np.ndindex(base.shape):
        for unit in (1, 1j) if np.iscomplexobj(base) else (1,):
            pair = []
            for sign in (1, -1):
                moved = base.copy()
                moved[index] += sign * step * unit
                pair.append(function(*values[:which], moved, *values[which + 1 :]))
            out[index] += unit * (pair[0] - pair[1]) / (2 * step)
    return out


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), has_initial=st.booleans(), single=st.booleans())
def test_the_adjoint_op_equals_autodiff(seed, has_initial, single):
    program, observables, values, weights = draw(seed, has_initial)
    if single:
        values = [v.astype(np.complex64 if np.iscomplexobj(v) else np.float32) for v in values]
    for f in (
        lambda ops: lambda *v: loss(ops, program, observables, weights, *v),
        lambda ops: lambda *v: state_loss(ops, program, *v),
    ):
        for a, b in zip(gradients(f(native), values), gradients(f(plain), values), strict=True):
            scale = 1 + np.abs(b).max(initial=0)
            np.testing.assert_allclose(a, b, atol=(2e-4 if single else 1e-9) * scale)


@pytest.mark.parametrize("n_qubits", [9, 12, 15])
@pytest.mark.parametrize("has_initial", [False, True])
def test_the_adjoint_op_equals_autodiff_for_states_of_every_size(n_qubits, has_initial):
    program = rc.random_program(n_qubits, n_qubits, 40, 3, 4, has_initial)
    values = [v for v in rc.random_values(n_qubits, program, 3) if v is not None]
    observables = rc.random_observables(n_qubits, n_qubits, 3)
    weights = np.random.default_rng(0).normal(size=(3, 3))
    by_op, by_autodiff = (
        gradients(lambda *v, ops=ops: loss(ops, program, observables, weights, *v), values)
        for ops in (native, plain)
    )
    for a, b in zip(by_op, by_autodiff, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9 * (1 + np.abs(b).max()))


@MODULES
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10**6), has_initial=st.booleans())
def test_gradients_equal_finite_differences_of_the_reference(ops, seed, has_initial):
    program, observables, values, weights = draw(seed, has_initial, 2, 12, 3)

    def numbers(*values):
        return float(np.sum(weights * reference.expectation(program, observables, *values) ** 2))

    got = gradients(lambda *v: loss(ops, program, observables, weights, *v), values)
    for which, gradient in enumerate(got):
        want = finite_differences(numbers, values, which)
        np.testing.assert_allclose(gradient, want, atol=1e-5 * (1 + np.abs(want).max()))


@pytest.mark.slow
@MODULES
@pytest.mark.parametrize("has_initial", [False, True])
def test_second_derivatives_equal_finite_differences_of_first_ones(ops, has_initial):
    program, observables, values, weights = draw(4, has_initial, 2, 12, 3)
    rng = np.random.default_rng(0)
    directions = [rng.normal(size=v.shape) for v in values]

    def along(*values):
        """The derivative of the loss in fixed directions, itself a function of all values."""
        with tf.GradientTape() as tape:
            tape.watch(values)
            out = loss(ops, program, observables, weights, *values)
        parts = tape.gradient(out, values)
        return sum(
            tf.reduce_sum(tf.math.real(p) * d) for p, d in zip(parts, directions, strict=True)
        )

    got = gradients(along, values)

    def numbers(*values):
        return float(along(*map(tf.constant, values)))

    for which, gradient in enumerate(got):
        want = finite_differences(numbers, values, which, 1e-5)
        np.testing.assert_allclose(gradient, want, atol=1e-5 * (1 + np.abs(want).max()))


@pytest.mark.parametrize("has_initial", [False, True])
def test_second_derivatives_of_states_agree(has_initial):
    program, _, values, _ = draw(4, has_initial, 2, 12, 3)
    rng = np.random.default_rng(0)
    directions = [rng.normal(size=v.shape) for v in values]

    def along(ops):
        def function(*values):
            with tf.GradientTape() as tape:
                tape.watch(values)
                out = state_loss(ops, program, *values)
            parts = tape.gradient(out, values)
            return sum(
                tf.reduce_sum(tf.math.real(p) * d) for p, d in zip(parts, directions, strict=True)
            )

        return function

    for a, b in zip(gradients(along(native), values), gradients(along(plain), values), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8 * (1 + np.abs(b).max()))


@pytest.mark.slow
@MODULES
@pytest.mark.parametrize("experimental_use_pfor", [True, False])
def test_the_jacobian_equals_rows_of_gradients(ops, experimental_use_pfor):
    program, observables, values, _ = draw(6, False, 2, 12, 3)
    inputs, theta = map(tf.constant, values)

    @tf.function
    def jacobian(inputs, theta):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            out = ops.expectation(program, observables, inputs, theta)
        return tape.jacobian(out, theta, experimental_use_pfor=experimental_use_pfor)

    got = jacobian(inputs, theta)
    for b, k in np.ndindex(2, 3):
        row = gradients(
            lambda t, b=b, k=k: ops.expectation(program, observables, inputs, t)[b, k], [theta]
        )[0]
        np.testing.assert_allclose(got[b, k], row, atol=1e-10)


@pytest.mark.slow
@MODULES
def test_a_persistent_tape_in_a_traced_function_gives_hessians(ops):
    program, observables, values, weights = draw(8, False, 2, 12, 3)

    @tf.function(
        input_signature=[tf.TensorSpec([None, 3], tf.float64), tf.TensorSpec([4], tf.float64)]
    )
    def hessian(inputs, theta):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([inputs, theta])
            with tf.GradientTape(persistent=True) as inner:
                inner.watch([inputs, theta])
                out = loss(ops, program, observables, weights, inputs, theta)
            first = inner.gradient(out, theta)
            by_inputs = inner.gradient(out, inputs)
        return first, by_inputs, tape.jacobian(first, theta), tape.gradient(first, inputs)

    first, _, second, _ = hessian(*values)

    def slope(theta, index):
        return gradients(lambda t: loss(ops, program, observables, weights, values[0], t), [theta])[
            0
        ][index]

    for index in range(4):
        want = finite_differences(lambda t, i=index: slope(t, i), [values[1]], 0, 1e-5)
        np.testing.assert_allclose(second[index], want, atol=1e-5 * (1 + np.abs(want).max()))
    np.testing.assert_allclose(second, tf.transpose(second), atol=1e-9)
    np.testing.assert_allclose(
        first,
        gradients(lambda t: loss(ops, program, observables, weights, values[0], t), values[1:])[0],
        atol=1e-10,
    )


@MODULES
def test_shared_and_repeated_symbols_add_up(ops):
    circuit = UnifiedCircuit(2)
    circuit.add_gate("RX", 0, "x").add_gate("CRY", [0, 1], "2*a + 0.5*x")
    circuit.add_gate("RX", 1, "a").add_gate("RZZ", [0, 1], "-a").add_gate("RX", 0, "x")
    program = compile_circuit(circuit, inputs=["x"])
    observables = parse_observables(["Z0", "X0 Y1"], 2)
    values = [np.array([[0.3], [-1.1]]), np.array([0.7])]

    def total(*v):
        return float(np.sum(reference.expectation(program, observables, *v)))

    got = gradients(lambda *v: tf.reduce_sum(ops.expectation(program, observables, *v)), values)
    for which in range(2):
        np.testing.assert_allclose(got[which], finite_differences(total, values, which), atol=1e-7)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_qubits", range(1, 7))
def test_gradients_where_a_state_is_less_than_a_vector_one_vector_or_a_few(n_qubits, dtype):
    encoding = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        encoding.add_gate("RX", qubit, f"x{qubit}")
    circuit = encoding.compose(hardware_efficient(n_qubits, depth=2))
    program = compile_circuit(circuit, inputs=[f"x{qubit}" for qubit in range(n_qubits)])
    observables = parse_observables("Z", n_qubits)
    rng = np.random.default_rng(n_qubits)
    for batch in (1, 2, 3):
        inputs = tf.constant(rng.normal(size=(batch, n_qubits)), dtype)
        theta = tf.constant(rng.normal(size=program.n_theta), dtype)
        weights = tf.constant(rng.normal(size=(batch, n_qubits)), dtype)
        found = []
        for run in (native.expectation, plain.expectation):
            with tf.GradientTape() as tape:
                tape.watch([inputs, theta])
                loss = tf.reduce_sum(run(program, observables, inputs, theta) * weights)
            found.append(tape.gradient(loss, [inputs, theta]))
        for ours, expected in zip(*found, strict=True):
            np.testing.assert_allclose(ours, expected, atol=1e-4 if dtype == "float32" else 1e-11)
