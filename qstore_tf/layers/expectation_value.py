"""ExpectationValue: measures a quantum state."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.gradients import GradientMethod
from qstore_tf.layers.observables import MeasuredObservables
from qstore_tf.layers.running import expectation
from qstore_tf.layers.state_reader import StateReader


@keras.utils.register_keras_serializable(package="qstore_tf")
class ExpectationValue(StateReader):
    """Measures observables of a quantum state: states in, expectation values out.

    After quantum layers it runs the whole circuit, from the encoding to the measurement, as
    one operation; the state vectors in between are then not computed inside a `tf.function`
    (and so in `fit`, `predict` and `evaluate`). Where only a state vector arrives, because
    there are other operations in between or it comes from a `keras.Input`, it measures that.

    Example:

    >>> import numpy as np
    >>> from tensorflow import keras
    >>> from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     AmplitudeEncoding(n_qubits=3),
    ...     QuantumLayer(n_qubits=3, depth=2),
    ...     ExpectationValue(["ZII", "0.5 X0 Y1 - Z2"]),
    ... ])
    >>> model(np.ones((5, 8), "float32")).shape
    TensorShape([5, 2])

    Args:
        observables: `"Z"` (or `"X"`, `"Y"`) for that Pauli on each qubit,
            `[cirq.Z] * n_qubits`, Pauli strings such as `"ZZI"`, `cirq.PauliString`,
            `cirq.PauliSum`, `PauliSum`, sums of Paulis of PennyLane or Qiskit, or a list of
            these. Wire q and qubit q of other libraries are qubit q.
        fuse: whether to run the circuit that made the state, rather than to measure the state
            vector. Both give the same numbers; with False a gradient with respect to the state
            tensor itself can be taken.
        backend: as in `QuantumLayer`; `None` is that of the preceding layers.
        gradient: as in `QuantumLayer`; `None` is that of the preceding layers.
        shots: as in `QuantumLayer`; `None` is the number of the preceding layers, else exact.
        seed: as in `QuantumLayer`. Without shots or a gradient method of its own, the layer
            draws what follows from the seed of the preceding layers.
        **kwargs: `name`, `dtype`.

    Input shape:
        Complex `(batch_size, 2**n_qubits)`.

    Output shape:
        Real `(batch_size, n_observables)`.

    Raises:
        ConfigurationError: an option is unknown or two do not go together.
        ObservableError: an observable cannot be read or is on a qubit that is not there.
        InputError: the input is not a quantum state.
    """

    def __init__(
        self,
        observables: Any = "Z",
        fuse: bool = True,
        backend: str | Backend | None = None,
        gradient: str | GradientMethod | None = None,
        shots: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        measured = MeasuredObservables.read(observables)
        super().__init__(backend=backend, gradient=gradient, shots=shots, seed=seed, **kwargs)
        self._measured = measured
        self.fuse = bool(fuse)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the expectation values."""
        run = self._preceding_run(inputs, self.fuse)
        observables = self._measured.on(run.program.n_qubits)
        values = expectation(run.with_seeds(self._seeds()), observables)
        return tf.cast(values, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns `(batch_size, n_observables)`."""
        batch, n_qubits = self._read_state_shape(input_shape)
        return (batch, len(self._measured.on(n_qubits)))

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "observables": self._measured.get_config(),
            "fuse": self.fuse,
            **self._own_config(),
        }
