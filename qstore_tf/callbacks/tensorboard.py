"""QuantumTensorBoard: the Keras callback that writes what TensorBoard shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.callbacks import local, training_rows, writing
from qstore_tf.callbacks.arguments import check_arguments
from qstore_tf.callbacks.layout import metric_names
from qstore_tf.callbacks.watch import Watch


class QuantumTensorBoard(keras.callbacks.TensorBoard):  # type: ignore[misc]
    """Keras's `TensorBoard` callback, and what a person wants to know about a quantum model.

    Beside what Keras writes, in `log_dir/train`: the circuits as pictures and text; per quantum
    layer histograms of angles and expectation values, norm and variance of gradients, a monitor
    for barren plateaus, entanglement, the share of circuits in the step and circuits per second;
    backend, gradient method, shots, fallbacks, and what backends report of themselves;
    hyperparameters; and a page of custom scalars that shows them together. docs/tensorboard.md
    says what each chart means.

    The training step stays as it is. Now and then a few rows of data go through the model once
    more, as often as `overhead` allows. Under a strategy only the chief writes, and looks only
    at its own copies of the variables. On hardware, where runs are paid for, none is added.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> import qstore_tf as qs
    >>> from tensorflow import keras
    >>> model = keras.Sequential([keras.Input((2,)), qs.layers.QuantumLayer(2, depth=1)])
    >>> model.compile("adam", "mse")
    >>> x = np.zeros((8, 2), "float32")
    >>> board = qs.callbacks.QuantumTensorBoard(tempfile.mkdtemp())
    >>> _ = model.fit(x, x, callbacks=[board], verbose=0)

    Args:
        log_dir: directory of this run.
        sample: data to look at, x, (x, y) or (x, y, sample_weight); the first `rows` of it.
            `None` takes the first rows of a training batch now and then, which a step that XLA
            compiles does not give: without a sample, what needs data is then left out.
        rows: how many rows are looked at.
        every: steps between looks. `None` looks as often as `overhead` allows.
        overhead: the share of the training time that looking may take, once all is set up.
        window: number of looks that variances of gradients are taken over.
        barren_threshold: variance of the derivatives of expectation values, in 1/radian^2, below
            which a warning is given; 0 for none. With shots it is at least 1 / shots.
        hparams: hyperparameters of your own, to compare runs by.
        **kwargs: arguments of `keras.callbacks.TensorBoard`.

    Raises:
        ConfigurationError: an argument is wrong, or, when training begins, `log_dir` cannot be
            written.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        *,
        sample: Any = None,
        rows: int = 8,
        every: int | None = None,
        overhead: float = 0.02,
        window: int = 20,
        barren_threshold: float = 1e-5,
        hparams: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the arguments; see the class."""
        check_arguments(
            log_dir=log_dir,
            rows=rows,
            every=every,
            overhead=overhead,
            window=window,
            barren_threshold=barren_threshold,
            hparams=hparams,
        )
        super().__init__(log_dir=str(log_dir), **kwargs)
        self.sample = sample
        self.rows = int(rows)
        self.every = every
        self.overhead = float(overhead)
        self.window = int(window)
        self.barren_threshold = float(barren_threshold)
        self.hparams = dict(hparams or {})
        self._writes = True
        self._watch: Watch | None = None

    @property
    def async_safe(self) -> bool:
        """Whether Keras 3 may go on to the next step before the end of one is dealt with here.

        So it is unless Keras's own part writes something for each step.
        """
        return self.update_freq == "epoch" and not (
            self._should_trace or self.write_steps_per_second
        )

    def _implements_train_batch_hooks(self) -> bool:
        """Whether tf_keras has to call when steps begin."""
        return True

    def set_model(self, model: Any) -> None:
        """Takes the model, before Keras makes its training function."""
        self._watch = None
        self._writes = local.writes(model)
        if not self._writes:
            keras.callbacks.Callback.set_model(self, model)
            return
        writing.prepare(self.log_dir)
        super().set_model(model)
        training_rows.install(model, self.rows)

    def on_train_begin(self, logs: Any = None) -> None:
        """Writes what is known before the first step."""
        if not self._writes:
            return
        super().on_train_begin(logs)
        self._watch = Watch(self, self.model, self._train_writer)
        self._watch.begin()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Looks at the model where it is time for that."""
        if self._watch is None:
            return
        if not self.async_safe:
            super().on_train_batch_begin(batch, logs)
        self._watch.step_begins(batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Leaves the end of a step to Keras's part, where that writes something."""
        if self._watch is None:
            return
        if not self.async_safe:
            super().on_train_batch_end(batch, logs)
        if isinstance(logs, dict):
            self._watch.metrics = self._watch.metrics or metric_names(logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Leaves the beginning of an epoch to Keras's part."""
        if self._writes:
            super().on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the metrics of the epoch, and what is looked at once an epoch."""
        if self._watch is None:
            return
        # With update_freq=n, Keras records at every n-th step only, the end of an epoch too.
        with tf.summary.record_if(True):
            super().on_epoch_end(epoch, logs)
        self._watch.epoch_ends(logs or {})

    def on_train_end(self, logs: Any = None) -> None:
        """Looks for the last time and closes the logs."""
        if self._watch is None:
            return
        self._watch.end()
        self._watch = None
        super().on_train_end(logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Leaves evaluation to Keras's part."""
        if self._watch is not None:
            self._watch.pause()
        if self._writes:
            super().on_test_begin(logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Leaves evaluation to Keras's part."""
        if self._writes:
            super().on_test_batch_begin(batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Leaves evaluation to Keras's part."""
        if self._writes:
            super().on_test_end(logs)
