"""Gradients from expectations at shifted angles, all of them in one backend call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.primitives import CompiledPrimitive
from qstore_tf.circuits.program import Program
from qstore_tf.gradients.base import Pullback
from qstore_tf.gradients.from_values import FromValues, by_columns, repeated
from qstore_tf.shifts import Rule, shift_rule, shift_table, unroll


class Shifted(FromValues):
    """Base of the methods that shift one angle at a time and leave the rest to the chain rule."""

    @abstractmethod
    def rule(self, gate: CompiledPrimitive) -> Rule:
        """Returns the shifts that give the derivative by a gate's angle, () where it is zero."""

    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass: one call with all shifted circuits of the batch."""
        observables = tuple(observables)
        unrolled = unroll(program)
        columns = range(len(unrolled.columns))
        wanted = [k for k in columns if self.inputs or unrolled.reads_theta(k)]
        shifts, weights = shift_table(unrolled, wanted, self.rule)

        def estimate(
            expect: Any, angles: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
        ) -> tf.Tensor:
            runs = len(shifts)
            if not runs:
                return tf.zeros_like(angles)
            moved = angles[None] + tf.constant(shifts[:, None, :], angles.dtype)
            moved = tf.reshape(moved, [-1, len(unrolled.columns)])
            values = expect(moved, repeated(initial, runs), seed)
            values = tf.reshape(values, [runs, -1, len(observables)])
            weighted = tf.reduce_sum(values * upstream[None], axis=2)
            return tf.matmul(weighted, tf.constant(weights, angles.dtype), transpose_a=True)

        return by_columns(backend, unrolled, observables, estimate, self.inputs)


class ParameterShift(Shifted):
    """Exact gradients from expectations alone, so on hardware too (arXiv:1811.11184).

    Two runs for each angle, four for a rotation under control (arXiv:2104.05695), all runs of a
    step in one backend call. The rule follows from the differences between the eigenvalues of
    each gate's generator (its `frequencies`); `shift_rule` makes it, also for more than two of
    them (arXiv:2107.12390). A symbol that several gates share, or that enters as
    a*x + b, is handled by the chain rule.

    Args:
        inputs: Whether the inputs get gradients. False saves the runs for angles that depend
            on inputs alone, where nothing before the quantum layer is trained.

    Example:
        >>> ParameterShift(inputs=False)
        ParameterShift(inputs=False)
    """

    name = "parameter_shift"

    def rule(self, gate: CompiledPrimitive) -> Rule:
        """Returns two terms, four for controlled rotations, none for a global phase."""
        return shift_rule(gate.frequencies)
