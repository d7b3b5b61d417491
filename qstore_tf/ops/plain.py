"""Programs run in plain TensorFlow ops: any device, XLA, differentiable by autodiff.

The readable counterpart of `qstore_tf.ops.native`, with the same functions. Gradients follow
TensorFlow's convention: for a real loss L the gradient with respect to a complex z is
dL/dRe(z) + i dL/dIm(z).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops.inputs import check_sampling, prepare
from qstore_tf.ops.own_gradient import connected
from qstore_tf.ops.plain_state import WIDEST_CONSTANT, evolve, flip_bits, signs


@tf.autograph.experimental.do_not_convert
def expectation(
    program: Program,
    observables: Sequence[PauliSum],
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
) -> tf.Tensor:
    """Returns <psi_b|O_k|psi_b> for each sample b and observable k.

    Args:
        program: What to run.
        observables: K sums of Pauli strings.
        inputs: [B, F] float32 or float64, radians.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one.

    Returns:
        [B, K] of the dtype of `inputs`.

    Raises:
        InputError: An argument's rank, shape or dtype does not fit.
        MemoryLimitError: The state vectors cannot fit into memory.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
        >>> circuit = UnifiedCircuit(1).add_gate("RX", 0, "x")
        >>> program = compile_circuit(circuit, inputs=["x"])
        >>> values = expectation(program, parse_observables("Z", 1), [[0.0], [3.14159265]], [])
        >>> print(values.numpy().round(3))
        [[ 1.]
         [-1.]]
    """
    inputs, theta, initial = prepare(program, inputs, theta, initial_state)
    check_observables(observables, program.n_qubits)
    state = evolve(program, inputs, theta, initial)
    values = tf.transpose(_measure(state, observables, program.n_qubits))
    values = _for_each_sample(values, inputs)
    if any(observable.terms for observable in observables):
        return with_all_gradients(values, program, inputs, theta)
    return connected(values, inputs, theta, *([] if initial is None else [initial]))


@tf.autograph.experimental.do_not_convert
def state_vector(program: Program, inputs: Any, theta: Any, initial_state: Any = None) -> tf.Tensor:
    """Returns the final states [B, 2^n], complex64 for float32 inputs, complex128 for float64.

    Args:
        program: What to run.
        inputs: [B, F] float32 or float64, radians.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one.

    Raises:
        InputError: An argument's rank, shape or dtype does not fit.
        MemoryLimitError: The state vectors cannot fit into memory.
    """
    inputs, theta, initial = prepare(program, inputs, theta, initial_state)
    state = evolve(program, inputs, theta, initial)
    state = _for_each_sample(tf.transpose(state), inputs)
    return with_all_gradients(state, program, inputs, theta)


@tf.autograph.experimental.do_not_convert
def probabilities(
    program: Program, inputs: Any, theta: Any, initial_state: Any = None
) -> tf.Tensor:
    """Returns the probabilities [B, 2^n] of the basis states; arguments as `state_vector`."""
    return squared_magnitude(state_vector(program, inputs, theta, initial_state))


@tf.autograph.experimental.do_not_convert
def sample(
    program: Program,
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    shots: int,
    seed: Any,
) -> tf.Tensor:
    """Draws basis-state indices, int64 [B, shots].

    The same seed gives the same draws on the same backend and device.

    Args:
        program: What to run.
        inputs: [B, F] float32 or float64, radians.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one; it need not be normalized.
        shots: Draws for each sample.
        seed: Two integers.
    """
    seed = check_sampling(shots, seed)
    return draw(probabilities(program, inputs, theta, initial_state), shots, seed)


def draw(probabilities: tf.Tensor, shots: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws basis-state indices int64 [B, shots] from [B, 2^n], which need not add up to one."""
    return pick(probabilities, uniform(tf.shape(probabilities)[0], shots, seed))


def uniform(batch: Any, shots: int, seed: tf.Tensor) -> tf.Tensor:
    """Returns the random numbers float64 [B, shots] in [0, 1) from which `draw` picks."""
    return tf.random.stateless_uniform([batch, shots], seed=seed, dtype=tf.float64)


