"""The metric of what a step has run, in the coordinates of the weights that hold angles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients.metric import fubini_study
from qstore_tf.gradients.overlaps import overlaps, read_shots
from qstore_tf.gradients.unrolled import columns_of
from qstore_tf.layers.inspection import Run, backend_arguments, is_out_of_reach
from qstore_tf.optimizers.base import weight_name
from qstore_tf.shifts import unroll


def check_reach(found: Sequence[Run], optimizer: Any) -> None:
    """Raises ConfigurationError where a circuit runs in a loop inside the step.

    Its tensors live in the loop, once for each pass, and nothing outside can read them.
    """
    for run in found:
        if is_out_of_reach(run):
            raise ConfigurationError(
                describe(
                    f"{type(optimizer).__name__} cannot follow the circuit with the angles "
                    f"{[weight_name(w) for w in run.values.weights]}: it runs in a TensorFlow "
                    "loop, condition or function inside the step",
                    expected="a model that calls its quantum layers outside of tf.while_loop, "
                    "tf.map_fn, tf.vectorized_map, tf.cond, an inner tf.function, and "
                    "keras.layers.RNN without unroll=True",
                    hint="Write keras.layers.RNN(cell, unroll=True); call the layer once on all "
                    "rows, reshaped to [rows, features], in place of tf.map_fn; give compile "
                    "run_eagerly=True, for loops and conditions; or train with an optimizer of "
                    "Keras, such as 'adam'",
                )
            )


def step_metric(
    runs: Sequence[Run], weights: Sequence[Any], approximation: str, seed: tf.Tensor
) -> tf.Tensor:
    """Returns the Fubini-Study metric by all angles of `weights` in a row, [N, N].

    The mean over the samples of a run, and over the runs that a weight takes part in. Elements
    between weights that no circuit has both of are zero, as they are for circuits side by side.
    """
    size = n_angles(weights)
    dtype = runs[0].values.theta.dtype
    total = tf.zeros([size, size], dtype)
    count = np.zeros(size)
    for number, run in enumerate(runs):
        program, inputs, initial, shots = backend_arguments(run)
        block = fubini_study(
            program,
            inputs,
            run.values.theta,
            initial,
            backend=run.options.resolved,
            approximation=approximation,
            shots=shots,
            seed=tf.random.experimental.stateless_fold_in(seed, number, alg="philox"),
        )
        table = placement(run, weights)
        spread = tf.constant(table, dtype)
        total += tf.matmul(spread, tf.matmul(block, spread, transpose_b=True))
        count += table.any(axis=1)
    scale = 1 / np.sqrt(np.maximum(count, 1))
    return total * tf.constant(np.outer(scale, scale), dtype)


def step_overlaps(run: Run, here: tf.Tensor, shifted: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns |<psi(here)|psi(shifted)>|^2, the mean over the batch, for each of M shifts, [M].

    Args:
        run: The circuit and its samples.
        here: Angles [n_theta].
        shifted: Angles [M, n_theta].
        seed: Two integers, for backends that count.
    """
    program, inputs, initial, shots = backend_arguments(run)
    unrolled = unroll(program)
    count = shifted.shape[0]
    backend = run.options.resolved
    second = tf.concat([columns_of(unrolled, inputs, shifted[k]) for k in range(count)], axis=0)
    first = tf.tile(columns_of(unrolled, inputs, here), [count, 1])
    again = None if initial is None else tf.tile(initial, [count, 1])
    values = overlaps(
        backend,
        unrolled.program,
        first,
        second,
        again,
        shots=read_shots(backend, shots),
        seed=seed,
    )
    return tf.reduce_mean(tf.reshape(values, [count, -1]), axis=1)


def n_angles(weights: Sequence[Any]) -> int:
    """Returns the number of angles in all weights."""
    return sum(int(weight.shape[0]) for weight in weights)


def joined(values: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns values of the weights in a row, [N]."""
    return tf.concat([tf.reshape(value, [-1]) for value in values], axis=0)


def parted(values: tf.Tensor, weights: Sequence[Any]) -> list[tf.Tensor]:
    """Returns the part of a row [N] for each weight."""
    return list(tf.split(values, [int(weight.shape[0]) for weight in weights]))


def placement(run: Run, weights: Sequence[Any]) -> np.ndarray:
    """Returns which of all angles each entry of a run's theta is, [N, n_theta] of 0 and 1."""
    starts: dict[int, int] = {}
    end = 0
    for weight in weights:
        starts[id(weight)] = end
        end += int(weight.shape[0])
    table = np.zeros((end, run.program.n_theta))
    column = 0
    for source, value in zip(run.values.weights, run.values.weight_values, strict=True):
        width = int(value.shape[0])  # fewer than the weight has, where layers do not run
        start = starts.get(id(source))
        if start is not None:  # else it is not trained
            table[start : start + width, column : column + width] = np.eye(width)
        column += width
    return table
