"""What a run is asked to do: circuits of one structure with many numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import InputError, describe
from qstore_tf.ionq.writing import NativeTemplate


@dataclass(frozen=True, eq=False)
class Work:
    """Native circuits of one structure.

    Attributes:
        template: Their gates.
        values: Their numbers, [B, n_values], turns; B may be 0.
        n_1q: Number of one-qubit gates of a circuit, for its price.
        n_2q: Number of two-qubit gates of a circuit.

    Raises:
        InputError: The numbers do not fit the template.
        ConversionError: A number is out of its range.

    Example:
        >>> template = NativeTemplate(2, (("GPi2", (0,)), ("ZZ", (0, 1))))
        >>> len(Work(template, np.zeros((3, 2)), n_1q=1, n_2q=1))
        3
    """

    template: NativeTemplate
    values: NDArray[np.float64]
    n_1q: int
    n_2q: int

    def __post_init__(self) -> None:
        if not isinstance(self.template, NativeTemplate):
            raise InputError(
                describe(
                    "Work has no template", expected="a NativeTemplate", received=self.template
                )
            )
        object.__setattr__(self, "values", self.template.check(self.values))

    def __len__(self) -> int:
        """The number of circuits."""
        return len(self.values)

    @property
    def n_qubits(self) -> int:
        """Qubits of each circuit."""
        return self.template.n_qubits

    @property
    def n_gates(self) -> int:
        """Gates of each circuit, as the service counts them."""
        return len(self.template.gates)