def pick(probabilities: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Returns the basis states int64 [B, shots] at the quantiles `numbers` [B, shots]."""
    below = tf.cumsum(tf.cast(probabilities, tf.float64), axis=1)
    total = below[:, -1:]
    # Else every draw would be the last basis state. XLA leaves the check out.
    fine = tf.debugging.Assert(
        tf.reduce_all(tf.math.is_finite(total) & (total > 0)),
        [
            "cannot sample: the norm of each state of the batch must be positive and finite. Are "
            "there NaNs or infinities in inputs or theta, or zeros in initial_state?"
        ],
    )
    with tf.control_dependencies([] if fine is None else [fine]):
        index = tf.searchsorted(below, numbers * total, side="right", out_type=tf.int64)
    return tf.minimum(index, tf.shape(below, tf.int64)[1] - 1)


def squared_magnitude(state: tf.Tensor) -> tf.Tensor:
    """Returns |state|^2, with a gradient that is zero, not NaN, at zero."""
    return tf.square(tf.math.real(state)) + tf.square(tf.math.imag(state))


def squared_length(states: tf.Tensor) -> tf.Tensor:
    """The squared length of each row, real [batch, 1]."""
    return tf.reduce_sum(squared_magnitude(states), axis=1, keepdims=True)


def _measure(state: tf.Tensor, observables: Sequence[PauliSum], n: int) -> tf.Tensor:
    """Returns the expectations [K, B] of the states [2^n, B]."""
    real = state.dtype.real_dtype
    by_x: dict[int, list[tuple[int, int, float]]] = {}  # x mask -> (observable, z mask, coef)
    for k, observable in enumerate(observables):
        for term in observable.terms:
            x, z = term.masks(n)
            by_x.setdefault(x, []).append((k, z, term.coefficient))
    total = tf.zeros([len(observables), 1], real)
    for x, terms in by_x.items():
        if x == 0:
            total += _weighted(squared_magnitude(state), terms, len(observables), n)
            continue
        # <psi|P|psi> = sum_j (-i)^|x&z| (-1)^|j&z| conj(psi[j]) psi[j^x], which is real.
        overlap = tf.math.conj(state) * flip_bits(state, x, n)
        parts: dict[bool, list[tuple[int, int, float]]] = {}
        for k, z, coef in terms:
            n_y = bin(x & z).count("1")
            sign = -1.0 if n_y % 4 in (2, 3) else 1.0
            parts.setdefault(n_y % 2 == 1, []).append((k, z, sign * coef))
        for imaginary, part in parts.items():
            picked = tf.math.imag(overlap) if imaginary else tf.math.real(overlap)
            total += _weighted(picked, part, len(observables), n)
    return total


def _weighted(
    values: tf.Tensor, terms: Sequence[tuple[int, int, float]], n_observables: int, n: int
) -> tf.Tensor:
    """Returns out[k, b] = sum over the terms of k of coef * sum_j (-1)^|j&z| values[j, b]."""
    if n <= WIDEST_CONSTANT:
        weights = np.zeros((n_observables, 2**n))
        for k, z, coef in terms:
            weights[k] += coef * signs(z, 0, n, tf.float64)
        return tf.matmul(tf.constant(weights, values.dtype), values)
    rows: list[Any] = [tf.zeros_like(values[0])] * n_observables
    for k, z, coef in terms:
        sign = signs(z, 0, n, values.dtype)[None, :]
        rows[k] = rows[k] + coef * tf.matmul(sign, values)[0]
    return tf.stack(rows)


def with_all_gradients(
    values: tf.Tensor, program: Program, inputs: tf.Tensor, theta: tf.Tensor
) -> tf.Tensor:
    """Returns the values of a program; inputs or theta that no gate reads get zeros, not None."""
    read = _kinds_read(program)
    return connected(values, *(x for kind, x in (("i", inputs), ("t", theta)) if kind not in read))


@lru_cache(maxsize=256)
def _kinds_read(program: Program) -> frozenset[str]:
    """Returns what the angles of a program read: "i" for inputs, "t" for theta."""
    return frozenset(kind for gate in program.gates for kind, _, _ in gate.terms)


def _for_each_sample(values: tf.Tensor, inputs: tf.Tensor) -> tf.Tensor:
    """Repeats [1, ...] for all B samples where no gate depended on the sample."""
    batch = inputs.shape[0] if inputs.shape[0] is not None else tf.shape(inputs)[0]
    values = tf.broadcast_to(values, [batch, values.shape[1]])
    return tf.ensure_shape(values, [inputs.shape[0], values.shape[1]])
