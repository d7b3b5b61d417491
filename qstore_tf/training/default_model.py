"""The Keras model of a configuration, where the user brings none: reduce, circuit, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.layers import QuantumLayer
from qstore_tf.training.config import TrainingConfig
from qstore_tf.training.options import observable_strings


@dataclass(frozen=True)
class Shapes:
    """What a model must know of its data.

    Attributes:
        sample: Shape of one sample.
        n_outputs: Classes, or numbers to predict.
        loss: Keras's name of the loss.
    """

    sample: tuple[int, ...]
    n_outputs: int
    loss: str

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted, else numbers."""
        return self.loss != "mse"


def shapes_of(data: Any, config: TrainingConfig) -> Shapes:
    """Returns what data says about the model that learns it.

    Args:
        data: `(x, y)` in arrays, or a dataset of batches of both.
        config: `task` and `n_outputs` of it are read.

    Raises:
        InputError: The data has no targets, or does not say how many classes there are.
        ConfigurationError: The task does not go with the targets.

    Example:
        >>> shapes_of((np.zeros((5, 3)), np.array([0, 1, 2, 1, 0])), TrainingConfig())
        Shapes(sample=(3,), n_outputs=3, loss='sparse_categorical_crossentropy')
    """
    x, y, whole = _parts(data)
    if y is None:
        raise InputError(
            describe("A training needs targets", expected="(x, y), or a dataset of both")
        )
    sample = tuple(int(size) for size in x.shape[1:])
    columns = int(y.shape[1]) if len(y.shape) > 1 else 1
    is_whole = np.dtype(y.dtype).kind in "iub"
    task = config.task
    if task == "auto":
        task = "classification" if is_whole else "regression"
    if task == "regression":
        return Shapes(sample, _agreed(config.n_outputs, columns), "mse")
    if columns > 1:
        return Shapes(sample, _agreed(config.n_outputs, columns), "categorical_crossentropy")
    if not is_whole:
        raise ConfigurationError(
            describe(
                "Classes are whole numbers from 0",
                expected="integer targets [N], or one column for each class",
                received=str(y.dtype),
                hint="Cast them: y.astype('int64')",
            )
        )
    n_outputs = config.n_outputs
    if n_outputs is None:
        if not whole:
            raise InputError(
                describe(
                    "A dataset does not say how many classes there are",
                    expected="n_outputs= in the configuration",
                )
            )
        n_outputs = max(2, int(np.max(y)) + 1)
    return Shapes(sample, n_outputs, "sparse_categorical_crossentropy")


def build(
    config: TrainingConfig,
    shapes: Shapes,
    backend: str | Backend,
    before: Sequence[keras.layers.Layer] = (),
) -> keras.Model:
    """Returns the model, not compiled: flatten, reduce where there are too many features, run
    the circuit, and weigh its expectation values.

    Args:
        config: Circuit, gradient method, shots.
        shapes: Of the data.
        backend: What the circuit runs on.
        before: Layers to put first, such as fitted scalings.

    Example:
        >>> from qstore_tf import backends
        >>> config, shapes = TrainingConfig(n_qubits=2), Shapes((5,), 3, "mse")
        >>> [layer.name for layer in build(config, shapes, backends.get()).layers]
        ['reduce', 'quantum', 'outputs']
    """
    fits = 2**config.n_qubits if config.encoding == "amplitude" else config.n_qubits
    layers: list[Any] = [keras.layers.Input(shapes.sample, name="sample"), *before]
    sample = tuple(keras.Sequential(layers).output_shape[1:]) if before else shapes.sample
    if len(sample) > 1:
        layers.append(keras.layers.Flatten(name="flatten"))
    if int(np.prod(sample)) > fits:
        layers.append(keras.layers.Dense(fits, activation="tanh", name="reduce"))
    layers.append(
        QuantumLayer(
            n_qubits=config.n_qubits,
            depth=config.circuit_depth,
            encoding=config.encoding,
            ansatz=config.ansatz,
            entanglement=config.entanglement,
            observables=observable_strings(config.observables, config.n_qubits),
            backend=backend,
            gradient=config.gradient_method,
            shots=config.layer_shots,
            seed=config.seed,
            name="quantum",
        )
    )
    activation = "softmax" if shapes.is_classification else None
    layers.append(keras.layers.Dense(shapes.n_outputs, activation=activation, name="outputs"))
    return keras.Sequential(layers, name="quantum_model")


def compile_model(model: keras.Model, config: TrainingConfig, loss: str) -> None:
    """Compiles a model with the configuration's optimizer."""
    optimizer = keras.optimizers.get(config.optimizer)
    optimizer.learning_rate = config.learning_rate
    model.compile(optimizer=optimizer, loss=loss, metrics=["mae" if loss == "mse" else "accuracy"])


def _agreed(asked: int | None, found: int) -> int:
    if asked is not None and asked != found:
        raise ConfigurationError(
            describe(
                "n_outputs is not what the targets have", expected=found, received=asked,
            )
        )  # fmt: skip
    return found


def _parts(data: Any) -> tuple[Any, Any, bool]:
    """Inputs and targets, or what stands for their shapes, and whether these are all rows."""
    if isinstance(data, tf.data.Dataset):
        spec = data.element_spec
        parts = spec if isinstance(spec, tuple) else (spec,)
        x, y = _Spec(parts[0]), _Spec(parts[1]) if len(parts) > 1 else None
        return x, y, False
    if isinstance(data, tuple | list) and len(data) > 1:
        return np.asarray(data[0]), np.asarray(data[1]), True
    if hasattr(data, "__getitem__") and not hasattr(data, "shape") and len(data):
        batch = data[0]  # of a PyDataset
        if isinstance(batch, tuple | list) and len(batch) > 1:
            return np.asarray(batch[0]), np.asarray(batch[1]), False
    return np.zeros((0, 1)), None, False


class _Spec:
    """Shape and dtype of a tensor of a dataset."""

    def __init__(self, spec: Any) -> None:
        self.shape, self.dtype = spec.shape, spec.dtype.as_numpy_dtype
