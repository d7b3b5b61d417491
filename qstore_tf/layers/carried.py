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
from dataclasses import dataclass, field, replace
from typing import Any

import tensorflow as tf

from qstore_tf import execution
from qstore_tf.backends import Backend
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Pullback
from qstore_tf.layers import amplitudes, runs
from qstore_tf.layers.means import Means
from qstore_tf.layers.seeds import Seeds
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import complex_dtype
from qstore_tf.ops.own_gradient import own_gradient
from qstore_tf.ops.seeds import derived_seed as another

_ATTRIBUTE = "_qstore_carried"

# Sets the shots of gradients by amplitudes apart from those of all other gradients.
_BY_AMPLITUDES = 7001


@dataclass(frozen=True, eq=False)
class Carried:
    """A circuit with the numbers it runs on.

    Attributes:
        program: what has been applied so far.
        inputs: numbers per sample, [batch, n_inputs].
        theta: trained numbers, [n_theta].
        initial: the amplitudes it starts from, [batch, 2^n], real or complex; None is |0...0>.
        means: what the latest layer ran it with, and the shots of the latest that had any.
        seeds: the seeds of the latest layer that draws.
    """

    program: Program
    inputs: tf.Tensor
    theta: tf.Tensor
    initial: tf.Tensor | None
    means: Means
    seeds: Seeds | None = field(default=None, repr=False)

    def then(
        self, program: Program, theta: tf.Tensor, means: Means, seeds: Seeds | None = None
    ) -> Carried:
        """Returns this circuit followed by `program`, which reads no inputs of its own."""
        if self.program.n_theta:
            theta = runs.joined(self.theta, theta)
        program = _appended(self.program, program)
        means = means.behind(self.means)
        return Carried(program, self.inputs, theta, self.initial, means, seeds or self.seeds)

    def expectation(
        self, observables: tuple[PauliSum, ...], means: Means, seeds: Seeds | None = None
    ) -> tf.Tensor:
        """Runs the circuit and measures: one operation, [batch, n_observables].

        Args:
            observables: what to measure.
            means: what to run it with.
            seeds: those of the layer that measures, where it has any.
        """
        return expectation(
            self.program,
            observables,
            means,
            self.inputs,
            self.theta,
            self.initial,
            seeds or self.seeds,
        )

    def state(self, means: Means) -> tf.Tensor:
        """Runs the circuit: one operation, the state vectors [batch, 2^n]."""
        return state(self.program, means, self.inputs, self.theta, self.initial)

    def sample(self, means: Means, shots: int, seeds: Seeds) -> tf.Tensor:
        """Runs the circuit and draws basis-state indices: one operation, [batch, shots]."""
        inputs, theta, initial, program = self.inputs, self.theta, self.initial, self.program
        execution.check_dtype(means.resolved, inputs.dtype)
        if initial is not None and means.has_states:
            # Draws do not depend on the length, but a row of zeros must be as on hardware.
            initial = amplitudes.as_complex(amplitudes.normalized(initial, program.n_qubits))
        elif initial is not None:
            program, inputs = amplitudes.as_gates(program, inputs, initial)
            initial = None
        run = _sample(program, means)
        drawn = run(program, inputs, theta, initial, shots=shots, seed=seeds.next())
        drawn.set_shape([inputs.shape[0], shots])
        return drawn

    def unitary(self, means: Means) -> tf.Tensor:
        """The matrices of the circuit, [batch, 2^n, 2^n], of what follows given amplitudes."""
        program, inputs = self.program, self.inputs
        size = 2**program.n_qubits
        static, batch = inputs.shape[0], tf.shape(inputs)[0]
        if not program.n_inputs:
            inputs = inputs[:1] if static else tf.zeros([1, 0], inputs.dtype)
        columns = [-1, size, size]
        # A row for each basis state: what it becomes, which is a column of the matrix. Nothing
        # is kept by a name, so that only two arrays of the size of the result are there at once.
        matrices = tf.transpose(
            tf.reshape(self._of_basis_states(means, inputs), columns), [0, 2, 1]
        )
        if not program.n_inputs:
            matrices = tf.broadcast_to(matrices, [batch, size, size])
        return tf.ensure_shape(matrices, [static, size, size])

    def _of_basis_states(self, means: Means, inputs: tf.Tensor) -> tf.Tensor:
        """What the circuit makes of all basis states for each row of `inputs`, [B * 2^n, 2^n]."""
        size = 2**self.program.n_qubits
        basis = tf.eye(size, dtype=complex_dtype(inputs.dtype))
        return state(
            replace(self.program, has_initial=True),
            means,
            tf.repeat(inputs, size, axis=0),
            self.theta,
            tf.tile(basis, [tf.shape(inputs)[0], 1]),
        )


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
    seeds: Seeds | None = None,
) -> tf.Tensor:
    """Runs a program and measures, starting from given amplitudes by what the backend can do."""
    execution.check_dtype(means.resolved, inputs.dtype)
    seed = None if seeds is None else seeds.next()
    given = program, inputs, theta, initial
    theta = runs.watch(program, means, inputs, theta, initial)
    if initial is None:
        values = _expectation(program, observables, means)(inputs, theta, None, seed)
    elif means.differentiates_states and means.shots is None:
        initial = amplitudes.as_complex(initial)
        values = _expectation(program, observables, means)(inputs, theta, initial, seed)
    elif means.has_states and means.shots is not None:
        values = _drawn(program, observables, means, inputs, theta, initial, seed)
    else:
        prepared, inputs = amplitudes.as_gates(program, inputs, initial)
        values = _expectation(prepared, observables, means)(inputs, theta, None, seed)
        values *= plain.squared_length(initial)
    values.set_shape([inputs.shape[0], len(observables)])
    runs.measured(given[0], observables, means, *given[1:], values)
    return values


