"""QuantumLayer: a trainable circuit as a Keras layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import Backend
from qstore_tf.circuits.ansatz import Entanglement
from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.gradients import GradientMethod
from qstore_tf.layers import amplitudes
from qstore_tf.layers.base import QuantumBase
from qstore_tf.layers.circuit_options import CircuitOptions
from qstore_tf.layers.evolution import Evolution, qubits_for
from qstore_tf.layers.keras_version import IS_KERAS_3, is_shape_inference
from qstore_tf.layers.recording import mark_angles
from qstore_tf.layers.run import Run, attach_run, run_of
from qstore_tf.layers.run_options import check_has_states, check_memory, read_run_options
from qstore_tf.layers.running import expectation, state_vectors
from qstore_tf.layers.shapes import (
    check_state_width,
    empty_inputs,
    is_complex,
    read_shape,
    symbolic,
)
from qstore_tf.layers.switching import setting_of
from qstore_tf.layers.values import Values

_TAKES = "real [batch, n_features], or a state, complex [batch, 2^n_qubits]"


def _default_initializer() -> Any:
    return keras.initializers.RandomUniform(-1.0, 1.0)


@keras.utils.register_keras_serializable(package="qstore_tf")
class QuantumLayer(QuantumBase):
    """A trainable quantum circuit, batched and differentiable.

    What it does depends on what it is fed:

    * real features: it encodes them, evolves and measures. Features in, expectation values
      out, one per observable, all in one operation.
    * a quantum state, that is the complex output of an encoding layer or of another
      `QuantumLayer`: it evolves the state. State in, state out; `ExpectationValue` measures.

    So these two models are the same function:

    ```python
    [AmplitudeEncoding(n_qubits=6), QuantumLayer(n_qubits=6, depth=4), ExpectationValue("Z")]
    [QuantumLayer(n_qubits=6, depth=4, encoding="amplitude")]
    ```

    Gradients reach the trained angles, the features, and the preceding layers. Features are
    taken in float32 (float64 under `dtype="float64"`). Integers and NumPy arrays are cast; a
    float64 tensor in a float32 layer is an error. NaN and infinities come out as NaN. Under
    mixed precision the circuit still computes in float32 and only the expectation values are
    cast.

    Keras makes inputs real unless told otherwise: a model that is fed states itself starts
    with `keras.Input((2**n_qubits,), dtype="complex64")`. `keras.layers.TimeDistributed` takes
    a layer that is fed features, or a whole model, but not a layer that returns states.

    Example:

    >>> import numpy as np
    >>> from tensorflow import keras
    >>> from qstore_tf.layers import QuantumLayer
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     keras.layers.Dense(4, activation="tanh"),
    ...     QuantumLayer(n_qubits=4, depth=2),
    ...     keras.layers.Dense(3, activation="softmax"),
    ... ])
    >>> model(np.zeros((5, 8), "float32")).shape
    TensorShape([5, 3])

    With a circuit of your own, name the symbols that are fed; all others are trained:

    >>> import qstore_tf as qs
    >>> circuit = qs.UnifiedCircuit(2)
    >>> for layer in range(3):  # features uploaded three times
    ...     for qubit in range(2):
    ...         circuit = circuit.add_gate("RX", qubit, f"x{qubit}")
    ...         circuit = circuit.add_gate("RY", qubit, f"w{layer}{qubit}")
    ...     circuit = circuit.add_gate("CZ", [0, 1])
    >>> layer = QuantumLayer(circuit=circuit, inputs=["x0", "x1"], observables=["ZI", "ZZ"])
    >>> layer(np.zeros((5, 2), "float32")).shape
    TensorShape([5, 2])
    >>> layer.theta.shape[0]
    6

    A circuit that takes no features, as in a variational eigensolver, is fed rows without any,
    `[batch, 0]`, and starts from |0...0>. In a model that is `keras.Input((0,))`, trained with
    `fit(np.zeros((1, 0)), targets)`; every row is the same circuit, so one row is enough. An
    ansatz is such a circuit, too: `circuit=qs.circuits.ansatz.hardware_efficient(4, depth=2)`.

    >>> circuit = qs.UnifiedCircuit(1).add_gate("RY", 0, "w")
    >>> layer = QuantumLayer(circuit=circuit, observables="Z")
    >>> model = keras.Sequential([keras.Input((0,)), layer])
    >>> model.compile(keras.optimizers.Adam(0.1), loss=lambda target, energy: energy)
    >>> history = model.fit(np.zeros((1, 0)), np.zeros((1, 1)), epochs=100, verbose=0)
    >>> model.predict(np.zeros((1, 0)), verbose=0).round(2).tolist()
    [[-1.0]]

    Args:
        n_qubits: number of qubits. `None` takes the circuit's, else as few as hold the input.
        depth: layers of the ansatz.
        encoding: how features enter: `"angle"` (RX, at most `n_qubits` features; the qubits
            beyond stay |0>), `"amplitude"` (at most `2**n_qubits` features, zero-padded and
            normalized) or `"basis"` (bits). Defaults to `"angle"`, or, with `circuit`, to none.
        ansatz: `"hardware_efficient"` (RY and RZ on each qubit, then CX) or
            `"hardware_efficient_reduced"` (a third fewer parameters).
        entanglement: `"linear"`, `"circular"`, `"full"`, `"pairs"`, or a list of
            (control, target) pairs.
        observables: what to measure on features: `"Z"` (or `"X"`, `"Y"`) for that Pauli on each
            qubit, `[cirq.Z] * n_qubits`, Pauli strings such as `"ZZI"`, `cirq.PauliString`,
            `cirq.PauliSum`, `PauliSum`, sums of Paulis of PennyLane or Qiskit, or a list of
            these. Qubits and wires are named as in `circuit`, where both are of Cirq or both
            of PennyLane; else wire q and qubit q of other libraries are qubit q.
        circuit: a circuit in place of the ansatz: a `UnifiedCircuit`, a `cirq.Circuit`, a
            `qiskit.QuantumCircuit`, a PennyLane `QuantumScript` (its numbers are bound; use
            `UnifiedCircuit.from_pennylane` for symbols), or text in OpenQASM 2, OpenQASM 3 or
            the JSON of `UnifiedCircuit.to_json`.
        inputs: the symbols of `circuit` that are fed with the features, in their order. All
            other symbols are trained, in order of appearance. Without any, and without
            `encoding`, the circuit takes states, or rows of no features.
        theta_initializer: initializer of the angles, in radians. `None` is uniform between -1
            and 1: far enough from the identity to start learning, near enough that the
            gradients of wide circuits do not vanish as they do over a full turn (why they do:
            arXiv:2203.09376).
        theta_regularizer: regularizer of the angles.
        theta_constraint: constraint on the angles.
        backend: `"auto"` (the native op where it is built, else plain TensorFlow), `"native"`,
            `"tensorflow"`, or a `Backend`.
        gradient: `"auto"`, `"adjoint"`, `"parameter_shift"`, `"hadamard_test"`, `"spsa"`,
            `"finite_difference"`, `"adaptive"`, or a `GradientMethod`. `"auto"` is
            `"adjoint"` where the backend can, and `"parameter_shift"` with shots.
        shots: how many shots expectation values are estimated from, for each sample and each
            group of observables that can be measured together; gradients are estimated from as
            many. `None` is exact, or after other quantum layers their number. A state that
            leaves the layer is exact even with shots; they are used by the layer that measures it.
        seed: integer that fixes what is drawn, by shots and by gradient methods that draw.
            Every call draws new samples, in `fit`, `evaluate` and `predict` alike; the number of
            calls is saved with the model. `None` is a new seed in each layer.
        **kwargs: `name`, `dtype`, `trainable`.

    Input shape:
        Real `(batch_size, n_features)`, or complex `(batch_size, 2**n_qubits)`. Real
        `(batch_size, 0)` for a `circuit` without `inputs` and `encoding`.

    Output shape:
        Real `(batch_size, n_observables)`, or complex `(batch_size, 2**n_qubits)`.

    Raises:
        ConfigurationError: an option is unknown or two do not go together.
        ObservableError: an observable cannot be read or is on a qubit that is not there.
        InputError: the input does not fit, when the layer is built.
        MemoryLimitError: state vectors of `n_qubits` qubits do not fit into memory.
    """

    def __init__(
        self,
        n_qubits: int | None = None,
        depth: int = 1,
        encoding: str | None = None,
        ansatz: str = "hardware_efficient",
        entanglement: Entanglement = "linear",
        observables: Any = "Z",
        circuit: Any = None,
        inputs: Sequence[Any] | None = None,
        theta_initializer: Any = None,
        theta_regularizer: Any = None,
        theta_constraint: Any = None,
        backend: str | Backend = "auto",
        gradient: str | GradientMethod = "auto",
        shots: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the class."""
        run_options = read_run_options(backend, gradient, shots)
        if n_qubits is not None and run_options.has_states:
            # Before a circuit of that size is made. In single precision: a lower bound.
            check_n_qubits(n_qubits)
            check_memory(int(n_qubits), tf.complex64)
        self._circuit_options = CircuitOptions.read(
            n_qubits, depth, encoding, ansatz, entanglement, observables, circuit, inputs
        )
        super().__init__(run_options=run_options, seed=seed, **kwargs)
        self.theta_initializer = keras.initializers.get(
            _default_initializer() if theta_initializer is None else theta_initializer
        )
        self.theta_regularizer = keras.regularizers.get(theta_regularizer)
        self.theta_constraint = keras.constraints.get(theta_constraint)
        self.theta: Any = None
        self._fed_state: bool | None = None
        self._built_n_qubits: int | None = None
        self._check_memory(self.n_qubits)

    @property
    def n_qubits(self) -> int | None:
        """Number of qubits; None until the layer is built where it follows from the input."""
        return self._circuit_options.known_n_qubits or self._built_n_qubits

    @property
    def circuit(self) -> UnifiedCircuit:
        """The circuit of the layer, without the encoding that precedes it.

        Raises:
            ConfigurationError: the number of qubits is not known before the layer is built.
        """
        return self._evolution.circuit.copy()

    @property
    def circuit_options(self) -> CircuitOptions:
        """Encoding, ansatz, circuit and observables, as read from the arguments."""
        return self._circuit_options

    def circuit_with_encoding(self) -> UnifiedCircuit:
        """Returns the circuit after the gates of its encoding, whose symbols are `x_0`, `x_1`, ...

        There are none in a layer that is not built or is fed with states, and amplitudes are not
        encoded by gates.
        """
        shape = None if self._fed_state else (self.get_build_config() or {}).get("input_shape")
        return self.circuit if shape is None else self._evolution.with_encoding(int(shape[-1]))

    @property
    def _evolution(self) -> Evolution:
        return self._circuit_options.evolution(self.n_qubits)

    @property
    def _running(self) -> Evolution:
        """The part of the circuit that runs."""
        return self._circuit_options.evolution(self.n_qubits, setting_of(self).depth)

    def _note_input(self, is_state: bool) -> None:
        if not self.built:
            self._fed_state = is_state

    def _takes_state(self, width: int) -> bool:
        """Whether an input of this width, its dtype not at hand, is a state."""
        n_qubits = self.n_qubits
        if n_qubits is None:
            return bool(self._fed_state)
        fits = width == 2**n_qubits and not self._circuit_options.inputs
        if fits and self._circuit_options.may_be_features(width, n_qubits):
            return bool(self._fed_state)
        return fits

    def _evolution_for(self, width: int, is_state: bool) -> Evolution:
        """The circuit for an input of this width; an error where `call` could not take it."""
        n_qubits = self.n_qubits
        if n_qubits is None:
            n_qubits = qubits_for(
                width, "amplitude" if is_state else self._circuit_options.encoding
            )
            self._check_memory(n_qubits)
        evolution = self._circuit_options.evolution(n_qubits)
        if is_state:
            check_state_width(width, n_qubits, self.name)
            evolution.check_takes_state()
        else:
            evolution.check_features(width)
            self._circuit_options.observables(n_qubits)
        return evolution

    def build(self, input_shape: Any) -> None:
        """Creates the trained angles."""
        _, width = read_shape(input_shape, type(self).__name__, _TAKES)
        fed = self._fed_state
        evolution = self._evolution_for(width, self._takes_state(width) if fed is None else fed)
        self._built_n_qubits = evolution.n_qubits
        self.theta = self.add_weight(
            name="theta",
            shape=(len(evolution.theta),),
            initializer=self.theta_initializer,
            regularizer=self.theta_regularizer,
            constraint=self.theta_constraint,
            dtype=self.real_dtype.name,
            **({"autocast": False} if IS_KERAS_3 else {"experimental_autocast": False}),
        )
        mark_angles(self.theta)
        super().build(input_shape)

    def _check_memory(self, n_qubits: int | None) -> None:
        if n_qubits is not None and self._run_options.has_states:
            check_memory(n_qubits, self.complex_dtype)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Runs the circuit on features or on a state."""
        _, width = read_shape(inputs.shape, type(self).__name__, _TAKES)
        if inputs.dtype.is_complex:
            self._evolution_for(width, is_state=True)
            return self._evolve(inputs, self._running)
        return self._measure(inputs, width)

    def _measure(self, inputs: tf.Tensor, width: int) -> tf.Tensor:
        evolution = self._running
        program = evolution.on_features(width)
        features = self._features(inputs)
        initial = None
        if evolution.from_amplitudes:
            initial = amplitudes.normalized(features, evolution.n_qubits)
            features = empty_inputs(features, self.real_dtype)
        values = self._values(evolution, features, initial)
        observables = self._circuit_options.observables(evolution.n_qubits)
        found = expectation(Run(program, values, self._run_options), observables)
        return tf.cast(found, self.compute_dtype)

    def _values(self, evolution: Evolution, inputs: tf.Tensor, initial: Any) -> Values:
        n_theta = len(evolution.theta)
        return Values.of_weight(self.theta, inputs, initial, self._seeds(), n_theta)

    def _evolve(self, inputs: tf.Tensor, evolution: Evolution) -> tf.Tensor:
        state = self._amplitudes(inputs)
        none = empty_inputs(state, self.real_dtype)
        values = self._values(evolution, none, state)
        own = Run(evolution.on_state(has_initial=True), values, self._run_options)
        whole, preceding = own, run_of(state)
        if preceding is not None:
            program = evolution.on_state(has_initial=False)
            whole = preceding.followed_by(program, values, self._run_options)
        elif not is_shape_inference(inputs):
            check_has_states(self._run_options, self.name)
        return attach_run(state_vectors(own), whole)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int]:
        """Returns the output shape, from the configuration alone.

        A shape does not tell features from states. Where it can be either, or where the number of
        qubits is not known yet, it is what the layer was fed first, and features before that.
        """
        batch, width = read_shape(input_shape, type(self).__name__, _TAKES)
        return (batch, self._output_width(width, self._takes_state(width)))

    def _output_width(self, width: int, is_state: bool) -> int:
        n_qubits = self._evolution_for(width, is_state).n_qubits
        return 2**n_qubits if is_state else len(self._circuit_options.observables(n_qubits))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the symbolic output, without running anything."""
        batch, width = read_shape(inputs.shape, type(self).__name__, _TAKES)
        is_state = is_complex(inputs)
        shape = (batch, self._output_width(width, is_state))
        self._check_dtype(inputs.dtype)
        return symbolic(shape, self.complex_dtype if is_state else self.compute_dtype)

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns what `build` cannot see in a shape: whether it was for features or states.

        None before the layer is built: Keras marks a layer with any build config as built.
        """
        config = super().get_build_config()
        return {**config, "fed_state": self._fed_state} if config else None

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer as it was built when it was saved."""
        self._fed_state = config.get("fed_state")
        if config.get("input_shape") is not None:
            self.build(tuple(config["input_shape"]))

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration, custom circuits as JSON."""
        return {
            **super().get_config(),
            **self._circuit_options.get_config(),
            "theta_initializer": keras.initializers.serialize(self.theta_initializer),
            "theta_regularizer": keras.regularizers.serialize(self.theta_regularizer),
            "theta_constraint": keras.constraints.serialize(self.theta_constraint),
            **self._made_with.get_config(),
            "seed": self.seed,
        }
