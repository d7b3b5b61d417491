"""BackendSchedule: the Keras callback that says which backend runs when."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tensorflow import keras

from qstore_tf import execution
from qstore_tf.backends import Backend
from qstore_tf.callbacks.adaptive.functions import Switchboard, running_layers
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.inspection import (
    Setting,
    check_setting,
    ensure_counter,
    set_backend,
)

_log = logging.getLogger("qstore_tf")


class BackendSchedule(keras.callbacks.Callback):  # type: ignore[misc]
    """Runs the circuits of a model on other backends by epoch, and by phase.

    A layer keeps its gradient method and its shots; the backend of its arguments is what runs
    where the schedule says nothing, and what the model is saved with.

    Example:

    >>> import numpy as np
    >>> import qstore_tf as qs
    >>> from tensorflow import keras
    >>> model = keras.Sequential([keras.Input((2,)), qs.layers.QuantumLayer(2)])
    >>> model.compile("adam", "mse")
    >>> x = np.zeros((8, 2), "float32")
    >>> schedule = qs.callbacks.BackendSchedule(training={2: "tensorflow"}, production="tensorflow")
    >>> fit = model.fit(x, x, epochs=3, callbacks=[schedule], verbose=0)
    >>> model.layers[0].run_options.resolved.name
    'tensorflow'

    Args:
        training: A backend, or backends by the epoch, from 0, from which they run. Before the
            first of these, the layer's own.
        validation: The backend of the validation that `fit` does.
        production: The backend that the layers have when training has ended, for `predict` and
            `evaluate`; until `qstore_tf.layers.inspection.set_backend(layer, None)`, or until the
            next training with this schedule.

    Raises:
        ConfigurationError: An argument is wrong; when `fit` begins, a backend does not go with the
            gradient method, the shots, the precision or the `jit_compile` of the model.
    """

    def __init__(
        self,
        training: str | Backend | Mapping[int, str | Backend] | None = None,
        validation: str | Backend | None = None,
        production: str | Backend | None = None,
    ) -> None:
        """Checks the arguments; see the class."""
        super().__init__()
        by_epoch = training if isinstance(training, Mapping) else {0: training}
        for epoch in by_epoch:
            if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
                raise ConfigurationError(
                    describe(
                        "`training` of BackendSchedule names epochs",
                        expected="epochs from 0 up, as in {0: 'native', 10: 'ionq_simulator'}",
                        received=epoch,
                    )
                )
        self.training = {epoch: by_epoch[epoch] for epoch in sorted(by_epoch)}
        self.validation, self.production = validation, production
        if all(b is None for b in (*self.training.values(), validation, production)):
            raise ConfigurationError(
                describe(
                    "BackendSchedule has no backend",
                    expected="training, validation or production",
                    received=None,
                )
            )
        self._layers: list[Any] = []
        self._now: Any = None
        self._fits = False

    def set_model(self, model: Any) -> None:
        """Takes the model, and checks that its layers can run on these backends."""
        super().set_model(model)
        self._layers = [layer for layer in running_layers(model) if layer.takes_backend]
        if not self._layers:
            raise ConfigurationError(
                describe(
                    "BackendSchedule finds no quantum layer in this model",
                    expected="a model with a QuantumLayer",
                    received=[layer.name for layer in model.layers],
                )
            )
        for backend in self.training.values():
            for layer in self._layers:
                self._check(layer, Setting(backend=backend), "training")
        for phase in ("validation", "production"):
            for layer in self._layers:
                self._check(layer, self._without_gradient(layer, getattr(self, phase)), phase)
        Switchboard.of(model)

    def _check(self, layer: Any, setting: Setting, phase: str) -> None:
        if setting.backend is None:
            return
        options = check_setting(layer, setting)
        if getattr(self.model, "jit_compile", False) is True and not options.supports_xla:
            raise ConfigurationError(
                describe(
                    f"Backend '{options.resolved.name}' of BackendSchedule({phase}=...) does not "
                    "compile with XLA, which the model was compiled for",
                    expected="compile(jit_compile=False), or backend='tensorflow'",
                    received=f"jit_compile={self.model.jit_compile}",
                )
            )
        if options.is_random:
            with self.model.distribute_strategy.scope():
                ensure_counter(layer)

    @staticmethod
    def _without_gradient(layer: Any, backend: Any) -> Setting:
        """The setting for a phase that takes no gradient: the method need not go with it."""
        options = layer.run_options
        try:
            execution.choose(backend or options.backend, options.gradient, options.shots)
        except ConfigurationError:
            return Setting(backend=backend, gradient="auto")
        return Setting(backend=backend)

    def backend_in(self, epoch: int) -> Any:
        """Returns the backend that trains in an epoch; None for the layers' own."""
        return next((b for first, b in reversed(self.training.items()) if first <= epoch), None)

    def on_train_begin(self, logs: Any = None) -> None:
        """Notes that what is evaluated from now on is a validation."""
        self._fits, self._now = True, None
        serves = [layer.switches.setting.backend for layer in self._layers]
        if self.production is not None and self.production in serves:  # since a training before
            self._give(None)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Takes the backend of the epoch."""
        backend = self.backend_in(epoch)
        if backend != self._now:
            _log.info("BackendSchedule: from epoch %d on, circuits run on %r", epoch, backend)
        self._now = backend

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Makes the next step run on the backend of the epoch."""
        self._switch(Switchboard.of(self.model).train, Setting(backend=self._now))

    def on_test_begin(self, logs: Any = None) -> None:
        """Makes the validation run on its backend."""
        if self._fits and self.validation is not None:
            step = Switchboard.of(self.model).test
            for layer in self._layers:
                step.switch(layer, self._without_gradient(layer, self.validation))
            step.apply()

    def _switch(self, step: Any, setting: Setting) -> None:
        for layer in self._layers:
            now = step.settings.get(layer, Setting())
            step.settings[layer] = replace(now, backend=setting.backend)
        step.apply()

    def on_train_end(self, logs: Any = None) -> None:
        """Gives the layers the backend for production."""
        self._fits = False
        if self.production is not None:
            self._give(self.production)

    def _give(self, backend: Any) -> None:
        for layer in self._layers:
            set_backend(layer, backend)
        for name in ("train_function", "test_function", "predict_function"):
            setattr(self.model, name, None)  # traced with the backend before
