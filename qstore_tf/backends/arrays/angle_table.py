"""All angles of a program for a whole batch in one matrix product, and their chain rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qstore_tf.backends.arrays.base import Array
from qstore_tf.circuits.primitives import Angle


@dataclass(frozen=True)
class Scaled:
    """An angle times a number.

    Attributes:
        angle: What it is computed from.
        scale: The factor.
    """

    angle: Angle
    scale: float = 1.0

    @property
    def moves(self) -> bool:
        """Whether it depends on a slot."""
        return bool(self.angle.terms)


class AngleTable:
    """Angles as affine functions of inputs and theta.

    Args:
        columns: For each column the angles whose sum it is.
        n_inputs: Columns F of `inputs`.
        n_theta: Entries P of `theta`.
    """

    def __init__(self, columns: Sequence[Sequence[Scaled]], n_inputs: int, n_theta: int) -> None:
        """Builds the matrices."""
        self.n_inputs = n_inputs
        self.constant = np.zeros(len(columns))
        # Rows: inputs first, then theta.
        self.slopes = np.zeros((n_inputs + n_theta, len(columns)))
        for column, parts in enumerate(columns):
            for part in parts:
                self.constant[column] += part.scale * part.angle.constant
                for kind, slot, coefficient in part.angle.terms:
                    row = slot + (n_inputs if kind == "t" else 0)
                    self.slopes[row, column] += part.scale * coefficient

    def values(self, inputs: Array, theta: Array) -> Array:
        """Returns the angles [B, columns] in float64."""
        with np.errstate(invalid="ignore", over="ignore"):  # rows that are not finite stay out
            by_inputs = inputs.astype(np.float64) @ self.slopes[: self.n_inputs]
            values: Array = by_inputs + self.shared(theta)
        return values

    def shared(self, theta: Array) -> Array:
        """Returns the part of the angles [columns] that is the same for all samples."""
        values: Array = self.constant + theta.astype(np.float64) @ self.slopes[self.n_inputs :]
        return values

    def pull_back(self, gradient: Array) -> Array:
        """Returns the gradients [B, F + P] by inputs and theta, given those by the angles."""
        by_slot: Array = gradient @ self.slopes.T
        return by_slot
