"""Vectors as a namespace stores them, checked as arrays.

The rows of a batch that are wrong are named, each with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qstore_tf.errors import ItemError, describe
from qstore_tf.store.records import RowError, Vector

LARGEST_DIMENSION = 65_536
# Of the largest number of a vector: float32 holds what is computed of it, squares and products.
LARGEST_NUMBER, SMALLEST_NUMBER = 1e15, 1e-15
LARGEST_DISTANCE = 1e9  # the same for l2, whose lift has squares as coordinates

# Metrics that a vector of zeros has no direction for. The origin is a point like any other in l2.
_NEED_DIRECTION = ("cosine", "dot", "fidelity")


def check_dimension(dimension: Any) -> int:
    """Returns the dimension of a namespace.

    Raises:
        ItemError: It is not an integer from 1 to 65,536.
    """
    if (
        isinstance(dimension, bool)
        or not isinstance(dimension, (int, np.integer))
        or not 1 <= dimension <= LARGEST_DIMENSION
    ):
        raise ItemError(
            describe(
                "Vectors cannot have this dimension",
                expected=f"an integer from 1 to {LARGEST_DIMENSION}",
                received=dimension,
            )
        )
    return int(dimension)


def check_vector(
    vector: Any, dimension: int | None, metric: str, dtype: np.dtype[Any] | None = None
) -> Vector:
    """Returns one vector as the namespace stores it.

    Args:
        vector: Numbers [d].
        dimension: The namespace's; None where it has no items yet.
        metric: The namespace's.
        dtype: float32 or complex64; by default what fits the vector.

    Returns:
        An array [d] of that type.

    Raises:
        ItemError: A wrong rank or dimension, numbers that are not finite, or zeros alone.
    """
    rows, errors = check_vectors(
        as_array(vector)[None], dimension, metric, dtype, positions=[None], stacked=False
    )
    if errors:
        raise errors[0].error
    return rows[0]


def check_vectors(
    vectors: Any,
    dimension: int | None,
    metric: str,
    dtype: np.dtype[Any] | None = None,
    *,
    positions: Sequence[Any] | None = None,
    stacked: bool = True,
) -> tuple[Vector, list[RowError]]:
    """Checks a batch of vectors as one array.

    Args:
        vectors: Numbers [B, d].
        dimension: The namespace's; None where it has no items yet.
        metric: The namespace's.
        dtype: float32 or complex64; by default what fits the vectors.
        positions: What to call the rows in errors; by default their positions.
        stacked: Whether messages are about rows of a batch.

    Returns:
        An array [B, d], and the rows of it that cannot be stored.

    Raises:
        ItemError: What concerns all rows: the rank, the dimension, or the type of the numbers.
    """
    array = as_array(vectors)
    if array.ndim != 2:
        raise ItemError(
            describe(
                "Vectors have a wrong shape",
                expected="one row of numbers for each item" if stacked else "numbers [d]",
                received=array.shape if stacked else array.shape[1:],
            )
        )
    _check_dimension(array.shape[1], dimension)
    if dtype is None:
        dtype = np.dtype(np.complex64 if np.iscomplexobj(array) else np.float32)
    if np.iscomplexobj(array) and (dtype.kind != "c"):
        raise ItemError(
            describe(
                "A complex vector cannot be stored here",
                expected="real numbers",
                received=array.dtype,
                hint='Create the namespace with metric="fidelity" and dtype="complex64".',
            )
        )
    if np.iscomplexobj(array) and metric != "fidelity":
        raise ItemError(
            describe(
                f"A complex vector has no {metric} similarity",
                expected="real numbers",
                hint='Create the namespace with metric="fidelity".',
            )
        )
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.ascontiguousarray(array, dtype)
        # Not-a-number and infinity survive a sum; the exact test is for the few that need it.
        sizes = np.abs(rows).max(axis=1) if rows.size else np.zeros(len(rows), np.float32)
    bad = ~(sizes <= _largest(metric))
    if metric in _NEED_DIRECTION:
        bad |= sizes < SMALLEST_NUMBER
    errors = [
        RowError(row, positions[row] if positions else row, _fault(array[row], metric))
        for row in np.flatnonzero(bad).tolist()
    ]
    return rows, errors


def as_array(vectors: Any) -> Vector:
    """Returns vectors as an array of numbers, of whatever shape.

    Raises:
        ItemError: They are no numbers, or rows differ in length.
    """
    try:
        array = np.asarray(vectors)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiuc":
        raise ItemError(
            describe(
                "A vector is not made of numbers, or rows differ in length",
                expected="an array or list of numbers",
                received=vectors if np.size(array) < 10 else array.dtype,
            )
        )
    return array


def as_row(vector: Any) -> Vector:
    """Returns one vector as a batch of one [1, d].

    Raises:
        ItemError: It is no numbers, or has another rank.
    """
    array = as_array(vector)
    if array.ndim != 1:
        raise ItemError(
            describe(
                "Vectors have a wrong shape",
                expected="numbers [d]",
                received=array.shape,
                hint="Use query_many for several." if array.ndim == 2 else None,
            )
        )
    return array[None]


def _check_dimension(received: int, expected: int | None) -> None:
    if expected is not None and received != expected:
        raise ItemError(
            describe(
                "A vector does not fit the namespace",
                expected=f"dimension {expected}, as the items stored there have",
                received=received,
                hint="Was it made by another model? Keep its vectors in a namespace of their own.",
            )
        )
    check_dimension(received)


def _largest(metric: str) -> float:
    return LARGEST_DISTANCE if metric == "l2" else LARGEST_NUMBER


def _fault(row: Vector, metric: str) -> ItemError:
    size = float(np.abs(row).max())
    if not np.isfinite(row).all():
        where = int(np.flatnonzero(~np.isfinite(row))[0])
        what = f"A vector holds a number that is not finite: {row[where]} at position {where}"
    elif size > 1:
        what = f"A vector's numbers, up to {size:.3g}, are too large for float32"
    elif size > 0:
        what = f"A vector's numbers, up to {size:.3g}, are too small for a direction in float32"
    else:
        what = f"A vector of zeros has no {metric} similarity"
    expected = f"numbers up to {_largest(metric):g}, of which one at least is not zero"
    return ItemError(describe(what, expected=expected))
