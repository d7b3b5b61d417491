"""Executes runs: expectation values, state vectors, samples and matrices, one operation each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from qstore_tf import execution
from qstore_tf.backends import Backend
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Pullback
from qstore_tf.layers import amplitudes, recording
from qstore_tf.layers.run import Run
from qstore_tf.layers.run_options import RunOptions
from qstore_tf.layers.values import Values
from qstore_tf.ops import plain
from qstore_tf.ops.inputs import complex_dtype
from qstore_tf.ops.own_gradient import own_gradient
from qstore_tf.ops.seeds import derived_seed

# Sets the shots of gradients by amplitudes apart from those of all other gradients.
_BY_AMPLITUDES = 7001


def expectation(run: Run, observables: tuple[PauliSum, ...]) -> tf.Tensor:
    """Measures at the end of a run, [batch, n_observables].

    Given amplitudes are handed to backends that start from them, and prepared by gates on others.
    """
    program, options = run.program, run.options
    seed = None if run.values.seeds is None else run.values.seeds.next()
    values = recording.note_run(run)
    inputs, theta, initial = values.inputs, values.theta, values.initial
    if initial is None:
        found = _expectation(program, observables, options)(inputs, theta, None, seed)
    elif options.differentiates_states and options.shots is None:
        initial = amplitudes.as_complex(initial)
        found = _expectation(program, observables, options)(inputs, theta, initial, seed)
    elif options.has_states and options.shots is not None:
        found = _estimated_from_amplitudes(program, observables, options, values, seed)
    else:
        program, prepared = amplitudes.by_gates(program, values)
        found = _expectation(program, observables, options)(prepared.inputs, theta, None, seed)
        found *= plain.squared_length(initial)
    found.set_shape([inputs.shape[0], len(observables)])
    recording.note_measurement(run, observables, found)
    return found


def _estimated_from_amplitudes(
    program: Program,
    observables: tuple[PauliSum, ...],
    options: RunOptions,
    values: Values,
    seed: tf.Tensor | None,
) -> tf.Tensor:
    """Estimates from shots of a circuit that starts from given amplitudes.

    A simulator needs no gates to prepare them. Gradients by the amplitudes are estimated as on
    hardware, from circuits that do prepare them. These are many, so they are the gradient of a
    function of their own, whose value is zero: where no gradient by the amplitudes is asked for,
    none is run. What is drawn knows the direction of the amplitudes; their length is multiplied
    in.
    """
    inputs, initial = values.inputs, values.initial
    assert initial is not None
    pullbacks = _pullbacks(program, observables, options, initial.dtype.is_complex)
    unit = amplitudes.normalized(initial, program.n_qubits)
    vectors = tf.stop_gradient(amplitudes.as_complex(unit))
    angles = amplitudes.angles(initial)
    n_angles = int(angles.shape[1])

    @own_gradient
    def by_program(inputs: tf.Tensor, theta: tf.Tensor) -> Any:
        backend = pullbacks.backend
        found = backend.expectation(program, observables, inputs, theta, vectors, seed=seed)
        return found, lambda upstream: pullbacks.given(inputs, theta, vectors, upstream, seed)

    @own_gradient
    def by_amplitudes(angles: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            columns = tf.concat([angles, inputs], axis=1)
            other = None if seed is None else derived_seed(seed, _BY_AMPLITUDES)
            by_columns, _ = pullbacks.prepared(columns, values.theta, None, upstream, other)
            return by_columns[:, :n_angles]

        return tf.zeros([tf.shape(angles)[0], len(observables)], angles.dtype), gradient

    estimated = by_program(inputs, values.theta) + by_amplitudes(angles)
    return estimated * plain.squared_length(initial)


def state_vectors(run: Run) -> tf.Tensor:
    """Returns the final state vectors of a run, [batch, 2^n].

    Whatever the gradient method, states are differentiated by the backend itself: the others
    differentiate expectation values only. Where the backend cannot, the state is still there
    to look at and to carry the run on, but a gradient through it is an error.
    """
    program, options = run.program, run.options
    if not options.has_states:
        # Carries the run; the numbers mean nothing, and should someone use them, they show.
        inputs = run.values.inputs
        shape = [tf.shape(inputs)[0], 2**program.n_qubits]
        nothing = tf.fill(shape, tf.constant(math.nan, inputs.dtype))
        return tf.complex(nothing, nothing)
    values = recording.note_run(run)
    inputs, theta, initial = values.inputs, values.theta, values.initial
    if initial is not None:
        initial = amplitudes.as_complex(initial)
    if options.differentiates_states:
        vectors = _state(program, options)(inputs, theta, initial)
        vectors.set_shape([inputs.shape[0], 2**program.n_qubits])
        return vectors
    backend = options.resolved
    vectors = backend.state_vector(program, inputs, theta, initial)
    return _without_gradient(vectors, [theta, inputs, initial], backend.name)


def _without_gradient(state: tf.Tensor, numbers: list[tf.Tensor | None], backend: str) -> tf.Tensor:
    @own_gradient
    def guarded(*numbers: tf.Tensor) -> Any:
        def gradient(*upstream: tf.Tensor) -> Any:
            raise ConfigurationError(
                describe(
                    f"Backend '{backend}' returns states without gradients",
                    hint="Measure with ExpectationValue right after the quantum layers, or use "
                    "backend='native' or 'tensorflow', whose states can be differentiated",
                )
            )

        return tf.stop_gradient(state), gradient

    return guarded(*(tensor for tensor in numbers if tensor is not None))


def samples(run: Run, shots: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws basis-state indices at the end of a run, [batch, shots]."""
    program, options, values = run.program, run.options, run.values
    initial = values.initial
    if initial is not None and options.has_states:
        # Draws do not depend on the length, but a row of zeros must be as on hardware.
        initial = amplitudes.as_complex(amplitudes.normalized(initial, program.n_qubits))
    elif initial is not None:
        program, values = amplitudes.by_gates(program, values)
        initial = None
    sample = _sample(program, options)
    drawn = sample(program, values.inputs, values.theta, initial, shots=shots, seed=seed)
    drawn.set_shape([values.inputs.shape[0], shots])
    return drawn


