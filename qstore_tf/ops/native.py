"""Programs run in the C++ op library, and the gradients of its ops.

The same functions as `qstore_tf.ops.plain`. First derivatives are the adjoint method in C++;
derivatives of those go through the plain-TensorFlow simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.caching import remember
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum, observables_text
from qstore_tf.circuits.program import Program
from qstore_tf.ops import library, plain
from qstore_tf.ops.inputs import check_sampling, prepare_for_op
from qstore_tf.ops.own_gradient import gradient_of
from qstore_tf.ops.program_text import parse_observables_text, parse_program
from qstore_tf.ops.second_order import second_gradient

# The texts that an op takes, and the function of its gradient op.
_TEXTS = {"QstoreExpectation": ("program", "observables"), "QstoreState": ("program",)}
_GRADIENTS = {"QstoreExpectation": "qstore_expectation_grad", "QstoreState": "qstore_state_grad"}


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
    library.load()
    given = prepare_for_op(program, inputs, theta, initial_state)
    check_observables(observables, program.n_qubits)
    texts = {"program": program.to_text(), "observables": observables_text(observables)}
    return run("qstore_expectation", given, texts, num_threads=num_threads)


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
    library.load()
    given = prepare_for_op(program, inputs, theta, initial_state)
    return run("qstore_state", given, {"program": program.to_text()}, num_threads=num_threads)


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
    library.load()
    given = (*prepare_for_op(program, inputs, theta, initial_state), check_sampling(shots, seed))
    texts = {"program": program.to_text()}
    return run("qstore_sample", given, texts, shots=shots, num_threads=num_threads)


def run(name: str, tensors: Sequence[tf.Tensor], texts: dict[str, str], **attributes: int) -> Any:
    """Runs an op: in graphs with the texts as attributes, eagerly with the texts as inputs.

    For every value of an attribute that is called eagerly TensorFlow keeps a kernel, 40 KB and
    more each, until `keras.backend.clear_session()`.

    Args:
        name: Name of the op's function.
        tensors: Its inputs.
        texts: `program`, and `observables` where the op takes them.
        **attributes: Its other attributes.
    """
    ops = library.load()
    if tf.executing_eagerly():
        fed = [_bytes(text) for text in texts.values()]
        return getattr(ops, f"{name}_fed")(*tensors, *fed, **attributes)
    return getattr(ops, name)(*tensors, **texts, **attributes)


@remember(lambda result, text: 2 * len(text))
def _bytes(text: str) -> tf.Tensor:
    with tf.device("CPU"):
        return tf.constant(np.frombuffer(text.encode(), np.uint8))


@gradient_of("QstoreExpectation")
@gradient_of("QstoreState")
def _gradient(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor]:
    texts = {name: _text(op, name) for name in _TEXTS[op.type]}
    return list(
        run(_GRADIENTS[op.type], [*op.inputs, grad], texts, num_threads=op.get_attr("num_threads"))
    )


@gradient_of("QstoreExpectationFed")
@gradient_of("QstoreStateFed")
def _fed_gradient(op: tf.Operation, grad: tf.Tensor) -> list[tf.Tensor | None]:
    kind = op.type.removesuffix("Fed")
    texts = op.inputs[3:]
    gradient = getattr(library.load(), f"{_GRADIENTS[kind]}_fed")
    found = gradient(*op.inputs[:3], grad, *texts, num_threads=op.get_attr("num_threads"))
    return [*found, *(None for _ in texts)]


@gradient_of("QstoreExpectationGrad")
@gradient_of("QstoreStateGrad")
def _second_gradient(op: tf.Operation, *grads: tf.Tensor) -> list[tf.Tensor]:
    kind = op.type.removesuffix("Grad")
    return _differentiated([_text(op, name) for name in _TEXTS[kind]], op.inputs, grads)


@gradient_of("QstoreExpectationGradFed")
@gradient_of("QstoreStateGradFed")
def _fed_second_gradient(op: tf.Operation, *grads: tf.Tensor) -> list[tf.Tensor | None]:
    sources, texts = op.inputs[:4], op.inputs[4:]

    def from_texts(*given: tf.Tensor) -> list[tf.Tensor]:
        written = [bytes(text.numpy()).decode() for text in given[: len(texts)]]
        return _differentiated(written, given[len(texts) :][:4], given[len(texts) + 4 :])

    # Forward-mode differentiation of eager calls traces this, and a placeholder has no text yet.
    upstream = [
        tf.zeros_like(value) if grad is None else grad
        for value, grad in zip(sources, grads, strict=False)
    ]
    given = [*texts, *sources, *upstream]
    if tf.executing_eagerly():
        return [*from_texts(*given), *(None for _ in texts)]
    found = tf.py_function(from_texts, given, [source.dtype for source in sources])
    for value, source in zip(found, sources, strict=True):
        value.set_shape(source.shape)
    return [*found, *(None for _ in texts)]


def _text(op: tf.Operation, name: str) -> str:
    value = op.get_attr(name)
    return value.decode() if isinstance(value, bytes) else value


def _differentiated(
    texts: Sequence[str], sources: Sequence[tf.Tensor], grads: Sequence[tf.Tensor | None]
) -> list[tf.Tensor]:
    """Differentiates a gradient op with these texts and inputs by autodiff of the plain ops."""
    program = parse_program(texts[0])
    if len(texts) == 1:
        return _by_autodiff(
            program, sources, grads, lambda *given: plain.state_vector(program, *given)
        )
    observables = parse_observables_text(texts[1])
    return _by_autodiff(
        program, sources, grads, lambda *given: plain.expectation(program, observables, *given)
    )


def _by_autodiff(
    program: Program,
    given: Sequence[tf.Tensor],
    grads: Sequence[tf.Tensor | None],
    forward: Callable[..., tf.Tensor],
) -> list[tf.Tensor]:
    *sources, cotangent = given
    if program.has_initial:
        return second_gradient(forward, sources, cotangent, grads)
    inputs, theta, nothing = sources
    by_inputs, by_theta, by_cotangent = second_gradient(
        forward, [inputs, theta], cotangent, grads[:2]
    )
    return [by_inputs, by_theta, tf.zeros_like(nothing), by_cotangent]
