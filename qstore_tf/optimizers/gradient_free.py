"""What the optimizers share that evaluate the loss instead of taking its gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.inspection import holds_angles
from qstore_tf.optimizers.base import QuantumOptimizer

# Returns the loss and what the model predicts, at the weights as they are.
Evaluate = Callable[[], tuple[tf.Tensor, Any]]


class GradientFree(QuantumOptimizer):
    """Base of the optimizers that move weights by evaluations of the loss.

    They move the angles of circuits, and all other weights too unless `classical` is given,
    which then moves those by their gradients.
    """

    def step(self, evaluate: Evaluate, weights: Sequence[Any]) -> tuple[tf.Tensor, Any]:
        """Takes one step; call it in a training loop of your own, eager or traced.

        Args:
            evaluate: Returns the loss, a scalar, and the predictions, at the weights as they are.
            weights: The weights to train; the same in every step.

        Returns:
            Loss and predictions, averaged over the evaluations that the step was made of.

        Raises:
            ConfigurationError: There are several replicas, whose losses differ.
        """
        replica = tf.distribute.get_replica_context()
        if replica is not None and replica.num_replicas_in_sync > 1:
            raise ConfigurationError(
                describe(
                    f"{type(self).__name__} compares losses, which replicas do not share",
                    expected="one replica",
                    received=replica.num_replicas_in_sync,
                    hint="Train on one device, or use QuantumNaturalGradient",
                )
            )
        weights = list(weights)
        if not self.built:
            self.build(weights)
        if self.classical is None:
            return self.move(evaluate, weights)
        others = [w for w in weights if not holds_angles(w)]
        if not others:
            return self.move(evaluate, weights)
        with tf.GradientTape() as tape:
            loss, _ = evaluate()
        grads = tape.gradient(loss, _values(others))
        result = self.move(evaluate, [w for w in weights if holds_angles(w)])
        self.classical.apply(grads, others)
        return result

    @abstractmethod
    def move(self, evaluate: Evaluate, weights: list[Any]) -> tuple[tf.Tensor, Any]:
        """Moves the weights; returns loss and predictions as `step` does."""

    def descend(self, directions: Sequence[tf.Tensor], weights: list[Any]) -> None:
        """Moves weights against what takes the place of their gradients."""
        super().apply(list(directions), weights)

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Raises ConfigurationError: a gradient is not what this optimizer needs."""
        raise ConfigurationError(
            describe(
                f"{type(self).__name__} needs the loss at several points, which a keras model "
                "does not give its optimizer",
                expected="qstore_tf.optimizers.Sequential or qstore_tf.optimizers.Model in place "
                "of those of keras",
                hint="Or put qstore_tf.optimizers.LossEvaluations before keras.Model in the "
                "bases of your model, or call `step` in a training loop of your own",
            )
        )


def _values(weights: Sequence[Any]) -> list[Any]:
    """The TensorFlow variables of Keras weights, which tapes know."""
    return [getattr(weight, "value", weight) for weight in weights]


def assign_all(weights: Sequence[Any], values: Sequence[tf.Tensor]) -> None:
    """Assigns a value to each weight."""
    for weight, value in zip(weights, values, strict=True):
        weight.assign(tf.cast(value, weight.dtype))


def averaged(outputs: Sequence[tuple[tf.Tensor, Any]]) -> tuple[tf.Tensor, Any]:
    """Returns the mean of losses and of predictions of the same structure."""
    losses = tf.stack([loss for loss, _ in outputs])
    mean = tf.nest.map_structure(
        lambda *values: tf.add_n(values) / len(values), *(predicted for _, predicted in outputs)
    )
    return tf.reduce_mean(losses), mean
