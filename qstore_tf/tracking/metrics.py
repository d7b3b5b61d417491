"""`RunMetrics`: a Keras callback that writes the metrics of a training to a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from qstore_tf.tracking.model_registry import ModelRegistry
from qstore_tf.tracking.records import Run


class RunMetrics(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes all metrics of an epoch in one transaction, when the epoch ends.

    The run is "finished" after the training; one that failed stays "running" until somebody ends
    it. TensorBoard shows more, see `QuantumTensorBoard`; what stands here can be asked for later.

    Args:
        registry: Where to.
        run: The run; None for a new one, started with the training. After a training that is taken
            up again, epochs that are done again replace what was written.
        params: Settings to note of a new run.
        name: Of a new run.

    Example:
        >>> import keras, numpy as np
        >>> registry = ModelRegistry()
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> callback = RunMetrics(registry, name="line")
        >>> _ = model.fit(np.ones((4, 2)), np.ones(4), epochs=3, verbose=0, callbacks=[callback])
        >>> [step for step, _ in registry.metrics(callback.run)["loss"]]
        [0, 1, 2]
        >>> registry.run(callback.run.id).status
        'finished'
    """

    def __init__(
        self,
        registry: ModelRegistry,
        run: Run | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self._registry = registry
        self.run = run
        self._name, self._params = name, dict(params or {})

    def on_train_begin(self, logs: Any = None) -> None:
        """Starts a run where none was passed."""
        if self.run is None:
            self.run = self._registry.start_run(self._name, self._params)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Writes the metrics; what is not one number is left out."""
        assert self.run is not None
        numbers = {}
        for name, value in (logs or {}).items():
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError):
                continue
        if numbers:
            self._registry.log_metrics(self.run, epoch, numbers)

    def on_train_end(self, logs: Any = None) -> None:
        """Ends the run."""
        assert self.run is not None
        self.run = self._registry.end_run(self.run)
