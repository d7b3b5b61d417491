"""Gradients against finite differences, and gradient methods against each other.

Exact ones are compared entry by entry; those that are drawn at random by their means over many
seeds, within confidence bounds. All work on functions from tensors to one tensor, contracted
with random weights to a real number, so that every entry of every output counts and errors
cannot cancel.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
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


def sampled_gradients_of(
    function: Function, arguments: Sequence[Any], repeats: int, *, seed: int = 0
) -> list[NDArray[Any]]:
    """Returns what `gradients_of` returns, for as many different seeds of the function.

    Args:
        function: from tensors and `seed=`, an int64 [2] tensor, to a real tensor.
        arguments: real floating-point arrays.
        repeats: how many times; the k-th call is given the seed `[seed, k]`.
        seed: of the weights, and the first entry of the seeds.

    Returns:
        One array per argument, [repeats, *shape of the argument].
    """
    tensors = [tf.convert_to_tensor(argument) for argument in arguments]

    @tf.function
    def draw(given: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss = _contract(function(*tensors, seed=given), seed)
        return tape.gradient(loss, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    drawn = [draw(tf.constant([seed, k], tf.int64)) for k in range(repeats)]
    return [np.stack([one.numpy() for one in column]) for column in zip(*drawn, strict=True)]


def check_sampled_gradients_agree(
    functions: Mapping[str, Function],
    arguments: Sequence[Any],
    *,
    repeats: int = 200,
    false_alarm: float = 1e-6,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> None:
    """Asserts that random gradients of functions have the same mean.

    Every two means over `repeats` draws have to agree in every entry within
    `z * sqrt(e1**2 + e2**2) + tolerance`, with e1 and e2 their standard errors. z is the normal
    quantile that functions of equal mean pass with probability `1 - false_alarm`, over all
    entries of all pairs together (Bonferroni), as far as means over `repeats` draws are normal.
    With fixed seeds the outcome is always the same: one that passes goes on passing.

    Args:
        functions: by the name that a message is to use; they take `seed=`.
        arguments: real floating-point arrays, the same for all.
        repeats: draws for each function.
        false_alarm: the probability that functions that do agree are said to differ.
        tolerance: what the means may differ by, such as the bias of a finite step.
        seed: of the weights, and the first entry of the seeds.

    Raises:
        AssertionError: two differ; the message names them and the argument.

    Example:
        >>> def noisy(x, seed):
        ...     return x * (1 + tf.random.stateless_normal([], seed, dtype=x.dtype))
        >>> check_sampled_gradients_agree(
        ...     {"noisy": noisy, "plain": lambda x, seed: x}, [np.array([1.0, 2.0])], repeats=50
        ... )
    """
    drawn = {
        name: sampled_gradients_of(function, arguments, repeats, seed=seed)
        for name, function in functions.items()
    }
    check_means_agree(drawn, false_alarm=false_alarm, tolerance=tolerance)


def check_means_agree(
    drawn: Mapping[str, Sequence[NDArray[Any]]],
    *,
    false_alarm: float = 1e-6,
    tolerance: float = 0.0,
) -> None:
    """Asserts that random gradients have the same mean; see `check_sampled_gradients_agree`.

    Args:
        drawn: by name, one array for each argument, [repeats, *shape of the argument].
        false_alarm: the probability that gradients that do agree are said to differ.
        tolerance: what the means may differ by.

    Raises:
        AssertionError: two differ; the message names them and the argument.
    """
    n_pairs = len(drawn) * (len(drawn) - 1) // 2
    n_entries = sum(array[0].size for array in next(iter(drawn.values())))
    quantile = -NormalDist().inv_cdf(false_alarm / (2 * max(n_pairs * n_entries, 1)))
    for one, other in itertools.combinations(drawn, 2):
        for index, pair in enumerate(zip(drawn[one], drawn[other], strict=True)):
            means = [array.mean(axis=0) for array in pair]
            variances = [array.var(axis=0, ddof=1) / len(array) for array in pair]
            allowed = quantile * np.sqrt(sum(variances)) + tolerance
            excess = np.max(np.abs(means[0] - means[1]) - allowed, initial=0.0)
            assert excess <= 0, (
                f"{one} and {other} differ in the mean gradient of argument {index}: {means[0]} "
                f"and {means[1]}, where {allowed} is allowed"
            )


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
