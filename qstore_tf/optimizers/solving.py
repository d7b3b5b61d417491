"""Solves for natural gradients: Cholesky, and what to do where it fails."""

from __future__ import annotations

import tensorflow as tf

# Eigenvalues below this part of the largest one are taken for zero.
_CUTOFF = 1e-7


def solve(
    matrix: tf.Tensor, vector: tf.Tensor, regularization: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (matrix + regularization * identity)^-1 vector, and whether Cholesky failed.

    Where the matrix is not positive definite, which rounding or counted overlaps can bring about,
    it is the pseudoinverse that leaves out what is not above `regularization`; where the matrix
    is not finite, it is the vector itself. Computed in float64.

    Args:
        matrix: [N, N], symmetric.
        vector: [N].
        regularization: What is added to the diagonal.
    """
    wide = tf.cast(matrix, tf.float64)
    right = tf.cast(vector, tf.float64)[:, None]
    finite = tf.reduce_all(tf.math.is_finite(wide))
    unit = tf.eye(tf.shape(wide)[0], dtype=tf.float64)
    damped = tf.where(finite, wide + regularization * unit, unit)
    factor = tf.linalg.cholesky(damped)  # NaN where it fails
    worked = tf.reduce_all(tf.math.is_finite(factor))
    solution = tf.cond(
        worked,
        lambda: tf.linalg.cholesky_solve(factor, right),
        lambda: _by_eigenvalues(damped, right, regularization),
    )
    failed = tf.logical_not(tf.logical_and(worked, finite))
    return tf.cast(solution[:, 0], vector.dtype), failed


def absolute(matrix: tf.Tensor) -> tf.Tensor:
    """Returns the symmetric matrix with the absolute values of its eigenvalues."""
    values, vectors = tf.linalg.eigh(tf.cast(matrix, tf.float64))
    return tf.cast(tf.matmul(vectors * tf.abs(values), vectors, transpose_b=True), matrix.dtype)


def _by_eigenvalues(damped: tf.Tensor, right: tf.Tensor, regularization: float) -> tf.Tensor:
    values, vectors = tf.linalg.eigh(damped)
    least = tf.maximum(_CUTOFF * tf.reduce_max(tf.abs(values)), 2.0 * regularization)
    kept = values > least
    inverse = tf.where(kept, 1.0 / tf.where(kept, values, tf.ones_like(values)), 0.0)
    return tf.matmul(vectors, inverse[:, None] * tf.matmul(vectors, right, transpose_a=True))
