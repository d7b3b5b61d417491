"""What a QuantumLayer applies, as programs: the evolution alone, or after an encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qstore_tf.circuits import encodings
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.reading import TAKES, is_circuit, read_circuit
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, InputError, describe, did_you_mean


@dataclass(frozen=True, eq=False)
class Evolution:
    """A circuit and which of its symbols are fed per sample; all others are trained.

    Attributes:
        circuit: the circuit.
        inputs: symbols fed with the features, in the order of the features.
        encoding: name of the encoding that precedes the circuit, or None.
    """

    circuit: UnifiedCircuit
    inputs: tuple[str, ...]
    encoding: str | None
    _programs: dict[int, Program] = field(default_factory=dict, repr=False)

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.circuit.n_qubits

    @cached_property
    def theta(self) -> tuple[str, ...]:
        """Symbols that are trained, in order of appearance."""
        return tuple(name for name in self.circuit.parameters if name not in self.inputs)

    @property
    def from_amplitudes(self) -> bool:
        """Whether features become the initial state instead of angles."""
        return self.encoding == "amplitude"

    def on_state(self, *, has_initial: bool) -> Program:
        """The evolution alone; raises what `check_takes_state` does."""
        self.check_takes_state()
        return self._initial if has_initial else self._plain

    def check_takes_state(self) -> None:
        """Raises InputError if the circuit also needs features, which a state does not bring."""
        if self.inputs:
            raise InputError(
                describe(
                    f"The circuit reads {len(self.inputs)} features per sample but was fed a "
                    "quantum state",
                    expected=f"features [batch, {len(self.inputs)}] for {list(self.inputs)}",
                    received="a complex state",
                    hint="Feed the features, or give a circuit without inputs",
                )
            )

    def on_features(self, width: int) -> Program:
        """Encoding and evolution of `width` features per sample.

        Raises:
            InputError: they do not fit.
        """
        if width not in self._programs:
            self.check_features(width)
            self._programs[width] = self._compile(width)
        return self._programs[width]

    def _compile(self, width: int) -> Program:
        if self.inputs:
            return compile_circuit(self.circuit, self.inputs, self.theta)
        if self.from_amplitudes:
            return self._initial
        if self.encoding is None:
            return self._plain
        builder = encodings.get_encoding(str(self.encoding))
        return encoding_program(builder(width), self.n_qubits).append(self._plain)

    def with_encoding(self, width: int) -> UnifiedCircuit:
        """The circuit after the gates, where there are any, that encode `width` features."""
        if self.encoding is None or self.from_amplitudes:
            return self.circuit.copy()
        gates = encodings.get_encoding(self.encoding)(width, name="x")
        encoded = UnifiedCircuit(self.n_qubits).compose(gates, qubits=range(width))
        return encoded.compose(self.circuit)

    def check_features(self, width: int) -> None:
        """Raises InputError if `width` features per sample do not fit."""
        if self.inputs:
            if width != len(self.inputs):
                raise InputError(
                    describe(
                        f"{width} features for a circuit with {len(self.inputs)} inputs",
                        expected=f"{len(self.inputs)} features, for {list(self.inputs)}",
                        received=width,
                        hint="Name one symbol per feature in `inputs`",
                    )
                )
        elif self.encoding is None:
            if width:
                raise InputError(
                    describe(
                        "The circuit takes no features: no symbol is declared as an input",
                        expected="a complex quantum state, or no features at all, real [batch, 0]",
                        received=f"{width} real features",
                        hint="Name the symbols to feed, as in inputs=['x_0', 'x_1'], or give "
                        "an encoding, as in encoding='angle'",
                    )
                )
        else:
            check_fits(width, self.n_qubits, self.encoding)

    @cached_property
    def _plain(self) -> Program:
        return compile_circuit(self.circuit, (), self.theta)

    @cached_property
    def _initial(self) -> Program:
        return compile_circuit(self.circuit, (), self.theta, has_initial=True)


def encoding_program(encoding: UnifiedCircuit, n_qubits: int) -> Program:
    """An encoding of the first qubits as a program on `n_qubits`, all its symbols inputs."""
    circuit = UnifiedCircuit(n_qubits).compose(encoding, qubits=range(encoding.n_qubits))
    return compile_circuit(circuit, inputs=encoding.parameters)


def qubits_for(width: int, encoding: str | None) -> int:
    """The smallest number of qubits that `width` features fit into."""
    return max(1, (width - 1).bit_length()) if encoding == "amplitude" else max(1, width)


def check_fits(width: int, n_qubits: int, encoding: str) -> None:
    """Raises InputError if `width` features do not fit into `n_qubits` qubits."""
    most = 2**n_qubits if encoding == "amplitude" else n_qubits
    if 1 <= width <= most:
        return
    formula = f"2^{n_qubits} = {most}" if encoding == "amplitude" else f"{most}"
    if not width:
        hint = (
            "For an ansatz without features write QuantumLayer(circuit="
            f"qstore_tf.circuits.ansatz.hardware_efficient({n_qubits}, depth=2))"
        )
    else:
        other = (
            f"or encoding='amplitude' ({qubits_for(width, 'amplitude')} qubits), "
            if encoding != "amplitude"
            else ""
        )
        hint = (
            f"Use n_qubits={qubits_for(width, encoding)}, {other}or put a "
            f"keras.layers.Dense({most}) before the layer"
        )
    raise InputError(
        describe(
            f"{width} features do not fit into {n_qubits} qubits by {encoding} encoding",
            expected=f"1 to {formula} features",
            received=width,
            hint=hint,
        )
    )


def check_circuit(circuit: Any, n_qubits: int | None) -> UnifiedCircuit:
    """A UnifiedCircuit from what the user gave: one, one of another library, or text.

    Raises:
        ConfigurationError: it is not a circuit, or has another number of qubits.
        ConversionError: it holds something that cannot be converted.
    """
    if not is_circuit(circuit):
        raise ConfigurationError(
            describe("`circuit` must be a circuit", expected=TAKES, received=circuit)
        )
    circuit = read_circuit(circuit)
    if n_qubits is not None and n_qubits != circuit.n_qubits:
        raise ConfigurationError(
            describe(
                "`n_qubits` and `circuit` disagree",
                expected=f"n_qubits={circuit.n_qubits}, as in the circuit",
                received=n_qubits,
                hint="Leave n_qubits out",
            )
        )
    return circuit.copy()


def read_inputs(inputs: Sequence[Any], circuit: UnifiedCircuit) -> tuple[str, ...]:
    """The names of the symbols to feed.

    Raises:
        ConfigurationError: a name is repeated or is not a symbol of the circuit.
    """
    names = tuple(map(str, [inputs] if isinstance(inputs, str) else inputs))
    for index, name in enumerate(names):
        if name not in circuit.parameters:
            raise ConfigurationError(
                describe(
                    f"`inputs` names {name!r}, which is not a symbol of the circuit",
                    received=names,
                    hint=did_you_mean(name, circuit.parameters),
                )
            )
        if name in names[:index]:
            raise ConfigurationError(
                describe(
                    f"`inputs` names {name!r} twice",
                    expected="every symbol once, in the order of the features",
                    received=names,
                )
            )
    return names
