"""Gradients against finite differences, and gradient methods against each other.

All work on functions from tensors to one tensor, contracted with random weights to a real
number, so that every entry of every output counts and errors cannot cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Function = Callable[..., tf.Tensor]


def gradients_of(
    function: Function, arguments: Sequence[Any], *, seed: int = 0
) -> list[NDArray[Any]]:
    """Returns the gradients of `sum(weights * function(*arguments))` by TensorFlow.

    Args:
        function: from tensors to a real or complex tensor.
        arguments: real or complex floating-point arrays.
        seed: of the weights.

    Returns:
        One array per argument; dL/dRe + i dL/dIm for complex ones, zeros where the function
        does not depend on an argument.
    """
    tensors = [tf.convert_to_tensor(argument) for argument in arguments]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = _contract(function(*tensors), seed)
    found = tape.gradient(loss, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [gradient.numpy() for gradient in found]


def finite_differences(
    function: Function, arguments: Sequence[Any], *, seed: int = 0, step: float = 1e-4
) -> list[NDArray[Any]]:
    """Returns the same gradients by central differences of fourth order.

    Args:
        function: from tensors to a real or complex tensor.
        arguments: float64 or complex128 arrays.
        seed: of the weights.
        step: the distance; errors are of the order `step**4` and `1e-16 / step`.
    """
    arrays = [np.array(argument) for argument in arguments]

    def loss(changed: int, flat: NDArray[Any]) -> float:
        given = [a if i != changed else flat.reshape(a.shape) for i, a in enumerate(arrays)]
        return float(_contract(function(*map(tf.convert_to_tensor, given)), seed))

    found = []
    for index, array in enumerate(arrays):
        gradient = np.zeros(array.size, array.dtype)
        for entry in range(array.size):
            for unit in (1.0, 1j) if np.iscomplexobj(array) else (1.0,):
                values = []
                for factor in (-2, -1, 1, 2):
                    flat = array.ravel().copy()
                    flat[entry] += factor * step * unit
                    values.append(loss(index, flat))
                slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
                gradient[entry] += slope * unit
        found.append(gradient.reshape(array.shape))
    return found


def check_gradients(
    function: Function,
    arguments: Sequence[Any],
    *,
    atol: float = 1e-7,
    rtol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Asserts that TensorFlow's gradients are those of finite differences.

    Args:
        function: from tensors to a real or complex tensor.
        arguments: float64 or complex128 arrays.
        atol: absolute tolerance.
        rtol: relative tolerance.
        seed: of the weights.

    Raises:
        AssertionError: they differ; the message names the argument.

    Example:
        >>> check_gradients(tf.sin, [np.array([0.1, 0.2])])
    """
    exact = gradients_of(function, arguments, seed=seed)
    numeric = finite_differences(function, arguments, seed=seed)
    _compare({"TensorFlow": exact, "finite differences": numeric}, atol, rtol)


def check_gradients_agree(
    functions: Mapping[str, Function],
    arguments: Sequence[Any],
    *,
    atol: float = 1e-6,
    rtol: float = 1e-5,
    seed: int = 0,
) -> None:
    """Asserts that functions have the same gradients, such as one circuit by several methods.

    Args:
        functions: by the name that a message is to use.
        arguments: floating-point arrays, the same for all.
        atol: absolute tolerance.
        rtol: relative tolerance.
        seed: of the weights.

    Raises:
        AssertionError: two differ; the message names them and the argument.

    Example:
        >>> twice = {"times": lambda x: 2 * x, "plus": lambda x: x + x}
        >>> check_gradients_agree(twice, [np.array([1.0, 2.0])])
    """
    found = {name: gradients_of(f, arguments, seed=seed) for name, f in functions.items()}
    _compare(found, atol, rtol)


def _contract(value: tf.Tensor, seed: int) -> tf.Tensor:
    rng = np.random.default_rng(seed)
    shape = value.shape.as_list()
    weights = tf.cast(rng.normal(size=shape), value.dtype.real_dtype)
    if not value.dtype.is_complex:
        return tf.reduce_sum(weights * value)
    others = tf.cast(rng.normal(size=shape), value.dtype.real_dtype)
    return tf.reduce_sum(weights * tf.math.real(value) + others * tf.math.imag(value))


def _compare(found: Mapping[str, list[NDArray[Any]]], atol: float, rtol: float) -> None:
    (first, expected), *others = found.items()
    for name, gradients in others:
        for index, (one, other) in enumerate(zip(expected, gradients, strict=True)):
            np.testing.assert_allclose(
                other,
                one,
                atol=atol,
                rtol=rtol,
                err_msg=f"{name} and {first} differ in the gradient of argument {index}",
            )
