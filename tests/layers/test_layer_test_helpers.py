"""The helpers that hold layers to their promises notice when a promise is broken."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.layers import QuantumLayer
from qstore_tf.testing.gradient_agreement import check_gradients, check_gradients_agree
from qstore_tf.testing.layer_test import run_layer_test


class Same(keras.layers.Layer):
    """Returns as many numbers as it is fed."""

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape


@keras.utils.register_keras_serializable(package="qstore_tf_tests")
class Forgetful(Same):
    """Leaves an argument out of its configuration."""

    def __init__(self, factor: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def get_config(self) -> dict[str, Any]:
        return super().get_config()

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs * self.factor


@keras.utils.register_keras_serializable(package="qstore_tf_tests")
class Misshapen(keras.layers.Layer):
    """Says another output shape than it has."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (shape[0], 7)


@keras.utils.register_keras_serializable(package="qstore_tf_tests")
class Stubborn(Same):
    """Has a weight that no gradient reaches."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.weight = self.add_weight(shape=(1,), name="weight")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return inputs + tf.stop_gradient(self.weight)


@pytest.mark.parametrize(
    ("layer_class", "options"),
    [(Forgetful, {"factor": 2.0}), (Misshapen, {}), (Stubborn, {})],
)
def test_the_layer_test_fails_a_layer_that_breaks_a_promise(
    layer_class: type, options: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError):
        run_layer_test(layer_class, options, input_shape=(3, 4))


def test_the_layer_test_compares_what_was_expected() -> None:
    for wrong in (
        {"expected_output_shape": (3, 5)},
        {"expected_output_dtype": "float64"},
        {"expected_n_weights": 1},
    ):
        with pytest.raises(AssertionError):
            run_layer_test(QuantumLayer, {"n_qubits": 2}, input_shape=(3, 2), **wrong)
    with pytest.raises(ValueError, match="input_shape"):
        run_layer_test(QuantumLayer, {"n_qubits": 2})


def test_a_wrong_gradient_is_found_for_real_and_complex_arguments() -> None:
    @tf.custom_gradient
    def wrong(x: tf.Tensor) -> Any:
        return x * x, lambda upstream: upstream * x

    for argument in (np.array([0.3, 0.7]), np.array([0.3 + 0.1j])):
        with pytest.raises(AssertionError, match="argument 0"):
            check_gradients(wrong, [argument])
        check_gradients(lambda x: x * x, [argument])


def test_disagreeing_gradients_name_both_functions() -> None:
    with pytest.raises(AssertionError, match="halved and doubled"):
        check_gradients_agree(
            {"doubled": lambda x: 2 * x, "halved": lambda x: x / 2}, [np.array([1.0])]
        )


def test_an_argument_that_does_not_matter_has_gradient_zero() -> None:
    check_gradients(lambda x, y: 2 * x, [np.array([1.0]), np.array([2.0])])