def _drawn(
    program: Program,
    observables: tuple[PauliSum, ...],
    means: Means,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor,
    seed: tf.Tensor | None,
) -> tf.Tensor:
    """Estimates from shots of a circuit that starts from given amplitudes.

    A simulator needs no gates to prepare them. Gradients by the amplitudes are estimated as on
    hardware, from circuits that do prepare them. These are many, so they are behind a function of
    their own, whose value is zero: where no gradient by the amplitudes is asked for, none is run.
    What is drawn knows the direction of the amplitudes; their length is multiplied in.
    """
    found = _runs(program, observables, means, initial.dtype.is_complex)
    unit = amplitudes.normalized(initial, program.n_qubits)
    vectors = tf.stop_gradient(amplitudes.as_complex(unit))
    angles = amplitudes.angles(initial)
    n_angles = int(angles.shape[1])

    @own_gradient
    def measured(inputs: tf.Tensor, theta: tf.Tensor) -> Any:
        values = found.backend.expectation(program, observables, inputs, theta, vectors, seed=seed)
        return values, lambda upstream: found.pull(inputs, theta, vectors, upstream, seed)

    @own_gradient
    def nothing(angles: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            columns = tf.concat([angles, inputs], axis=1)
            other = None if seed is None else another(seed, _BY_AMPLITUDES)
            return found.pull_prepared(columns, theta, None, upstream, other)[0][:, :n_angles]

        return tf.zeros([tf.shape(angles)[0], len(observables)], angles.dtype), gradient

    estimated = measured(inputs, theta) + nothing(angles)
    return estimated * plain.squared_length(initial)


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
    execution.check_dtype(means.resolved, inputs.dtype)
    if not means.has_states:
        # Carries the circuit; the numbers mean nothing, and should someone use them, they show.
        shape = [tf.shape(inputs)[0], 2**program.n_qubits]
        nothing = tf.fill(shape, tf.constant(math.nan, inputs.dtype))
        return tf.complex(nothing, nothing)
    theta = runs.watch(program, means, inputs, theta, initial)
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
    @own_gradient
    def guarded(*numbers: tf.Tensor) -> Any:
        def gradient(*upstream: tf.Tensor) -> Any:
            raise ConfigurationError(
                describe(
                    f"Backend '{backend}' returns states without gradients",
                    hint="Measure with ExpectationValue right behind the quantum layers, or use "
                    "backend='native' or 'tensorflow', whose states can be differentiated",
                )
            )

        return tf.stop_gradient(state), gradient

    return guarded(*(tensor for tensor in numbers if tensor is not None))


# Programs and their functions are built once; a step finds them by a hash that is cached.
@remember(of_programs)
def _appended(program: Program, other: Program) -> Program:
    return program.append(other)


@remember(of_programs)
def _expectation(
    program: Program, observables: tuple[PauliSum, ...], means: Means
) -> Callable[..., tf.Tensor]:
    return execution.build_expectation(
        program, observables, means.resolved, means.gradient, means.shots
    )


@dataclass(frozen=True, eq=False)
class _Runs:
    backend: Backend
    pull: Pullback
    pull_prepared: Pullback


@remember(of_programs)
def _runs(
    program: Program, observables: tuple[PauliSum, ...], means: Means, complex_amplitudes: bool
) -> _Runs:
    backend, method = execution.choose(means.resolved, means.gradient, means.shots)
    backend.check(program)
    prepared = amplitudes.behind_preparation(program, complex_amplitudes)
    return _Runs(
        backend,
        method.pullback(backend, program, observables),
        method.pullback(backend, prepared, observables),
    )


@remember(of_programs)
def _sample(program: Program, means: Means) -> Callable[..., tf.Tensor]:
    means.resolved.check(program)
    return means.resolved.sample


@remember(of_programs)
def _state(program: Program, means: Means) -> Callable[..., tf.Tensor]:
    return execution.build_state(program, means.resolved, "adjoint")
