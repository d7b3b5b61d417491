from collections.abc import Sequence
from typing import Any

import cirq
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import memory
from qstore_tf.circuits import encodings
from qstore_tf.errors import ConfigurationError, InputError, MemoryLimitError
from qstore_tf.layers import AmplitudeEncoding, AngleEncoding, QuantumLayer, Unitary
from qstore_tf.ops import plain_state
from qstore_tf.testing.gradient_agreement import check_gradients
from qstore_tf.testing.layer_test import run_layer_test


@pytest.mark.slow
@pytest.mark.parametrize(
    ("front", "width"),
    [
        (lambda: [AngleEncoding(2), QuantumLayer(2, 1)], 2),
        (lambda: [AmplitudeEncoding(2), QuantumLayer(2, 1)], 4),
        (lambda: [AmplitudeEncoding(2)], 3),
    ],
    ids=["angle", "amplitude", "nothing"],
)
def test_it_keeps_the_promises_of_a_keras_layer(front: Any, width: int) -> None:
    def made() -> Sequence[keras.layers.Layer]:
        keras.utils.set_random_seed(0)
        return front()

    run_layer_test(
        Unitary,
        {},
        input_shape=(3, width),
        expected_output_shape=(3, 4, 4),
        expected_output_dtype="complex64",
        expected_n_weights=0,
        preceding=made,
    )


@pytest.mark.parametrize("backend", ["native", "tensorflow"])
def test_it_is_the_matrix_cirq_finds_for_every_sample(backend: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 3))
    encode = AngleEncoding(3, dtype="float64")
    layer = QuantumLayer(3, 2, entanglement="full", backend=backend, dtype="float64")
    matrices = Unitary(dtype="float64")(layer(encode(x))).numpy()
    evolution = layer.circuit
    theta = dict(zip(evolution.parameters, np.asarray(layer.theta), strict=True))
    circuit = encodings.angle_encoding(3)
    for row, matrix in zip(x, matrices, strict=True):
        whole = circuit.bind(dict(zip(circuit.parameters, row, strict=True))).compose(
            evolution.bind(theta)
        )
        want = cirq.unitary(whole.to_cirq())
        np.testing.assert_allclose(matrix, want, atol=1e-10)
        np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(8), atol=1e-10)


def test_applied_to_amplitudes_it_gives_the_state() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    encode, layer = AmplitudeEncoding(2, dtype="float64"), QuantumLayer(2, 2, dtype="float64")
    start = encode(x)
    state = layer(start)
    matrices = Unitary(dtype="float64")(state)
    np.testing.assert_allclose(tf.linalg.matvec(matrices, start), state, atol=1e-12)


def test_gradients_reach_features_and_angles() -> None:
    encode, layer = AngleEncoding(2, dtype="float64"), QuantumLayer(2, 1, dtype="float64")
    read = Unitary(dtype="float64")
    x = np.random.default_rng(0).normal(size=(2, 2))
    check_gradients(lambda x: tf.math.real(read(layer(encode(x)))), [x])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.math.imag(read(layer(encode(x)))) ** 2)
    gradient = tape.gradient(loss, layer.trainable_variables)[0]
    assert np.any(abs(np.asarray(gradient)) > 1e-3)


def test_a_state_without_its_circuit_has_no_unitary() -> None:
    with pytest.raises(InputError, match="right after QuantumLayer"):
        Unitary()(np.array([[1, 0]], "complex64"))


def test_shots_in_front_are_refused() -> None:
    state = QuantumLayer(2, 1, shots=10)(AmplitudeEncoding(2)(np.ones((1, 4))))
    with pytest.raises(ConfigurationError, match="shots=None"):
        Unitary()(state)


def test_a_matrix_that_fits_nowhere_is_refused() -> None:
    state = AngleEncoding(19)(np.zeros((1, 19)))
    with pytest.raises(MemoryLimitError, match="matrix of 19 qubits"):
        Unitary()(state)


def test_the_matrices_of_the_whole_batch_have_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    # Room for ten matrices and as much again, their transposes.
    monkeypatch.setattr(memory, "available_bytes", lambda: 10 * 2 * 8 * 4**5)
    # The plain simulator checks what it needs itself, which is more.
    monkeypatch.setattr(plain_state, "_LIVE_STATES", 1)
    layers = [AngleEncoding(5), QuantumLayer(5, 1), Unitary()]

    def run(x: tf.Tensor) -> tf.Tensor:
        for layer in layers:
            x = layer(x)
        return x

    any_batch = tf.function(run, input_signature=[tf.TensorSpec((None, 5))])
    for traced in (run, tf.function(run), any_batch):
        assert traced(tf.zeros((10, 5))).shape == (10, 32, 32)
    for traced in (run, tf.function(run)):
        with pytest.raises(MemoryLimitError, match="batch of 11 matrices of 5 qubits"):
            traced(tf.zeros((11, 5)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 10 matrices of 5 qubits"):
        any_batch(tf.zeros((11, 5)))