def unitary_matrices(run: Run) -> tf.Tensor:
    """Returns the matrices of what a run applies to given amplitudes, [batch, 2^n, 2^n]."""
    program, inputs = run.program, run.values.inputs
    size = 2**program.n_qubits
    static, batch = inputs.shape[0], tf.shape(inputs)[0]
    if not program.n_inputs:
        inputs = inputs[:1] if static else tf.zeros([1, 0], inputs.dtype)
    columns = [-1, size, size]
    # A row for each basis state: what it becomes, which is a column of the matrix. No intermediate
    # is kept in a variable, so that only two arrays of the size of the result are there at once.
    matrices = tf.transpose(tf.reshape(_of_basis_states(run, inputs), columns), [0, 2, 1])
    if not program.n_inputs:
        matrices = tf.broadcast_to(matrices, [batch, size, size])
    return tf.ensure_shape(matrices, [static, size, size])


def _of_basis_states(run: Run, inputs: tf.Tensor) -> tf.Tensor:
    """What a run makes of all basis states for each row of `inputs`, [batch * 2^n, 2^n]."""
    size = 2**run.program.n_qubits
    basis = tf.eye(size, dtype=complex_dtype(inputs.dtype))
    values = replace(
        run.values,
        inputs=tf.repeat(inputs, size, axis=0),
        initial=tf.tile(basis, [tf.shape(inputs)[0], 1]),
    )
    return state_vectors(Run(replace(run.program, has_initial=True), values, run.options))


# Functions of programs are built once; a step finds them by a hash that is cached.
@remember(of_programs)
def _expectation(
    program: Program, observables: tuple[PauliSum, ...], options: RunOptions
) -> Callable[..., tf.Tensor]:
    return execution.build_expectation(
        program, observables, options.resolved, options.gradient, options.shots
    )


@dataclass(frozen=True, eq=False)
class _Pullbacks:
    """Backward passes of a program that is given amplitudes, and of one that prepares them."""

    backend: Backend
    given: Pullback
    prepared: Pullback


@remember(of_programs)
def _pullbacks(
    program: Program,
    observables: tuple[PauliSum, ...],
    options: RunOptions,
    complex_amplitudes: bool,
) -> _Pullbacks:
    backend, method = execution.choose(options.resolved, options.gradient, options.shots)
    backend.check(program)
    prepared = amplitudes.after_preparation(program, complex_amplitudes)
    return _Pullbacks(
        backend,
        method.pullback(backend, program, observables),
        method.pullback(backend, prepared, observables),
    )


@remember(of_programs)
def _sample(program: Program, options: RunOptions) -> Callable[..., tf.Tensor]:
    options.resolved.check(program)
    return options.resolved.sample


@remember(of_programs)
def _state(program: Program, options: RunOptions) -> Callable[..., tf.Tensor]:
    return execution.build_state(program, options.resolved, "adjoint")
