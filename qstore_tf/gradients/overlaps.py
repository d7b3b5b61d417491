"""Overlaps |<psi(a)|psi(b)>|^2 of a program's states: from state vectors, or from shots.

Where a backend has no state vectors, the program runs forward with one set of angles and back
with the other; the overlap is the probability of finding |0...0> (compute and uncompute).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.shifts import there_and_back


def read_shots(backend: Backend, shots: int | None) -> int | None:
    """Returns the shots to measure overlaps with; None where states give them exactly.

    Raises:
        ConfigurationError: The backend has no state vectors and no shots are given, or draws no
            samples.
    """
    if shots is None:
        shots = getattr(backend, "shots", None)
    if shots is None and not backend.capabilities.state_vector:
        raise ConfigurationError(
            describe(
                f"Backend {backend.name!r} has no state vectors, so overlaps are counted",
                expected="a number of shots",
                received=shots,
                hint="Give shots=1000, or use backend='native'",
            )
        )
    if shots is not None and not backend.capabilities.samples:
        raise ConfigurationError(
            describe(
                f"Backend {backend.name!r} draws no samples, so it cannot count overlaps",
                hint="Use backend='native', or leave shots out where the backend has states",
            )
        )
    return shots


def overlaps(
    backend: Backend,
    program: Program,
    first: tf.Tensor,
    second: tf.Tensor,
    initial_state: tf.Tensor | None = None,
    *,
    shots: int | None = None,
    seed: Any = None,
) -> tf.Tensor:
    """Returns |<psi(first_r)|psi(second_r)>|^2 for each row r, all in one backend call.

    Args:
        backend: Where to run.
        program: An unrolled program: no theta, its G angles are inputs.
        first: Angles [R, G], radians.
        second: Angles [R, G], radians.
        initial_state: Complex [R, 2^n] where the program has one.
        shots: Draws for each row; None computes the overlaps from state vectors.
        seed: Two integers, with shots.

    Raises:
        ConfigurationError: With shots, the program starts from a given state.
    """
    none = tf.zeros([0], first.dtype)
    if shots is None:
        rows = tf.concat([first, second], axis=0)
        both = None if initial_state is None else tf.tile(initial_state, [2, 1])
        states = backend.state_vector(program, rows, none, both)
        bra, ket = tf.split(states, 2)
        inner = tf.reduce_sum(tf.math.conj(bra) * ket, axis=1)
        return tf.square(tf.math.real(inner)) + tf.square(tf.math.imag(inner))
    if program.has_initial:
        raise ConfigurationError(
            describe(
                "Overlaps cannot be counted of a program that starts from a given state",
                hint="Write encoding and circuit as one layer, so that the backend runs the "
                "whole circuit, or leave shots out where the backend has states",
            )
        )
    rows = tf.concat([second, first], axis=1)
    found = backend.sample(there_and_back(program), rows, none, shots=shots, seed=seed)
    return tf.reduce_mean(tf.cast(tf.equal(found, 0), first.dtype), axis=1)
