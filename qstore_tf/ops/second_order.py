"""Derivatives of gradients that a simulator has computed by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


def second_gradient(
    forward: Callable[..., tf.Tensor],
    sources: Sequence[tf.Tensor],
    upstream: tf.Tensor,
    grads: Sequence[tf.Tensor | None],
) -> list[tf.Tensor]:
    """Differentiates a vector-Jacobian product by autodiff of plain TensorFlow ops.

    Args:
        forward: Computes in TensorFlow what the simulator computed, from `sources`.
        sources: What the simulator's gradient is by.
        upstream: The gradient by the result of `forward`, which went into the product.
        grads: The gradients by the product, one a source; None stands for zero.

    Returns:
        The gradients by each source, and by `upstream`.
    """
    zero = tf.UnconnectedGradients.ZERO
    with tf.GradientTape() as outer:
        outer.watch([*sources, upstream])
        with tf.GradientTape() as inner:
            inner.watch(sources)
            result = forward(*sources)
        first = inner.gradient(result, sources, upstream, unconnected_gradients=zero)
    weights = [
        tf.zeros_like(value) if grad is None else grad
        for value, grad in zip(first, grads, strict=True)
    ]
    return outer.gradient(first, [*sources, upstream], weights, unconnected_gradients=zero)
