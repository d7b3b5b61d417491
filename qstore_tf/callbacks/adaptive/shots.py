"""AdaptiveShots: the Keras callback that trains with fewer or more shots as it goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tensorflow import keras

from qstore_tf.callbacks import local
from qstore_tf.callbacks.adaptive import rules
from qstore_tf.callbacks.adaptive.functions import Switchboard, running_layers
from qstore_tf.callbacks.adaptive.gradients import GradientMeter
from qstore_tf.callbacks.probe import quantum_layers
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.inspection import Setting, check_setting, shots_of

RULES = ("progress", "snr")


class AdaptiveShots(keras.callbacks.Callback):  # type: ignore[misc]
    """Trains with as many shots as the progress, or the noise of the gradient, asks for.

    The shots of every layer that has any change, in the training step alone: validation, `predict`
    and everything else use the shots that the layer was made with.

    `rule="progress"` is that of version 3.5: with p = epoch / epochs, `min_shots` for p < 0.3,
    `base_shots` for p < 0.7, then `max_shots`; half as many more where the standard deviation of
    the last 10 norms of the gradient by the angles is above 0.1, a quarter fewer below 0.01.

    `rule="snr"` measures: every `every` steps, the gradient by the angles is estimated twice more
    on the batch of that step, by circuits with the present shots. That gives the squared norm of
    the gradient and the error of one shot; both are averaged over the last measurements (each
    counts `memory` times as much as the next). The shots are those with which the gradient of a
    batch has the signal-to-noise ratio `snr`, between `min_shots` and `max_shots`, on a grid of
    `min_shots` times powers of two (`rules.shots_for_ratio` derives it and cites its origin).
    Dropout is off in these measurements. It starts with `base_shots`.

    Each number of shots traces the training step once. `fit` adds to the logs of an epoch `shots`,
    the mean number of shots of a circuit, and `shot_steps`, the steps of the training so far
    weighted by their shots, where a measurement counts as two steps more.

    docs/adaptive.md has what was measured; it is not on by default anywhere.

    Example:

    >>> import numpy as np
    >>> import qstore_tf as qs
    >>> from tensorflow import keras
    >>> keras.utils.set_random_seed(1)
    >>> model = keras.Sequential([keras.Input((2,)), qs.layers.QuantumLayer(2, shots=100)])
    >>> model.compile("adam", "mse")
    >>> x = np.zeros((8, 2), "float32")
    >>> callbacks = [qs.callbacks.AdaptiveShots(10, 20, 40)]
    >>> model.fit(x, x, epochs=4, callbacks=callbacks, verbose=0).history["shots"]
    [10.0, 10.0, 15.0, 30.0]

    Args:
        min_shots: The fewest shots.
        base_shots: The shots in between, or at first.
        max_shots: The most shots.
        rule: `"progress"` or `"snr"`.
        snr: Wanted signal-to-noise ratio of the gradient of a batch, above 0.
        every: Calls of the training function between measurements.
        memory: From 0, which takes the last measurement alone, to below 1.

    Raises:
        ConfigurationError: An argument is wrong; when `fit` begins, no layer has shots.
    """

    def __init__(
        self,
        min_shots: int = 500,
        base_shots: int = 1000,
        max_shots: int = 2000,
        rule: str = "progress",
        snr: float = 1.0,
        every: int = 20,
        memory: float = 0.7,
    ) -> None:
        """Checks the arguments; see the class."""
        super().__init__()
        self.min_shots = rules.positive("min_shots", min_shots, "AdaptiveShots")
        self.base_shots = rules.positive("base_shots", base_shots, "AdaptiveShots")
        self.max_shots = rules.positive("max_shots", max_shots, "AdaptiveShots")
        if not self.min_shots <= self.base_shots <= self.max_shots:
            raise ConfigurationError(
                describe(
                    "The numbers of shots of AdaptiveShots are not in order",
                    expected="min_shots <= base_shots <= max_shots",
                    received={"min": min_shots, "base": base_shots, "max": max_shots},
                )
            )
        self.rule = rules.check_choice("rule", rule, RULES)
        self.every = rules.positive("every", every, "AdaptiveShots")
        _check("snr", snr, "a number above 0", lambda v: 0 < v < math.inf)
        _check("memory", memory, "a number from 0 to below 1", lambda v: 0 <= v < 1)
        self.snr, self.memory = float(snr), float(memory)
        self.state: dict[str, Any] = _initial_state()
        self._layers: list[Any] = []
        self._meter: Any = None
        self._shots = self._epoch = 0
        self._measures = False

    def set_model(self, model: Any) -> None:
        """Takes the model, and checks that there are shots to adapt."""
        super().set_model(model)
        self._layers = [layer for layer in running_layers(model) if shots_of(layer) is not None]
        if not self._layers:
            raise ConfigurationError(
                describe(
                    "AdaptiveShots has no shots to adapt: every quantum layer of this model is "
                    "exact",
                    expected="layers with shots, as QuantumLayer(..., shots=1000)",
                    received=[layer.name for layer in quantum_layers(model)] or "no QuantumLayer",
                    hint="Give the layers shots, or leave AdaptiveShots out",
                )
            )
        for layer in self._layers:
            for shots in (self.min_shots, self.max_shots):
                check_setting(layer, Setting(shots=shots))
        Switchboard.of(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts anew."""
        self._meter = GradientMeter.of(self.model)
        if self.rule == "snr" and not self._meter.n_angles:
            raise ConfigurationError(
                describe(
                    "AdaptiveShots(rule='snr') measures the gradient by the angles of circuits, "
                    "and none is trained",
                    expected="a built model with a QuantumLayer that is trainable",
                    received=[layer.name for layer in quantum_layers(self.model)],
                    hint="Use rule='progress', or build the model before fit",
                )
            )
        self.state = _initial_state()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch; the sums of an epoch that is resumed go on."""
        self._epoch = epoch
        if self.state["epoch"] != epoch:
            self.state |= {"epoch": epoch, "steps": 0, "shots": 0}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Makes the next step run with the shots of the rule, and measure where it is time."""
        step, state = Switchboard.of(self.model).train, self.state
        self._shots = self._wanted()
        self._measures = self.rule == "snr" and state["since"] % self.every == 0
        for layer in self._layers:
            step.switch(layer, Setting(shots=self._shots))
        if self.rule == "progress":
            step.around["norms"] = self._meter.norms
        step.around.pop("signal_and_noise", None)
        if self._measures:
            step.around["signal_and_noise"] = self._meter.signal_and_noise
        step.apply()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Reads what was measured, and counts."""
        state, steps = self.state, local.steps_per_execution(self.model)
        runs = steps * (3 if self._measures else 1)
        state["since"] += 1
        state["steps"] += steps
        state["shots"] += steps * self._shots
        state["shot_steps"] += runs * self._shots
        if self.rule == "progress":
            norm = self._meter.pop_norm()
            if norm is not None:
                state["norms"] = [*state["norms"], norm][-10:]
        elif self._measures:
            self._learn(self._meter.pop_signal_and_noise())

    def _learn(self, measured: tuple[float, float] | None) -> None:
        if measured is None or not all(map(math.isfinite, measured)):
            return
        state = self.state
        for name, new in (("signal", measured[0]), ("variance", self._shots * measured[1])):
            old = state[name]
            state[name] = new if old is None else self.memory * old + (1 - self.memory) * new

    def _wanted(self) -> int:
        state = self.state
        if self.rule == "progress":
            progress = self._epoch / max(1, self.params.get("epochs", 1))
            deviation = rules.spread(state["norms"])
            return rules.shots_at(
                progress, deviation, self.min_shots, self.base_shots, self.max_shots
            )
        if state["signal"] is None:
            return self.base_shots
        return rules.shots_for_ratio(
            state["signal"], state["variance"], self.snr, self.min_shots, self.max_shots
        )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the shots to the logs."""
        if isinstance(logs, dict):
            logs["shots"] = self.state["shots"] / max(1, self.state["steps"])
            logs["shot_steps"] = self.state["shot_steps"]


def _check(name: str, value: Any, expected: str, holds: Callable[[float], bool]) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not holds(value):
        raise ConfigurationError(
            describe(f"`{name}` of AdaptiveShots is wrong", expected=expected, received=value)
        )


def _initial_state() -> dict[str, Any]:
    """Plain data, which FaultTolerance keeps in its checkpoints."""
    return {
        "epoch": None,
        "steps": 0,
        "shots": 0,
        "shot_steps": 0,
        "since": 0,
        "norms": [],
        "signal": None,
        "variance": None,
    }
