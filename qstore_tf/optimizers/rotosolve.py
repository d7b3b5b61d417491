"""Rotosolve: every angle in turn to its exact minimum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.inspection import Run, recording_runs
from qstore_tf.optimizers.base import weight_name
from qstore_tf.optimizers.gradient_free import Evaluate, GradientFree, averaged
from qstore_tf.optimizers.step_metric import check_reach


@keras.utils.register_keras_serializable(package="qstore_tf")
class Rotosolve(GradientFree):
    """Moves one angle after the other to the minimum of the loss (arXiv:1905.09692).

    Where the loss is linear in expectation values, as an energy is, it is a sinusoid in each
    angle; two more values give its minimum exactly. For other losses, such as the mean squared
    error, that is an approximation, which may not converge. A step is one sweep over all angles:
    2 P + 1 evaluations of the loss, no gradients. Each angle must be that of one gate with one
    frequency: not of a controlled rotation, not of several gates.

    For models made with `qstore_tf.optimizers.Sequential` or `Model`; Keras 3 only.

    Args:
        learning_rate: how far to go: 1.0 is all the way to the minimum of the batch's loss. Less
            averages over batches.
        classical: optimizer of all weights that are not angles, by their gradients.
        **kwargs: those of Keras optimizers, such as `name`.

    Raises:
        ConfigurationError: an option is out of range, Keras is not Keras 3, or, when training
            starts, an angle is that of several gates or of a controlled rotation.
    """

    def __init__(
        self, learning_rate: Any = 1.0, classical: Any = "adam", seed: int = 0, **kwargs: Any
    ) -> None:
        """Checks the options; see the class."""
        if classical is None:
            raise ConfigurationError(
                describe(
                    "Rotosolve moves angles only",
                    expected="an optimizer for all other weights",
                    received=None,
                    hint="Give classical='adam'",
                )
            )
        super().__init__(learning_rate, classical=classical, seed=seed, **kwargs)

    def move(self, evaluate: Evaluate, weights: list[Any]) -> tuple[tf.Tensor, Any]:
        """Sweeps over all angles once; see `GradientFree.step`."""
        with recording_runs() as seen:
            first = evaluate()
        check_reach(seen, self)  # a run in a loop may be many
        loss = first[0]
        rate = tf.cast(self.learning_rate, loss.dtype)
        for weight in weights:
            speeds = tf.constant(_speeds(weight, seen), loss.dtype)
            loss = self._sweep(evaluate, weight, speeds, loss, rate)
        self._iterations.assign_add(1)
        return averaged([first])

    def _sweep(
        self, evaluate: Evaluate, weight: Any, speeds: tf.Tensor, loss: tf.Tensor, rate: tf.Tensor
    ) -> tf.Tensor:
        """Moves the angles of one weight; takes and returns the loss at the weights."""
        count = int(weight.shape[0])

        @tf.autograph.experimental.do_not_convert
        def body(k: tf.Tensor, here: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            start = tf.identity(tf.convert_to_tensor(weight))
            unit = tf.one_hot(k, count, dtype=start.dtype)
            speed = tf.gather(speeds, k)

            def at(phase: Any) -> None:
                weight.assign(start + unit * tf.cast(phase / speed, start.dtype))

            at(tf.constant(math.pi / 2, here.dtype))
            forward, _ = evaluate()
            at(tf.constant(-math.pi / 2, here.dtype))
            back, _ = evaluate()
            # loss(phase) = mean + size * sin(phase + offset)
            mean = (forward + back) / 2
            sine, cosine = here - mean, (forward - back) / 2
            offset = tf.math.atan2(sine, cosine)
            size = tf.sqrt(tf.square(sine) + tf.square(cosine))
            best = -math.pi / 2 - offset
            best = tf.where(best < -math.pi, best + 2 * math.pi, best)
            flat = size <= 1e-6 * (1 + tf.abs(mean))  # nothing to gain: stay
            phase = tf.where(flat, tf.zeros_like(best), rate * best)
            at(phase)
            if weight.constraint is not None:
                weight.assign(weight.constraint(weight))
            return k + 1, mean + size * tf.sin(phase + offset)

        _, loss = tf.while_loop(lambda k, _: k < count, body, (tf.constant(0), loss))
        return loss


def _speeds(weight: Any, seen: list[Run]) -> np.ndarray:
    """Returns d phase / d angle for each angle of a weight; 1 for angles that nothing reads."""
    name = weight_name(weight)
    found: list[list[float]] = [[] for _ in range(int(weight.shape[0]))]
    for run in seen:
        start = 0
        for source, value in zip(run.values.weights, run.values.weight_values, strict=True):
            width = int(value.shape[0])
            if source is weight:
                for gate in run.program.gates:
                    for kind, slot, coefficient in gate.terms:
                        if kind == "t" and start <= slot < start + width:
                            speeds = [f * coefficient for f in gate.frequencies]
                            found[slot - start].extend(speeds)
            start += width
    for index, speeds in enumerate(found):
        if len(speeds) > 1:
            raise ConfigurationError(
                describe(
                    f"Rotosolve cannot move angle {index} of '{name}'",
                    expected="an angle that one gate with one frequency reads",
                    received=f"{len(speeds)} frequencies or gates",
                    hint="Use another symbol for each gate and no controlled rotations, or train "
                    "with SPSA or QuantumNaturalGradient",
                )
            )
    return np.array([speeds[0] if speeds else 1.0 for speeds in found])
