"""Unitary: the matrix of the circuit of the preceding layers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf import memory
from qstore_tf.backends import Backend
from qstore_tf.errors import InputError, describe
from qstore_tf.layers.keras_version import is_shape_inference
from qstore_tf.layers.run import run_of
from qstore_tf.layers.running import unitary_matrices
from qstore_tf.layers.state_reader import ExactReader


@keras.utils.register_keras_serializable(package="qstore_tf")
class Unitary(ExactReader):
    """Returns the matrix of the circuit that the preceding quantum layers make together.

    The matrix is of all gates from |0...0> on. Amplitude encoding is not a gate: after it the
    matrix is of what follows. Column k is what the circuit makes of basis state k. The circuit
    is run on all basis states, `2**n_qubits` times the cost of one state, and is differentiable
    where the states of the backend are.

    Example:

    >>> import numpy as np
    >>> from qstore_tf.layers import AngleEncoding, Unitary
    >>> state = AngleEncoding(n_qubits=1)(np.array([[np.pi]]))
    >>> Unitary()(state).numpy().imag.round(3) + 0.0  # plus zero: no "-0."
    array([[[ 0., -1.],
            [-1.,  0.]]], dtype=float32)

    Args:
        backend: as in `QuantumLayer`; `None` is that of the preceding layers.
        **kwargs: `name`, `dtype`.

    Input shape:
        Complex `(batch_size, 2**n_qubits)`, the output of a quantum layer.

    Output shape:
        Complex `(batch_size, 2**n_qubits, 2**n_qubits)`.

    Raises:
        ConfigurationError: the preceding layers have shots, or the backend is unknown or has no
            state vectors.
        InputError: the input is not the output of a quantum layer.
        MemoryLimitError: the matrices of a batch do not fit into memory. In a graph traced for any
            batch size TensorFlow raises its own type of error, when it runs.
    """

    _quantity = "Unitary matrices"

    def __init__(self, backend: str | Backend | None = None, **kwargs: Any) -> None:
        """Checks the options; see the class."""
        super().__init__(backend=backend, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the matrices."""
        _, n_qubits = self._read_state_shape(inputs.shape)
        self._check_state(inputs.dtype)
        if run_of(inputs) is None and not is_shape_inference(inputs):
            raise InputError(
                describe(
                    f"Layer '{self.name}' was fed a state vector without the circuit that made it",
                    expected="the output of a quantum layer, without other operations in between",
                    hint="Put it right after QuantumLayer or an encoding layer. A state alone "
                    "has no unitary",
                )
            )
        run = self._preceding_run(inputs)
        with tf.control_dependencies(self._fits(inputs, n_qubits)):
            return unitary_matrices(run)

    def _fits(self, inputs: tf.Tensor, n_qubits: int) -> list[tf.Operation]:
        """Checks that the matrices of a batch fit; those of an unknown one when it runs."""
        # The columns, and the same transposed.
        needed = 2 * self.complex_dtype.size * 4**n_qubits
        batch = inputs.shape[0]
        what = f"A matrix of {n_qubits} qubits"
        if batch is not None and batch > 1:
            what = f"A batch of {batch} matrices of {n_qubits} qubits"
        memory.check(needed * (1 if batch is None else batch), what)
        available = memory.available_bytes()
        if batch is not None or available is None:
            return []
        most = available // needed
        message = f"at most {most} matrices of {n_qubits} qubits fit into memory"
        rows = tf.shape(inputs, tf.int64)[0]
        fits = tf.debugging.assert_less_equal(rows, tf.constant(most, tf.int64), message)
        return [] if fits is None else [fits]

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """Returns `(batch_size, 2**n_qubits, 2**n_qubits)`."""
        batch, n_qubits = self._read_state_shape(input_shape)
        return (batch, 2**n_qubits, 2**n_qubits)

    @property
    def _output_dtype(self) -> Any:
        return self.complex_dtype
