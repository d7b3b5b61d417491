"""Tells cost trackers what a job was run for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tensorflow import keras

from qstore_tf.ionq.money.phases import PHASES


class CostPhases(keras.callbacks.Callback):
    """Marks the jobs of a backend "ionq" as training, validation or prediction.

    A `CostTracker` sums by that mark. It holds for all of the process, so train one model at a
    time.

    Example:
        >>> CostPhases().on_train_begin()
        >>> PHASES.current
        'train'
        >>> CostPhases().on_train_end()
        >>> PHASES.current is None
        True
    """

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Jobs train from now on."""
        PHASES.current = "train"

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """What comes is marked no more."""
        PHASES.current = None

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Jobs validate, alone or between two epochs."""
        self._before, PHASES.current = PHASES.current, "validation"

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Goes on with what was before."""
        PHASES.current = self._before

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Jobs predict."""
        self._before, PHASES.current = PHASES.current, "predict"

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Goes on with what was before."""
        PHASES.current = self._before
