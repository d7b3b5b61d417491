"""Solves for natural gradients: Cholesky, and what to do where it fails or misleads."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def solve(
    matrix: tf.Tensor, vector: tf.Tensor, regularization: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (matrix + regularization * identity)^-1 vector, and whether directions were left out.

    Eigenvalues of the sum up to 2 N eps max(1, the largest), with eps that of the matrix's dtype,
    cannot be told from rounding: a metric is a difference of numbers of about 1. Where there are
    such, the pseudoinverse leaves them out. Where the matrix is not positive definite, which
    counted overlaps can bring about, it leaves out what is not above `regularization`; where the
    matrix is not finite, the result is the vector itself. Computed in float64.

    Args:
        matrix: [N, N], symmetric.
        vector: [N].
        regularization: What is added to the diagonal.
    """
    wide = tf.cast(matrix, tf.float64)
    right = tf.cast(vector, tf.float64)[:, None]
    finite = tf.reduce_all(tf.math.is_finite(wide))
    size = tf.shape(wide)[0]
    unit = tf.eye(size, dtype=tf.float64)
    damped = tf.where(finite, wide + regularization * unit, unit)
    unsure = 2.0 * float(np.finfo(matrix.dtype.as_numpy_dtype).eps) * tf.cast(size, tf.float64)
    factor = tf.linalg.cholesky(damped)  # NaN where it fails
    worked = tf.reduce_all(tf.math.is_finite(factor))
    # No eigenvalue is above the norm.
    bound = unsure * tf.maximum(tf.norm(damped), 1.0)
    plain = tf.cond(
        tf.logical_and(worked, regularization < bound),
        lambda: _below_eigenvalues(factor, unit) > bound,
        lambda: worked,
    )
    solution, left_out = tf.cond(
        plain,
        lambda: (tf.linalg.cholesky_solve(factor, right), tf.constant(False)),
        lambda: _by_eigenvalues(
            damped, right, unsure, tf.where(worked, tf.zeros_like(bound), 2.0 * regularization)
        ),
    )
    failed = tf.logical_or(left_out, tf.logical_not(finite))
    return tf.cast(solution[:, 0], vector.dtype), failed


def absolute(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the symmetric matrix with the absolute values of its eigenvalues."""
    values, vectors = tf.linalg.eigh(tf.cast(matrix, tf.float64))
    return tf.cast(tf.matmul(vectors * tf.abs(values), vectors, transpose_b=True), matrix.dtype)


def _below_eigenvalues(factor: tf.Tensor, unit: tf.Tensor) -> tf.Tensor:
    """Returns 1 / |A^-1| (Frobenius), a lower bound of the eigenvalues of A = L L^T, from L."""
    return 1.0 / tf.norm(tf.linalg.cholesky_solve(factor, unit))


def _by_eigenvalues(
    damped: tf.Tensor, right: tf.Tensor, unsure: tf.Tensor, least: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the pseudoinverse times `right`, and whether it leaves anything out."""
    values, vectors = tf.linalg.eigh(damped)
    least = tf.maximum(least, unsure * tf.maximum(tf.reduce_max(tf.abs(values)), 1.0))
    kept = values > least
    inverse = tf.where(kept, 1.0 / tf.where(kept, values, tf.ones_like(values)), 0.0)
    solution = tf.matmul(vectors, inverse[:, None] * tf.matmul(vectors, right, transpose_a=True))
    return solution, tf.logical_not(tf.reduce_all(kept))
