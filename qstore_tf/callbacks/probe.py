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
from qstore_tf.layers import QuantumLayer, carried, runs
from qstore_tf.layers.runs import Measurement

# Entanglement is read from as many rows as make so many amplitudes, but from one at least.
_MOST_AMPLITUDES = 1 << 18


@dataclass
class Finding:
    """What was seen of one layer.

    Attributes:
        theta: its angles, [P].
        loss_gradient: gradient of the loss by them, or None where there is no loss.
        observable_gradient: gradient of a random combination of the expectation values by them
            (see `random_signs`), or None where nothing was measured behind the layer.
        measurement: the measurement behind the layer that has it as its last layer.
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
        """Starts the random numbers, which are no one else's."""
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
                with runs.record_measurements() as measured:
                    predicted = _call(model, x)
                loss = None
                if y is not None and model.loss is not None:
                    loss = model.compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight)
            values = [m.values for m in measured]
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
                finding = found[owners.index(id(measurement.run.sources[-1]))]
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
    return all(layer._means.has_states for layer in layers)


def purities(measurement: Measurement) -> np.ndarray | None:
    """Purities of the qubits behind a circuit, [rows, n]; None where there is no state to read.

    There is none where the backend has none, and where expectation values are estimated from
    shots: then no one but a simulator could know it.
    """
    run = measurement.run
    if not run.means.has_states or run.means.shots is not None:
        return None
    rows = max(1, _MOST_AMPLITUDES >> run.program.n_qubits)
    initial = None if run.initial is None else run.initial[:rows]
    inputs, theta = tf.stop_gradient(run.inputs[:rows]), tf.stop_gradient(run.theta)
    states = carried.state(run.program, run.means, inputs, theta, initial)
    return single_qubit_purities(states.numpy())


def _call(model: Any, x: Any) -> Any:
    if getattr(model, "_call_has_training_arg", True):
        return model(x, training=False)
    return model(x)


def _tensor(value: Any) -> Any:
    return None if value is None else tf.convert_to_tensor(value)


def _array(value: Any) -> np.ndarray | None:
    return None if value is None else tf.convert_to_tensor(value).numpy()
