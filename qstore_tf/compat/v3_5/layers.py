"""Layers and encodings of version 3.5, over `qs.layers` and `qs.circuits.encodings`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf.circuits import UnifiedCircuit, encodings
from qstore_tf.errors import InputError, describe
from qstore_tf.layers import QuantumLayer

_NUMBERS = {
    "angle": lambda rows, n_qubits: rows,
    "basis": lambda rows, n_qubits: rows,
    "amplitude": lambda rows, n_qubits: encodings.amplitude_angles(
        encodings.normalized_amplitudes(rows, n_qubits)
    ),
}


@keras.utils.register_keras_serializable(package="qstore_tf.compat")
class HardwareEfficientQuantumLayer(QuantumLayer):
    """`qs.layers.QuantumLayer` with the hardware-efficient ansatz.

    Args:
        n_qubits: Qubits.
        depth: Layers.
        entanglement: "linear", "circular" or "full".
        **options: Further arguments of `QuantumLayer`.

    Example:
        >>> layer = HardwareEfficientQuantumLayer(3, depth=2, entanglement="circular")
        >>> layer(np.zeros((4, 3), "float32")).shape
        TensorShape([4, 3])
    """

    def __init__(
        self, n_qubits: int, depth: int = 2, entanglement: Any = "linear", **options: Any
    ) -> None:
        super().__init__(n_qubits, depth=depth, entanglement=entanglement, **options)


class DataEncoder:
    """Features as gates: `qs.circuits.encodings`.

    Args:
        n_qubits: Qubits.
        method: "angle", "amplitude" or "basis".

    Raises:
        ConfigurationError: There is no such encoding.

    Example:
        >>> DataEncoder(2).encode([0.1, 0.2]).count_gates()
        {'RX': 2}
    """

    def __init__(self, n_qubits: int, method: str = "angle") -> None:
        self.n_qubits, self.method = n_qubits, method
        self.circuit: UnifiedCircuit = encodings.get_encoding(method)(n_qubits)

    def encode(self, features: Any) -> UnifiedCircuit:
        """Returns the circuit that encodes one row of features.

        Args:
            features: Real, at most as many as the encoding takes; zeros are put after them.

        Raises:
            InputError: There are too many.
        """
        row = np.asarray(features, "float64").reshape(-1)
        most = 2**self.n_qubits if self.method == "amplitude" else self.n_qubits
        if len(row) > most:
            raise InputError(
                describe(
                    f"{self.n_qubits} qubits take fewer features by {self.method}",
                    expected=f"at most {most}",
                    received=len(row),
                )
            )
        padded = np.pad(row, (0, most - len(row)))[None]
        numbers = _NUMBERS[self.method](padded, self.n_qubits)[0]
        values = dict(zip(self.circuit.parameters, np.asarray(numbers).tolist(), strict=True))
        return self.circuit.bind(values)
