"""One call that checks what every Keras layer promises."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import keras


def run_layer_test(
    layer_class: type[keras.layers.Layer],
    init_kwargs: Mapping[str, Any],
    *,
    input_shape: tuple[int, ...] | None = None,
    input_dtype: str = "float32",
    input_data: NDArray[Any] | None = None,
    expected_output_shape: tuple[int, ...] | None = None,
    expected_output_dtype: str | None = None,
    expected_n_weights: int | None = None,
    preceding: Callable[[], Sequence[keras.layers.Layer]] = tuple,
    random: bool = False,
    seed: int = 0,
) -> NDArray[Any]:
    """Checks a layer of one input: configuration, calls, training, saving, mixed precision.

    Args:
        layer_class: the layer's class.
        init_kwargs: arguments to make it with.
        input_shape: shape of random input, batch first. Complex input is a normalized state.
        input_dtype: dtype of random input.
        input_data: the input, instead of the two before.
        expected_output_shape: shape of the output, batch first.
        expected_output_dtype: name of the output's dtype.
        expected_n_weights: number of trainable scalars.
        preceding: makes the preceding layers, for a layer that cannot stand alone.
        random: whether the layer draws something, so that no two calls agree.
        seed: of the random input.

    Returns:
        The output of an eager call.

    Raises:
        AssertionError: a promise is broken.

    Example:
        >>> run_layer_test(keras.layers.Dense, {"units": 2}, input_shape=(3, 4)).shape
        (3, 2)
    """
    if input_data is None:
        if input_shape is None:
            raise ValueError("Give `input_shape` or `input_data`.")
        input_data = random_input(input_shape, input_dtype, seed)
    data = tf.convert_to_tensor(input_data)

    check_config(layer_class(**init_kwargs))

    layer = layer_class(**init_kwargs)
    run = _Chain([*preceding(), layer])
    output = run(data)
    shape, dtype = tuple(output.shape), output.dtype.name
    assert expected_output_shape in (None, shape), f"output has shape {shape}"
    assert expected_output_dtype in (None, dtype), f"output is {dtype}"
    if expected_n_weights is not None:
        count = sum(int(np.prod(weight.shape)) for weight in layer.trainable_weights)
        assert count == expected_n_weights, f"{count} trainable scalars"
    check_config(layer)

    def chain(**more: Any) -> _Chain:
        return _Chain([*preceding(), layer_class(**{**init_kwargs, **more})])

    _check_symbolic_call(chain(), data, output)
    _check_batches(run, data, output, random)
    _check_training_step(chain(), data)
    _check_saving(chain(), data, random)
    _check_mixed_precision(chain(dtype="mixed_float16"), data)
    return np.asarray(output)


def random_input(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    """Random features, or, for a complex dtype, random normalized states."""
    rng = np.random.default_rng(seed)
    if not np.issubdtype(np.dtype(dtype), np.complexfloating):
        return rng.normal(size=shape).astype(dtype)
    rows = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(dtype)


def check_config(layer: keras.layers.Layer) -> None:
    """Asserts that a layer's configuration is JSON and makes an equal layer."""
    config = layer.get_config()
    written = json.dumps(config, sort_keys=True)
    revived = type(layer).from_config(json.loads(written))
    assert json.dumps(revived.get_config(), sort_keys=True) == written
    serialized = json.loads(json.dumps(keras.utils.serialize_keras_object(layer)))
    revived = keras.utils.deserialize_keras_object(serialized)
    assert json.dumps(revived.get_config(), sort_keys=True) == written


class _Chain:
    """A layer after those that precede it."""

    def __init__(self, layers: Sequence[keras.layers.Layer]) -> None:
        self._layers = layers
        self.layer = layers[-1]

    def __call__(self, value: Any) -> Any:
        for layer in self._layers:
            value = layer(value)
        return value


