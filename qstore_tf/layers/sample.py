"""Sample: draws basis states from a quantum state."""

from __future__ import annotations

from typing import Any, ClassVar

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.running import samples
from qstore_tf.layers.state_reader import StateReader


@keras.utils.register_keras_serializable(package="qstore_tf")
class Sample(StateReader):
    """Measures every qubit, many times: states in, bits out.

    `bits[b, s, q]` is what shot s of sample b found on qubit q, 0 or 1. After quantum layers
    the whole circuit is run as one operation. Bits have no gradient; to train, measure with
    `ExpectationValue(..., shots=...)`.

    Every call draws new samples, in `predict` too. The same `seed` gives the same calls, and a
    loaded model continues where it was saved.

    Example:

    >>> import numpy as np
    >>> from qstore_tf.layers import AngleEncoding, Sample
    >>> state = AngleEncoding(n_qubits=3)(np.array([[np.pi, 0.0, np.pi]]))
    >>> Sample(shots=2, seed=1)(state).numpy().tolist()
    [[[1, 0, 1], [1, 0, 1]]]

    Args:
        shots: draws for each sample.
        seed: integer that fixes what is drawn; `None` is a new seed in each layer.
        backend: as in `QuantumLayer`; `None` is that of the preceding layers.
        **kwargs: `name`, `dtype` (that of the states; bits are int8 whatever it is).

    Input shape:
        Complex `(batch_size, 2**n_qubits)`.

    Output shape:
        int8 `(batch_size, shots, n_qubits)`, qubit 0 first.

    Raises:
        ConfigurationError: `shots` is not an integer >= 1, or the backend draws no samples.
        InputError: the input is not a quantum state.
    """

    # As many bits leave the layer.
    takes_shots: ClassVar[bool] = False

    def __init__(
        self,
        shots: int,
        seed: int | None = None,
        backend: str | Backend | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        if shots is None:
            raise ConfigurationError(
                describe(
                    "Sample needs the number of shots",
                    expected="shots, an integer >= 1",
                    received=shots,
                    hint="Probabilities() returns the exact distribution",
                )
            )
        self._refuse_options(kwargs, ("gradient",), "Bits have no gradient")
        super().__init__(backend=backend, shots=shots, seed=seed, **kwargs)
        self.shots = int(shots)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the bits."""
        run = self._preceding_run(inputs)
        seeds = self._seeds()
        assert seeds is not None  # there are shots
        indices = samples(run, self.shots, seeds.next())
        n_qubits = run.program.n_qubits
        places = tf.range(n_qubits - 1, -1, -1, tf.int64)
        return tf.cast(tf.bitwise.right_shift(indices[..., None], places) & 1, tf.int8)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int, int]:
        """Returns `(batch_size, shots, n_qubits)`."""
        batch, n_qubits = self._read_state_shape(input_shape)
        return (batch, self.shots, n_qubits)

    @property
    def _output_dtype(self) -> Any:
        return tf.int8

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        config = {**super().get_config(), **self._own_config()}
        del config["gradient"]
        return config
