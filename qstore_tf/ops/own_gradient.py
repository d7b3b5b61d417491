"""Functions with a gradient of their own: the one place that makes them.

TensorFlow hands a gradient on as it comes: that of `tf.gather`, and so of `keras.ops.take`, is
`tf.IndexedSlices`, which is not a tensor and cannot be multiplied. Everything in this package that
has a gradient of its own is made here, and is only ever given tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import tensorflow as tf


@tf.autograph.experimental.do_not_convert
def own_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """As `tf.custom_gradient`, for gradient functions that take tensors.

    Args:
        function: Takes tensors; returns its result and a function from the gradients by the
            result to those by the arguments.

    Example:
        >>> @own_gradient
        ... def double(x):
        ...     return 2 * x, lambda upstream: 2 * upstream
        >>> x = tf.constant([1.0, 2.0])
        >>> with tf.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = tf.gather(double(x), [1])
        >>> print(tape.gradient(y, x).numpy())
        [0. 2.]
    """

    @wraps(function)
    def wrapped(*tensors: tf.Tensor) -> Any:
        result, gradient = function(*tensors)
        return result, _of_tensors(gradient)

    return tf.custom_gradient(wrapped)  # type: ignore[no-any-return]


def gradient_of(op_type: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `tf.RegisterGradient`, for gradient functions that take tensors.

    Args:
        op_type: The name of an op. Its gradient function is given the op and the gradients by
            its results; None where an op with several has none by one of them.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        def gradient(op: tf.Operation, *upstream: Any) -> Any:
            return function(op, *map(as_tensor, upstream))

        tf.RegisterGradient(op_type)(gradient)
        return function

    return register


def with_tensor_gradient(value: tf.Tensor) -> tf.Tensor:
    """Returns the value; the gradient that goes on to what computed it is a tensor."""
    return own_gradient(lambda value: (tf.identity(value), lambda upstream: upstream))(value)


def connected(value: tf.Tensor, *sources: tf.Tensor) -> tf.Tensor:
    """Returns the value; sources that it does not depend on get the gradient zero, not None."""

    def function(value: tf.Tensor, *sources: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> Any:
            return (upstream, *map(tf.zeros_like, sources))

        return tf.identity(value), gradient

    return own_gradient(function)(value, *sources) if sources else value


def as_tensor(upstream: Any) -> Any:
    """Returns a gradient as a tensor, None as None."""
    if not isinstance(upstream, tf.IndexedSlices):
        return upstream
    if upstream.dense_shape is None:
        return tf.convert_to_tensor(upstream)
    # `tf.convert_to_tensor` does the same, and warns where the number of rows is unknown.
    return tf.math.unsorted_segment_sum(
        upstream.values, upstream.indices, tf.gather(upstream.dense_shape, 0)
    )


def _of_tensors(gradient: Callable[..., Any]) -> Callable[..., Any]:
    @tf.autograph.experimental.do_not_convert
    def given_tensors(*upstream: Any) -> Any:
        return gradient(*map(as_tensor, upstream))

    return given_tensors
