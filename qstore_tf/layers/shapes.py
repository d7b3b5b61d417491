"""Shapes and kinds of the tensors that layers are fed: features or states, and how wide."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.errors import InputError, describe


def is_complex(tensor: Any) -> bool:
    """Whether a tensor, symbolic or not, holds complex numbers and so is a quantum state."""
    dtype = getattr(tensor, "dtype", None)
    return dtype is not None and tf.as_dtype(dtype).is_complex


def read_shape(shape: Any, layer: str, expected: str) -> tuple[int | None, int]:
    """Returns (batch, width) of an input shape.

    Args:
        shape: the shape.
        layer: the class of the layer, for messages.
        expected: the shapes that the layer takes, for messages.

    Raises:
        InputError: the shape has not two axes, or its width is unknown or zero.
    """
    shape = tf.TensorShape(shape)
    sizes = None if shape.rank is None else tuple(shape.as_list())
    if sizes is None or len(sizes) != 2:
        raise InputError(
            describe(
                f"{layer} takes two axes: one row per sample",
                expected=expected,
                received="an unknown shape" if sizes is None else f"shape {sizes}",
                hint="Put keras.layers.Flatten() before it, or keras.layers.TimeDistributed "
                "around the layer to keep a time axis",
            )
        )
    if sizes[1] is None:
        raise InputError(
            describe(
                f"{layer} must know the width of its input when it is built",
                expected=expected,
                received=f"shape {sizes}",
                hint="Give the width, as in keras.Input((64,))",
            )
        )
    return sizes[0], int(sizes[1])


def check_state_width(width: int, n_qubits: int, layer: str) -> None:
    """Raises InputError unless a state of this width is one of `n_qubits` qubits."""
    if width == 2**n_qubits:
        return
    raise InputError(
        describe(
            f"Layer '{layer}' was fed states of another number of qubits",
            expected=f"complex [batch, {2**n_qubits}], which is {n_qubits} qubits",
            received=f"complex [batch, {width}]",
            hint="Give all quantum layers of a chain the same n_qubits; complex features go "
            "through AmplitudeEncoding",
        )
    )


def symbolic(shape: tuple[int | None, ...], dtype: Any) -> Any:
    """A Keras 3 symbolic tensor."""
    return keras.KerasTensor(shape, dtype=tf.as_dtype(dtype).name)


def empty_inputs(rows: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Inputs [batch, 0] for a program that reads none, with as many rows as `rows`."""
    batch = rows.shape[0]
    return tf.zeros([tf.shape(rows)[0] if batch is None else batch, 0], dtype)
