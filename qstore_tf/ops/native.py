"""Programs run in the C++ op library, and the gradients of its ops.

The same functions as `qstore_tf.ops.plain`. First derivatives are the adjoint method in C++;
derivatives of those go through the plain-TensorFlow simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.circuits.observables import PauliSum, observables_text
from qstore_tf.circuits.program import Program
from qstore_tf.ops import library, plain
from qstore_tf.ops.inputs import check_observables, check_sampling, prepare_for_op
from qstore_tf.ops.own_gradient import gradient_of
from qstore_tf.ops.program_text import parse_observables_text, parse_program
from qstore_tf.ops.second_order import second_gradient


@tf.autograph.experimental.do_not_convert
def expectation(
    program: Program,
    observables: Sequence[PauliSum],
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    num_threads: int = 0,
) -> tf.Tensor:
    """Returns <psi_b|O_k|psi_b> for each sample b and observable k.

    Args:
        program: What to run.
        observables: K sums of Pauli strings.
        inputs: [B, F] float32 or float64, radians. NaN gives NaN.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one.
        num_threads: Threads to use; 0 means all cores the process may use.

    Returns:
        [B, K] of the dtype of `inputs`, differentiable in all three.

    Raises:
        InputError: An argument's rank, shape or dtype does not fit.
        LibraryError: The op library is missing.
        tf.errors.InvalidArgumentError: A shape that was unknown while tracing does not fit.
        tf.errors.ResourceExhaustedError: The state vectors cannot fit into memory.
    """
    ops = library.load()
    inputs, theta, initial = prepare_for_op(program, inputs, theta, initial_state)
    check_observables(observables, program.n_qubits)
    return ops.qstore_expectation(
        inputs=inputs,
        theta=theta,
        initial_state=initial,
        program=program.to_text(),
        observables=observables_text(observables),
        num_threads=num_threads,
    )


@tf.autograph.experimental.do_not_convert
def state_vector(
    program: Program,
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    num_threads: int = 0,
) -> tf.Tensor:
    """Returns the final states [B, 2^n]; arguments and errors as `expectation`."""
    ops = library.load()
    inputs, theta, initial = prepare_for_op(program, inputs, theta, initial_state)
    return ops.qstore_state(
        inputs=inputs,
        theta=theta,
        initial_state=initial,
        program=program.to_text(),
        num_threads=num_threads,
    )


@tf.autograph.experimental.do_not_convert
def probabilities(
    program: Program,
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    num_threads: int = 0,
) -> tf.Tensor:
    """Returns the probabilities [B, 2^n] of the basis states; arguments as `expectation`."""
    state = state_vector(program, inputs, theta, initial_state, num_threads=num_threads)
    return plain.squared_magnitude(state)


@tf.autograph.experimental.do_not_convert
def sample(
    program: Program,
    inputs: Any,
    theta: Any,
    initial_state: Any = None,
    *,
    shots: int,
    seed: Any,
    num_threads: int = 0,
) -> tf.Tensor:
    """Draws basis-state indices, int64 [B, shots]; the same seed gives the same draws.

    Args:
        program: What to run.
        inputs: [B, F] float32 or float64, radians.
        theta: [P] of the same dtype, radians.
        initial_state: Complex [B, 2^n] where the program has one; it need not be normalized.
        shots: Draws for each sample.
        seed: Two integers.
        num_threads: Threads to use; 0 means all cores the process may use.
    """
    ops = library.load()
    inputs, theta, initial = prepare_for_op(program, inputs, theta, initial_state)
    return ops.qstore_sample(
        inputs=inputs,
        theta=theta,
        initial_state=initial,
        seed=check_sampling(shots, seed),
        program=program.to_text(),
        shots=shots,
        num_threads=num_threads,
    )


def _text(op: tf.Operation, name: str) -> str:
    value = op.get_attr(name)
    return value.decode() if isinstance(value, bytes) else value


@gradient_of("QstoreExpectation")
def _expectation_gradient(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor]:
    return list(
        library.load().qstore_expectation_grad(
            *op.inputs,
            grad,
            program=op.get_attr("program"),
            observables=op.get_attr("observables"),
            num_threads=op.get_attr("num_threads"),
        )
    )


@gradient_of("QstoreState")
def _state_gradient(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor]:
    return list(
        library.load().qstore_state_grad(
            *op.inputs,
            grad,
            program=op.get_attr("program"),
            num_threads=op.get_attr("num_threads"),
        )
    )


@gradient_of("QstoreExpectationGrad")
def _expectation_second_gradient(op: tf.Operation, *grads: tf.Tensor) -> list[tf.Tensor]:
    program = parse_program(_text(op, "program"))
    observables = parse_observables_text(_text(op, "observables"))
    return _second_gradient(
        op, grads, program, lambda *given: plain.expectation(program, observables, *given)
    )


@gradient_of("QstoreStateGrad")
def _state_second_gradient(op: tf.Operation, *grads: tf.Tensor) -> list[tf.Tensor]:
    program = parse_program(_text(op, "program"))
    return _second_gradient(op, grads, program, lambda *given: plain.state_vector(program, *given))


def _second_gradient(
    op: tf.Operation,
    grads: Sequence[tf.Tensor | None],
    program: Program,
    forward: Callable[..., tf.Tensor],
) -> list[tf.Tensor]:
    """Differentiates the gradient op `op` by autodiff of the plain ops."""
    *sources, cotangent = op.inputs
    if program.has_initial:
        return second_gradient(forward, sources, cotangent, grads)
    inputs, theta, nothing = sources
    by_inputs, by_theta, by_cotangent = second_gradient(
        forward, [inputs, theta], cotangent, grads[:2]
    )
    return [by_inputs, by_theta, tf.zeros_like(nothing), by_cotangent]
