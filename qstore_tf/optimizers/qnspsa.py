"""QNSPSA: SPSA with a metric that is estimated from four overlaps a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf.gradients.options import positive
from qstore_tf.layers.inspection import Run, holds_angles
from qstore_tf.optimizers.gradient_free import Evaluate, assign_all
from qstore_tf.optimizers.solving import absolute, solve
from qstore_tf.optimizers.spsa import Perturbing
from qstore_tf.optimizers.step_metric import (
    check_reach,
    joined,
    n_angles,
    parted,
    placement,
    step_overlaps,
)


@keras.utils.register_keras_serializable(package="qstore_tf")
class QNSPSA(Perturbing):
    """Quantum natural SPSA (arXiv:2103.09232): both gradient and metric from random directions.

    Two evaluations of the loss and four overlaps of states per step and direction, for any
    number of angles. The estimates of the metric are averaged over all steps, the identity being
    the first; the absolute values of its eigenvalues, and `regularization`, make it positive.
    Overlaps come from state vectors, or are counted where the layer has shots or the backend no
    states. In models of several circuits the metric is the sum of theirs; that of a circuit which
    is called several times is the mean over the calls.

    For models made with `qstore_tf.optimizers.Sequential` or `Model`; Keras 3 only.

    Args:
        learning_rate: float or schedule, of the first step.
        perturbation: by how much angles are moved for the first step, in radians.
        directions: how many directions are averaged in a step.
        regularization: added to the diagonal of the metric. With many angles the estimates are
            noisy for long, and values below 0.1 make steps too large.
        stability: steps over which the learning rate hardly decays.
        learning_rate_decay: the exponent by which it does; 0 keeps it.
        perturbation_decay: the exponent by which the perturbation decays.
        classical: optimizer of all weights that are not angles, by their gradients. `None` moves
            them by SPSA.
        seed: the same seed gives the same directions.
        **kwargs: those of Keras optimizers, such as `name`.

    Raises:
        ConfigurationError: an option is out of range, or Keras is not Keras 3.
    """

    def __init__(
        self,
        learning_rate: Any = 0.03,
        perturbation: float = 0.1,
        directions: int = 1,
        regularization: float = 0.3,
        stability: float = 100.0,
        learning_rate_decay: float = 0.602,
        perturbation_decay: float = 0.101,
        classical: Any = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        super().__init__(
            learning_rate,
            perturbation,
            directions,
            stability,
            learning_rate_decay,
            perturbation_decay,
            classical,
            seed,
            **kwargs,
        )
        self.regularization = positive("regularization", regularization)

    def build_more(self, angles: list[Any]) -> None:
        """Creates the running mean of the metric, which starts from the identity."""
        size = n_angles(angles)
        self._metric = self.add_variable(
            (size, size), initializer="identity", dtype=angles[0].dtype, name="metric"
        )

    def move(self, evaluate: Evaluate, weights: list[Any]) -> tuple[tf.Tensor, Any]:
        """Takes one step; see `GradientFree.step`."""
        factor, size = self._schedules()
        start = [tf.identity(tf.convert_to_tensor(w)) for w in weights]
        gradient, result, seen = self._estimate(evaluate, weights, start, size)
        check_reach(seen, self)
        assign_all(weights, start)
        angles = [w for w in weights if holds_angles(w)]
        place = {id(w): k for k, w in enumerate(weights)}
        values = joined([start[place[id(w)]] for w in angles])
        metric = self._updated_metric(seen, angles, values, size)
        slope = joined([gradient[place[id(w)]] for w in angles])
        natural, _ = solve(absolute(metric), tf.cast(slope, metric.dtype), self.regularization)
        for weight, part in zip(angles, parted(natural, angles), strict=True):
            gradient[place[id(weight)]] = part
        self.descend([tf.cast(factor, g.dtype) * g for g in gradient], weights)
        return result

    def _updated_metric(
        self, seen: list[Run], angles: list[Any], values: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        size = tf.cast(size, values.dtype)
        tables = [placement(run, angles) for run in seen]
        calls = sum(table.any(axis=1) for table in tables)
        # The sum over runs is made a mean: of what all angles share by dividing, else by shorter
        # moves of the angles that more runs have than others.
        calls = np.maximum(calls, 1)
        least = int(np.min(calls))
        shares = tf.constant(np.sqrt(least / calls), values.dtype)
        here = [self._theta_of(run, table, values) for run, table in zip(seen, tables, strict=True)]

        @tf.autograph.experimental.do_not_convert
        def add(number: tf.Tensor, found: tf.Tensor) -> Any:
            # Numbers that the directions of the gradient do not use.
            first, second = (self._signs([values], -1 - 2 * number - k)[0] for k in range(2))
            moves = size * shares * tf.stack([first + second, first, second - first, -first])
            seed = tf.random.experimental.stateless_fold_in(
                self.fresh_seed(), 10**6 + number, alg="philox"
            )
            change = tf.zeros([], values.dtype)
            for k, run in enumerate(seen):
                mine = tf.random.experimental.stateless_fold_in(seed, k, alg="philox")
                moved = here[k] + tf.matmul(moves, tf.constant(tables[k], values.dtype))
                overlap = step_overlaps(run, here[k], moved, mine)
                change += overlap[0] - overlap[1] - overlap[2] + overlap[3]
            outer = first[:, None] * second[None, :]
            slope = -change / (4 * size**2 * self.directions * least)  # first g second
            return number + 1, found + slope * (outer + tf.transpose(outer)) / 2

        _, found = add(tf.constant(0), tf.zeros([values.shape[0]] * 2, values.dtype))
        if self.directions > 1:
            _, found = tf.while_loop(
                lambda number, _: number < self.directions, add, (tf.constant(1), found)
            )
        step = tf.cast(tf.convert_to_tensor(self._iterations), values.dtype)
        kept = tf.convert_to_tensor(self._metric)
        # One NaN would stay in the mean forever.
        found = tf.where(tf.reduce_all(tf.math.is_finite(found)), found, kept)
        metric = kept + (found - kept) / (step + 2)
        self._metric.assign(metric)
        return metric

    @staticmethod
    def _theta_of(run: Run, placed: np.ndarray, values: tf.Tensor) -> tf.Tensor:
        """The theta of a run at these angles; what is not trained stays as it was."""
        table = tf.constant(placed, values.dtype)
        trained = tf.reduce_sum(table, axis=0)
        moved = tf.linalg.matvec(table, values, transpose_a=True)
        return moved + (1 - trained) * run.values.theta

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "regularization": self.regularization}
