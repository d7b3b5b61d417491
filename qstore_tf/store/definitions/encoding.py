"""What the amplitudes of a vector are: the metrics, each with its lift to unit vectors.

The fidelity of two bare vectors cannot tell v from -v, which differ by a global phase. So all
metrics but "fidelity" add reference coordinates, and the fidelity of the lifted pair then orders
items as the metric does. With `L(v) = (1, v / |v|) / sqrt(2)`:

| metric | stored | query | amplitude |
|---|---|---|---|
| cosine | L(v) | L(q) | (1 + cos) / 2 |
| dot | L(v, sqrt(M^2 - |v|^2)) | L(q, 0) | (1 + q.v / (M |q|)) / 2 |
| l2 | v' = (v, -|v|^2 / 2), lifted as dot | (q, 1), lifted as dot | falls with the distance |
| fidelity | v / |v| | q / |q| | <q, v> / (|q| |v|), complex |

M is the longest (lifted) vector of the namespace. The fidelity is the amplitude's square.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean

Array = NDArray[Any]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """How vectors of one namespace are compared.

    Attributes:
        name: "cosine", "dot", "l2" or "fidelity".
        extra: How many coordinates the lift adds.
        is_complex: Whether vectors may be complex.
        stored: The lift of stored vectors, given the longest one as lifted; it checks nothing.
        query: The lift of queries; it checks nothing.
        longest: How long the longest vector is once it has the coordinates that `dot` lifts.
    """

    name: str
    extra: int
    is_complex: bool
    stored: Callable[[Array, float], Array]
    query: Callable[[Array], Array]
    longest: Callable[[float], float]

    def lifted_dimension(self, dimension: int) -> int:
        """d', the number of amplitudes of a vector of `dimension` coordinates."""
        return dimension + self.extra

    def n_qubits(self, dimension: int) -> int:
        """Qubits that hold a lifted vector: ceil(log2 d').

        Example:
            >>> METRICS["cosine"].n_qubits(128)
            8
        """
        return (self.lifted_dimension(dimension) - 1).bit_length()

    def encode(self, vectors: ArrayLike, max_norm: float = 1.0) -> Array:
        """Unit amplitudes of stored vectors.

        Args:
            vectors: [..., d], none of them zero.
            max_norm: The longest vector of the namespace; "cosine" and "fidelity" need none.

        Returns:
            [..., d'], float64 or complex128, of unit length.

        Raises:
            InputError: A vector is zero or longer than `max_norm`, or not all numbers are finite.

        Example:
            >>> METRICS["cosine"].encode([3.0, 4.0]).round(3)
            array([0.707, 0.424, 0.566])
        """
        rows = self._checked(vectors)
        if self.name in ("dot", "l2"):
            norm = float(np.max(_norms(rows), initial=0.0))
            if norm > max_norm * (1 + 1e-9):
                raise InputError(
                    describe(
                        "A vector is longer than the longest of its namespace",
                        expected=f"a norm of at most {max_norm}",
                        received=norm,
                    )
                )
        return self.stored(rows, self.longest(max_norm))

    def encode_query(self, queries: ArrayLike) -> Array:
        """Unit amplitudes of queries: [..., d] -> [..., d'].

        Raises:
            InputError: A query is zero (where the metric needs a direction) or not finite.

        Example:
            >>> METRICS["dot"].encode_query([0.0, 2.0]).round(3)
            array([0.707, 0.   , 0.707, 0.   ])
        """
        return self.query(self.checked_queries(queries))

    def checked_queries(self, queries: ArrayLike) -> Array:
        """Queries as they are, [..., d] in float64 or complex128.

        Raises:
            InputError: As of `encode_query`.
        """
        return self._checked(queries, zero=self.name == "l2")

    def _checked(self, vectors: ArrayLike, zero: bool = False) -> Array:
        rows = np.asarray(vectors)
        if rows.ndim == 0 or rows.dtype.kind not in "biufc":
            raise InputError(
                describe("These are no vectors", expected="numbers [..., d]", received=vectors)
            )
        if np.iscomplexobj(rows) and not self.is_complex:
            raise InputError(
                describe(
                    f"Metric {self.name!r} compares real vectors, but these are complex",
                    hint="Use a namespace of metric 'fidelity'",
                )
            )
        rows = rows.astype(np.complex128 if np.iscomplexobj(rows) else np.float64)
        norms = _norms(rows)
        if not np.isfinite(norms).all():
            raise InputError(describe("A vector has numbers that are not finite, or too large"))
        if not zero and not np.all(norms > 0):
            raise InputError(
                describe(
                    "A zero vector has no direction, so it is no quantum state",
                    expected="at least one coordinate that is not zero",
                )
            )
        return rows


