"""Vectors of three components for many samples at once, [3, M]: components first, which is fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Unit vectors that differ by less are one; with a smaller inner product they are perpendicular.
CLOSE = 1e-10
# Products that are shorter have no direction left.
_NO_DIRECTION = 1e-13
_FEW_DIGITS = 1e-6


def dot(a: FloatArray, b: FloatArray) -> FloatArray:
    """Returns the inner products, [M]."""
    return np.asarray(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Returns the vector products, [3, M]."""
    first = a[1] * b[2] - a[2] * b[1]
    out = np.empty((3, *first.shape))
    out[0] = first
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]
    return out


def same(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Returns which vectors are one, [M]."""
    return np.asarray(dot(a - b, a - b) < CLOSE**2)


def parallel(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Returns which unit vectors are one, or one the opposite of the other, [M]."""
    normal = cross(a, b)
    return np.asarray(dot(normal, normal) < CLOSE**2)


def perpendicular(axis: FloatArray, other: FloatArray) -> FloatArray:
    """Returns unit vectors perpendicular to both; to `axis` alone where the two are parallel.

    >>> up, x = np.eye(3)[:, 2:], np.eye(3)[:, :1]
    >>> perpendicular(up, x).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    normal = cross(axis, other)
    square = dot(normal, normal)
    alike = square < _NO_DIRECTION**2
    if alike.any():
        normal, axis = normal.reshape(3, -1), np.broadcast_to(axis, normal.shape).reshape(3, -1)
        where = np.flatnonzero(alike)
        # The coordinate axis that is farthest from it.
        least = np.argmin(np.abs(axis[:, where]), axis=0)
        normal[:, where] = cross(axis[:, where], np.eye(3)[:, least])
        normal = normal.reshape(3, *square.shape)
        axis = axis.reshape(3, *square.shape)
        square = dot(normal, normal)
    normal = normal / np.sqrt(square)
    if (square < _FEW_DIGITS**2).any():
        # What is left of the digits need not be perpendicular.
        normal = normal - dot(normal, axis) * axis
        normal /= np.sqrt(dot(normal, normal))
    return np.asarray(normal)
