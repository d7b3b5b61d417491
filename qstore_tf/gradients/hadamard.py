"""Exact gradients from one extra qubit: the Hadamard test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.base import Pullback
from qstore_tf.gradients.from_values import FromValues, by_columns, join, repeated
from qstore_tf.shifts import hadamard_tests, unroll, with_extra_qubit


class HadamardTest(FromValues):
    """Exact gradients from one circuit for each angle and one extra qubit (arXiv:1811.11184).

    With H the generator of a gate, the derivative of an expectation by its angle is
    2 Im <psi| O |psi with H put in behind the gate>. An extra qubit in |0> + |1> that controls
    H shows it: it is the expectation of O and X on the extra qubit, once phases are set
    right. A rotation under control takes two circuits, because its generator is not unitary but
    half the sum of two unitaries. All circuits of a step are one backend call: the controlled H
    of every gate is there, as rotations by 0 or pi.

    Against the parameter shift it halves the number of circuits; each is on one more qubit and
    has about twice the gates.

    Args:
        inputs: Whether the inputs get gradients. False saves the circuits for angles that
            depend on inputs alone.

    Example:
        >>> HadamardTest()
        HadamardTest(inputs=True)
    """

    name = "hadamard_test"

    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass: one call with the tests of all angles."""
        unrolled = unroll(program)
        wanted = tuple(
            column
            for column in range(len(unrolled.columns))
            if self.inputs or unrolled.reads_theta(column)
        )
        tests = hadamard_tests(unrolled, wanted)
        n_tests, n_angles = len(tests.columns), len(unrolled.columns)
        if n_tests:
            _check(backend, tests.program)
        measured = tuple(with_extra_qubit(o, program.n_qubits) for o in observables)
        parts = np.zeros((n_tests, n_angles))
        parts[np.arange(n_tests), list(tests.columns)] = tests.weights

        def again(*arguments: Any) -> tuple[tf.Tensor, tf.Tensor]:
            # Second derivatives: tests of tests, on two extra qubits.
            return HadamardTest().pullback(backend, tests.program, measured)(*arguments)

        joined = join(backend, tests.program, measured, again)

        def estimate(
            expect: Any, angles: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
        ) -> tf.Tensor:
            if not n_tests:
                return tf.zeros_like(angles)
            batch = tf.shape(angles)[0]
            switches = tf.repeat(tf.eye(n_tests, dtype=angles.dtype), batch, axis=0)
            rows = tf.concat([tf.tile(angles, [n_tests, 1]), switches], axis=1)
            states = repeated(_extended(initial), n_tests)
            values = joined(rows, tf.zeros([0], angles.dtype), states, seed)
            values = tf.reshape(values, [n_tests, -1, len(measured)])
            weighted = tf.reduce_sum(values * upstream[None], axis=2)
            return tf.matmul(weighted, tf.constant(parts, angles.dtype), transpose_a=True)

        return by_columns(backend, unrolled, observables, estimate, self.inputs)


def _check(backend: Backend, tests: Program) -> None:
    try:
        backend.check(tests)
    except ConfigurationError as error:
        raise ConfigurationError(
            describe(
                f"gradient='hadamard_test' puts gates under control of one more qubit, which "
                f"backend {backend.name!r} cannot run ({error})",
                hint="Use gradient='parameter_shift', which runs the circuit as it is",
            )
        ) from error


def _extended(initial: tf.Tensor | None) -> tf.Tensor | None:
    """Returns the initial states with the extra qubit, the last, in |0>."""
    if initial is None:
        return None
    states = tf.stack([initial, tf.zeros_like(initial)], axis=2)
    return tf.reshape(states, [-1, 2 * int(initial.shape[1])])
