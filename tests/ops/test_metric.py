"""The metric of the native op against fidelities, the plain jacobian and its own properties."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf.circuits import UnifiedCircuit, compile_circuit, reference
from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.errors import InputError
from qstore_tf.ops import library, plain
from qstore_tf.ops.metric import metric
from qstore_tf.testing import random_circuits as rc


def draw(seed, has_initial=False, batch=3, n_theta=5):
    rng = np.random.default_rng(seed)
    program = rc.random_program(rng, int(rng.integers(1, 6)), 25, 3, n_theta, has_initial)
    return program, rc.random_values(rng, program, batch)


def by_definition(d, psi):
    """From derivatives [P, B, 2^n] and states [B, 2^n]."""
    along = np.einsum("bj,pbj->pb", psi.conj(), d)
    total = np.einsum("pbj,qbj->pq", d.conj(), d) - along.conj() @ along.T
    return total.real / len(psi)


def by_differences(program, inputs, theta, initial):
    def state(theta):
        return reference.state_vector(program, inputs, theta, initial)

    steps = 1e-5 * np.eye(len(theta))
    return by_definition(
        np.array([state(theta + e) - state(theta - e) for e in steps]) / 2e-5, state(theta)
    )


def by_jacobian(program, inputs, theta, initial):
    theta = tf.constant(theta)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(theta)
        state = plain.state_vector(program, inputs, theta, initial)
        parts = [tf.math.real(state), tf.math.imag(state)]
    zero = tf.UnconnectedGradients.ZERO
    re, im = (tape.jacobian(p, theta, unconnected_gradients=zero).numpy() for p in parts)
    return by_definition(np.moveaxis(re + 1j * im, 2, 0), state.numpy())


def test_the_op_equals_the_jacobian_of_the_plain_state():
    rng = np.random.default_rng(0)
    program = rc.random_program(rng, 2, 8, 1, 3, True)
    values = rc.random_values(rng, program, 2)
    np.testing.assert_allclose(metric(program, *values), by_jacobian(program, *values), atol=1e-10)


@pytest.mark.parametrize("has_initial", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_the_op_follows_the_definition_in_both_precisions(seed, has_initial):
    program, values = draw(seed, has_initial)
    want = by_differences(program, *values)
    got = metric(program, *values)
    assert got.dtype == tf.float64
    np.testing.assert_allclose(got, want, atol=1e-8)
    inputs, theta, initial = values
    initial = None if initial is None else initial.astype("complex64")
    got = metric(program, inputs.astype("float32"), theta.astype("float32"), initial)
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, want, atol=1e-5 * (1 + abs(want).max()))


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_second_order_loss_of_fidelity(seed):
    # |<psi(t)|psi(t + e)>|^2 = 1 - e g e + O(e^3), averaged over +e and -e: O(e^4).
    program, (inputs, theta, _) = draw(seed)
    rng = np.random.default_rng(seed)
    e = 1e-2 * rng.normal(size=len(theta))
    here = reference.state_vector(program, inputs, theta)
    lost = 0.0
    for sign in (1, -1):
        there = reference.state_vector(program, inputs, theta + sign * e)
        lost += np.mean(1 - np.abs(np.sum(here.conj() * there, axis=1)) ** 2) / 2
    scale = np.sum(e**2)
    assert abs(lost - e @ metric(program, inputs, theta).numpy() @ e) < 30 * scale**2


@pytest.mark.parametrize("seed", range(8))
def test_it_is_symmetric_and_positive_semidefinite(seed):
    program, values = draw(seed, n_theta=9)
    g = metric(program, *values).numpy()
    np.testing.assert_array_equal(g, g.T)
    assert np.linalg.eigvalsh(g).min() > -1e-12


def test_constant_gates_behind_the_circuit_and_global_phases_do_not_change_it():
    program, (inputs, theta, _) = draw(3)
    rng = np.random.default_rng(0)
    more = program.append(rc.random_program(rng, program.n_qubits, 10))
    want = metric(program, inputs, theta)
    np.testing.assert_allclose(metric(more, inputs, theta), want, atol=1e-12)
    phase = compile_circuit(UnifiedCircuit(program.n_qubits).add_gate("GlobalPhase", [], "t"))
    phased = metric(program.append(phase), inputs, np.append(theta, 0.3)).numpy()
    np.testing.assert_allclose(phased[:-1, :-1], want, atol=1e-12)
    np.testing.assert_allclose(phased[-1], 0, atol=1e-12)


def test_it_changes_as_a_tensor_when_theta_is_stretched():
    def rotated(scale):
        circuit = UnifiedCircuit(1).add_gate("RY", 0, f"{scale}*a").add_gate("RZ", 0, "b")
        return metric(compile_circuit(circuit), np.zeros((1, 0)), [0.8 / scale, 0.2]).numpy()

    stretch = np.diag([3.0, 1.0])
    np.testing.assert_allclose(rotated(3.0), stretch @ rotated(1.0) @ stretch, atol=1e-12)


def test_it_is_the_mean_over_the_batch():
    program, (inputs, theta, _) = draw(6, batch=4)
    rows = [metric(program, row[None], theta).numpy() for row in inputs]
    np.testing.assert_allclose(metric(program, inputs, theta), np.mean(rows, axis=0), atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_it_hardly_depends_on_the_number_of_threads_and_not_at_all_on_chance(threads):
    program = compile_circuit(hardware_efficient(6, 3))
    rng = np.random.default_rng(0)
    values = np.zeros((64, 0)), rng.normal(size=program.n_theta)
    first = metric(program, *values, num_threads=threads)
    np.testing.assert_array_equal(first, metric(program, *values, num_threads=threads))
    np.testing.assert_allclose(first, metric(program, *values, num_threads=1), atol=1e-12)


def test_empty_batches_and_programs_without_theta_give_zeros():
    program, (inputs, theta, _) = draw(1)
    np.testing.assert_array_equal(metric(program, inputs[:0], theta), np.zeros((5, 5)))
    none = compile_circuit(UnifiedCircuit(2).add_gate("H", 0))
    assert metric(none, np.zeros((3, 0)), []).shape == (0, 0)


def test_angles_that_nothing_reads_have_zeros():
    circuit = UnifiedCircuit(1).add_gate("RY", 0, "b")
    program = compile_circuit(circuit, theta=["a", "b"])
    got = metric(program, np.zeros((1, 0)), [0.1, 0.2])
    np.testing.assert_allclose(got, [[0, 0], [0, 0.25]], atol=1e-7)


def test_shapes_are_known_while_tracing_and_it_has_no_gradient():
    program, (inputs, theta, _) = draw(2)

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float64)])
    def run(inputs):
        found = metric(program, inputs, theta)
        assert found.shape == (5, 5)
        return found

    np.testing.assert_allclose(run(inputs), metric(program, inputs, theta))
    watched = tf.constant(theta)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        loss = tf.reduce_sum(metric(program, inputs, watched))
    assert tape.gradient(loss, watched) is None


def test_wrong_shapes_are_refused_by_name():
    program, (inputs, theta, _) = draw(2)
    with pytest.raises(InputError, match="`theta` has a shape"):
        metric(program, inputs, theta[:-1])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"theta .*\[5\]"):
        library.load().qstore_metric(
            inputs=inputs,
            theta=theta[:-1],
            initial_state=tf.zeros([0, 0], tf.complex128),
            program=program.to_text(),
        )


def test_what_cannot_fit_into_memory_is_refused():
    circuit = UnifiedCircuit(34)
    for k in range(34):
        circuit.add_gate("RY", k, f"t{k}")
    with pytest.raises(tf.errors.ResourceExhaustedError, match="34 qubits"):
        metric(compile_circuit(circuit), np.zeros((1, 0)), np.zeros(34))
