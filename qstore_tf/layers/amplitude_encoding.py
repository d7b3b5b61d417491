"""AmplitudeEncoding: features as the amplitudes of a quantum state."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.program import Program
from qstore_tf.layers import amplitudes
from qstore_tf.layers.base import QuantumBase
from qstore_tf.layers.evolution import check_fits
from qstore_tf.layers.run import Run, attach_run
from qstore_tf.layers.run_options import RunOptions, check_memory
from qstore_tf.layers.shapes import empty_inputs, is_complex, read_shape, symbolic
from qstore_tf.layers.values import Values


@keras.utils.register_keras_serializable(package="qstore_tf")
class AmplitudeEncoding(QuantumBase):
    """Encodes up to `2**n_qubits` features as the amplitudes of `n_qubits` qubits.

    Each row is padded with zeros up to `2**n_qubits` and scaled to length 1. A row of zeros, as
    a ReLU before it can make, is |0...0> and has gradient zero. A row with NaN or infinities is
    NaN throughout. Features can be complex.

    The tensor that comes out is the state vector. The encoding is attached to it, so that a
    `QuantumLayer` and an `ExpectationValue` after it run as one operation.

    Example:

    >>> import numpy as np
    >>> from qstore_tf.layers import AmplitudeEncoding
    >>> encode = AmplitudeEncoding(n_qubits=2, dtype="float64")
    >>> encode(np.array([[3.0, 4.0, 0.0]])).numpy().real.round(6).tolist()
    [[0.6, 0.8, 0.0, 0.0]]

    Args:
        n_qubits: number of qubits.
        normalize: whether rows are scaled to length 1. With False they are taken as they are:
            states keep their length, probabilities add up to its square, and expectation values
            come out times its square, on every backend, exact or from shots. What `Sample`
            draws depends on the direction alone.
        **kwargs: `name`, `dtype`.

    Input shape:
        Real or complex `(batch_size, n_features)` with at most `2**n_qubits` features.

    Output shape:
        Complex `(batch_size, 2**n_qubits)`.

    Raises:
        ConfigurationError: `n_qubits` is not an integer >= 1, or above its limit.
        InputError: there are too many features, or not two axes.
        MemoryLimitError: state vectors of `n_qubits` qubits do not fit into memory.
    """

    def __init__(self, n_qubits: int, normalize: bool = True, **kwargs: Any) -> None:
        """Checks the options; see the class."""
        check_n_qubits(n_qubits)
        super().__init__(run_options=RunOptions("auto", "auto"), **kwargs)
        self.supports_jit = True  # plain TensorFlow operations
        self.n_qubits = int(n_qubits)
        self.normalize = bool(normalize)
        check_memory(self.n_qubits, self.complex_dtype)

    @property
    def takes_backend(self) -> bool:
        """No: it runs nothing."""
        return False

    def build(self, input_shape: Any) -> None:
        """Checks that the features fit."""
        self._width(input_shape)
        super().build(input_shape)

    def _width(self, shape: Any) -> tuple[int | None, int]:
        most = 2**self.n_qubits
        batch, width = read_shape(shape, type(self).__name__, f"[batch, 1 to {most} features]")
        check_fits(width, self.n_qubits, "amplitude")
        return batch, width

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the state vectors."""
        self._width(inputs.shape)
        features = self._amplitudes(inputs) if is_complex(inputs) else self._features(inputs)
        shape = amplitudes.normalized if self.normalize else amplitudes.padded
        rows = shape(features, self.n_qubits)
        state = amplitudes.as_complex(rows)
        if state is rows:
            # Another tensor, so that the state does not hold itself through its attribute.
            state = tf.identity(rows)
        program = Program(self.n_qubits, 0, 0, True, ())
        values = Values.without_theta(empty_inputs(rows, self.real_dtype), rows)
        return attach_run(state, Run(program, values, self._run_options))

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns `(batch_size, 2**n_qubits)`."""
        return (self._width(input_shape)[0], 2**self.n_qubits)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the symbolic state."""
        self._check_dtype(inputs.dtype)
        return symbolic(self.compute_output_shape(inputs.shape), self.complex_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "n_qubits": self.n_qubits, "normalize": self.normalize}
