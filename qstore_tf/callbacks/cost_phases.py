"""Tells cost trackers what a job was run for."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from tensorflow import keras

from qstore_tf.ionq.money.phases import PHASES, Phase

_CALLS = ("fit", "evaluate", "predict")  # of Keras, which call the hooks below


class CostPhases(keras.callbacks.Callback):
    """Marks the jobs of a backend "ionq" as training, validation or prediction.

    A `CostTracker` sums by that mark. It holds for all of the process, so train one model at a
    time. A mark ends with the `fit`, `evaluate` or `predict` that it belongs to, also where that
    ends with an error, of which Keras tells its callbacks nothing.

    Example:
        >>> phases = CostPhases()
        >>> phases.on_train_begin()
        >>> PHASES.current
        'train'
        >>> phases.on_train_end()
        >>> PHASES.current is None
        True
    """

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[str, Phase] = {}

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Jobs train from now on."""
        self._begin("train")

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """What comes is marked no more."""
        self._end("train")

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Jobs validate, alone or between two epochs."""
        self._begin("validation")

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Goes on with what was before."""
        self._end("validation")

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Jobs predict."""
        self._begin("predict")

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Goes on with what was before."""
        self._end("predict")

    def _begin(self, name: str) -> None:
        self._end(name)
        self._begun[name] = PHASES.begin(name, _call_in_progress())

    def _end(self, name: str) -> None:
        PHASES.end(self._begun.pop(name, None))


def _call_in_progress() -> FrameType | None:
    """The call of Keras that a hook was called from; None: it was called by hand."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _CALLS:
        frame = frame.f_back
    return frame
