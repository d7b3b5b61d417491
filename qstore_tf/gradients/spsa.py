"""Gradients from steps in random directions: simultaneous perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf import limits
from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.gradients.base import Pullback, fold
from qstore_tf.gradients.from_values import BACKWARD, DIRECTIONS, FromValues, join, repeated
from qstore_tf.gradients.options import at_least_zero, count, positive
from qstore_tf.gradients.unrolled import columns_of
from qstore_tf.shifts import promote


class SPSA(FromValues):
    """Random gradients at a price that does not grow with the number of parameters.

    Simultaneous perturbation (Spall, IEEE Trans. Automat. Contr. 37, 332, 1992): all of theta
    is moved at once, each entry by plus or minus a step, drawn at random and the same for all
    samples; the inputs of each sample by a draw of its own. Each direction takes two runs of
    the batch, and all directions of a step are one backend call.

    The mean over directions is the gradient, up to terms of `step**2`. A single estimate is
    noisy: without shots, the squared length of its error is about (P - 1) / directions times
    that of the gradient by P parameters.

    The k-th call, counting from 0, takes the step `step / (k + 1)**decay`. k is the second
    entry of the seed of the call; layers count their calls there. Directions, too, follow from
    the seed, so equal seeds give equal gradients.

    Args:
        directions: Independent directions to average over.
        step: How far each entry is moved, in the unit of theta and inputs.
        decay: How fast steps shrink from call to call; 0 keeps them, and Spall recommends 0.101.
        inputs: Whether the inputs get gradients. False takes their noise out of theta's.

    Raises:
        ConfigurationError: An option is out of range.

    Example:
        >>> SPSA(directions=4, inputs=False)
        SPSA(directions=4, step=0.1, decay=0.0, inputs=False)
    """

    name = "spsa"
    random = True

    def __init__(
        self, directions: int = 1, step: float = 0.1, decay: float = 0.0, inputs: bool = True
    ) -> None:
        """Keeps the options."""
        super().__init__(inputs)
        self.directions = count("directions", directions, limits.DIRECTIONS)
        self.step = positive("step", step)
        self.decay = at_least_zero("decay", decay)

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again."""
        return {
            "directions": self.directions,
            "step": self.step,
            "decay": self.decay,
            **super().get_config(),
        }

    def signal_at_best(self, n_theta: int) -> float:
        """Returns directions / (n_theta - 1), at most 1."""
        return min(1.0, self.directions / max(n_theta - 1, 1))

    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass: one call with both ends of all directions."""
        observables = tuple(observables)
        promoted = promote(program)
        runs = 2 * self.directions

        def pull(
            inputs: tf.Tensor,
            theta: tf.Tensor,
            initial: Any,
            upstream: tf.Tensor,
            seed: tf.Tensor,
        ) -> tuple[tf.Tensor, tf.Tensor]:
            step = self._step(seed, theta.dtype)
            batch = tf.shape(inputs)[0]
            by_sample, shared = self._directions(program, batch, seed, theta.dtype)
            wide = tf.tile(shared, [1, batch, 1])
            move = step * tf.concat([by_sample, wide], axis=2)
            columns = columns_of(promoted, inputs, theta)[None]
            moved = tf.concat([columns + move, columns - move], axis=0)
            moved = tf.reshape(moved, [-1, program.n_inputs + program.n_theta])
            values = expect(moved, repeated(initial, runs), fold(seed, BACKWARD))
            values = tf.reshape(values, [2, self.directions, -1, len(observables)])
            slopes = tf.reduce_sum((values[0] - values[1]) * upstream, axis=2, keepdims=True)
            slopes /= 2 * step
            by_inputs = tf.reduce_mean(slopes * by_sample, axis=0)
            by_theta = tf.reduce_mean(
                tf.reduce_sum(slopes, axis=1, keepdims=True) * shared, axis=[0, 1]
            )
            return by_inputs, by_theta

        def again(
            columns: tf.Tensor, empty: tf.Tensor, initial: Any, upstream: tf.Tensor, seed: Any
        ) -> tuple[tf.Tensor, tf.Tensor]:
            # Second derivatives: the same once more, every column an input.
            pull = SPSA(self.directions, self.step).pullback(backend, promoted.program, observables)
            return pull(columns, empty, initial, upstream, seed)

        joined = join(backend, promoted.program, observables, again)

        def expect(columns: tf.Tensor, initial: Any, seed: tf.Tensor) -> tf.Tensor:
            return joined(columns, tf.zeros([0], columns.dtype), initial, seed)

        return pull

    def _step(self, seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        if not self.decay:
            return tf.constant(self.step, dtype)
        calls = tf.cast(tf.maximum(seed[1], 0), dtype)
        return tf.constant(self.step, dtype) / tf.pow(calls + 1, self.decay)

    def _directions(
        self, program: Program, batch: tf.Tensor, seed: tf.Tensor, dtype: tf.DType
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns directions for the inputs [D, B, F] and for theta [D, 1, P], entries +1, -1."""
        of_theta, of_inputs = tf.unstack(
            tf.random.experimental.stateless_split(fold(seed, DIRECTIONS), 2, alg="philox")
        )
        shared = _signs([self.directions, 1, program.n_theta], of_theta, dtype)
        shape = [self.directions, batch, program.n_inputs]
        if not self.inputs:
            return tf.zeros(shape, dtype), shared
        return _signs(shape, of_inputs, dtype), shared


def _signs(shape: list[Any], seed: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    bits = tf.random.stateless_uniform(
        shape, seed, minval=0, maxval=2, dtype=tf.int32, alg="philox"
    )
    return tf.cast(2 * bits - 1, dtype)
