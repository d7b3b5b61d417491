"""Keras models whose training step can evaluate the loss as often as an optimizer asks."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.optimizers.gradient_free import GradientFree


class LossEvaluations:
    """Mixin for Keras models: lets gradient-free optimizers work in `compile` and `fit`.

    Put it before the Keras class: `class MyModel(LossEvaluations, keras.Model)`. With any
    other optimizer the model trains as Keras does. With a gradient-free one, `loss` and the other
    metrics of `fit` are those of the evaluations that the step is made of, averaged: the loss
    near, not at, the weights before the step. Every evaluation is a call with `training=True`,
    with dropout of its own and updates of moving averages.
    """

    def train_step(self, data: Any) -> dict[str, Any]:
        """Takes one step on a batch."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)  # type: ignore[attr-defined]
        if not isinstance(optimizer, GradientFree):
            return super().train_step(data)  # type: ignore[misc]
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        if not self.built:  # type: ignore[attr-defined]
            self(x)  # type: ignore[operator]

        @tf.autograph.experimental.do_not_convert
        def evaluate() -> tuple[tf.Tensor, Any]:
            predicted = self(x, training=True)  # type: ignore[operator]
            loss = self.compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight)  # type: ignore[attr-defined]
            return loss, predicted

        loss, predicted = optimizer.step(evaluate, self.trainable_weights)  # type: ignore[attr-defined]
        for metric in self.metrics:  # type: ignore[attr-defined]
            if metric.name == "loss":
                metric.update_state(loss)
        return self.compute_metrics(x, y, predicted, sample_weight=weight)  # type: ignore[attr-defined]


@keras.utils.register_keras_serializable(package="qstore_tf")
class Model(LossEvaluations, keras.Model):  # type: ignore[misc]
    """`keras.Model` that also trains with `SPSA`, `QNSPSA` and `Rotosolve`.

    Example:

    >>> from tensorflow import keras
    >>> import qstore_tf as qs
    >>> inputs = keras.Input((2,))
    >>> outputs = qs.layers.QuantumLayer(2, observables="ZZ")(inputs)
    >>> model = qs.optimizers.Model(inputs, outputs)
    >>> model.compile(qs.optimizers.SPSA(0.1), loss="mse")
    """


@keras.utils.register_keras_serializable(package="qstore_tf")
class Sequential(LossEvaluations, keras.Sequential):  # type: ignore[misc]
    """`keras.Sequential` that also trains with `SPSA`, `QNSPSA` and `Rotosolve`.

    Example:

    >>> import qstore_tf as qs
    >>> model = qs.optimizers.Sequential([qs.layers.QuantumLayer(2, observables="ZZ")])
    >>> model.compile(qs.optimizers.SPSA(0.1), loss="mse")
    """
