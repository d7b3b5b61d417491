"""The circuit that travels with a quantum state from layer to layer.

Between quantum layers the tensor is a state vector. The layer that made it also hangs the
circuit that made it on the tensor, as an attribute, the way Keras hangs masks on tensors. The
next layer can then run everything up to itself as one operation: no state has to be stored
between layers, and a backend without state vectors can still run the model.

The attribute is a Python object on a Python tensor. It survives Sequential and functional
models, eager and traced. It does not survive operations in between (`state * 1.0` is another
tensor), the boundary of a `tf.function`, or `TimeDistributed`; the state vector is used then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import tensorflow as tf

from qstore_tf import execution
from qstore_tf.circuits.encodings import amplitude_encoding
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program, compile_circuit
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers import amplitudes
from qstore_tf.layers.means import Means

_ATTRIBUTE = "_qstore_carried"


@dataclass(frozen=True, eq=False)
class Carried:
    """A circuit with the numbers it runs on.

    Attributes:
        program: what has been applied so far.
        inputs: numbers per sample, [batch, n_inputs].
        theta: trained numbers, [n_theta].
        initial: the amplitudes it starts from, [batch, 2^n], real or complex; None is |0...0>.
        means: what the latest layer ran it with.
    """

    program: Program
    inputs: tf.Tensor
    theta: tf.Tensor
    initial: tf.Tensor | None
    means: Means

    def then(self, program: Program, theta: tf.Tensor, means: Means) -> Carried:
        """Returns this circuit followed by `program`, which reads no inputs of its own."""
        if self.program.n_theta:
            theta = tf.concat([self.theta, theta], axis=0)
        return Carried(_appended(self.program, program), self.inputs, theta, self.initial, means)

    def expectation(self, observables: tuple[PauliSum, ...], means: Means) -> tf.Tensor:
        """Runs the circuit and measures: one operation, [batch, n_observables]."""
        return expectation(self.program, observables, means, self.inputs, self.theta, self.initial)


def attach(state: tf.Tensor, carried: Carried) -> tf.Tensor:
    """Hangs the circuit on the state it made, and returns the state."""
    setattr(state, _ATTRIBUTE, carried)
    return state


def of(state: tf.Tensor) -> Carried | None:
    """Returns the circuit that hangs on a state, or None."""
    found = getattr(state, _ATTRIBUTE, None)
    return found if isinstance(found, Carried) else None


def expectation(
    program: Program,
    observables: tuple[PauliSum, ...],
    means: Means,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
) -> tf.Tensor:
    """Runs a program and measures, starting from given amplitudes by what the backend can do."""
    if initial is None:
        values = _expectation(program, observables, means)(inputs, theta, None)
    elif means.differentiates_states:
        initial = amplitudes.as_complex(initial)
        values = _expectation(program, observables, means)(inputs, theta, initial)
    else:
        prepared = _prepared(program, initial.dtype.is_complex)
        inputs = tf.concat([amplitudes.angles(initial), inputs], axis=1)
        values = _expectation(prepared, observables, means)(inputs, theta, None)
    values.set_shape([inputs.shape[0], len(observables)])
    return values


def state(
    program: Program,
    means: Means,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
) -> tf.Tensor:
    """Runs a program and returns the state vectors, [batch, 2^n].

    Whatever the gradient method, states are differentiated by the backend itself: the others
    differentiate expectation values only. Where the backend cannot, the state is still there
    to look at and to carry the circuit on, but a gradient through it is an error.
    """
    if not means.has_states:
        # Carries the circuit; the numbers mean nothing, and should someone use them, they show.
        shape = [tf.shape(inputs)[0], 2**program.n_qubits]
        nothing = tf.fill(shape, tf.constant(math.nan, inputs.dtype))
        return tf.complex(nothing, nothing)
    if initial is not None:
        initial = amplitudes.as_complex(initial)
    if means.differentiates_states:
        vectors = _state(program, means)(inputs, theta, initial)
        vectors.set_shape([inputs.shape[0], 2**program.n_qubits])
        return vectors
    backend = means.resolved
    vectors = backend.state_vector(program, inputs, theta, initial)
    return _without_gradient(vectors, [theta, inputs, initial], backend.name)


def _without_gradient(state: tf.Tensor, numbers: list[tf.Tensor | None], backend: str) -> tf.Tensor:
    @tf.custom_gradient
    def guarded(*numbers: tf.Tensor) -> Any:
        def gradient(*upstream: tf.Tensor) -> Any:
            raise ConfigurationError(
                describe(
                    f"Backend '{backend}' returns states without gradients",
                    hint="Measure with ExpectationValue right behind the quantum layers",
                )
            )

        return tf.stop_gradient(state), gradient

    return guarded(*(tensor for tensor in numbers if tensor is not None))


# Programs and their functions are built once; a step finds them by a hash that is cached.
@lru_cache(maxsize=256)
def _appended(program: Program, other: Program) -> Program:
    return program.append(other)


@lru_cache(maxsize=256)
def _prepared(program: Program, complex_amplitudes: bool) -> Program:
    preparation = amplitude_encoding(program.n_qubits, complex=complex_amplitudes)
    first = compile_circuit(preparation, inputs=preparation.parameters)
    return first.append(replace(program, has_initial=False))


@lru_cache(maxsize=256)
def _expectation(
    program: Program, observables: tuple[PauliSum, ...], means: Means
) -> Callable[..., tf.Tensor]:
    return execution.build_expectation(program, observables, means.resolved, means.gradient)


@lru_cache(maxsize=256)
def _state(program: Program, means: Means) -> Callable[..., tf.Tensor]:
    return execution.build_state(program, means.resolved, "adjoint")
