"""AdaptiveDepth: the Keras callback that trains circuits with fewer layers now and then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorflow import keras

from qstore_tf.callbacks.adaptive import rules
from qstore_tf.callbacks.adaptive.functions import Switchboard
from qstore_tf.callbacks.probe import quantum_layers
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers import QuantumLayer
from qstore_tf.layers.inspection import Setting, check_depth, depth_of


class AdaptiveDepth(keras.callbacks.Callback):  # type: ignore[misc]
    """Trains with the first layers of the circuits only, fewer or more of them by epoch.

    Layers beyond the current depth do not run in the training step, and their angles stay exactly
    as they are, whatever the optimizer. Everything else runs at full depth: validation, `predict`,
    `evaluate`, what other callbacks do with the model, and the model after training.

    The depth follows the epoch: with p = epoch / epochs, first epoch 0, `"linear"` is
    initial - (initial - minimum) p, `"exponential"` minimum + (initial - minimum) exp(-3 p),
    `"step"` initial for p < 0.3, the mean for p < 0.7, then minimum; rounded up. `"up"` is the
    mirror image, initial + minimum - that. Each depth traces the training step once. `fit` adds
    the depth to the logs of an epoch, as `depth`.

    docs/adaptive.md has what was measured; it is not on by default anywhere.

    Example:

    >>> import numpy as np
    >>> import qstore_tf as qs
    >>> from tensorflow import keras
    >>> model = keras.Sequential([keras.Input((2,)), qs.layers.QuantumLayer(2, depth=3)])
    >>> model.compile("adam", "mse")
    >>> x = np.zeros((8, 2), "float32")
    >>> growing = qs.callbacks.AdaptiveDepth(direction="up")
    >>> model.fit(x, x, epochs=3, callbacks=[growing], verbose=0).history["depth"]
    [1, 2, 3]

    Args:
        initial: The greatest depth; None is each layer's own.
        minimum: The least depth, at least 1.
        schedule: `"linear"`, `"exponential"` or `"step"`.
        direction: `"down"` from initial to minimum, or `"up"` from minimum to initial.
        layers: Names of the `QuantumLayer`s that change; None is all that have more than one layer.

    Raises:
        ConfigurationError: An argument is wrong; when `fit` begins, a layer has no such depth.
    """

    def __init__(
        self,
        initial: int | None = None,
        minimum: int = 1,
        schedule: str = "linear",
        direction: str = "down",
        layers: Sequence[str] | None = None,
    ) -> None:
        """Checks the arguments; see the class."""
        super().__init__()
        self.schedule = rules.check_choice("schedule", schedule, rules.SCHEDULES)
        self.direction = rules.check_choice("direction", direction, rules.DIRECTIONS)
        self.minimum = rules.positive("minimum", minimum, "AdaptiveDepth")
        self.initial = (
            None if initial is None else rules.positive("initial", initial, "AdaptiveDepth")
        )
        if self.initial is not None and self.initial < self.minimum:
            raise ConfigurationError(
                describe(
                    "The minimum of AdaptiveDepth is above its initial depth",
                    expected="minimum <= initial",
                    received={"initial": initial, "minimum": minimum},
                )
            )
        self.layers = None if layers is None else list(layers)
        self._initial: dict[QuantumLayer, int] = {}

    def set_model(self, model: Any) -> None:
        """Takes the model, and checks that its layers have these depths."""
        super().set_model(model)
        self._initial = {}
        for layer in self._chosen(quantum_layers(model)):
            initial = depth_of(layer) if self.initial is None else self.initial
            self._initial[layer] = check_depth(layer, initial)
            check_depth(layer, self.minimum)
        Switchboard.of(model)

    def _chosen(self, found: list[QuantumLayer]) -> list[QuantumLayer]:
        by_name = {layer.name: layer for layer in found}
        if self.layers is not None:
            for name in self.layers:
                rules.check_choice("layer in AdaptiveDepth(layers=...)", name, list(by_name))
            return [by_name[name] for name in self.layers]
        deep = [layer for layer in found if depth_of(layer) > 1]
        if not deep:
            raise ConfigurationError(
                describe(
                    "No quantum layer of this model has a depth that could change",
                    expected="a QuantumLayer with depth=2 or more, or with a circuit that repeats "
                    "one block of gates, in which only the trained symbols differ",
                    received=[f"{layer.name} of depth {depth_of(layer)}" for layer in found],
                )
            )
        return deep

    def depths(self, epoch: int) -> dict[str, int]:
        """Returns the depth of each layer in an epoch, by name; for a model that is set."""
        progress = epoch / max(1, self.params.get("epochs", 1))
        return {
            layer.name: rules.depth_at(
                progress, initial, min(self.minimum, initial), self.schedule, self.direction
            )
            for layer, initial in self._initial.items()
        }

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Makes the next step run at the depth of the epoch."""
        step, depths = Switchboard.of(self.model).train, self.depths(self._epoch)
        for layer in self._initial:
            step.switch(layer, Setting(depth=depths[layer.name]))
        step.apply()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the depth to the logs; of several layers the greatest."""
        if isinstance(logs, dict):
            logs["depth"] = max(self.depths(epoch).values())
