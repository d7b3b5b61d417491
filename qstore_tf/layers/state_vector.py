"""StateVector: the amplitudes of a quantum state."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.layers.run import attach_run
from qstore_tf.layers.running import state_vectors
from qstore_tf.layers.state_reader import ExactReader


@keras.utils.register_keras_serializable(package="qstore_tf")
class StateVector(ExactReader):
    """Returns the state vector: states in, the same states out.

    After quantum layers it runs the whole circuit as one operation, where each of them alone
    would store its state. Another quantum layer may follow it. States are differentiable where
    the backend is.

    Example:

    >>> import numpy as np
    >>> from qstore_tf.layers import AngleEncoding, StateVector
    >>> state = AngleEncoding(n_qubits=2)(np.array([[0.0, np.pi]]))
    >>> StateVector()(state).numpy().imag.round(3) + 0.0  # plus zero: no "-0."
    array([[ 0., -1.,  0.,  0.]], dtype=float32)

    Args:
        backend: as in `QuantumLayer`; `None` is that of the preceding layers.
        **kwargs: `name`, `dtype`.

    Input shape:
        Complex `(batch_size, 2**n_qubits)`.

    Output shape:
        Complex `(batch_size, 2**n_qubits)`; basis state k has qubit 0 as its most significant
        bit.

    Raises:
        ConfigurationError: the preceding layers have shots, or the backend is unknown or has no
            state vectors.
        InputError: the input is not a quantum state.
    """

    _quantity = "State vectors"

    def __init__(self, backend: str | Backend | None = None, **kwargs: Any) -> None:
        """Checks the options; see the class."""
        super().__init__(backend=backend, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the states."""
        run = self._preceding_run(inputs)
        return attach_run(state_vectors(run), run)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns `(batch_size, 2**n_qubits)`."""
        batch, n_qubits = self._read_state_shape(input_shape)
        return (batch, 2**n_qubits)

    @property
    def _output_dtype(self) -> Any:
        return self.complex_dtype
