"""The few array functions that NumPy and TensorFlow both bring, under one set of names.

Code written over `ArrayFunctions` runs on either without this package importing TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ArrayFunctions:
    """Array functions that behave alike, from NumPy or TensorFlow.

    >>> ArrayFunctions.of(np).stack([np.zeros(2), np.ones(2)], axis=1).shape
    (2, 2)
    """

    abs: Any
    atan2: Any
    concat: Any
    gather: Any
    imag: Any
    real: Any
    max: Any
    pad_right: Any
    reshape: Any
    sqrt: Any
    square: Any
    stack: Any
    sum: Any
    where: Any
    zeros_like: Any
    ones_like: Any
    stop_gradient: Any
    cast_like: Any
    is_complex: Any
    tiny: Any

    @classmethod
    def of(cls, module: ModuleType) -> ArrayFunctions:
        """The functions of `numpy` or of `tensorflow`, given as the module."""
        return _of_numpy() if module is np else _of_tensorflow(module)


def _of_numpy() -> ArrayFunctions:
    return ArrayFunctions(
        abs=np.abs,
        atan2=np.arctan2,
        concat=lambda parts, axis: np.concatenate(parts, axis=axis),
        gather=lambda x, indices, axis: np.take(x, np.asarray(indices, dtype=np.intp), axis=axis),
        imag=np.imag,
        real=np.real,
        max=lambda x, axis: np.max(x, axis=axis, keepdims=True),
        pad_right=lambda x, count: np.pad(x, ((0, 0), (0, count))),
        reshape=np.reshape,
        sqrt=np.sqrt,
        square=np.square,
        stack=lambda parts, axis: np.stack(parts, axis=axis),
        sum=lambda x, axis: np.sum(x, axis=axis, keepdims=True),
        where=np.where,
        zeros_like=np.zeros_like,
        ones_like=np.ones_like,
        stop_gradient=lambda x: x,
        cast_like=lambda x, other: np.asarray(x, dtype=other.dtype),
        is_complex=np.iscomplexobj,
        tiny=lambda x: float(np.finfo(x.dtype).tiny),
    )


def _of_tensorflow(tf: Any) -> ArrayFunctions:
    return ArrayFunctions(
        abs=tf.abs,
        atan2=tf.math.atan2,
        concat=tf.concat,
        gather=lambda x, indices, axis: tf.gather(x, tf.constant(indices, tf.int32), axis=axis),
        imag=tf.math.imag,
        real=tf.math.real,
        max=lambda x, axis: tf.reduce_max(x, axis=axis, keepdims=True),
        pad_right=lambda x, count: tf.pad(x, [[0, 0], [0, count]]),
        reshape=tf.reshape,
        sqrt=tf.sqrt,
        square=tf.square,
        stack=tf.stack,
        sum=lambda x, axis: tf.reduce_sum(x, axis=axis, keepdims=True),
        where=tf.where,
        zeros_like=tf.zeros_like,
        ones_like=tf.ones_like,
        stop_gradient=tf.stop_gradient,
        cast_like=lambda x, other: tf.cast(x, other.dtype),
        is_complex=lambda x: x.dtype.is_complex,
        tiny=lambda x: float(np.finfo(x.dtype.real_dtype.as_numpy_dtype).tiny),
    )


NUMPY = ArrayFunctions.of(np)
"""The functions on NumPy arrays."""
