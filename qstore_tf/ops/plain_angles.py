"""Computes all angles of a program together, in a few TensorFlow ops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.circuits.program import Angle
from qstore_tf.ops.schedule import Diagonal, Rotation, Step


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
class RotationAngle:
    """Cosine and sine of half the angle: scalars, or [B] where samples differ."""

    cosine: Any
    sine: Any


StepAngles = list[DiagonalAngles] | RotationAngle | None


@dataclass(frozen=True)
class _Row:
    step: int
    gate: int
    angle: Angle
    scale: float


def step_angles(steps: Sequence[Step], inputs: tf.Tensor, theta: tf.Tensor) -> list[StepAngles]:
    """Returns the angles of each step, in the order of `steps`.

    Args:
        steps: The steps of a program.
        inputs: [B, F].
        theta: [P].
    """
    diagonal: dict[str, list[_Row]] = {}
    rotation: dict[str, list[_Row]] = {}
    for number, step in enumerate(steps):
        if isinstance(step, Diagonal):
            for k, gate in enumerate(step.gates):
                row = _Row(number, k, gate.angle, gate.scale)
                diagonal.setdefault(_kind(gate.angle), []).append(row)
        elif isinstance(step, Rotation):
            row = _Row(number, 0, step.angle, 0.5)
            rotation.setdefault(_kind(step.angle), []).append(row)
    out: list[StepAngles] = [[] if isinstance(step, Diagonal) else None for step in steps]
    columns = tf.transpose(inputs)
    for kind, rows in rotation.items():
        values = affine(rows, columns, theta)
        if kind == "constant":
            cosines, sines = list(np.cos(values)), list(np.sin(values))
        else:
            cosines = tf.unstack(tf.cos(values), len(rows), axis=0)
            sines = tf.unstack(tf.sin(values), len(rows), axis=0)
        for row, c, s in zip(rows, cosines, sines, strict=True):
            out[row.step] = RotationAngle(c, s)
    for rows in diagonal.values():
        values = affine(rows, columns, theta)
        runs = _runs(rows)
        sizes = [len(run) for run in runs]
        if isinstance(values, np.ndarray):
            parts = np.split(values, np.cumsum(sizes)[:-1])
        else:
            parts = tf.split(values, sizes, axis=0) if len(runs) > 1 else [values]
        for run, part in zip(runs, parts, strict=True):
            host = out[run[0].step]
            assert isinstance(host, list)
            host.append(DiagonalAngles(tuple(row.gate for row in run), part))
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
