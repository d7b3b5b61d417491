"""Weights the loss of each replica by its share of the batch.

Keras divides every mean loss by the number of replicas and sums over them. If the last batch of an
epoch does not divide evenly, or masks and sample weights leave more to one replica than to another,
this is not the loss of the whole batch. Here a loss is multiplied by own part / whole batch instead
of 1 / replicas, at the place where Keras scales it; sums, as with `reduction="sum"`, stay sums.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.distribute.keras.patching import LEGACY, replace

# `samples`: replicas x own samples / all samples, or None if all shares are equal.
# `loss`: the same ratio for the divisor of the current loss, or None if that counts samples.
# `of_outputs`: whether losses of single outputs are being computed.
_share = threading.local()


def apply() -> None:
    """Replaces the functions of Keras."""
    if LEGACY:
        from tf_keras.src.utils import losses_utils

        replace(keras.Model, "train_step", _step)
        replace(losses_utils, "scale_loss_for_distribution", _scaled)
        return
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
    from keras.src.losses import loss
    from keras.src.trainers.compile_utils import CompileLoss

    replace(TensorFlowTrainer, "train_step", _step)
    replace(TensorFlowTrainer, "test_step", _step)
    replace(loss, "scale_loss_for_distribution", _scaled)
    replace(loss, "unscale_loss_for_distribution", _unscaled)
    replace(loss, "reduce_weighted_values", _reduced)
    replace(CompileLoss, "call", _losses_of_outputs)


def _step(original: Callable[..., Any], self: Any, data: Any) -> Any:
    with _set_to("samples", _weight_of_samples(data)):
        return original(self, data)


def _scaled(original: Callable[..., Any], loss: Any) -> Any:
    weight = _get("loss")
    weight = _get("samples") if weight is None else weight
    loss = original(loss)
    # A mean over no samples may be NaN.
    return loss if weight is None else tf.math.multiply_no_nan(loss, tf.cast(weight, loss.dtype))


def _unscaled(original: Callable[..., Any], loss: Any) -> Any:
    weight = _get("samples")
    loss = original(loss)
    # The metric of the whole loss weights by samples itself; those of outputs weight shares alike.
    if weight is None or _get("of_outputs"):
        return loss
    return tf.math.divide_no_nan(loss, tf.cast(weight, loss.dtype))


def _reduced(
    original: Callable[..., Any],
    values: Any,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: str = "sum_over_batch_size",
    dtype: Any = None,
) -> Any:
    by_weights = reduction == "mean_with_sample_weight" and sample_weight is not None
    mean = reduction in ("mean", "sum_over_batch_size", "mean_with_sample_weight")
    own_part = None
    if mean and _replicas() > 1 and (mask is not None or by_weights):
        # Keras divides by what is not masked, or by the sample weights.
        weights = sample_weight if by_weights else None
        own_part = tf.reduce_sum(_counted(tf.shape(values), weights, mask))
    with _set_to("loss", None if own_part is None else _part(own_part)):
        return original(values, sample_weight, mask, reduction, dtype)


def _losses_of_outputs(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    with _set_to("of_outputs", True):
        return original(self, *args, **kwargs)


def _counted(shape: tf.Tensor, sample_weight: Any, mask: Any) -> tf.Tensor:
    """The weight of each value of a loss, in the shape of the values."""
    counted = tf.ones(shape, tf.float64)
    for factor in (sample_weight, mask):
        if factor is not None:
            factor = tf.cast(factor, counted.dtype)
            ones = tf.ones(tf.maximum(0, tf.rank(counted) - tf.rank(factor)), tf.int32)
            counted *= tf.reshape(factor, tf.concat([tf.shape(factor), ones], 0))
    return counted


@contextlib.contextmanager
def _set_to(name: str, value: Any) -> Iterator[None]:
    before = _get(name)
    setattr(_share, name, value)
    try:
        yield
    finally:
        setattr(_share, name, before)


def _get(name: str) -> Any:
    return getattr(_share, name, None)


def _replicas() -> int:
    replica = tf.distribute.get_replica_context()
    return 1 if replica is None else int(replica.num_replicas_in_sync)


def _part(own: tf.Tensor) -> tf.Tensor:
    """Replicas x own part / whole batch."""
    replica = tf.distribute.get_replica_context()
    total = replica.all_reduce(tf.distribute.ReduceOp.SUM, own)
    return tf.math.divide_no_nan(replica.num_replicas_in_sync * own, total)


def _weight_of_samples(data: Any) -> tf.Tensor | None:
    size = _batch_size(data)
    # A batch of static size comes from a dataset without remainder: all shares are equal.
    if _replicas() == 1 or not tf.is_tensor(size):
        return None
    return _part(tf.cast(size, tf.float64))


def _batch_size(data: Any) -> int | tf.Tensor | None:
    for value in tf.nest.flatten(data):
        if tf.is_tensor(value) and value.shape.rank != 0:
            static = value.shape[0] if value.shape.rank is not None else None
            return static if static is not None else tf.shape(value)[0]
    return None
