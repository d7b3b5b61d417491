"""Evolves a batch of state vectors in plain TensorFlow ops.

The state is kept as [2^n, B] with the samples last, so that tables over basis states broadcast
along rows and moving amplitudes copies whole rows. Where nothing depends on the sample yet the
batch axis has size 1. Everything is differentiable by autodiff, any number of times, and
compiles with XLA.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf import memory
from qstore_tf.caching import remember
from qstore_tf.circuits.program import Program
from qstore_tf.ops.inputs import complex_dtype
from qstore_tf.ops.plain_angles import DiagonalAngles, step_angles
from qstore_tf.ops.schedule import (
    Diagonal,
    Local,
    Matrix,
    Permutation,
    blocks,
    parity,
    schedule,
    source_index,
)

# Tables over at most this many qubits are constants in the graph; larger ones are computed in it.
WIDEST_CONSTANT = 14
# One-qubit matrices are multiplied in blocks of this many neighbouring qubits.
_WIDEST_BLOCK = 3
# How many states of the batch exist at once, at the least.
_LIVE_STATES = 4
# tf.reverse takes tensors of at most 8 dimensions; each group of flipped qubits adds two.
_GROUPS_PER_REVERSE = 3


def evolve(
    program: Program, inputs: tf.Tensor, theta: tf.Tensor, initial_state: tf.Tensor | None
) -> tf.Tensor:
    """Returns the final states [2^n, B], or [2^n, 1] where all samples have the same one."""
    n = program.n_qubits
    dtype = inputs.dtype
    inputs, theta, initial_state = _checked(program, inputs, theta, initial_state)
    batch = inputs.shape[0] if inputs.shape[0] is not None else 1
    memory.check(
        _LIVE_STATES * 2 * dtype.size * max(batch, 1) * 2**n,
        f"Simulating {n} qubits for a batch of {batch} in {complex_dtype(dtype).name}",
    )
    steps = schedule(program)
    if initial_state is None:
        zero = tf.zeros([2**n - 1, 1], complex_dtype(dtype))
        state = tf.concat([tf.ones([1, 1], zero.dtype), zero], 0)
    else:
        state = tf.transpose(initial_state)
    for step, angles in zip(steps, step_angles(steps, inputs, theta), strict=True):
        if isinstance(step, Diagonal):
            state = _apply_diagonal(state, step, angles, n)
        elif isinstance(step, Permutation):
            state = _apply_permutation(state, step, n)
        elif isinstance(step, Local):
            for matrix, first in blocks(step, _WIDEST_BLOCK):
                state = _multiply(state, matrix, first, n)
        else:
            state = _apply_matrix(state, step, n)
    return state


def _checked(
    program: Program, inputs: tf.Tensor, theta: tf.Tensor, initial_state: tf.Tensor | None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Checks shapes that were unknown while tracing, when the graph runs."""
    inputs = tf.ensure_shape(inputs, [None, program.n_inputs])
    theta = tf.ensure_shape(theta, [program.n_theta])
    if initial_state is None:
        return inputs, theta, None
    initial_state = tf.ensure_shape(initial_state, [None, 2**program.n_qubits])
    if inputs.shape[0] is None or initial_state.shape[0] is None:
        # A state of batch size 1 would broadcast without a word.
        same = tf.debugging.assert_equal(
            tf.shape(initial_state)[0],
            tf.shape(inputs)[0],
            message="`initial_state` needs one state a sample",
        )
        with tf.control_dependencies([same]):
            initial_state = tf.identity(initial_state)
    return inputs, theta, initial_state


def flip_bits(state: tf.Tensor, x: int, n_qubits: int) -> tf.Tensor:
    """Returns the state [2^n, B] with rows j and j ^ x exchanged."""
    groups: list[tuple[int, int]] = []  # (lowest bit, number of bits) of each run of ones
    bit = 0
    while x >> bit:
        length = 0
        while x >> (bit + length) & 1:
            length += 1
        if length:
            groups.append((bit, length))
        bit += max(length, 1)
    for start in range(0, len(groups), _GROUPS_PER_REVERSE):
        shape, axes, top = [], [], n_qubits
        for low, length in reversed(groups[start : start + _GROUPS_PER_REVERSE]):
            shape += [2 ** (top - low - length), 2**length]
            axes.append(len(shape) - 1)
            top = low
        state = tf.reverse(tf.reshape(state, [*shape, 2**top, -1]), axes)
    return tf.reshape(state, [2**n_qubits, -1])


