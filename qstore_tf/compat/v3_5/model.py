"""`QuantumModel` of versions 3.4 and 3.5: features in, circuit, outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf import backends
from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.compat.v3_5.config import GRADIENTS, TrainingConfig
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers import QuantumLayer
from qstore_tf.training.config_checks import whole


@dataclass(frozen=True)
class Choices:
    """What the trainer decides about a model's circuit.

    Attributes:
        depth: Layers of the ansatz.
        entanglement: As of `QuantumLayer`.
        gradient: Likewise.
        shots: Likewise; None: as the backend has it.
    """

    depth: int = 2
    entanglement: str = "linear"
    gradient: str = "auto"
    shots: int | None = None


class QuantumModel:
    """A Keras model of one circuit, with the arguments of version 3.5.

    Features become angles where there are as many qubits, else amplitudes. The expectation value
    of Z of each qubit goes through one dense layer to the outputs; with classes these are logits.
    `keras_model` is the model; entanglement and gradient method come from the configuration of the
    trainer, and so does the depth where `depth` is None.

    Args:
        input_dim: Features of a sample.
        n_qubits: Qubits of the circuit.
        output_dim: Classes, or numbers to predict.
        backend: What it runs on: a name, or a backend; None: what the trainer brings.
        depth: Layers of the circuit.

    Raises:
        ConfigurationError: The qubits cannot hold the features, or a number is out of range.

    Example:
        >>> model = QuantumModel(input_dim=4, n_qubits=4, output_dim=2, backend="tensorflow")
        >>> model(np.zeros((3, 4), "float32")).shape, model.n_parameters
        (TensorShape([3, 2]), 26)
    """

    def __init__(
        self,
        input_dim: int,
        n_qubits: int,
        output_dim: int,
        backend: Any = None,
        depth: int | None = None,
    ) -> None:
        check_n_qubits(n_qubits)
        whole(1, 100_000).check("input_dim", input_dim)
        whole(1, 100_000).check("output_dim", output_dim)
        whole(1, 1000, optional=True).check("depth", depth)
        if input_dim > 2**n_qubits:
            raise ConfigurationError(
                describe(
                    f"{n_qubits} qubits cannot hold {input_dim} features",
                    expected=f"at most {2**n_qubits}",
                    received=input_dim,
                    hint="Reduce them first, or use more qubits",
                )
            )
        self.input_dim, self.n_qubits, self.output_dim = input_dim, n_qubits, output_dim
        self.backend, self.depth = backend, depth
        self.encoding = "angle" if input_dim <= n_qubits else "amplitude"
        self._choices: Choices | None = None
        self._model: keras.Model | None = None

    @property
    def keras_model(self) -> keras.Model:
        """The Keras model; what no trainer has decided is as in `Choices`."""
        if self._model is None:
            self._build(Choices() if self.depth is None else Choices(depth=self.depth), "auto")
        assert self._model is not None
        return self._model

    @property
    def n_parameters(self) -> int:
        """Trained numbers."""
        return int(self.keras_model.count_params())

    def for_training(self, config: TrainingConfig, backend: Any) -> keras.Model:
        """Returns the Keras model as a configuration wants it, with the weights that it has.

        Args:
            config: Depth, entanglement and gradient method are read.
            backend: What it runs on where the model has no backend of its own.

        Raises:
            ConfigurationError: It was built with another number of layers.
        """
        depth = config.depth if self.depth is None else self.depth
        own = backends.get(backend if self.backend is None else self.backend)
        adapts = config.adaptive_shot_allocation and own.capabilities.exact
        choices = Choices(
            depth,
            config.entanglement,
            GRADIENTS[config.gradient_method],
            config.base_shots if adapts else None,
        )
        if self._model is not None and choices == self._choices:
            return self._model
        before, was = self._model, self._choices
        if was is not None and was.depth != depth:
            raise ConfigurationError(
                describe(
                    "The model was built with another number of layers",
                    expected=was.depth,
                    received=depth,
                    hint="Give the model depth=",
                )
            )
        self._build(choices, backend)
        assert self._model is not None
        if before is not None:
            self._model.set_weights(before.get_weights())
        return self._model

    def __call__(self, x: Any) -> Any:
        """Returns the outputs [B, output_dim] of features [B, input_dim]."""
        return self.keras_model(np.asarray(x, "float32"))

    def predict(self, x: Any) -> np.ndarray[Any, Any]:
        """Returns the outputs as an array."""
        found: np.ndarray[Any, Any] = self.keras_model.predict(np.asarray(x, "float32"), verbose=0)
        return found

    def _build(self, choices: Choices, backend: Any) -> None:
        self._choices = choices
        circuit = QuantumLayer(
            self.n_qubits,
            depth=choices.depth,
            encoding=self.encoding,
            entanglement=choices.entanglement,
            gradient=choices.gradient,
            shots=choices.shots,
            backend=backend if self.backend is None else self.backend,
            name="quantum",
        )
        outputs = keras.layers.Dense(self.output_dim, name="outputs")
        self._model = keras.Sequential([keras.Input((self.input_dim,)), circuit, outputs])