def _model(run: _Chain, data: tf.Tensor, n_outputs: int | None) -> keras.Model:
    inputs = keras.Input(tuple(data.shape[1:]), dtype=data.dtype.name)
    outputs = run(inputs)
    if n_outputs is not None:
        if tf.as_dtype(outputs.dtype).is_integer:
            outputs = keras.layers.Lambda(
                lambda bits: tf.cast(bits, tf.float32),
                output_shape=outputs.shape[1:],
                dtype="float32",
            )(outputs)
        if tf.as_dtype(outputs.dtype).is_complex:
            outputs = keras.layers.Lambda(
                lambda z: tf.concat([tf.math.real(z), tf.math.imag(z)], axis=-1),
                output_shape=(*outputs.shape[1:-1], 2 * outputs.shape[-1]),
                dtype=tf.as_dtype(outputs.dtype).real_dtype.name,
            )(outputs)
        if len(outputs.shape) > 2:
            outputs = keras.layers.Flatten(dtype=tf.as_dtype(outputs.dtype).name)(outputs)
        outputs = keras.layers.Dense(n_outputs)(outputs)
    return keras.Model(inputs, outputs)


def _check_symbolic_call(run: _Chain, data: tf.Tensor, output: tf.Tensor) -> None:
    symbol = run(keras.Input(tuple(data.shape[1:]), dtype=data.dtype.name))
    assert tuple(symbol.shape) == (None, *output.shape[1:])
    assert tf.as_dtype(symbol.dtype) == output.dtype
    assert run.layer.built
    shape = (None, *data.shape[1:])
    for layer in run._layers:
        shape = tuple(layer.compute_output_shape(shape))
    assert shape == (None, *output.shape[1:])


def _check_batches(run: _Chain, data: tf.Tensor, output: tf.Tensor, random: bool) -> None:
    """Traced with an unknown batch, one function serves every batch size, zero included."""
    signature = tf.TensorSpec((None, *data.shape[1:]), data.dtype)
    traced = tf.function(lambda x: run(x), input_signature=[signature])
    tolerance = 1e-5 if output.dtype.real_dtype == tf.float32 else 1e-10
    for size in (0, 1, int(data.shape[0])):
        result = traced(data[:size])
        assert tuple(result.shape) == (size, *output.shape[1:])
        if not random:
            np.testing.assert_allclose(result, output[:size], atol=tolerance, rtol=tolerance)


def _check_training_step(run: _Chain, data: tf.Tensor) -> None:
    layer = run.layer
    model = _model(run, data, n_outputs=1)
    model.compile(optimizer="sgd", loss="mse")
    targets = np.linspace(-1.0, 1.0, int(data.shape[0]), dtype="float32")[:, None]
    before = [weight.numpy() for weight in layer.trainable_weights]
    history = model.fit(np.asarray(data), targets, batch_size=len(targets), verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for old, weight in zip(before, layer.trainable_weights, strict=True):
        assert np.all(np.isfinite(weight.numpy()))
        assert not old.size or not np.array_equal(old, weight.numpy()), "a weight stood still"


def _check_saving(run: _Chain, data: tf.Tensor, random: bool) -> None:
    """What is loaded does what was saved; where it draws, it goes on drawing where that was."""
    model = _model(run, data, n_outputs=None)
    expected = np.asarray(model(data))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.keras")
        model.save(path)
        reloaded = keras.models.load_model(path)
    if random:
        expected = np.asarray(model(data))
    np.testing.assert_allclose(np.asarray(reloaded(data)), expected, atol=1e-6)


def _check_mixed_precision(run: _Chain, data: tf.Tensor) -> None:
    if data.dtype in (tf.float64, tf.complex128):
        data = tf.cast(data, tf.complex64 if data.dtype.is_complex else tf.float32)
    output = run(data)
    wanted = tf.float16 if output.dtype.is_floating else output.dtype
    assert output.dtype == wanted, f"output under mixed_float16 is {output.dtype.name}"
    assert output.dtype != tf.complex128
    for weight in run.layer.trainable_weights:
        assert tf.as_dtype(weight.dtype) == tf.float32