def signs(z: int, controls: int, width: int, dtype: tf.DType) -> Any:
    """Returns (-1)^parity(j & z), 0 unless all control bits are set, for j < 2^width."""
    if width <= WIDEST_CONSTANT:
        return _sign_table(z, controls, width).astype(dtype.as_numpy_dtype)
    index = tf.range(2**width, dtype=tf.int64)
    out = tf.ones([2**width], dtype)
    if z:
        value = index & z
        for shift in (32, 16, 8, 4, 2, 1):
            value = value ^ tf.bitwise.right_shift(value, tf.constant(shift, tf.int64))
        out = 1 - 2 * tf.cast(value & 1, dtype)
    return out * tf.cast(_selected(index, controls), dtype) if controls else out


@remember(lambda result, *_: result.nbytes, most=4096)
def _sign_table(z: int, controls: int, width: int) -> np.ndarray:
    index = np.arange(2**width)
    return parity(index, z) * ((index & controls) == controls)


def _selected(index: Any, bits: int) -> Any:
    if isinstance(index, np.ndarray):
        return ((index & bits) == bits).astype(np.int64)
    return tf.cast(tf.equal(index & bits, bits), tf.int64)


def _apply_diagonal(
    state: tf.Tensor, step: Diagonal, angles: list[DiagonalAngles], n: int
) -> tf.Tensor:
    real = state.dtype.real_dtype
    touched = 0
    for gate in step.gates:
        touched |= gate.z | gate.controls
    low, width = _window(touched)
    constant = np.zeros(2**width) if width <= WIDEST_CONSTANT else None
    total: Any = None
    for part in angles:
        gates = [step.gates[k] for k in part.gates]
        if constant is None:
            for k, gate in enumerate(gates):
                values = tf.cast(part.values[k], real)
                term = signs(gate.z >> low, gate.controls >> low, width, real)[:, None] * values
                total = term if total is None else total + term
            continue
        tables = [_sign_table(gate.z >> low, gate.controls >> low, width) for gate in gates]
        table = np.stack(tables, 1)
        if isinstance(part.values, np.ndarray):
            constant += table @ part.values
        else:
            term = tf.matmul(tf.constant(table, real), part.values)
            total = term if total is None else total + term
    if total is None:
        assert constant is not None  # every gate of the step was constant
        factor = tf.constant(np.exp(1j * constant)[:, None], state.dtype)
    else:
        if constant is not None and constant.any():
            total = total + tf.constant(constant[:, None], real)
        factor = tf.complex(tf.cos(total), tf.sin(total))
    shape = [2 ** (n - low - width), 2**width, 2**low, -1]
    out = tf.reshape(state, shape) * factor[:, None, :]
    return tf.reshape(out, [2**n, -1])


def _apply_permutation(state: tf.Tensor, step: Permutation, n: int) -> tf.Tensor:
    if n <= WIDEST_CONSTANT:
        index: Any = source_index(step.gates, np.arange(2**n), n, _selected).astype(np.int32)
    else:
        index = source_index(step.gates, tf.range(2**n, dtype=tf.int64), n, _selected)
    # The gradient of a gather is sparse; that of the reshape before it makes it dense again.
    return tf.gather(tf.reshape(state, [2**n, -1]), index)


def _multiply(state: tf.Tensor, matrix: np.ndarray, first: int, n: int) -> tf.Tensor:
    grouped = tf.reshape(state, [2**first, matrix.shape[0], -1])
    return tf.reshape(tf.matmul(tf.constant(matrix, state.dtype), grouped), [2**n, -1])


def _apply_matrix(state: tf.Tensor, step: Matrix, n: int) -> tf.Tensor:
    out = _multiply(state, step.matrix, step.first, n)
    if not step.controls:
        return out
    on = tf.cast(tf.reshape(signs(0, step.controls, n, state.dtype.real_dtype), [-1, 1]), tf.bool)
    return tf.where(on, out, state)


def _window(bits: int) -> tuple[int, int]:
    """Returns the lowest set bit and the number of bits up to the highest."""
    if bits == 0:
        return 0, 0
    low = (bits & -bits).bit_length() - 1
    return low, bits.bit_length() - low
