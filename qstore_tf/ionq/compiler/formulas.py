"""Angles as functions of the symbols' values, for a whole batch at once.

`Evaluator` computes many affine angles together. Where a run of rotations is not affine in its
symbols, `euler` gives its angles R_Z(a) R_Y(b) R_Z(c).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.symbols import Affine

FloatArray = NDArray[np.float64]
# A product of rotations as w - i (x X + y Y + z Z), each [...].
Quaternion = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


class Evaluator:
    """Affine expressions, evaluated for a batch of values of the symbols.

    Args:
        expressions: Affine expressions.
        symbols: The order of the symbols in the values.

    Example:
        >>> evaluate = Evaluator([Affine.of("2*a + 1"), Affine.of("b")], ["a", "b"])
        >>> evaluate(np.array([[3.0], [4.0]]))
        array([[7.],
               [4.]])
    """

    def __init__(self, expressions: Sequence[Affine], symbols: Sequence[str]) -> None:
        column = {name: number for number, name in enumerate(symbols)}
        self._constants = np.array([expression.constant for expression in expressions], float)
        most = max((len(expression.terms) for expression in expressions), default=0)
        self._terms = []
        for rank in range(most):
            rows = [n for n, expression in enumerate(expressions) if len(expression.terms) > rank]
            terms = [expressions[n].terms[rank] for n in rows]
            self._terms.append(
                (
                    np.array(rows),
                    np.array([column[name] for name, _ in terms]),
                    np.array([coefficient for _, coefficient in terms]),
                )
            )

    def __call__(self, values: FloatArray) -> FloatArray:
        """Returns the values [expressions, B] for values of the symbols [symbols, B]."""
        out = np.empty((len(self._constants), values.shape[1]))
        out[:] = self._constants[:, None]
        for rows, columns, coefficients in self._terms:
            out[rows] += values[columns] * coefficients[:, None]
        return out


def cosine_and_sine(angle: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns both, by way of one tangent, which is several times as fast as either."""
    t = np.tan(angle / 2)
    square = t * t
    scale = 1 / (1 + square)
    return (1 - square) * scale, 2 * t * scale


def rotated(by: Quaternion, letter: str, angle: FloatArray) -> Quaternion:
    """Returns a rotation about a letter times a quaternion."""
    c, s = cosine_and_sine(angle / 2)
    w, x, y, z = by
    if letter == "X":
        return c * w - s * x, c * x + s * w, c * y - s * z, c * z + s * y
    if letter == "Y":
        return c * w - s * y, c * x + s * z, c * y + s * w, c * z - s * x
    return c * w - s * z, c * x - s * y, c * y + s * x, c * z + s * w


def product(letters: str, angles: Sequence[FloatArray]) -> Quaternion:
    """Returns rotations about letters, in time order, as one quaternion."""
    c, s = cosine_and_sine(angles[0] / 2)
    zero = np.zeros_like(c)
    parts = [c, zero, zero, zero]
    parts["IXYZ".index(letters[0])] = s
    result: Quaternion = (parts[0], parts[1], parts[2], parts[3])
    for letter, angle in zip(letters[1:], angles[1:], strict=True):
        result = rotated(result, letter, angle)
    return result


def times(constant: Sequence[float], by: Quaternion) -> Quaternion:
    """Returns a constant quaternion times another."""
    a, b, c, d = constant
    w, x, y, z = by
    return (
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y + c * w + d * x - b * z,
        a * z + d * w + b * y - c * x,
    )


def quaternion(matrix: NDArray[np.complex128]) -> tuple[float, float, float, float]:
    """Returns a unitary [2, 2] as a quaternion, up to its phase."""
    special = matrix / np.sqrt(complex(np.linalg.det(matrix)))
    (a, b), (c, d) = special
    return (
        float((a + d).real / 2),
        float(-(b + c).imag / 2),
        float((c - b).real / 2),
        float((d - a).imag / 2),
    )


def euler(by: Quaternion) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Returns a, b, c of R_Z(a) R_Y(b) R_Z(c), with b in [0, pi]."""
    w, x, y, z = by
    total = np.arctan2(z, w)
    difference = np.arctan2(-x, y)
    middle = 2 * np.arctan2(np.hypot(x, y), np.hypot(w, z))
    return total + difference, middle, total - difference
