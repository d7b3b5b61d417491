"""The inputs of unrolled programs as tensors; see `qstore_tf.shifts.unrolled`."""

from __future__ import annotations

import tensorflow as tf

from qstore_tf.ops.plain_angles import affine
from qstore_tf.shifts import Unrolled


def columns_of(unrolled: Unrolled, inputs: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
    """Returns the inputs [B, G] of an unrolled program, from those of the original and theta."""
    batch = tf.shape(inputs)[0]
    if not unrolled.columns:
        return tf.zeros([batch, 0], inputs.dtype)
    values = tf.transpose(affine(unrolled.columns, tf.transpose(inputs), theta))
    return tf.broadcast_to(values, [batch, len(unrolled.columns)])
