"""Which circuit a QuantumLayer makes: options read once, checked, written back as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qstore_tf.circuits import ansatz as ansatze
from qstore_tf.circuits import encodings
from qstore_tf.circuits.ansatz import Entanglement
from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.formats import json
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.reading import qubit_labels
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.depths import count_repetitions, first_repetitions
from qstore_tf.layers.evolution import Evolution, check_circuit, check_fits, read_inputs
from qstore_tf.layers.observables import MeasuredObservables


@dataclass(frozen=True, eq=False)
class CircuitOptions:
    """The circuit and the observables that a QuantumLayer was asked for; see its arguments.

    One plain object, so that Keras does not track and wrap the values.

    Attributes:
        n_qubits: number of qubits, where it was given.
        depth: layers of the ansatz.
        encoding: name of the encoding; `None` where symbols of the circuit are fed, or states.
        ansatz: name of the ansatz, which `circuit` replaces.
        entanglement: its entanglement.
        measured: the observables.
        circuit: a circuit in place of the ansatz, or None.
        inputs: the symbols of `circuit` that are fed with the features.
    """

    n_qubits: int | None
    depth: int
    encoding: str | None
    ansatz: str
    entanglement: Entanglement
    measured: MeasuredObservables
    circuit: UnifiedCircuit | None
    inputs: tuple[str, ...]
    _evolutions: dict[tuple[int, int | None], Evolution] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        n_qubits: int | None,
        depth: int,
        encoding: str | None,
        ansatz: str,
        entanglement: Entanglement,
        observables: Any,
        circuit: Any,
        inputs: Sequence[Any] | None,
    ) -> CircuitOptions:
        """Reads and checks the arguments of a layer.

        Raises:
            ConfigurationError: an option is unknown or two do not go together.
            ObservableError: an observable cannot be read or is on a qubit that is not there.
        """
        order = None
        if n_qubits is not None:
            check_n_qubits(n_qubits)
            n_qubits = int(n_qubits)
        if isinstance(circuit, Mapping):
            circuit = UnifiedCircuit.of(json.from_dict(circuit))
        if circuit is not None:
            _refuse_with_circuit(depth, ansatz, entanglement)
            order = qubit_labels(circuit)
            circuit = check_circuit(circuit, n_qubits)
        elif inputs is not None:
            raise ConfigurationError(
                describe(
                    "`inputs` names symbols of `circuit`, but no circuit was given",
                    received=list(inputs),
                    hint="Give `circuit` too, or leave `inputs` out: the features are encoded",
                )
            )
        names = read_inputs(inputs or (), circuit) if circuit is not None else ()
        if names and encoding is not None:
            raise ConfigurationError(
                describe(
                    "`inputs` and `encoding` both say how features enter",
                    received={"inputs": list(names), "encoding": encoding},
                    hint="Leave one of them out",
                )
            )
        if encoding is None and circuit is None:
            encoding = "angle"
        if encoding is not None:
            encodings.get_encoding(encoding)
            encoding = encoding.lower()
        ansatze.get_ansatz(ansatz)
        entanglement = _read_entanglement(entanglement)
        measured = MeasuredObservables.read(observables, order)
        made = cls(n_qubits, depth, encoding, ansatz, entanglement, measured, circuit, names)
        size = n_qubits if circuit is None else circuit.n_qubits
        if size is None:
            # Finds a bad depth or entanglement name now; pairs wait for the number of qubits.
            known = entanglement if isinstance(entanglement, str) else "linear"
            ansatze.get_ansatz(ansatz)(2, depth, known)
        else:
            made.evolution(size)
            made.observables(size)
        return made

    @property
    def known_n_qubits(self) -> int | None:
        """The number of qubits, where it does not depend on the input."""
        return self.n_qubits if self.circuit is None else self.circuit.n_qubits

    @cached_property
    def n_layers(self) -> int:
        """The layers of the ansatz; of a custom circuit, how often it repeats a block of gates."""
        if self.circuit is None:
            return self.depth
        return count_repetitions(self.circuit, self.inputs)

    def evolution(self, n_qubits: int | None, depth: int | None = None) -> Evolution:
        """The circuit on `n_qubits` qubits, or its first `depth` layers; made once.

        The angles of the first layers are the first angles.
        """
        if n_qubits is None:
            raise ConfigurationError(
                describe(
                    "The number of qubits is not known yet",
                    expected="n_qubits, or a layer that has been built",
                    hint="Give n_qubits, or call the layer on data first",
                )
            )
        key = n_qubits, depth
        if key not in self._evolutions:
            layers = self.depth if depth is None else depth
            circuit = self.circuit
            if circuit is None:
                circuit = ansatze.get_ansatz(self.ansatz)(n_qubits, layers, self.entanglement)
            elif depth is not None:
                circuit = first_repetitions(circuit, depth, self.n_layers)
            self._evolutions[key] = Evolution(circuit, self.inputs, self.encoding)
        return self._evolutions[key]

    def observables(self, n_qubits: int) -> tuple[PauliSum, ...]:
        """The observables on `n_qubits` qubits; made once."""
        return self.measured.on(n_qubits)

    def may_be_features(self, width: int, n_qubits: int) -> bool:
        """Whether an input of this width can be features."""
        if self.inputs:
            return width == len(self.inputs)
        if self.encoding is None:
            return width == 0
        try:
            check_fits(width, n_qubits, self.encoding)
        except ValueError:
            return False
        return True

    def get_config(self) -> dict[str, Any]:
        """Returns the options as plain data; `read` takes them back."""
        pairs = self.entanglement
        return {
            "n_qubits": self.n_qubits,
            "depth": self.depth,
            "encoding": self.encoding,
            "ansatz": self.ansatz,
            "entanglement": pairs if isinstance(pairs, str) else [list(p) for p in pairs],
            "observables": self.measured.get_config(),
            "circuit": None if self.circuit is None else json.to_dict(self.circuit),
            "inputs": list(self.inputs) or None,
        }


def _refuse_with_circuit(depth: int, ansatz: str, entanglement: Entanglement) -> None:
    given = {"depth": depth, "ansatz": ansatz, "entanglement": entanglement}
    usual = {"depth": 1, "ansatz": "hardware_efficient", "entanglement": "linear"}
    unusual = {name: value for name, value in given.items() if value != usual[name]}
    if unusual:
        raise ConfigurationError(
            describe(
                "`circuit` takes the place of the ansatz, so ansatz options do nothing",
                received=unusual,
                hint=f"Leave out {', '.join(unusual)}",
            )
        )


def _read_entanglement(entanglement: Any) -> Entanglement:
    if isinstance(entanglement, str):
        return entanglement
    try:
        pairs = tuple(tuple(int(qubit) for qubit in pair) for pair in entanglement)
    except (TypeError, ValueError):
        pairs = ((),)
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigurationError(
            describe(
                "`entanglement` cannot be read",
                expected="one of "
                + ", ".join(map(repr, ansatze.ENTANGLEMENTS))
                + ", or a list of (control, target) pairs",
                received=entanglement,
            )
        )
    return pairs  # type: ignore[return-value]
