"""QuantumNaturalGradient: gradient descent in the geometry of the circuit's states."""

from __future__ import annotations

import logging
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf import limits
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.metric import check_approximation
from qstore_tf.gradients.options import at_least_zero, count
from qstore_tf.layers.inspection import pop_noted_runs, request_notes
from qstore_tf.optimizers.base import QuantumOptimizer, split, weight_name
from qstore_tf.optimizers.solving import solve
from qstore_tf.optimizers.step_metric import check_reach, joined, n_angles, parted, step_metric

_log = logging.getLogger("qstore_tf")


@keras.utils.register_keras_serializable(package="qstore_tf")
class QuantumNaturalGradient(QuantumOptimizer):
    """Moves the angles by (g + regularization)^-1 times their gradient (arXiv:1909.02108).

    g is the Fubini-Study metric of the states of the batch, a quarter of the quantum Fisher
    information: steps are equally long in the space of states at any angles. It is
    computed from the very tensors of the step, in one backend call for each circuit of the model:
    by the native op, from states, or, with shots or without states, from counted overlaps, which
    is many circuits (see `qstore_tf.gradients.fubini_study`). Angles of circuits that feed each
    other through classical layers are taken as independent. All other weights of the model are
    moved by `classical`.

    Works in plain `compile` and `fit`, eager or traced, for any Keras 3 model. In a training
    loop of your own, take the gradient and call `apply_gradients` in one `tf.function`, or both
    in eager code. Quantum layers must be called outside of TensorFlow's loops: `RNN` takes
    `unroll=True`. It does not work under tf_keras.

    Example:

    >>> from tensorflow import keras
    >>> from qstore_tf.layers import QuantumLayer
    >>> from qstore_tf.optimizers import QuantumNaturalGradient
    >>> model = keras.Sequential([keras.Input((3,)), QuantumLayer(3), keras.layers.Dense(1)])
    >>> model.compile(QuantumNaturalGradient(0.05, reuse_steps=4, classical="adam"), loss="mse")

    Args:
        learning_rate: float or schedule, for the angles.
        regularization: added to the diagonal of the metric, whose elements are at most 1/4 for
            an angle of a single rotation. Larger is nearer to plain gradient descent. With 0,
            directions that the states do not depend on, within rounding, are left alone.
        reuse_steps: the number of steps that a metric is used for before it is computed again.
        approximation: `"full"`, `"block_diagonal"` (layers of commuting gates) or `"diagonal"`.
        classical: optimizer of all weights that are not angles: a name or an optimizer.
        seed: of overlaps that are counted in shots.
        **kwargs: those of Keras optimizers, for the angles: `name`, `clipnorm`, `use_ema`, ...

    Raises:
        ConfigurationError: an option is out of range, or Keras is not Keras 3.
    """

    def __init__(
        self,
        learning_rate: Any = 0.05,
        regularization: float = 1e-2,
        reuse_steps: int = 1,
        approximation: str = "full",
        classical: Any = "adam",
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        if classical is None:
            raise ConfigurationError(
                describe(
                    "QuantumNaturalGradient moves angles only",
                    expected="an optimizer for all other weights",
                    received=None,
                    hint="Give classical='adam'",
                )
            )
        super().__init__(learning_rate, classical=classical, seed=seed, **kwargs)
        self.regularization = at_least_zero("regularization", regularization)
        self.reuse_steps = count("reuse_steps", reuse_steps, limits.REUSE_STEPS)
        check_approximation(approximation)
        self.approximation = approximation
        self._note_request = request_notes()

    def build_more(self, angles: list[Any]) -> None:
        """Creates the count of failures and, where it is reused, the metric."""
        self._note_request.limit_to(angles)
        self._failures = self.add_variable(
            (), dtype="int64", aggregation="only_first_replica", name="fallbacks"
        )
        self._metric = None
        if self.reuse_steps > 1:
            size = n_angles(angles)
            self._metric = self.add_variable(
                (size, size), dtype=angles[0].dtype, aggregation="mean", name="metric"
            )

    @property
    def fallbacks(self) -> int:
        """Number of steps in which the pseudoinverse left directions out."""
        return int(self._failures.numpy()) if self.built else 0

    @property
    def fallback_counter(self) -> Any:
        """The variable that counts `fallbacks`; None before the optimizer is built."""
        return self._failures if self.built else None

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Takes a step: natural for the angles, by `classical` for all other weights.

        Raises:
            ConfigurationError: the gradient was not taken in the same graph, or a circuit runs
                inside a TensorFlow loop.
        """
        if trainable_variables is not None and not self.built:
            self.build(list(trainable_variables))
        weights = self._untracked.all if trainable_variables is None else trainable_variables
        pairs = [(g, v) for g, v in zip(grads, weights, strict=True) if g is not None]
        angles, others = split(pairs)
        if angles:
            natural = self._natural([g for g, _ in angles], [v for _, v in angles])
            super().apply(natural, [v for _, v in angles])
        if others:
            self.classical.apply([g for g, _ in others], [v for _, v in others])

    def _natural(self, grads: list[tf.Tensor], weights: list[Any]) -> list[tf.Tensor]:
        metric = self._current_metric(weights)
        gradient = joined([tf.cast(tf.convert_to_tensor(g), metric.dtype) for g in grads])
        natural, failed = solve(metric, gradient, self.regularization)
        self._failures.assign_add(tf.cast(failed, tf.int64))
        if tf.executing_eagerly() and bool(failed):
            self._report(1)
        return parted(natural, weights)

    def _current_metric(self, weights: list[Any]) -> tf.Tensor:
        noted = pop_noted_runs(weights)
        check_reach(noted, self)
        seen = {id(weight) for run in noted for weight in run.values.weights}
        missing = [weight_name(v) for v in weights if id(v) not in seen]
        if missing:
            raise ConfigurationError(
                describe(
                    f"The optimizer does not know what was run with the angles {missing}",
                    expected="the gradient to be taken after the optimizer was made, and in the "
                    "same tf.function as apply_gradients",
                    hint="Call the model, take the gradient and call apply_gradients in one "
                    "tf.function, or all three in eager code; in the model, call quantum layers "
                    "outside of tf.vectorized_map and of a tf.function of their own",
                )
            )
        seed = self.fresh_seed()

        def compute() -> tf.Tensor:
            return step_metric(noted, weights, self.approximation, seed)

        if self._metric is None:
            return _mean_over_replicas(compute())
        if n_angles(weights) != self._metric.shape[0]:
            raise ConfigurationError(
                describe(
                    "A metric that is reused must be one of all angles in every step",
                    expected=f"gradients for {self._metric.shape[0]} angles",
                    received=n_angles(weights),
                    hint="Use reuse_steps=1",
                )
            )
        kept = tf.convert_to_tensor(self._metric)
        step = tf.convert_to_tensor(self._iterations)
        is_due = tf.equal(tf.math.floormod(step, self.reuse_steps), 0)
        metric = _mean_over_replicas(tf.cond(is_due, compute, lambda: kept))
        self._metric.assign(metric)
        return metric

    def finalize_variable_values(self, var_list: Any) -> None:
        """Called by Keras at the end of training; logs how often the metric was singular."""
        super().finalize_variable_values(var_list)
        if self.built and self.fallbacks:
            self._report(self.fallbacks)

    def _report(self, failures: int) -> None:
        _log.warning(
            "QuantumNaturalGradient: the metric was singular or not positive definite in %d of %d "
            "steps; those used the pseudoinverse. A larger regularization than %g avoids it.",
            failures,
            max(1, int(self._iterations.numpy())),
            self.regularization,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "regularization": self.regularization,
            "reuse_steps": self.reuse_steps,
            "approximation": self.approximation,
        }


def _mean_over_replicas(metric: tf.Tensor) -> tf.Tensor:
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return metric
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, metric)
