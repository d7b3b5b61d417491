"""Probabilities: how likely each basis state is."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.layers.running import state_vectors
from qstore_tf.layers.state_reader import ExactReader
from qstore_tf.ops import plain


@keras.utils.register_keras_serializable(package="qstore_tf")
class Probabilities(ExactReader):
    """Returns the probability of every basis state: states in, probabilities out.

    After quantum layers it runs the whole circuit as one operation. Exact, and differentiable
    where the states of the backend are: with `backend="qsim"` it predicts, and a gradient is an
    error. `Sample(shots=...)` draws from the same distribution.

    Example:

    >>> import numpy as np
    >>> from qstore_tf.layers import AngleEncoding, Probabilities
    >>> state = AngleEncoding(n_qubits=2)(np.array([[0.0, np.pi / 2]]))
    >>> Probabilities()(state).numpy().round(3).tolist()
    [[0.5, 0.5, 0.0, 0.0]]

    Args:
        backend: as in `QuantumLayer`; `None` is that of the preceding layers.
        **kwargs: `name`, `dtype`.

    Input shape:
        Complex `(batch_size, 2**n_qubits)`.

    Output shape:
        Real `(batch_size, 2**n_qubits)`; basis state k has qubit 0 as its most significant bit.

    Raises:
        ConfigurationError: the preceding layers have shots, or the backend is unknown or has no
            state vectors.
        InputError: the input is not a quantum state.
    """

    _quantity = "Exact probabilities"

    def __init__(self, backend: str | Backend | None = None, **kwargs: Any) -> None:
        """Checks the options; see the class."""
        super().__init__(backend=backend, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the probabilities."""
        states = state_vectors(self._preceding_run(inputs))
        return tf.cast(plain.squared_magnitude(states), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns `(batch_size, 2**n_qubits)`."""
        batch, n_qubits = self._read_state_shape(input_shape)
        return (batch, 2**n_qubits)
