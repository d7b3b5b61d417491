"""Keeps the first rows of a training batch now and then, for the probe to look at.

A Keras callback is not shown the data. So the model's `train_step` gets a side branch: every 50
steps it copies the first rows to this process's Python. It changes no number of the training,
costs a comparison in the steps between, and stays in the model, without use, after the training:
removing it would mean to trace the step again.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import tensorflow as tf

_EVERY = 50
_installed: weakref.WeakKeyDictionary[Any, TrainingRows] = weakref.WeakKeyDictionary()


class TrainingRows:
    """What came last through the side branch of one model.

    Attributes:
        n_rows: number of rows that are kept.
        data: the rows as `train_step` got them, or None before there are any.
        batch_size: rows that one replica got in that step.
    """

    def __init__(self, n_rows: int) -> None:
        self.n_rows = n_rows
        self.data: Any = None
        self.batch_size: int | None = None

    def offer(self, data: Any, iterations: Any) -> None:
        """Adds the side branch to what is being traced, or keeps the rows of eager code."""
        leaves = tf.nest.flatten(data)
        known = [leaf for leaf in leaves if leaf is not None]
        if not known or not all(isinstance(leaf, tf.Tensor) and leaf.shape.rank for leaf in known):
            return

        def keep(batch_size: np.ndarray, *rows: np.ndarray) -> None:
            kept = iter(rows)
            flat = [None if leaf is None else np.array(next(kept)) for leaf in leaves]
            self.data = tf.nest.pack_sequence_as(data, flat)
            self.batch_size = int(batch_size)

        def copy_rows() -> tf.Operation:
            rows = [leaf[: self.n_rows] for leaf in known]
            return tf.group(tf.numpy_function(keep, [tf.shape(known[0])[0], *rows], []))

        if tf.executing_eagerly():
            if int(iterations) % _EVERY == 0:
                keep(known[0].shape[0], *(leaf[: self.n_rows].numpy() for leaf in known))
            return
        wanted = tf.equal(tf.math.floormod(iterations, _EVERY), 0)
        tf.cond(wanted, copy_rows, tf.no_op)


def install(model: Any, n_rows: int) -> TrainingRows | None:
    """Adds the side branch to a model; None where XLA compiles its step, which gives no rows.

    Must be called before Keras makes the training function of this `fit`.
    """
    if getattr(model, "jit_compile", False) or getattr(model, "_jit_compile", False):
        return None
    if model in _installed:
        return _installed[model]
    rows = _installed[model] = TrainingRows(n_rows)
    train_step = model.train_step
    owner = weakref.ref(model)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def step_with_branch(data: Any) -> Any:
        this = owner()
        iterations = None if this is None else getattr(this.optimizer, "iterations", None)
        if iterations is not None:
            rows.offer(data, tf.convert_to_tensor(iterations))
        return train_step(data)

    model.train_step = step_with_branch
    model.train_function = None  # one that was traced before has no side branch
    return rows


def of(model: Any) -> TrainingRows | None:
    """Returns the rows of a model that has the side branch."""
    return _installed.get(model)


def first_rows(data: Any, n_rows: int) -> Any:
    """Returns the first rows of everything in x, (x, y) or (x, y, sample_weight)."""
    return tf.nest.map_structure(lambda part: None if part is None else part[:n_rows], data)
