"""Features as amplitudes: the TensorFlow side of amplitude encoding."""

from __future__ import annotations

import tensorflow as tf

from qstore_tf.circuits import encodings
from qstore_tf.circuits.arrays import ArrayFunctions

_TENSORFLOW = ArrayFunctions.of(tf)


def normalized(features: tf.Tensor, n_qubits: int) -> tf.Tensor:
    """Pads each row with zeros up to 2^n and scales it to length 1; a row of zeros is |0...0>."""
    return encodings.normalized_amplitudes(features, n_qubits, _TENSORFLOW)


def padded(features: tf.Tensor, n_qubits: int) -> tf.Tensor:
    """Pads each row with zeros up to 2^n and leaves its length as it is."""
    return tf.pad(features, [[0, 0], [0, 2**n_qubits - int(features.shape[1])]])


def angles(rows: tf.Tensor) -> tf.Tensor:
    """The inputs of the circuit `circuits.amplitude_encoding` that prepares these rows."""
    return encodings.amplitude_angles(rows, _TENSORFLOW)


def complex_dtype(dtype: tf.DType) -> tf.DType:
    """The complex dtype of the same precision."""
    return tf.complex128 if dtype == tf.float64 else tf.complex64


def as_complex(rows: tf.Tensor) -> tf.Tensor:
    """Real amplitudes as complex ones; complex ones as they are."""
    return rows if rows.dtype.is_complex else tf.complex(rows, tf.zeros_like(rows))
