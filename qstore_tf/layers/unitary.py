"""Unitary: the matrix of the circuit in front."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.errors import InputError, describe
from qstore_tf.layers import carried
from qstore_tf.layers.base import finds_shapes
from qstore_tf.layers.reading import StateReader
from qstore_tf.ops import memory


@keras.utils.register_keras_serializable(package="qstore_tf")
class Unitary(StateReader):
    """Returns the matrix of the circuit that the quantum layers in front make together.

    The matrix is of all gates from |0...0> on. Amplitude encoding is no gate: behind it the
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
        backend: as in `QuantumLayer`; `None` is that of the layers in front.
        **kwargs: `name`, `dtype`.

    Input shape:
        Complex `(batch_size, 2**n_qubits)`, the output of a quantum layer.

    Output shape:
        Complex `(batch_size, 2**n_qubits, 2**n_qubits)`.

    Raises:
        ConfigurationError: the layers in front have shots, or the backend is unknown.
        InputError: the input is not the output of a quantum layer, or the backend has no state
            vectors.
        MemoryLimitError: one such matrix does not fit into memory.
    """

    def __init__(self, backend: str | Backend | None = None, **kwargs: Any) -> None:
        """Checks the options; see the class."""
        super().__init__(backend=backend, **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the matrices."""
        _, n_qubits = self._read(inputs.shape)
        self._check_state(inputs.dtype)
        if carried.of(inputs) is None and not finds_shapes(inputs):
            raise InputError(
                describe(
                    f"Layer '{self.name}' was fed a state vector without the circuit that made it",
                    expected="the output of a quantum layer, with nothing in between",
                    hint="Put it right behind QuantumLayer or an encoding layer. A state alone "
                    "has no unitary",
                )
            )
        before = self._before(inputs)
        self._check_exact(before, "Unitary matrices")
        memory.check(self.complex_dtype.size * 4**n_qubits, f"A matrix of {n_qubits} qubits")
        return before.unitary(before.means)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """Returns `(batch_size, 2**n_qubits, 2**n_qubits)`."""
        batch, n_qubits = self._read(input_shape)
        return (batch, 2**n_qubits, 2**n_qubits)

    @property
    def _output_dtype(self) -> Any:
        return self.complex_dtype

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "backend": self._own_config()["backend"]}
