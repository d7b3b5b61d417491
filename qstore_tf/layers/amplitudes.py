"""Features as amplitudes: the TensorFlow side of amplitude encoding."""

from __future__ import annotations

from dataclasses import replace

import tensorflow as tf

from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits import encodings
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.encodings.arrays import ArrayFunctions
from qstore_tf.circuits.program import Program
from qstore_tf.layers.values import Values

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


def by_gates(program: Program, values: Values) -> tuple[Program, Values]:
    """A program that starts from amplitudes, as one whose first gates prepare them.

    Gates prepare states of length 1: only the direction of a row is kept. A row of zeros
    becomes |0...0>.

    Args:
        program: what to run.
        values: the numbers to run it on, with `initial`.

    Returns:
        The program that starts from |0...0>, and its values: of the inputs, the angles of those
        gates come first.
    """
    assert values.initial is not None
    inputs = tf.concat([angles(values.initial), values.inputs], axis=1)
    prepared = after_preparation(program, values.initial.dtype.is_complex)
    return prepared, replace(values, inputs=inputs, initial=None)


@remember(of_programs)
def after_preparation(program: Program, complex_amplitudes: bool) -> Program:
    """The program after gates that prepare amplitudes; the angles of these gates are inputs."""
    preparation = encodings.amplitude_encoding(program.n_qubits, complex=complex_amplitudes)
    first = compile_circuit(preparation, inputs=preparation.parameters)
    return first.append(replace(program, has_initial=False))


def as_complex(rows: tf.Tensor) -> tf.Tensor:
    """Real amplitudes as complex ones; complex ones as they are."""
    return rows if rows.dtype.is_complex else tf.complex(rows, tf.zeros_like(rows))
