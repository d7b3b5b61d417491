"""Looks at a model on a few rows of data: gradients, expectation values, entanglement.

The training step is not touched. The rows go through the model once more, with this process's
copies of the variables, without dropout, and are differentiated twice: by the loss, and by the
expectation values, in one random combination of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf.callbacks import local
from qstore_tf.callbacks.statistics import random_signs, single_qubit_purities
from qstore_tf.layers import QuantumLayer
from qstore_tf.layers.inspection import (
    Measurement,
    Run,
    Values,
    recording_measurements,
    state_vectors,
)

# Entanglement is read from as many rows as have this number of amplitudes, but from one at least.
_MOST_AMPLITUDES = 1 << 18


@dataclass
class Finding:
    """What was seen of one layer.

    Attributes:
        theta: its angles, [P].
        loss_gradient: gradient of the loss by them, or None where there is no loss.
        observable_gradient: gradient of a random combination of the expectation values by them
            (see `random_signs`), or None where nothing was measured after the layer.
        measurement: the measurement of the circuit that this layer ends.
        purities: tr(rho_q^2) of the measured state's qubits, [rows, n]; None without states.
    """

    theta: np.ndarray
    loss_gradient: np.ndarray | None = None
    observable_gradient: np.ndarray | None = None
    measurement: Measurement | None = None
    purities: np.ndarray | None = None


@dataclass
class Probe:
    """Probes one model.

    Attributes:
        model: the model, built and compiled.
        layers: its quantum layers, built.
        seed: of the random combinations.
    """

    model: Any
    layers: Sequence[QuantumLayer]
    seed: int = 0
    _local: Any = None
    _generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Starts the random numbers of this probe."""
        self._generator = np.random.default_rng(self.seed)

    def __call__(self, data: Any) -> list[Finding]:
        """Looks at `data`, which is x, (x, y) or (x, y, sample_weight); one finding a layer."""
        return local.in_own_thread(lambda: self._look(data))

    def _look(self, data: Any) -> list[Finding]:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        x, y, weight = tf.nest.map_structure(_tensor, (x, y, weight))
        if self._local is None:
            self._local = local.LocalModel(self.model)
        with self._local.copied([layer.theta for layer in self.layers]) as (model, thetas):
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(thetas)
                with recording_measurements() as measured:
                    predicted = _call(model, x)
                loss = None
                if y is not None and model.loss is not None:
                    loss = model.compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight)
            values = [m.expectations for m in measured]
            signs = [tf.cast(self._signs(v), v.dtype) for v in values]
            by_loss = [None] * len(thetas) if loss is None else tape.gradient(loss, thetas)
            by_values = [None] * len(thetas)
            if values:
                by_values = tape.gradient(values, thetas, output_gradients=signs)
            del tape
            found = [
                Finding(theta.numpy(), _array(loss_gradient), _array(observable_gradient))
                for theta, loss_gradient, observable_gradient in zip(
                    map(tf.convert_to_tensor, thetas), by_loss, by_values, strict=True
                )
            ]
            owners = [id(weight) for weight in self._weights_of(model)]
            for measurement in measured:
                finding = found[owners.index(id(measurement.run.values.weights[-1]))]
                finding.measurement = measurement
                finding.purities = purities(measurement)
        return found

    def _weights_of(self, model: Any) -> list[Any]:
        layers = self.layers if model is self.model else quantum_layers(model)
        return [layer.theta for layer in layers]

    def _signs(self, values: tf.Tensor) -> np.ndarray:
        return random_signs(tuple(values.shape), self._generator)


def quantum_layers(model: Any) -> list[QuantumLayer]:
    """The layers with trained circuits, nested ones too, each once."""
    found = {id(part): part for part in model._flatten_layers() if isinstance(part, QuantumLayer)}
    return list(found.values())


def can_look(layers: Sequence[QuantumLayer]) -> bool:
    """Whether looking costs nothing but time: not on hardware, where each run is paid for."""
    return all(layer.run_options.has_states for layer in layers)


def purities(measurement: Measurement) -> np.ndarray | None:
    """Purities of the qubits after a circuit, [rows, n]; None where there is no state to read.

    There is none where the backend has none, and where expectation values are estimated from
    shots: then only a simulator could know it.
    """
    run, values = measurement.run, measurement.run.values
    if not run.options.has_states or run.options.shots is not None:
        return None
    rows = max(1, _MOST_AMPLITUDES >> run.program.n_qubits)
    initial = None if values.initial is None else values.initial[:rows]
    inputs, theta = tf.stop_gradient(values.inputs[:rows]), tf.stop_gradient(values.theta)
    states = state_vectors(Run(run.program, Values(inputs, theta, initial), run.options))
    return single_qubit_purities(states.numpy())


def _call(model: Any, x: Any) -> Any:
    if getattr(model, "_call_has_training_arg", True):
        return model(x, training=False)
    return model(x)


def _tensor(value: Any) -> Any:
    return None if value is None else tf.convert_to_tensor(value)


def _array(value: Any) -> np.ndarray | None:
    return None if value is None else tf.convert_to_tensor(value).numpy()
