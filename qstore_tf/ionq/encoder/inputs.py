"""Checks of the vectors and angles that the numeric encoder is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qstore_tf.errors import InputError, describe
from qstore_tf.ionq.encoder.pattern import Pattern
from qstore_tf.ionq.encoder.sweep import Floats, Vectors


def read_vectors(pattern: Pattern, vectors: ArrayLike) -> tuple[Vectors, Floats]:
    """Checks vectors and takes them apart into directions and lengths.

    Args:
        pattern: The gates that are to prepare them.
        vectors: [B, 2^n], real, or complex where the pattern is.

    Returns:
        Vectors of length 1, [B, 2^n], complex128 if the pattern is complex, else float64; and the
        lengths, [B].

    Raises:
        InputError: Wrong shape or type, not finite, or a vector of zeros.

    Example:
        >>> units, lengths = read_vectors(Pattern(1), [[3, 4]])
        >>> units.tolist(), lengths.tolist()
        ([[0.6, 0.8]], [5.0])
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] != pattern.size:
        raise InputError(
            describe(
                f"Vectors do not fit {pattern.n_qubits} qubits",
                expected=f"shape [batch, {pattern.size}]",
                received=f"shape {array.shape}",
                hint="Pad the features with `normalized_amplitudes(features, n_qubits)`.",
            )
        )
    if array.dtype.kind not in "buifc":
        raise InputError(
            describe(
                "Vectors are not numbers",
                expected="real or complex numbers",
                received=str(array.dtype),
            )
        )
    if array.dtype.kind == "c" and not pattern.is_complex:
        raise InputError(
            describe(
                "A pattern of CZ gates prepares real vectors only",
                expected="real numbers",
                received=str(array.dtype),
                hint=f"Use Pattern({pattern.n_qubits}, 'RZZ') for complex ones.",
            )
        )
    dtype = np.complex128 if pattern.is_complex else np.float64
    array = np.ascontiguousarray(array, dtype)
    largest = np.maximum(np.abs(array.real), np.abs(array.imag)).max(axis=1)
    bad = np.flatnonzero(~np.isfinite(largest) | (largest == 0.0))
    if len(bad):
        raise InputError(
            describe(
                f"Vector {bad[0]} of the batch has no direction",
                expected="finite amplitudes, not all of them 0",
                received=f"largest amplitude {largest[bad[0]]}",
                hint="`normalized_amplitudes` turns rows of zeros into |0...0>.",
            )
        )
    # Scaled first, so that squares neither overflow nor vanish; as real numbers, because a division
    # of complex ones squares them too.
    array = (array.view(np.float64) / largest[:, None]).view(dtype)
    lengths = np.linalg.norm(array, axis=1)
    return array / lengths[:, None], lengths * largest


def read_angles(pattern: Pattern, angles: ArrayLike, batch: int) -> Floats:
    """Checks angles and gives each vector its own.

    Args:
        pattern: The gates that turn by them.
        angles: [P] or [B, P] in radians.
        batch: Number of vectors B.

    Returns:
        A copy, [B, P].

    Raises:
        InputError: Wrong shape or type, or not finite.

    Example:
        >>> read_angles(Pattern(1), [0.5], batch=2).tolist()
        [[0.5], [0.5]]
    """
    array = np.asarray(angles)
    shape = (batch, pattern.n_angles)
    if array.dtype.kind not in "buif" or array.shape not in (shape, shape[1:]):
        raise InputError(
            describe(
                "Angles do not fit the pattern and the vectors",
                expected=f"real numbers of shape {list(shape)}, or {list(shape[1:])} for all",
                received=f"{array.dtype} of shape {array.shape}",
            )
        )
    if not np.isfinite(array).all():
        raise InputError(
            describe(
                "Angles must be finite",
                expected="numbers in radians",
                received=float(array[~np.isfinite(array)][0]),
            )
        )
    rows: Floats = np.broadcast_to(array, shape).astype(np.float64)
    return rows
