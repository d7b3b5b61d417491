"""Unrolled programs whose columns are tensors; see `qstore_tf.shifts.unrolled`."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from qstore_tf import shifts
from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.program import Program
from qstore_tf.ops.plain_angles import affine


@dataclass(frozen=True)
class Unrolled(shifts.Unrolled):
    """A program without theta; its inputs are computed from the original's inputs and theta."""

    def columns(self, inputs: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        """Returns the inputs of the unrolled program, [B, G]."""
        batch = tf.shape(inputs)[0]
        if not self.rows:
            return tf.zeros([batch, 0], inputs.dtype)
        values = tf.transpose(affine(self.rows, tf.transpose(inputs), theta))
        return tf.broadcast_to(values, [batch, len(self.rows)])


@remember(of_programs)
def unroll(program: Program) -> Unrolled:
    """Makes every gate angle that depends on a slot an input of its own, in time order."""
    return Unrolled(**vars(shifts.unroll(program)))


@remember(of_programs)
def promote(program: Program) -> Unrolled:
    """Makes the entries of theta inputs, behind the program's own, so that rows may differ."""
    return Unrolled(**vars(shifts.promote(program)))
