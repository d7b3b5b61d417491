"""The numbers that a program runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from qstore_tf.layers.seeds import Seeds


@dataclass(frozen=True, eq=False)
class Values:
    """The numbers that a program runs on, for one batch, all of one precision.

    The layers make them in their own precision, which is checked against the backend when a
    layer is made, and when a layer that reads states takes the backend of the preceding ones.
    Layers do not check them again on the way to the backend.

    Attributes:
        inputs: numbers per sample, [batch, n_inputs].
        theta: trained numbers, [n_theta].
        initial: the amplitudes to start from, [batch, 2^n], real or complex. `None` starts from
            |0...0>.
        seeds: seeds for random draws, or None.
        weights: the weights that `theta` is made of, in order.
        weight_values: what `theta` has of their values, one tensor for each call of a layer.
    """

    inputs: tf.Tensor
    theta: tf.Tensor
    initial: tf.Tensor | None = None
    seeds: Seeds | None = None
    weights: tuple[Any, ...] = ()
    weight_values: tuple[tf.Tensor, ...] = ()

    @classmethod
    def of_weight(
        cls,
        weight: Any,
        inputs: tf.Tensor,
        initial: tf.Tensor | None = None,
        seeds: Seeds | None = None,
        n_theta: int | None = None,
    ) -> Values:
        """Returns values whose theta is the value of one weight, or its first `n_theta` numbers."""
        theta = tf.convert_to_tensor(weight)
        if n_theta is not None and n_theta != theta.shape[0]:
            theta = theta[:n_theta]
        return cls(inputs, theta, initial, seeds, (weight,), (theta,))

    @classmethod
    def without_theta(
        cls, inputs: tf.Tensor, initial: tf.Tensor | None = None, seeds: Seeds | None = None
    ) -> Values:
        """Returns values of which nothing is trained."""
        return cls(inputs, tf.zeros([0], inputs.dtype), initial, seeds)

    def followed_by(self, following: Values) -> Values:
        """Returns these with the trained numbers of a following layer after their own.

        The seeds of the following layer, if it has any, replace these.
        """
        theta, seeds = following.theta, following.seeds or self.seeds
        weights, weight_values = following.weights, following.weight_values
        if self.theta.shape[0]:
            theta = tf.concat([self.theta, theta], axis=0)
            weights = self.weights + weights
            weight_values = self.weight_values + weight_values
        return Values(self.inputs, theta, self.initial, seeds, weights, weight_values)
