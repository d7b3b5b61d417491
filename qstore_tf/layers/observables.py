"""What a layer measures: read once, and resolved when the number of qubits is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from qstore_tf.circuits.observables import (
    PauliSum,
    bare_pauli,
    is_single,
    listed,
    parse_observables,
    read_observable,
)


@dataclass(frozen=True, eq=False)
class MeasuredObservables:
    """The observables of a layer, in one object that Keras does not track and wrap.

    Attributes:
        spec: what was asked for: text, or a sum or the text of one for each observable.
    """

    spec: str | tuple[str | PauliSum, ...]
    _by_n_qubits: dict[int, tuple[PauliSum, ...]] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, spec: Any, qubit_order: Sequence[Any] | None = None) -> MeasuredObservables:
        """Reads observables, the number of qubits still open.

        Raises:
            ObservableError: an observable cannot be read.
        """
        if isinstance(spec, str):
            return cls(spec)
        if is_single(spec):
            one = _read_one(spec, qubit_order)
            return cls(one if isinstance(one, str) else (one,))
        return cls(
            tuple(
                item if isinstance(item, str) else _read_one(item, qubit_order)
                for item in listed(spec)
            )
        )

    def on(self, n_qubits: int) -> tuple[PauliSum, ...]:
        """The observables on `n_qubits` qubits; made once.

        Raises:
            ObservableError: an observable is on a qubit that is not there.
        """
        if n_qubits not in self._by_n_qubits:
            spec = self.spec if isinstance(self.spec, str) else list(self.spec)
            self._by_n_qubits[n_qubits] = parse_observables(spec, n_qubits)
        return self._by_n_qubits[n_qubits]

    def get_config(self) -> Any:
        """Returns the observables as plain data; `read` takes them back."""
        if isinstance(self.spec, str):
            return self.spec
        return [item if isinstance(item, str) else item.to_dict() for item in self.spec]


def _read_one(item: Any, qubit_order: Sequence[Any] | None) -> str | PauliSum:
    return bare_pauli(item) or read_observable(item, qubit_order)
