"""What a run is asked to do: circuits of one structure with many numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import InputError, PriceError, describe
from qstore_tf.ionq.job_input import JobTemplate


@dataclass(frozen=True, eq=False)
class Work:
    """Circuits of one structure.

    Attributes:
        template: Their gates.
        values: Their numbers, [B, n_values]; B may be 0. Turns for native gates, radians for the
            set "qis".
        n_1q: Number of one-qubit gates of a circuit as it is sent, for its price.
        n_2q: Number of two-qubit gates of it.

    Raises:
        InputError: The numbers do not fit the template.
        ConversionError: A number is out of its range.

    Example:
        >>> from qstore_tf.ionq.writing import NativeTemplate
        >>> template = NativeTemplate(2, (("GPi2", (0,)), ("ZZ", (0, 1))))
        >>> len(Work(template, np.zeros((3, 2)), n_1q=1, n_2q=1))
        3
    """

    template: JobTemplate
    values: NDArray[np.float64]
    n_1q: int
    n_2q: int

    def __post_init__(self) -> None:
        if not isinstance(self.template, JobTemplate):
            raise InputError(
                describe(
                    "Work has no template",
                    expected="a NativeTemplate or a QisTemplate",
                    received=self.template,
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
    def has_known_gates(self) -> bool:
        """Whether the gates that are sent are those that run: the service compiles no native ones.

        Price tables are by the gates that are sent. Which ones a contract with IonQ is by is not
        published.
        """
        return self.template.gateset == "native"

    def check_quoted(self) -> None:
        """Raises PriceError where the service's estimate of a price would be no bound."""
        if not self.has_known_gates:
            raise PriceError(
                describe(
                    "What these circuits cost is not known: the service compiles them itself, and "
                    "whether it bills the gates that are sent or those that run is not published",
                    expected="gateset='native', or prices=, a PriceTable of what holds for you",
                    received="gateset='qis' and a budget of money",
                    hint="A job with dry_run=True tells what it would cost",
                )
            )

    @property
    def n_gates(self) -> int:
        """Gates of each circuit, as the service counts them."""
        return len(self.template.gates)
