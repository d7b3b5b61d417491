"""The layers inside the ways people write Keras models."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.layers import AmplitudeEncoding, AngleEncoding, ExpectationValue, QuantumLayer

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")


class Subclassed(keras.Model):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encode = AmplitudeEncoding(2)
        self.first = QuantumLayer(2, 1)
        self.second = QuantumLayer(2, 2, ansatz="hardware_efficient_reduced")
        self.measure = ExpectationValue("Z")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return self.measure(self.second(self.first(self.encode(inputs))))


def sequential(*front: keras.layers.Layer) -> keras.Model:
    return keras.Sequential(
        [
            *front,
            AmplitudeEncoding(2),
            QuantumLayer(2, 1),
            QuantumLayer(2, 2, ansatz="hardware_efficient_reduced"),
            ExpectationValue("Z"),
        ]
    )


def functional() -> keras.Model:
    inputs = keras.Input((4,))
    state = QuantumLayer(2, 1)(AmplitudeEncoding(2)(inputs))
    state = QuantumLayer(2, 2, ansatz="hardware_efficient_reduced")(state)
    return keras.Model(inputs, ExpectationValue("Z")(state))


@pytest.mark.slow
@pytest.mark.parametrize("make", [sequential, functional, Subclassed])
def test_every_style_of_model_computes_and_trains_alike(make: Any) -> None:
    reference = sequential(keras.Input((4,)))
    model = make()
    model(X)
    model.set_weights(reference.get_weights())
    np.testing.assert_allclose(model(X), reference(X), atol=1e-6)
    for each in (model, reference):
        each.compile(keras.optimizers.SGD(0.1), "mse")
        each.fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("steps", [None, 3])
def test_time_distributed_applies_the_layer_to_every_step(steps: int | None) -> None:
    layer = QuantumLayer(2, 1, encoding="amplitude")
    inputs = keras.Input((steps, 4))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    assert tuple(model.output_shape) == (None, steps, 2)
    series = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    expected = np.stack([layer(series[:, step]).numpy() for step in range(3)], axis=1)
    np.testing.assert_allclose(model(series), expected, atol=1e-6)
    model.compile("sgd", "mse")
    before = layer.theta.numpy()
    model.fit(series, expected + 1, verbose=0)
    assert np.any(layer.theta.numpy() != before)


def test_time_distributed_takes_a_whole_model() -> None:
    inner = sequential(keras.Input((4,)))
    model = keras.Sequential([keras.Input((3, 4)), keras.layers.TimeDistributed(inner)])
    series = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    np.testing.assert_allclose(model(series)[:, 1], inner(series[:, 1]), atol=1e-6)


def test_two_quantum_layers_on_features_have_angles_of_their_own() -> None:
    model = keras.Sequential([keras.Input((4,)), QuantumLayer(4), QuantumLayer(4)])
    first, second = model.layers
    assert first.theta is not second.theta
    expected = second(first(X))
    np.testing.assert_allclose(model(X), expected, atol=1e-6)


def test_a_layer_used_twice_shares_its_angles() -> None:
    layer = QuantumLayer(2, 1)
    inputs = keras.Input((4,))
    state = layer(layer(AmplitudeEncoding(2)(inputs)))
    model = keras.Model(inputs, ExpectationValue("Z", dtype="float32")(state))
    assert len(model.trainable_weights) == 1
    unfused = ExpectationValue("Z", fuse=False)(layer(layer(AmplitudeEncoding(2)(X))))
    np.testing.assert_allclose(model(X), unfused, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_mixed_precision_computes_the_quantum_part_in_float32(policy: str) -> None:
    full = QuantumLayer(4, 2)
    expected = full(X)
    layer = QuantumLayer(4, 2, dtype=policy)
    layer.build((None, 4))
    layer.theta.assign(full.theta.numpy())
    value = layer(X)
    assert value.dtype == tf.as_dtype(policy.removeprefix("mixed_"))
    assert tf.as_dtype(layer.theta.dtype) == tf.float32
    np.testing.assert_array_equal(value, tf.cast(expected, value.dtype))


@pytest.mark.slow
def test_a_mixed_precision_model_trains() -> None:
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = sequential(keras.Input((6,)), keras.layers.Dense(4))
        model.compile(keras.optimizers.Adam(0.05), "mse")
        x = np.random.default_rng(0).normal(size=(6, 6)).astype("float32")
        losses = model.fit(x, Y / 4, epochs=15, verbose=0).history["loss"]
        assert model(x).dtype == tf.float16
        assert losses[-1] < losses[0]
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_a_float64_policy_computes_throughout_in_float64() -> None:
    keras.mixed_precision.set_global_policy("float64")
    try:
        model = sequential(keras.Input((4,)))
        assert model(X).dtype == tf.float64
        assert model.layers[1].theta.numpy().dtype == np.float64
        assert model.layers[0](X.astype("float64")).dtype == tf.complex128
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.mark.parametrize("encoding", ["amplitude", "angle"])
def test_empty_and_single_batches_flow_forward_and_backward(encoding: str) -> None:
    layers = [QuantumLayer(4, 1, encoding), AngleEncoding(4), AmplitudeEncoding(4)]
    for layer in layers:
        for size in (0, 1):
            x = tf.constant(X[:size])
            with tf.GradientTape() as tape:
                tape.watch(x)
                out = layer(x)
                out = out if out.dtype == tf.float32 else ExpectationValue("Z")(out)
                loss = tf.reduce_sum(out)
            assert tape.gradient(loss, x).shape == (size, 4)


def test_a_layer_is_trained_by_a_loop_of_ones_own() -> None:
    keras.utils.set_random_seed(0)
    layer = QuantumLayer(2, 1, encoding="amplitude", observables="Z0")
    optimizer = keras.optimizers.Adam(0.1)
    layer.build((None, 4))
    optimizer.build(layer.trainable_variables)

    @tf.function
    def step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(layer(x))
        gradients = tape.gradient(loss, layer.trainable_variables)
        optimizer.apply_gradients(zip(gradients, layer.trainable_variables, strict=True))
        return loss

    losses = [float(step(tf.constant(X[:1]))) for _ in range(20)]
    assert losses[-1] < losses[0] - 0.05
    assert step.experimental_get_tracing_count() == 1


def test_a_frozen_layer_does_not_move_but_passes_gradients_on() -> None:
    layer = QuantumLayer(2, 1, trainable=False)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2), layer])
    model.compile("sgd", "mse")
    before = [layer.theta.numpy(), model.layers[0].kernel.numpy()]
    model.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(layer.theta.numpy(), before[0])
    assert np.any(model.layers[0].kernel.numpy() != before[1])
