"""AngleEncoding: features as rotation angles."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.circuits import encodings
from qstore_tf.circuits.program import Program
from qstore_tf.gradients import GradientMethod
from qstore_tf.layers.base import QuantumBase
from qstore_tf.layers.evolution import check_fits, encoding_program
from qstore_tf.layers.run import Run, attach_run
from qstore_tf.layers.run_options import check_memory, read_run_options
from qstore_tf.layers.running import state_vectors
from qstore_tf.layers.shapes import read_shape, symbolic
from qstore_tf.layers.values import Values


@keras.utils.register_keras_serializable(package="qstore_tf")
class AngleEncoding(QuantumBase):
    """Encodes up to `n_qubits` features as rotation angles, one qubit each.

    Feature k, in radians, rotates qubit k from |0>; qubits without a feature stay |0>. NaN and
    infinite features give NaN states.

    The tensor that comes out is the state vector. The encoding is attached to it, so that a
    `QuantumLayer` and an `ExpectationValue` after it run as one operation.

    Example:

    >>> import numpy as np
    >>> from qstore_tf.layers import AngleEncoding, ExpectationValue
    >>> state = AngleEncoding(n_qubits=2, axis="y")(np.array([[0.0, np.pi]]))
    >>> ExpectationValue("Z")(state).numpy().round(3).tolist()
    [[1.0, -1.0]]

    Args:
        n_qubits: number of qubits.
        axis: `"x"`, `"y"` or `"z"`; for `"z"` a Hadamard gate goes first, because a rotation
            about Z leaves |0> as it is.
        backend: as in `QuantumLayer`.
        gradient: as in `QuantumLayer`.
        shots: as in `QuantumLayer`.
        seed: as in `QuantumLayer`.
        **kwargs: `name`, `dtype`.

    Input shape:
        Real `(batch_size, n_features)` with at most `n_qubits` features.

    Output shape:
        Complex `(batch_size, 2**n_qubits)`.

    Raises:
        ConfigurationError: an option is unknown.
        InputError: there are too many features, or not two axes.
        MemoryLimitError: state vectors of `n_qubits` qubits do not fit into memory.
    """

    def __init__(
        self,
        n_qubits: int,
        axis: str = "x",
        backend: str | Backend = "auto",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        encodings.angle_encoding(n_qubits, axis)
        options = read_run_options(backend, gradient, shots)
        super().__init__(run_options=options, seed=seed, **kwargs)
        self.n_qubits = int(n_qubits)
        self.axis = axis.lower()
        check_memory(self.n_qubits, self.complex_dtype)

    def _width(self, shape: Any) -> tuple[int | None, int]:
        takes = f"real [batch, 1 to {self.n_qubits} features]"
        batch, width = read_shape(shape, type(self).__name__, takes)
        check_fits(width, self.n_qubits, "angle")
        return batch, width

    def build(self, input_shape: Any) -> None:
        """Compiles the encoding."""
        self._compiled(self._width(input_shape)[1])
        super().build(input_shape)

    def _compiled(self, width: int) -> Program:
        if getattr(self, "_program", None) is None or self._program.n_inputs != width:
            circuit = encodings.angle_encoding(width, self.axis)
            self._program: Program = encoding_program(circuit, self.n_qubits)
        return self._program

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the state vectors."""
        program = self._compiled(self._width(inputs.shape)[1])
        values = Values.without_theta(self._features(inputs), seeds=self._seeds())
        run = Run(program, values, self._run_options)
        return attach_run(state_vectors(run), run)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns `(batch_size, 2**n_qubits)`."""
        return (self._width(input_shape)[0], 2**self.n_qubits)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the symbolic state."""
        self._check_dtype(inputs.dtype, real=True)
        return symbolic(self.compute_output_shape(inputs.shape), self.complex_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "n_qubits": self.n_qubits,
            # Keras drops a string called "axis" when it reads HDF5 model files.
            "rotation_axis": self.axis,
            **self._made_with.get_config(),
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AngleEncoding:
        """Makes a layer from its configuration."""
        config = dict(config)
        if "rotation_axis" in config:
            config["axis"] = config.pop("rotation_axis")
        return super().from_config(config)
