"""Encodings prepare the states they promise, from NumPy and TensorFlow numbers alike."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.encodings import (
    amplitude_angles,
    amplitude_encoding,
    angle_encoding,
    basis_encoding,
    get_encoding,
    normalized_amplitudes,
)
from qstore_tf.circuits.encodings.arrays import ArrayFunctions
from qstore_tf.errors import ConfigurationError, InputError

TF = ArrayFunctions.of(tf)


def prepared(circuit, angles):
    return circuit.unitary(dict(zip(circuit.parameters, map(float, angles), strict=True)))[:, 0]


def random_amplitudes(seed, n_qubits, is_complex, zeros=0.0, batch=1):
    rng = np.random.default_rng(seed)
    amplitudes = rng.normal(size=(batch, 2**n_qubits))
    if is_complex:
        amplitudes = amplitudes + 1j * rng.normal(size=amplitudes.shape)
    return amplitudes * (rng.random(amplitudes.shape) >= zeros)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.booleans(),
    st.sampled_from([0.0, 0.5, 0.9]),
)
def test_amplitude_encoding_prepares_the_normalized_amplitudes(seed, n_qubits, is_complex, zeros):
    amplitudes = random_amplitudes(seed, n_qubits, is_complex, zeros)
    circuit = amplitude_encoding(n_qubits, complex=is_complex)
    state = prepared(circuit, amplitude_angles(amplitudes)[0])
    norm = np.linalg.norm(amplitudes)
    expected = amplitudes[0] / norm if norm else np.eye(2**n_qubits)[0]
    np.testing.assert_allclose(state, expected, atol=1e-12)


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 6])
def test_amplitude_encoding_has_the_gate_counts_of_the_paper(n_qubits):
    real = amplitude_encoding(n_qubits).count_gates()
    assert real["RY"] == 2**n_qubits - 1
    assert real.get("CX", 0) == 2**n_qubits - 2
    full = amplitude_encoding(n_qubits, complex=True)
    assert full.count_gates().get("CX", 0) == max(0, 2 ** (n_qubits + 1) - 6)
    assert full.n_parameters == 2 ** (n_qubits + 1) - 1


def test_symbols_are_numbered_in_order_of_appearance():
    circuit = amplitude_encoding(4, complex=True, name="a")
    assert circuit.parameters == tuple(f"a_{i}" for i in range(31))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_tensorflow_and_numpy_give_the_same_angles(dtype):
    amplitudes = random_amplitudes(1, 4, dtype.startswith("complex"), 0.4, batch=7).astype(dtype)
    angles = amplitude_angles(tf.constant(amplitudes), TF)
    expected = amplitude_angles(amplitudes)
    assert angles.dtype == expected.dtype
    atol = 2e-5 if dtype in ("float32", "complex64") else 1e-12
    np.testing.assert_allclose(angles, expected, atol=atol)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.complex64])
def test_angles_are_differentiable_and_finite_wherever_amplitudes_vanish(dtype):
    rows = random_amplitudes(3, 3, False, batch=6)
    rows[0] = 0
    rows[1, :4] = 0
    rows[2, 2:] = 0
    rows[3] *= 1e-30
    rows[4] *= 1e30
    x = tf.cast(rows, dtype)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        angles = amplitude_angles(x, TF)
        state = normalized_amplitudes(x, 3, TF)
    for output in (angles, state):
        assert np.isfinite(output.numpy()).all()
        gradient = tape.gradient(output, x).numpy()
        assert np.isfinite(gradient).all()
        assert not gradient[0].any()
    assert not angles.numpy()[0].any()
    np.testing.assert_array_equal(state.numpy()[0], np.eye(8)[0])


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_gradient_through_the_circuit_is_that_of_normalization(seed, is_complex):
    amplitudes = random_amplitudes(seed, 2, is_complex)
    direction = random_amplitudes(seed + 1, 2, is_complex)
    step = 1e-6
    circuit = amplitude_encoding(2, complex=is_complex)
    x = tf.constant(amplitudes)
    with tf.autodiff.ForwardAccumulator(x, tf.constant(direction)) as forward:
        angles = amplitude_angles(x, TF)
    tangent = forward.jvp(angles).numpy()[0]
    moved = [prepared(circuit, angles.numpy()[0] + sign * step * tangent) for sign in (1, -1)]
    exact = [normalized_amplitudes(amplitudes + sign * step * direction, 2)[0] for sign in (1, -1)]
    np.testing.assert_allclose(moved[0] - moved[1], exact[0] - exact[1], atol=1e-10)


def test_an_unknown_batch_size_and_an_empty_batch_work():
    @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32)])
    def angles(x):
        return amplitude_angles(x, TF)

    assert angles(tf.zeros([0, 8])).shape == (0, 7)
    assert angles(tf.zeros([3, 8])).shape == (3, 7)
    assert amplitude_angles(np.zeros((0, 4))).shape == (0, 3)


def test_nan_and_infinite_amplitudes_give_nan():
    for bad in (np.nan, np.inf):
        assert np.isnan(amplitude_angles(np.array([[1.0, bad, 2.0, 3.0]]))).any()
        assert np.isnan(normalized_amplitudes(np.array([[1.0, bad]]), 1)).any()


def test_whole_numbers_are_amplitudes_too():
    np.testing.assert_allclose(amplitude_angles(np.array([[1, 1]])), [[np.pi / 2]])


def test_features_are_padded_and_normalized():
    state = normalized_amplitudes(np.array([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0]]), 2)
    np.testing.assert_allclose(state, [[0.6, 0, 0.8, 0], [1, 0, 0, 0]])


def test_too_many_features_are_refused_with_the_qubits_they_need():
    with pytest.raises(InputError, match="n_qubits=4"):
        normalized_amplitudes(np.zeros((1, 9)), 3)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1), (2, 2, 2), (2, 0)])
def test_amplitudes_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(InputError):
        amplitude_angles(np.zeros(shape))


@pytest.mark.parametrize("axis", "xyz")
def test_angle_encoding_rotates_each_qubit_by_its_feature(axis):
    circuit = angle_encoding(2, axis=axis)
    assert circuit.parameters == ("x_0", "x_1")
    state = prepared(circuit, [0.3, -1.1])
    bloch = {
        "x": lambda t: np.array([np.cos(t / 2), -1j * np.sin(t / 2)]),
        "y": lambda t: np.array([np.cos(t / 2), np.sin(t / 2)]),
        "z": lambda t: np.exp([-0.5j * t, 0.5j * t]) / np.sqrt(2),
    }[axis]
    np.testing.assert_allclose(state, np.kron(bloch(0.3), bloch(-1.1)), atol=1e-12)


@pytest.mark.parametrize("bits", [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
def test_basis_encoding_makes_the_basis_state_of_the_bits(bits):
    state = prepared(basis_encoding(3), bits)
    index = int("".join(map(str, bits)), 2)
    assert abs(state[index]) == pytest.approx(1.0)


def test_an_unknown_axis_or_encoding_is_named():
    with pytest.raises(ConfigurationError, match="'w'"):
        angle_encoding(2, axis="w")
    with pytest.raises(ConfigurationError, match="Did you mean 'amplitude'"):
        get_encoding("amplitud")
    assert get_encoding("basis") is basis_encoding
