"""A small model and what its tests look at."""

from collections.abc import Callable
from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf.backends import Backend, get
from qstore_tf.backends.base import Batch, BatchBackend
from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.layers import QuantumLayer

DRAWN = np.random.default_rng(14)
X = DRAWN.uniform(-1, 1, (20, 2)).astype("float32")
Y = np.tanh(X[:, :1] * 2)


def model_of(*layers: Any, optimizer: Any = "adam", **options: Any) -> Any:
    """A compiled model of these layers, built for two features."""
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(optimizer, "mse", **options)
    return model


def fit(model: Any, *callbacks: Any, epochs: int = 4, **options: Any) -> dict[str, list[float]]:
    """The history of a training on 20 rows, in batches of 8, 8 and 4."""
    given = {"batch_size": 8, "epochs": epochs, "verbose": 0, "shuffle": False, **options}
    history: dict[str, list[float]] = model.fit(X, Y, callbacks=list(callbacks), **given).history
    return history


class Each(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls a function after every call of the training function, and keeps what it returns."""

    def __init__(self, look: Callable[[], Any]) -> None:
        super().__init__()
        self.look, self.seen = look, []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(self.look())


class Interrupts(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends training by an exception after some calls of the training function."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.after -= 1
        if not self.after:
            raise KeyboardInterrupt


class Tracing(BatchBackend):
    """A backend that notes what is traced to run on it."""

    name = "tracing"

    def __init__(self, inner: Backend | None = None) -> None:
        self.inner = get("native") if inner is None else inner
        self.capabilities = self.inner.capabilities
        self.gates: list[int] = []
        self.shots: list[int] = []

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def _expectation(self, batch: Batch, observables: Any, seed: Any) -> Any:
        self.gates.append(len(batch.program.gates))
        return self.inner.expectation(batch.program, observables, *batch.values, seed=seed)

    def _state_vector(self, batch: Batch) -> Any:
        return self.inner.state_vector(batch.program, *batch.values)

    def _sample(self, batch: Batch, shots: int, seed: Any) -> Any:
        self.gates.append(len(batch.program.gates))
        self.shots.append(shots)
        return self.inner.sample(batch.program, *batch.values, shots=shots, seed=seed)


def small(**options: Any) -> QuantumLayer:
    """A layer with one circuit of two gates, so that steps with shots are traced quickly."""
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "x").add_gate("RY", 0, "a")
    return QuantumLayer(circuit=circuit, inputs=["x"], **options)


def first_column(*layers: Any, **options: Any) -> Any:
    """A compiled model that feeds these layers with the first feature."""
    return model_of(keras.layers.Lambda(lambda x: x[:, :1]), *layers, **options)


def quantum(model: Any) -> QuantumLayer:
    """The first QuantumLayer of a model."""
    found: QuantumLayer = next(la for la in model._flatten_layers() if isinstance(la, QuantumLayer))
    return found
