"""Rows of vectors with what a scan needs of each: of the namespace, and of each context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.definitions.encoding import Metric, inverse
from qstore_tf.store.index.rows import GrowingRows

Array = NDArray[Any]

_AT_ONCE = 1024  # larger blocks would stay with the process after they are freed


def norm_term(metric: Metric, norms: Array) -> NDArray[np.float32]:
    """What of a vector's norm its amplitude needs, float32: 1/|v|, or |v|^2 / 2 for "l2"."""
    term = norms**2 / 2 if metric.name == "l2" else inverse(norms)
    return np.asarray(term, np.float32)


def norms_of(vectors: Array) -> NDArray[np.float64]:
    """Norms of rows, in float64."""
    result = np.empty(len(vectors))
    for start in range(0, len(vectors), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        result[some] = norm64(wide(vectors[some]))
    return result


def wide(rows: Array) -> Array:
    """The same rows in float64 or complex128."""
    return rows.astype(np.complex128 if rows.dtype.kind == "c" else np.float64)


def norm64(rows: Array) -> NDArray[np.float64]:
    """Norms of rows; each depends on its row alone, not on where in the block it stands."""
    squares = rows.real**2 + rows.imag**2 if rows.dtype.kind == "c" else rows * rows
    return np.sqrt(squares.sum(axis=-1))


def inner64(rows: Array, query: Array) -> Array:
    """<q, row> for each row, as `norm64`: equal rows have equal numbers, so ties stay ties."""
    asked = np.conj(query) if query.dtype.kind == "c" else query
    return np.asarray((rows * asked).sum(axis=-1))


@dataclass(frozen=True)
class Table:
    """Which rows are in a context, as readers see it.

    Attributes:
        positions: The rows' places in the namespace [n], rising; some may be dead.
        weights: Their weights in the context [n], all above 0.
        vectors: Their own vectors in it [n, d]; None where they have the namespace's.
        norm_terms: Of those vectors.
    """

    positions: NDArray[np.int64]
    weights: NDArray[np.float64]
    vectors: Array | None = None
    norm_terms: NDArray[np.float32] | None = None

    def find(self, positions: Array) -> NDArray[np.int64]:
        """Where in the table some rows stand, -1 for those that do not."""
        if not len(self.positions):
            return np.full(len(positions), -1, np.int64)
        places = np.minimum(np.searchsorted(self.positions, positions), len(self.positions) - 1)
        return np.where(self.positions[places] == positions, places, -1)

    def weights_at(self, positions: Array) -> NDArray[np.float64]:
        """The weights of some rows, 0 for those that are not in the context."""
        places = self.find(positions)
        if not len(self.positions):
            return np.zeros(len(positions))
        return np.where(places >= 0, self.weights[places], 0.0)


class GrowingTable:
    """A `Table` as the writer keeps it."""

    def __init__(self, metric: Metric, dtype: np.dtype[Any], dimension: int, own: bool) -> None:
        self._metric = metric
        self._positions = GrowingRows(np.int64)
        self._weights = GrowingRows(np.float64)
        self._vectors = GrowingRows(dtype, dimension) if own else None
        self._norm_terms = GrowingRows(np.float32)

    def append(self, positions: Array, weights: Array, vectors: Array | None) -> float:
        """Appends rows behind all that are there; returns the longest of their norms."""
        self._positions.append(positions)
        self._weights.append(weights)
        if self._vectors is None or vectors is None:
            return 0.0
        norms = norms_of(vectors)
        self._vectors.append(vectors)
        self._norm_terms.append(norm_term(self._metric, norms))
        return float(norms.max(initial=0.0))

    @property
    def view(self) -> Table:
        """The table as it is now."""
        if self._vectors is None:
            return Table(self._positions.view, self._weights.view)
        return Table(
            self._positions.view,
            self._weights.view,
            self._vectors.view,
            self._norm_terms.view,
        )
