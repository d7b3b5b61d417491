"""Computes all angles of a program together, in a few TensorFlow ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.circuits.primitives import Angle
from qstore_tf.ops.schedule import Diagonal, Step


@dataclass(frozen=True)
class DiagonalAngles:
    """Angles of some gates of one diagonal step, times their scales.

    Attributes:
        gates: Their positions in the step.
        values: A NumPy array [G] of constants, or a tensor [G, 1] or [G, B].
    """

    gates: tuple[int, ...]
    values: Any


@dataclass(frozen=True)
class _Row:
    step: int
    gate: int
    angle: Angle
    scale: float


def step_angles(
    steps: Sequence[Step], inputs: tf.Tensor, theta: tf.Tensor
) -> list[list[DiagonalAngles]]:
    """Returns the angles of each step, in the order of `steps`; only diagonals have any.

    Args:
        steps: The steps of a program.
        inputs: [B, F].
        theta: [P].
    """
    by_kind: dict[str, list[_Row]] = {}
    for number, step in enumerate(steps):
        if isinstance(step, Diagonal):
            for k, gate in enumerate(step.gates):
                row = _Row(number, k, gate.angle, gate.scale)
                by_kind.setdefault(_kind(gate.angle), []).append(row)
    out: list[list[DiagonalAngles]] = [[] for _ in steps]
    columns = tf.transpose(inputs)
    for rows in by_kind.values():
        values = affine(rows, columns, theta)
        runs = _runs(rows)
        sizes = [len(run) for run in runs]
        if isinstance(values, np.ndarray):
            parts = np.split(values, np.cumsum(sizes)[:-1])
        else:
            parts = tf.split(values, sizes, axis=0) if len(runs) > 1 else [values]
        for run, part in zip(runs, parts, strict=True):
            out[run[0].step].append(DiagonalAngles(tuple(row.gate for row in run), part))
    return out


def affine(rows: Sequence[Any], columns: tf.Tensor, theta: tf.Tensor) -> Any:
    """Returns scale * angle of each row, all rows of one kind.

    Args:
        rows: Objects with an `angle` and a `scale`.
        columns: The inputs transposed, [F, B].
        theta: [P].

    Returns:
        A NumPy array [G] where all are constant, a tensor [G, 1] where they depend on theta
        alone, else [G, B].
    """
    constants = np.array([row.scale * row.angle.constant for row in rows])
    total: Any = None
    for kind, source in (("t", theta), ("i", columns)):
        terms = [
            (number, slot, row.scale * coef)
            for number, row in enumerate(rows)
            for name, slot, coef in row.angle.terms
            if name == kind
        ]
        if terms:
            size = source.shape[0]
            table = tf.reshape(source, [size, 1] if kind == "t" else [size, -1])
            part = _combine(table, terms, len(rows))
            total = part if total is None else total + part
    if total is None:
        return constants
    if not constants.any():
        return total
    return total + constants[:, None].astype(total.dtype.as_numpy_dtype)


def _combine(table: tf.Tensor, terms: list[tuple[int, int, float]], n_rows: int) -> tf.Tensor:
    rows = [row for row, _, _ in terms]
    slots = [slot for _, slot, _ in terms]
    coefs = np.array([coef for _, _, coef in terms])[:, None].astype(table.dtype.as_numpy_dtype)
    # The gradient of a gather is sparse; the caller's reshape of `table` makes it dense again.
    values = table if slots == list(range(table.shape[0])) else tf.gather(table, slots)
    if not (coefs == 1).all():
        values = values * coefs
    if rows == list(range(n_rows)):
        return values
    return tf.math.unsorted_segment_sum(values, rows, n_rows)


def _runs(rows: list[_Row]) -> list[list[_Row]]:
    runs: list[list[_Row]] = []
    for row in rows:
        if runs and runs[-1][0].step == row.step:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


def _kind(angle: Angle) -> str:
    kinds = {kind for kind, _, coef in angle.terms if coef}
    return "batch" if "i" in kinds else "shared" if "t" in kinds else "constant"
