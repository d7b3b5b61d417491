"""Which backend each phase of a training runs on, and the adaptive callbacks that go with it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.callbacks import AdaptiveDepth, AdaptiveShots, BackendSchedule
from qstore_tf.callbacks.adaptive.functions import Switchboard
from qstore_tf.layers.inspection import (
    RunOptions,
    Setting,
    check_setting,
    ensure_counter,
    switched,
)
from qstore_tf.training.config import TrainingConfig


class StopWhenAsked(keras.callbacks.Callback):
    """Ends a training after the step under way.

    Attributes:
        asked: Whether it is to end; may be set by any thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks whether it was asked."""
        if self.asked:
            self.model.stop_training = True


@contextmanager
def sigterm_as_before() -> Iterator[None]:
    """Gives SIGTERM back to whom it belonged, where an error ends a `fit` that had taken it.

    Keras tells its callbacks nothing of errors, and `FaultTolerance` would keep it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and signal.getsignal(signal.SIGTERM) is not before:
            signal.signal(signal.SIGTERM, before)


def quantum_layers(model: keras.Model) -> list[Any]:
    """Returns the layers of a model that run circuits."""
    every = model._flatten_layers(include_self=False)
    return [each for each in every if isinstance(getattr(each, "run_options", None), RunOptions)]


def own_backends(model: keras.Model) -> list[Backend]:
    """Returns the backends that the layers of a model were made with, each once."""
    found: list[Backend] = []
    for layer in quantum_layers(model):
        if layer.run_options.resolved not in found:
            found.append(layer.run_options.resolved)
    return found


def measurements(model: keras.Model) -> int:
    """Returns how many circuits a row of the model asks for: one for each layer that measures."""
    found = 0
    for layer in quantum_layers(model):
        try:
            found += not layer.output.dtype.startswith("complex")
        except (AttributeError, ValueError):  # called never, or by itself
            found += 1
    return max(1, found)


def schedule(model: keras.Model, train: Backend | None, validation: Backend | None) -> list[Any]:
    """Returns the callback that gives training and validation their backends; none if needless.

    Args:
        model: A Keras model.
        train: The backend; None: those of the layers.
        validation: The same for the validation.
    """
    if all(_runs_on(model, backend) for backend in (train, validation)):
        return []
    return [BackendSchedule(training=train, validation=validation)]


def adaptive(config: TrainingConfig) -> list[Any]:
    """Returns the callbacks that change depth and shots, where the configuration wants them."""
    found: list[Any] = []
    if config.adaptive_circuit_depth:
        least = config.min_circuit_depth or max(1, config.circuit_depth // 2)
        found.append(
            AdaptiveDepth(
                minimum=least,
                schedule=config.circuit_depth_schedule,
                direction=config.circuit_depth_direction,
            )
        )
    if config.adaptive_shot_allocation:
        found.append(
            AdaptiveShots(
                config.min_shots, config.base_shots, config.max_shots, rule=config.shot_rule
            )
        )
    return found


class EvaluateOn(keras.callbacks.Callback):
    """Makes an evaluation run on a backend.

    Args:
        backend: The backend.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self._backend = backend

    def on_test_begin(self, logs: Any = None) -> None:
        """Switches the test step."""
        step = Switchboard.of(self.model).test
        for layer, setting in _settings(self.model, self._backend).items():
            step.switch(layer, setting)
        step.apply()


class Predicting:
    """Runs a model's predictions on backends, and keeps a function for each.

    Args:
        model: A Keras model.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._functions: dict[int, Any] = {}

    @contextmanager
    def on(self, backend: Backend | None) -> Iterator[None]:
        """Lets the model predict on a backend while it is entered."""
        if backend is None or _runs_on(self._model, backend):
            yield
            return
        kept = self._model.predict_function
        self._model.predict_function = self._functions.get(id(backend))
        try:
            with switched(_settings(self._model, backend)):
                yield
            self._functions[id(backend)] = self._model.predict_function
        finally:
            self._model.predict_function = kept


@contextmanager
def on_backend(model: keras.Model, backend: Any, trains: bool) -> Iterator[None]:
    """Lets a model run on a backend while it is entered; its functions are made anew meanwhile.

    Args:
        model: A Keras model.
        backend: The backend.
        trains: Whether gradients are taken, by the layers' own method.
    """
    names = ("train_function", "test_function", "predict_function")
    kept = {name: getattr(model, name) for name in names}
    for name in names:
        setattr(model, name, None)
    try:
        with switched(_settings(model, backend, trains)):
            yield
    finally:
        for name, function in kept.items():
            setattr(model, name, function)


def _runs_on(model: keras.Model, backend: Backend | None) -> bool:
    """Whether all layers of a model run on a backend by themselves."""
    return backend is None or all(
        layer.run_options.resolved == backend for layer in quantum_layers(model)
    )


def _settings(model: keras.Model, backend: Any, trains: bool = False) -> dict[Any, Setting]:
    """The settings of the layers on a backend; where nothing trains, any gradient method does."""
    setting = Setting(backend=backend) if trains else Setting(backend=backend, gradient="auto")
    layers = [layer for layer in quantum_layers(model) if layer.takes_backend]
    with model.distribute_strategy.scope():
        for layer in layers:
            if check_setting(layer, setting).is_random:
                ensure_counter(layer)
    return dict.fromkeys(layers, setting)
