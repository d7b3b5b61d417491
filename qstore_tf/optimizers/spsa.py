"""SPSA: two evaluations of the loss per step for any number of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf import limits
from qstore_tf.gradients.options import at_least_zero, count, positive
from qstore_tf.layers.inspection import Run, recording_runs
from qstore_tf.optimizers.gradient_free import Evaluate, GradientFree, assign_all, averaged


class Perturbing(GradientFree):
    """What `SPSA` and `QNSPSA` share: the loss at both ends of random directions."""

    def __init__(
        self,
        learning_rate: Any = 0.1,
        perturbation: float = 0.1,
        directions: int = 1,
        stability: float = 100.0,
        learning_rate_decay: float = 0.602,
        perturbation_decay: float = 0.101,
        classical: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        super().__init__(learning_rate, classical=classical, seed=seed, **kwargs)
        self.perturbation = positive("perturbation", perturbation)
        self.directions = count("directions", directions, limits.DIRECTIONS)
        self.stability = at_least_zero("stability", stability)
        self.learning_rate_decay = at_least_zero("learning_rate_decay", learning_rate_decay)
        self.perturbation_decay = at_least_zero("perturbation_decay", perturbation_decay)

    def _schedules(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The factor of the learning rate and the perturbation in this step."""
        step = tf.cast(tf.convert_to_tensor(self._iterations), tf.float32)
        start = self.stability + 1.0
        factor = tf.pow(start / (step + start), self.learning_rate_decay)
        return factor, self.perturbation / tf.pow(step + 1.0, self.perturbation_decay)

    def _estimate(
        self, evaluate: Evaluate, weights: list[Any], start: list[tf.Tensor], size: tf.Tensor
    ) -> tuple[list[tf.Tensor], tuple[tf.Tensor, Any], list[Run]]:
        """Returns an estimate of the gradient, the averaged evaluations, and what one of them ran.

        Leaves the weights moved.
        """

        @tf.autograph.experimental.do_not_convert
        def along(number: Any) -> tuple[list[tf.Tensor], tuple[tf.Tensor, Any]]:
            signs = self._signs(start, number)
            ends = []
            for sign in (1.0, -1.0):
                steps = [tf.cast(sign * size, d.dtype) * d for d in signs]
                assign_all(weights, _sums(start, steps))
                ends.append(evaluate())
            slope = (ends[0][0] - ends[1][0]) / tf.cast(2 * size, ends[0][0].dtype)
            return [tf.cast(slope, d.dtype) * d for d in signs], averaged(ends)

        @tf.autograph.experimental.do_not_convert
        def add(number: tf.Tensor, total: Any) -> Any:
            return number + 1, tf.nest.map_structure(tf.add, total, along(number))

        # The first outside of the loop, where what it ran can be read.
        with recording_runs() as seen:
            total = along(tf.constant(0))
        if self.directions > 1:
            _, total = tf.while_loop(
                lambda number, _: number < self.directions,
                add,
                (tf.constant(1), total),
                parallel_iterations=1,
            )
        gradient, result = tf.nest.map_structure(
            lambda value: value / tf.cast(self.directions, value.dtype), total
        )
        return gradient, result, seen[: len(seen) // 2]  # its two ends ran the same

    def _signs(self, values: Sequence[tf.Tensor], number: Any) -> list[tf.Tensor]:
        """Returns a random sign for each number in `values`; others for each `number`."""
        seed = tf.random.experimental.stateless_fold_in(self.fresh_seed(), number, alg="philox")
        drawn = []
        for k, value in enumerate(values):
            mine = tf.random.experimental.stateless_fold_in(seed, k, alg="philox")
            bits = tf.random.stateless_uniform(value.shape, mine, 0, 2, tf.int32, alg="philox")
            drawn.append(tf.cast(2 * bits - 1, value.dtype))
        return drawn

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "perturbation": self.perturbation,
            "directions": self.directions,
            "stability": self.stability,
            "learning_rate_decay": self.learning_rate_decay,
            "perturbation_decay": self.perturbation_decay,
        }


def _sums(first: Sequence[tf.Tensor], second: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return [a + b for a, b in zip(first, second, strict=True)]


@keras.utils.register_keras_serializable(package="qstore_tf")
class SPSA(Perturbing):
    """Simultaneous perturbation stochastic approximation (Spall 1992, 10.1109/9.119632).

    All weights are moved at once by a random sign times a small step, forward and back; the
    difference of the two losses is the slope along that direction. Two evaluations of the loss
    per direction for any number of weights, and no gradients, so on hardware too.

    For models made with `qstore_tf.optimizers.Sequential` or `Model`; Keras 3 only.

    Args:
        learning_rate: float or schedule, of the first step.
        perturbation: by how much weights are moved for the first step, in radians for angles.
        directions: how many directions are averaged in a step.
        stability: steps over which the learning rate hardly decays.
        learning_rate_decay: the exponent by which it does; 0 keeps it.
        perturbation_decay: the exponent by which the perturbation decays.
        classical: optimizer of all weights that are not angles, by their gradients. `None` moves
            them by SPSA as well.
        seed: the same seed gives the same directions.
        **kwargs: those of Keras optimizers, such as `name`.

    Raises:
        ConfigurationError: an option is out of range, or Keras is not Keras 3.
    """

    def move(self, evaluate: Evaluate, weights: list[Any]) -> tuple[tf.Tensor, Any]:
        """Takes one step; see `GradientFree.step`."""
        factor, size = self._schedules()
        start = [tf.identity(tf.convert_to_tensor(w)) for w in weights]
        gradient, result, _ = self._estimate(evaluate, weights, start, size)
        assign_all(weights, start)
        self.descend([tf.cast(factor, g.dtype) * g for g in gradient], weights)
        return result
