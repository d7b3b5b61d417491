import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.layers import AmplitudeEncoding, Probabilities, QuantumLayer
from qstore_tf.testing.gradient_agreement import check_gradients, check_gradients_agree
from qstore_tf.testing.layer_test import run_layer_test
from qstore_tf.testing.random_circuits import random_state


def test_it_keeps_the_promises_of_a_keras_layer() -> None:
    run_layer_test(
        Probabilities,
        {},
        input_shape=(4, 8),
        input_dtype="complex64",
        expected_output_shape=(4, 8),
        expected_output_dtype="float32",
        expected_n_weights=0,
    )


def test_they_are_the_squared_magnitudes() -> None:
    states = random_state(0, 4, 3)
    values = Probabilities(dtype="float64")(states).numpy()
    np.testing.assert_allclose(values, abs(states) ** 2, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "tensorflow"])
def test_after_quantum_layers_they_are_differentiable_in_everything(backend: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 5))
    encode = AmplitudeEncoding(3, dtype="float64")
    layer = QuantumLayer(3, 2, backend=backend, dtype="float64")
    read = Probabilities(dtype="float64")
    check_gradients(lambda x: read(layer(encode(x))), [x])

    def unfused(x: tf.Tensor) -> tf.Tensor:
        state = layer(encode(x)) * tf.constant(1.0, tf.complex128)
        return read(state)

    check_gradients_agree({"fused": lambda x: read(layer(encode(x))), "unfused": unfused}, [x])
    np.testing.assert_allclose(tf.reduce_sum(read(layer(encode(x))), 1), np.ones(3), atol=1e-12)


@pytest.mark.slow
def test_a_distribution_is_learned() -> None:
    target = np.array([[0.5, 0.0, 0.0, 0.5]], "float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4,)), AmplitudeEncoding(2), QuantumLayer(2, 2), Probabilities()]
    )
    model.compile(keras.optimizers.Adam(0.2), "mse")
    x = np.array([[1.0, 0.0, 0.0, 0.0]], "float32")
    model.fit(x, target, epochs=40, verbose=0)
    np.testing.assert_allclose(model(x), target, atol=0.05)


def test_shots_in_front_are_refused_with_what_to_do() -> None:
    state = QuantumLayer(2, 1, shots=10)(AmplitudeEncoding(2)(np.ones((1, 4))))
    with pytest.raises(ConfigurationError, match=r"Sample\(shots"):
        Probabilities()(state)


def test_real_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="AmplitudeEncoding"):
        Probabilities()(np.ones((2, 8), "float32"))
