"""Measures gradients by the angles of circuits, inside a training step.

`norms` reads the gradient that the optimizer gets, at no further circuit. `signal_and_noise` runs
the batch twice more: two estimates g and h of one gradient have independent errors, so that g h is
an unbiased estimate of |gradient|^2, and |g - h|^2 / 2 of the error of each.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.callbacks import local
from qstore_tf.callbacks.probe import quantum_layers
from qstore_tf.layers.inspection import IS_KERAS_3

_METER = "_qstore_gradient_meter"
_WATCHED = "_qstore_watched"


class _Sink(threading.local):
    """Where the gradients go that an optimizer gets in this thread; None: nowhere."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] | None = None


_sink = _Sink()


class GradientMeter:
    """Keeps what was measured of the gradients of one model's angles.

    Args:
        model: The model, compiled.
        weights: The weights that hold the angles.
    """

    def __init__(self, model: Any, weights: Sequence[Any]) -> None:
        self._model, self._angles = model, list(weights)
        with model.distribute_strategy.scope():
            self._norm = _variable(1)
            self._sums = _variable(3)  # signal, noise, how many

    @classmethod
    def of(cls, model: Any) -> GradientMeter:
        """Returns that of a model: one, as long as the same angles are trained.

        Functions of the model that are kept write to it.
        """
        weights = [
            layer.theta for layer in quantum_layers(model) if layer.trainable and layer.built
        ]
        found = getattr(model, _METER, None)
        if not isinstance(found, cls) or list(map(id, found._angles)) != list(map(id, weights)):
            found = cls(model, weights)
            setattr(model, _METER, found)
        return found

    @property
    def n_angles(self) -> int:
        """How many angles are trained."""
        return sum(int(angles.shape[0]) for angles in self._angles)

    def pop_norm(self) -> float | None:
        """Returns the norm of the gradient in the latest step; None where none was seen."""
        found = float(local.value(self._norm).numpy()[0])
        return found if 0 <= found < math.inf else None

    def pop_signal_and_noise(self) -> tuple[float, float] | None:
        """Returns the means of what was measured since the last call; None where nothing was."""
        signal, noise, count = (float(x) for x in local.value(self._sums).numpy())
        self._sums.assign([0.0, 0.0, 0.0])
        return (signal / count, noise / count) if count else None

    @contextmanager
    def norms(self, data: Any) -> Iterator[None]:
        """Reads the norm of the gradient in the step that is called or traced inside."""
        optimizer = self._model.optimizer
        _watch(optimizer)
        before, _sink.pairs = _sink.pairs, []
        try:
            yield
            pairs = _sink.pairs
        finally:
            _sink.pairs = before
        wanted = {id(weight) for weight in self._angles}
        found = [tf.cast(g, tf.float32) for g, v in pairs if id(v) in wanted and g is not None]
        if not found:
            self._norm.assign(tf.constant([-1.0]))
            return
        # Under mixed precision the optimizer gets the gradient of a scaled loss.
        scale = optimizer.scale_loss(tf.ones([])) if hasattr(optimizer, "scale_loss") else 1.0
        squares = tf.add_n([tf.reduce_sum(tf.square(g)) for g in _summed(found)])
        self._norm.assign(tf.reshape(tf.sqrt(squares) / tf.cast(scale, tf.float32), [1]))

    @contextmanager
    def signal_and_noise(self, data: Any) -> Iterator[None]:
        """Measures signal and noise on the batch of the step that is called or traced inside."""
        first, second = self._gradient(data), self._gradient(data)
        signal = tf.add_n([tf.reduce_sum(a * b) for a, b in zip(first, second, strict=True)])
        noise = tf.add_n(
            [tf.reduce_sum(tf.square(a - b)) / 2 for a, b in zip(first, second, strict=True)]
        )
        self._sums.assign(tf.convert_to_tensor(self._sums) + tf.stack([signal, noise, 1.0]))
        yield

    def _gradient(self, data: Any) -> list[tf.Tensor]:
        """The gradient of the batch's loss by the angles, without dropout; one of all replicas."""
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        model = self._model
        with tf.GradientTape() as tape:
            predicted = model(x, training=False) if _takes_training(model) else model(x)
            loss = model.compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weight)
        found = tape.gradient(loss, self._angles, unconnected_gradients="zero")
        return _summed([tf.cast(g, tf.float32) for g in found])


def _takes_training(model: Any) -> bool:
    return bool(getattr(model, "_call_has_training_arg", True))


def _variable(size: int) -> tf.Variable:
    return tf.Variable(
        [-1.0] if size == 1 else [0.0] * size,
        trainable=False,
        dtype=tf.float32,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _summed(gradients: list[tf.Tensor]) -> list[tf.Tensor]:
    """The gradients of the whole batch: Keras divides losses by the number of replicas."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return gradients
    return list(replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients))


def _watch(optimizer: Any) -> None:
    """Makes an optimizer show the gradients that it gets, where somebody wants to see them."""
    if getattr(optimizer, _WATCHED, False):
        return
    name = "apply" if IS_KERAS_3 else "apply_gradients"
    original = getattr(optimizer, name)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def apply(grads: Any, *args: Any, **kwargs: Any) -> Any:
        if _sink.pairs is not None:
            grads = list(grads)
            if IS_KERAS_3:
                given = args[0] if args else kwargs.get("trainable_variables")
                variables = optimizer.variables if given is None else list(given)
                args = (variables, *args[1:]) if args else args
                _sink.pairs.extend(zip(grads, variables, strict=False))
            else:
                _sink.pairs.extend(grads)
        return original(grads, *args, **kwargs)

    setattr(optimizer, name, apply)
    setattr(optimizer, _WATCHED, True)
