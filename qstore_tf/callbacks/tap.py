"""Keeps the first rows of a training batch now and then, for the probe to look at.

A Keras callback is not shown the data. So the model's `train_step` gets a side branch: every
so many steps it hands the first rows to this process's Python. It changes no number of the
training, costs a comparison in the steps between, and stays in the model, without use, after the
training: to take it out would mean to trace the step anew.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import tensorflow as tf

_EVERY = 50
_taps: weakref.WeakKeyDictionary[Any, Tap] = weakref.WeakKeyDictionary()


class Tap:
    """What came last through the side branch of one model.

    Attributes:
        rows: how many rows are kept.
        data: the rows as `train_step` got them, or None before there are any.
        batch_size: rows that one replica got in that step.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.data: Any = None
        self.batch_size: int | None = None

    def offer(self, data: Any, iterations: Any) -> None:
        """Adds the side branch to what is being traced, or takes the rows of eager code."""
        leaves = tf.nest.flatten(data)
        known = [leaf for leaf in leaves if leaf is not None]
        if not known or not all(isinstance(leaf, tf.Tensor) and leaf.shape.rank for leaf in known):
            return

        def keep(batch_size: np.ndarray, *rows: np.ndarray) -> None:
            kept = iter(rows)
            flat = [None if leaf is None else np.array(next(kept)) for leaf in leaves]
            self.data = tf.nest.pack_sequence_as(data, flat)
            self.batch_size = int(batch_size)

        def take() -> tf.Operation:
            rows = [leaf[: self.rows] for leaf in known]
            return tf.group(tf.numpy_function(keep, [tf.shape(known[0])[0], *rows], []))

        if tf.executing_eagerly():
            if int(iterations) % _EVERY == 0:
                keep(known[0].shape[0], *(leaf[: self.rows].numpy() for leaf in known))
            return
        wanted = tf.equal(tf.math.floormod(iterations, _EVERY), 0)
        tf.cond(wanted, take, tf.no_op)


def install(model: Any, rows: int) -> Tap | None:
    """Returns the model's tap; None where it cannot have one, because its step is XLA's.

    Must be called before Keras makes the training function of this `fit`.
    """
    if getattr(model, "jit_compile", False) or getattr(model, "_jit_compile", False):
        return None
    if model in _taps:
        return _taps[model]
    tap = _taps[model] = Tap(rows)
    train_step = model.train_step
    owner = weakref.ref(model)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def step_with_tap(data: Any) -> Any:
        this = owner()
        iterations = None if this is None else getattr(this.optimizer, "iterations", None)
        if iterations is not None:
            tap.offer(data, tf.convert_to_tensor(iterations))
        return train_step(data)

    model.train_step = step_with_tap
    model.train_function = None  # one that was traced before has no tap
    return tap


def of(model: Any) -> Tap | None:
    """Returns the model's tap, or None."""
    return _taps.get(model)


def first_rows(data: Any, rows: int) -> Any:
    """Returns the first rows of everything in x, (x, y) or (x, y, sample_weight)."""
    return tf.nest.map_structure(lambda part: None if part is None else part[:rows], data)
