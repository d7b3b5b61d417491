"""ExpectationValue: measures a quantum state."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import InputError, describe
from qstore_tf.gradients import GradientMethod
from qstore_tf.layers import carried
from qstore_tf.layers.base import (
    QuantumBase,
    no_inputs,
    read_shape,
    symbolic,
)
from qstore_tf.layers.means import (
    Means,
    check_has_states,
    plain,
    read_means,
)
from qstore_tf.layers.options import (
    Observables,
    observables_config,
    read_observables,
    resolve_observables,
)


@keras.utils.register_keras_serializable(package="qstore_tf")
class ExpectationValue(QuantumBase):
    """Measures observables of a quantum state: states in, expectation values out.

    Behind quantum layers it runs the whole circuit, from the encoding to the measurement, as
    one operation; the state vectors in between are then not computed inside a `tf.function`
    (and so in `fit`, `predict` and `evaluate`). Where only a state vector arrives, because
    other operations stand in between or it comes from a `keras.Input`, it measures that.

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
            `cirq.PauliSum`, `PauliSum`, or a list of these.
        fuse: whether to run the circuit that made the state, rather than to measure the state
            vector. Both give the same numbers; with False a gradient with respect to the state
            tensor itself can be taken.
        backend: as in `QuantumLayer`; `None` is that of the layers in front.
        gradient: as in `QuantumLayer`; `None` is that of the layers in front.
        **kwargs: `name`, `dtype`.

    Input shape:
        Complex `(batch_size, 2**n_qubits)`.

    Output shape:
        Real `(batch_size, n_observables)`.

    Raises:
        ConfigurationError: an option is unknown.
        ObservableError: an observable cannot be read or is on a qubit that is not there.
        InputError: the input is not a quantum state.
    """

    def __init__(
        self,
        observables: Any = "Z",
        fuse: bool = True,
        backend: str | Backend | None = None,
        gradient: str | GradientMethod | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        measured = read_observables(observables)
        means = read_means("auto" if backend is None else backend, gradient or "auto")
        self._options = _Options(
            measured,
            None if backend is None else means.backend,
            None if gradient is None else means.gradient,
        )
        super().__init__(means=means, **kwargs)
        self.fuse = bool(fuse)

    def _read(self, shape: Any) -> tuple[int | None, tuple[PauliSum, ...]]:
        """Batch size and observables for a state of this shape."""
        batch, width = read_shape(shape, type(self).__name__, "a state, complex [batch, 2^n]")
        n_qubits = width.bit_length() - 1
        if n_qubits == 0 or width != 2**n_qubits:
            raise InputError(
                describe(
                    f"Layer '{self.name}' was not fed a quantum state",
                    expected="complex [batch, 2^n], a power of two from 2 up",
                    received=f"width {width}",
                    hint="Put AmplitudeEncoding in front, which pads features to a state",
                )
            )
        return batch, self._options.observables(n_qubits)

    def build(self, input_shape: Any) -> None:
        """Checks that the observables fit the state."""
        self._read(input_shape)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the expectation values."""
        _, observables = self._read(inputs.shape)
        self._check_state(inputs.dtype)
        state = self._amplitudes(inputs)
        before = carried.of(state) if self.fuse else None
        if before is None:
            means = self._means
            check_has_states(means, self.name)
            n_qubits = int(inputs.shape[1]).bit_length() - 1
            none = no_inputs(state, self.real_dtype)
            theta = tf.zeros([0], self.real_dtype)
            program = Program(n_qubits, 0, 0, True, ())
            values = carried.expectation(program, observables, means, none, theta, state)
        else:
            values = before.expectation(observables, self._options.means(before.means))
        return tf.cast(values, self.compute_dtype)

    def _check_state(self, dtype: Any) -> None:
        if not tf.as_dtype(dtype).is_complex:
            raise InputError(
                describe(
                    f"Layer '{self.name}' measures quantum states but was fed real numbers",
                    expected="complex [batch, 2^n], the output of an encoding layer or of a "
                    "QuantumLayer fed with a state",
                    received=tf.as_dtype(dtype).name,
                    hint="Put AmplitudeEncoding or AngleEncoding in front. A QuantumLayer fed "
                    "with features measures by itself: give it the observables instead",
                )
            )

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns `(batch_size, n_observables)`."""
        batch, observables = self._read(input_shape)
        return (batch, len(observables))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the symbolic expectation values."""
        self._check_state(inputs.dtype)
        self._check_dtype(inputs.dtype)
        return symbolic(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {
            **super().get_config(),
            "observables": observables_config(self._options.measured),
            "fuse": self.fuse,
            "backend": plain(self._options.backend),
            "gradient": plain(self._options.gradient),
        }


@dataclass(frozen=True)
class _Options:
    """What the layer was asked for, in one object that Keras does not track and wrap."""

    measured: Observables
    backend: str | Backend | None
    gradient: str | GradientMethod | None

    def observables(self, n_qubits: int) -> tuple[PauliSum, ...]:
        return _resolved(self.measured, n_qubits)

    def means(self, of_layers_in_front: Means) -> Means:
        return Means(
            self.backend or of_layers_in_front.backend,
            self.gradient or of_layers_in_front.gradient,
        )


@lru_cache(maxsize=64)
def _resolved(measured: Observables, n_qubits: int) -> tuple[PauliSum, ...]:
    return resolve_observables(measured, n_qubits)
