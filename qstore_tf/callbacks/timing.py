"""How long a step takes, how long its quantum part takes, and how much a callback may take."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import tensorflow as tf

from qstore_tf.layers.inspection import Measurement, Run, Values, expectation, fixed_seeds

_REPEATS = 3


class StepClock:
    """Times training steps, the time between epochs and in the callback left out.

    Example:
        >>> clock = StepClock()
        >>> for batch, now in enumerate([0.0, 0.25, 0.5]):
        ...     clock.begin(batch, now)
        >>> clock.step_seconds, clock.trained
        (0.25, 0.5)
    """

    def __init__(self) -> None:
        self.trained = 0.0
        self.steps = 0
        self.step_seconds: float | None = None
        self._batch: int | None = None
        self._since = 0.0
        self._window = (0.0, 0)

    def begin(self, batch: int, now: float) -> None:
        """A step begins: the one before it, if any, is over."""
        if self._batch is not None and batch > self._batch:
            self._end(batch - self._batch, now)
        self._batch, self._since = batch, now

    def pause(self, now: float, steps: int = 1) -> None:
        """An epoch ends, `steps` steps after the last call: what follows is not training."""
        if self._batch is not None:
            self._end(steps, now)
        self._batch = None

    def resume(self, now: float) -> None:
        """The callback is done, and the step that it interrupted begins. Starts a new mean."""
        self._since = now
        self._window = (0.0, 0)

    def _end(self, steps: int, now: float) -> None:
        seconds = now - self._since
        self.trained += seconds
        self.steps += steps
        self._window = (self._window[0] + seconds, self._window[1] + steps)
        self.step_seconds = self._window[0] / self._window[1]


class Budget:
    """Says when a callback may take time again, so that it takes a given share of the training.

    The first time is free: it pays for what is set up once.

    Args:
        share: seconds of callback per second of training.

    Example:
        >>> budget = Budget(share=0.1)
        >>> budget.charge(5.0); budget.charge(1.0)
        >>> budget.allows(trained=9.0), budget.allows(trained=11.0)
        (False, True)
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.spent: float | None = None

    def charge(self, seconds: float) -> None:
        """Notes time that was taken."""
        self.spent = 0.0 if self.spent is None else self.spent + seconds

    def allows(self, trained: float) -> bool:
        """Whether time may be taken, after `trained` seconds of training."""
        return (self.spent or 0.0) <= self.share * trained


def quantum_seconds(measurement: Measurement, batch_size: int) -> float:
    """Measures how long a circuit takes with its gradient, on a batch of `batch_size` rows.

    The rows are those of the measurement, over and over. The shortest of a few runs counts.
    """
    run, values = measurement.run, measurement.run.values
    index = tf.range(batch_size) % tf.shape(values.inputs)[0]
    initial = None if values.initial is None else tf.gather(values.initial, index)
    inputs = tf.gather(values.inputs, index)
    step = _step(run.program, measurement.observables, run.options, initial is not None)
    shortest = float("inf")
    for _ in range(_REPEATS + 1):  # the first one traces
        begun = time.perf_counter()
        for result in step(inputs, values.theta, initial):
            result.numpy()
        shortest = min(shortest, time.perf_counter() - begun)
    return shortest


@lru_cache(maxsize=32)
def _step(program: Any, observables: Any, options: Any, has_initial: bool) -> Any:
    """The circuit and its gradient as a graph, as it is in the training step."""

    @tf.function(reduce_retracing=True, autograph=False)
    def step(inputs: tf.Tensor, theta: tf.Tensor, initial: tf.Tensor | None) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = Values(inputs, theta, initial, fixed_seeds(options))
            measured = expectation(Run(program, values, options), observables)
        gradients = tape.gradient(measured, [theta])
        return [measured, *(g for g in gradients if g is not None)]

    return step
