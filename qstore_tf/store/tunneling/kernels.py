"""Kernels between the rows of a series, as features whose inner products they are.

With the kernel "fidelity" the mean of the features of some rows is their density matrix, written
as a vector: its squared length is the purity, and the squared distance of two means, the maximum
mean discrepancy of the kernel, is the Hilbert-Schmidt distance of the density matrices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import memory
from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean
from qstore_tf.store.definitions.encoding import METRICS

Features = NDArray[np.float64]

_LANDMARKS = 256  # rows that span the features of the Gaussian kernel


@dataclass(frozen=True)
class Kernel:
    """How rows of a series are compared.

    Attributes:
        name: "fidelity", "lifted" or "gaussian".
        sees: Which changes of a series it sees, in words.
        metric: The metric that makes a row a quantum state; "" where there is none.
    """

    name: str
    sees: str
    metric: str

    def states(self, series: NDArray[Any]) -> NDArray[Any] | None:
        """[T, D] unit amplitudes of the rows; None where the kernel compares no states.

        Raises:
            InputError: A row is zero: it has no direction, so it is no state.
        """
        if not self.metric:
            return None
        empty = ~series.any(axis=1)
        if empty.any():
            raise InputError(
                describe(
                    f"Row {int(np.argmax(empty))} of the series is zero, so it is no quantum state",
                    hint="Leave such rows out, or use kernel='gaussian'",
                )
            )
        return METRICS[self.metric].encode(series)

    def features(self, series: NDArray[Any]) -> Features:
        """[T, f] features; their inner products are the kernel.

        Raises:
            InputError: A row is zero and the kernel compares states, or complex and it does not.
            MemoryLimitError: The features do not fit.
        """
        states = self.states(series)
        return _gaussian(series) if states is None else _outer_products(states)


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel(
            "fidelity", "changes of direction and of covariance, not of sign or size", "fidelity"
        ),
        Kernel("lifted", "changes of the mean direction, sign included, not of size", "cosine"),
        Kernel("gaussian", "changes of any kind, most of all of the mean", ""),
    )
}


def kernel_named(name: str) -> Kernel:
    """Returns the kernel of a name.

    Raises:
        ConfigurationError: There is none; the message names the nearest.

    Example:
        >>> kernel_named("lifted").sees
        'changes of the mean direction, sign included, not of size'
    """
    if name not in KERNELS:
        hint = did_you_mean(str(name), KERNELS)
        raise ConfigurationError(describe("This kernel is unknown", received=name, hint=hint))
    return KERNELS[name]


def check_series(series: ArrayLike, least: int) -> NDArray[Any]:
    """Returns the series as [T, d] of at least so many rows; [T] becomes [T, 1].

    Raises:
        InputError: It has another shape, is too short or has numbers that are not finite.
    """
    rows = np.asarray(series)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.dtype.kind not in "biufc" or not rows.shape[1]:
        raise InputError(
            describe("A series is one vector per time", expected="[T, d]", received=rows.shape)
        )
    if len(rows) < least:
        raise InputError(
            describe(
                "The series is too short", expected=f"at least {least} rows", received=len(rows)
            )
        )
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InputError(
            describe(f"Row {int(np.argmin(finite))} of the series has numbers that are not finite")
        )
    return rows.astype(np.complex128 if np.iscomplexobj(rows) else np.float64)


def _outer_products(states: NDArray[Any]) -> Features:
    """|x><x| as real vectors: the diagonal, then sqrt(2) times what is above it, Re and Im."""
    count, dimension = states.shape
    upper = np.triu_indices(dimension, 1)
    parts = 1 + np.iscomplexobj(states)
    memory.check(16 * count * (dimension + parts * len(upper[0])), "The features of the series")
    above = np.sqrt(2) * states[:, upper[0]] * states[:, upper[1]].conj()
    sides = [above.real, above.imag] if parts == 2 else [above]
    return np.concatenate([np.abs(states) ** 2, *sides], axis=1)


def _gaussian(series: NDArray[Any]) -> Features:
    """Features of exp(-|x - y|^2 / m), m the median squared distance between landmark rows.

    Exact between the landmarks, which are all rows of a series no longer than 256; of a longer one
    evenly spaced rows, and the rest is projected onto their span.
    """
    if np.iscomplexobj(series):
        raise InputError(
            describe(
                "The Gaussian kernel compares real rows, but these are complex",
                hint="Use kernel='fidelity'",
            )
        )
    count = len(series)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _LANDMARKS)).astype(int))
    series = series - series.mean(axis=0)  # far from zero the differences would be lost
    landmarks = series[chosen]
    lengths = np.sum(series**2, axis=1)
    distances = lengths[:, None] + lengths[chosen] - 2 * series @ landmarks.T
    distances = np.where(distances > 1e-12 * lengths.max(), distances, 0.0)
    between = distances[chosen]
    apart = between[np.triu_indices(len(chosen), 1)]
    apart = apart[apart > 0]
    scale = float(np.median(apart)) if len(apart) else 1.0
    values, vectors = np.linalg.eigh(np.exp(-between / scale))
    kept = values > 1e-12 * values[-1]
    return np.exp(-distances / scale) @ (vectors[:, kept] / np.sqrt(values[kept]))


def hilbert_schmidt(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The Hilbert-Schmidt distance of two density matrices, sqrt(Tr (rho - sigma)^2).

    Example:
        >>> round(hilbert_schmidt(np.diag([1.0, 0.0]), np.diag([0.0, 1.0])), 6)
        1.414214
    """
    return float(np.linalg.norm(one - other))


def bures(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The Bures distance of two density matrices, sqrt(2 - 2 Tr sqrt(sqrt(rho) sigma sqrt(rho))).

    Example:
        >>> round(bures(np.diag([1.0, 0.0]), np.diag([0.0, 1.0])), 6)
        1.414214
    """
    overlap = np.linalg.svd(_root(one) @ _root(other), compute_uv=False).sum()
    return float(np.sqrt(max(0.0, 2 - 2 * overlap)))


def _root(matrix: NDArray[Any]) -> NDArray[Any]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.conj().T


DISTANCES: dict[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "hilbert_schmidt": hilbert_schmidt,
    "bures": bures,
}
