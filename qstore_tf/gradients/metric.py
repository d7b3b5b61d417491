"""The Fubini-Study metric: by the native op, from states, or from overlaps counted in shots."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Backend, Chunked, Native
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.overlaps import overlaps, read_shots
from qstore_tf.gradients.unrolled import columns_of
from qstore_tf.ops import metric as native_op
from qstore_tf.ops.inputs import complex_dtype, prepare
from qstore_tf.shifts import check_approximation, kept_elements, overlap_plan, state_table, unroll


@tf.autograph.experimental.do_not_convert
def fubini_study(
    program: Program,
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    backend: str | Backend = "auto",
    approximation: str = "full",
    shots: int | None = None,
    seed: Any = None,
) -> tf.Tensor:
    """Returns the Fubini-Study metric by theta [P, P], the mean over the batch.

    g_pq = Re<d_p psi|d_q psi> - Re(<d_p psi|psi><psi|d_q psi>). The quantum Fisher information
    is 4 g. One backend call for the batch: the native backend has an op for it; from other
    backends with state vectors it takes the states at shifted angles, which give the exact
    derivatives of the state; without states, or with shots, it counts overlaps of states at
    shifted angles (arXiv:2008.06517), unbiased, in 2 G^2 circuits a sample for G angles that
    depend on theta.

    Args:
        program: What to run.
        inputs: [B, F] float32 or float64, radians.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one, normalized.
        backend: A name or a backend.
        approximation: "full"; "block_diagonal", which keeps the elements between angles of one
            layer of commuting gates (see `theta_blocks`); or "diagonal". The others are zero.
            What is zero costs no circuits where overlaps are counted.
        shots: Draws for each overlap. None is exact where the backend has states.
        seed: Two integers, needed with shots.

    Returns:
        [P, P] of the dtype of `inputs`, symmetric. It has no gradient.

    Raises:
        ConfigurationError: The approximation or the backend is unknown, or the backend cannot
            serve.
        InputError: An argument's rank, shape or dtype does not fit.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit
        >>> circuit = UnifiedCircuit(1).add_gate("RY", 0, "a").add_gate("RZ", 0, "b")
        >>> g = fubini_study(compile_circuit(circuit), [[]], [1.0, 0.0], backend="tensorflow")
        >>> print(abs(g.numpy()).round(3))  # 1/4 and sin(1)^2 / 4
        [[0.25  0.   ]
         [0.    0.177]]
    """
    check_approximation(approximation)
    chosen = backends.get(backend)
    counted = read_shots(chosen, shots)
    # The op's memory does not grow with the batch, so it needs no pieces.
    whole = chosen.backend if isinstance(chosen, Chunked) else chosen
    inputs, theta, initial = prepare(program, inputs, theta, initial_state)
    if counted is not None:
        values = _from_overlaps(
            chosen, program, inputs, theta, initial, approximation, counted, seed
        )
    elif isinstance(whole, Native):
        values = native_op.metric(program, inputs, theta, initial, num_threads=whole.num_threads)
    else:
        values = _from_states(chosen, program, inputs, theta, initial)
    kept = tf.constant(kept_elements(program, approximation), values.dtype)
    return tf.stop_gradient(values * kept)


def quantum_fisher(program: Program, inputs: Any, theta: Any, *args: Any, **options: Any) -> Any:
    """Returns the quantum Fisher information [P, P], 4 times `fubini_study`; arguments as there."""
    return 4 * fubini_study(program, inputs, theta, *args, **options)


def _from_states(
    backend: Backend,
    program: Program,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
) -> tf.Tensor:
    unrolled = unroll(program)
    shifts, weights = state_table(program)
    if not len(shifts):
        return tf.zeros([program.n_theta, program.n_theta], inputs.dtype)
    rows = len(shifts) + 1  # the first is the state itself
    moved = _moved(columns_of(unrolled, inputs, theta), np.vstack([shifts[:1] * 0, shifts]))
    again = None if initial is None else tf.tile(initial, [rows, 1])
    states = backend.state_vector(unrolled.program, moved, tf.zeros([0], inputs.dtype), again)
    size = 2**program.n_qubits
    complex_type = complex_dtype(inputs.dtype)
    derivatives = tf.matmul(
        tf.constant(weights.T, complex_type), tf.reshape(states, [rows, -1])[1:]
    )
    derivatives = tf.reshape(derivatives, [program.n_theta, -1, size])
    state = tf.reshape(states, [rows, -1, size])[0]
    along = tf.reduce_sum(tf.math.conj(state)[None] * derivatives, axis=2)  # [P, B]
    flat = tf.reshape(derivatives, [program.n_theta, -1])
    total = tf.matmul(flat, flat, adjoint_b=True) - tf.matmul(along, along, adjoint_b=True)
    batch = tf.cast(tf.shape(inputs)[0], inputs.dtype)
    return tf.math.divide_no_nan(tf.math.real(total), batch)


def _moved(angles: tf.Tensor, shifts: np.ndarray) -> tf.Tensor:
    """Returns the angles [B, G] moved by each of the shifts [S, G], as rows [S B, G]."""
    moved = angles[None] + tf.constant(shifts[:, None, :], angles.dtype)
    return tf.reshape(moved, [-1, shifts.shape[1]])


def _from_overlaps(
    backend: Backend,
    program: Program,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
    approximation: str,
    shots: int | None,
    seed: Any,
) -> tf.Tensor:
    if shots is not None and seed is None:
        raise ConfigurationError(
            describe("Overlaps counted in shots need a seed", expected="seed=(1, 2)", received=seed)
        )
    plan = overlap_plan(program, approximation)
    if not len(plan.index):
        return tf.zeros([program.n_theta, program.n_theta], inputs.dtype)
    unrolled = unroll(program)
    angles = columns_of(unrolled, inputs, theta)
    moved = _moved(angles, plan.shifts)
    still = _moved(angles, plan.shifts * 0)
    again = None if initial is None else tf.tile(initial, [len(plan.shifts), 1])
    found = overlaps(backend, unrolled.program, still, moved, again, shots=shots, seed=seed)
    means = tf.reduce_mean(tf.reshape(found, [len(plan.shifts), -1]), axis=1)
    means = tf.concat([means, tf.ones([1], means.dtype)], axis=0)
    terms = tf.gather(means, plan.index) * tf.constant(plan.weights, means.dtype)
    values = tf.concat([tf.reduce_sum(terms, axis=1), tf.zeros([1], means.dtype)], axis=0)
    by_angle = tf.gather(values, plan.pair)
    jacobian = tf.constant(plan.jacobian, means.dtype)
    return tf.matmul(jacobian, tf.matmul(by_angle, jacobian), transpose_a=True)