def metric_named(name: str) -> Metric:
    """Returns the metric of a name.

    Raises:
        ConfigurationError: There is none; the message names the nearest.

    Example:
        >>> metric_named("l2").lifted_dimension(5)
        8
    """
    if name not in METRICS:
        raise ConfigurationError(
            describe("This metric is unknown", received=name, hint=did_you_mean(str(name), METRICS))
        )
    return METRICS[name]


def amplitudes(
    metric: Metric, inner: Array, norms: ArrayLike, query_norm: ArrayLike, max_norm: float
) -> Array:
    """<Lq|Lv> of lifted pairs, from what a scan of the bare vectors gives.

    Args:
        metric: The metric.
        inner: <q, v> of bare vectors, of any shape and precision.
        norms: |v|, broadcast against `inner`.
        query_norm: |q|, broadcast against `inner`.
        max_norm: The longest bare vector of the namespace.

    Returns:
        The amplitudes, shaped and typed as `inner`; 0 or (1 + 0) / 2 for zero vectors.

    Example:
        >>> float(amplitudes(METRICS["cosine"], np.array(3.0), 2.0, 2.0, 2.0))
        0.875
    """
    half = inner.dtype.type(0.5)
    query = np.asarray(query_norm, inner.real.dtype)
    if metric.name in ("cosine", "fidelity"):
        ratio = inner * inverse(np.asarray(norms, inner.real.dtype) * query)
        return ratio if metric.name == "fidelity" else (ratio + 1) * half
    if metric.name == "l2":
        lengths = np.asarray(norms, inner.real.dtype)
        inner = inner - lengths * lengths * half
        query = np.sqrt(query * query + 1)
    scale = inverse(query * metric.longest(max_norm)).astype(inner.dtype)
    return (inner * scale + 1) * half


def inverse(numbers: Array) -> Array:
    """1 / x, and 0 where x is 0.

    Example:
        >>> inverse(np.array([0.0, 4.0]))
        array([0.  , 0.25])
    """
    numbers = np.asarray(numbers)
    return np.divide(1, numbers, out=np.zeros_like(numbers), where=numbers != 0)


def canonical_phase(states: ArrayLike) -> Array:
    """Turns states so that the largest amplitude of each is real and positive.

    States that differ by a global phase become equal, and near states become near vectors.

    Args:
        states: [..., d].

    Returns:
        The same states [..., d], complex128 for complex and float64 for real ones.

    Example:
        >>> canonical_phase([0.6, -0.8])
        array([-0.6,  0.8])
    """
    rows = np.asarray(states)
    rows = rows.astype(np.complex128 if np.iscomplexobj(rows) else np.float64)
    largest = np.take_along_axis(rows, np.argmax(np.abs(rows), axis=-1)[..., None], axis=-1)
    turned: Array = rows * (np.conj(largest) * inverse(np.abs(largest)))
    return turned


def _norms(rows: Array) -> Float:
    squares = rows.real**2 + rows.imag**2 if np.iscomplexobj(rows) else rows * rows
    return np.asarray(np.sqrt(squares.sum(axis=-1)))


def _unit(rows: Array) -> Array:
    unit: Array = rows / _norms(rows)[..., None]
    return unit


def _append(rows: Array, last: ArrayLike) -> Array:
    column = np.broadcast_to(np.asarray(last, np.float64), rows.shape[:-1])[..., None]
    return np.concatenate([rows, column], axis=-1)


def _reference(rows: Array) -> Array:
    """L: a coordinate in front that turns the sign of a vector into a fidelity."""
    unit = _unit(rows)
    ones = np.ones((*unit.shape[:-1], 1))
    return np.concatenate([ones, unit], axis=-1) / np.sqrt(2)


def _dot(rows: Array, longest: float) -> Array:
    missing = np.maximum(longest**2 - _norms(rows) ** 2, 0)
    return _reference(_append(rows, np.sqrt(missing)))


def _l2(rows: Array, longest: float) -> Array:
    return _dot(_append(rows, -(_norms(rows) ** 2) / 2), longest)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("cosine", 1, False, lambda v, _: _reference(v), _reference, lambda m: m),
        Metric("dot", 2, False, _dot, lambda q: _reference(_append(q, 0)), lambda m: m),
        Metric(
            "l2",
            3,
            False,
            _l2,
            lambda q: _reference(_append(_append(q, 1), 0)),
            lambda m: float(np.sqrt(m**2 + m**4 / 4)),
        ),
        Metric("fidelity", 0, True, lambda v, _: _unit(v), _unit, lambda m: m),
    )
}
