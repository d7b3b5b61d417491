"""The `input` of a job: circuits of one structure and many numbers, within the service's limits.

How much one job may hold (IonQ's OpenAPI document, v0.4): 5,000 circuits, 150,000 gates, 10 MB.
The kinds of templates are `NativeTemplate` (`writing`) and `QisTemplate` (`qis_writing`).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConversionError, InputError, describe

MAX_CIRCUITS = 5_000
MAX_GATES = 150_000
MAX_BYTES = 10_000_000  # the least that "10 MB" may mean

Entry = dict[str, Any]  # a gate in the service's JSON
COMPACT: dict[str, Any] = {"separators": (",", ":"), "allow_nan": False}


class JobTemplate(ABC):
    """The gates of a circuit, to be written with many sets of numbers.

    Attributes:
        gateset: What the service calls the set of the gates, "native" or "qis".
        n_qubits: Number of qubits.
        gates: The gates in time order.
    """

    gateset: ClassVar[str]
    n_qubits: int
    gates: tuple[Any, ...]

    @property
    @abstractmethod
    def n_values(self) -> int:
        """How many numbers a circuit has: those of all gates, in time order."""

    @abstractmethod
    def check(self, values: ArrayLike) -> NDArray[np.float64]:
        """Returns numbers as an array after checking them.

        Args:
            values: Shape [B, n_values].

        Raises:
            InputError: The shape does not fit, or these are no real numbers.
            ConversionError: The service does not take a number; the message names circuit, gate,
                position and value.
        """

    @abstractmethod
    def _entries(self, rows: list[list[Any]]) -> list[list[Entry]]:
        """Returns the gates of each row of numbers."""

    def circuits(self, values: ArrayLike) -> list[list[Entry]]:
        """Returns the gates of each circuit as plain dicts; arguments and errors as in `check`."""
        return self._entries(self.check(values).tolist())

    def document(self, values: ArrayLike) -> dict[str, Any]:
        """Returns the `input` of one job with all circuits.

        Args:
            values: Shape [B, n_values], B from 1 to 5,000.

        Raises:
            InputError: The shape does not fit.
            ConversionError: The service does not take a number, or one job has no room for so much.
        """
        return job(self.n_qubits, self.circuits(values), self.gateset)

    def text(self, values: ArrayLike) -> str:
        """Returns the JSON text of `document`, without the dicts in between.

        Arguments and errors as in `document`; `ConversionError`, too, where the text is longer
        than the body of a job may be.
        """
        array = self.check(values)
        check_job(len(array), len(array) * len(self.gates))
        written = [self._format % tuple(row) for row in array.tolist()]
        listed = ",".join([f'{{"circuit":{circuit}}}' for circuit in written])
        return check_length(
            f'{{"gateset":"{self.gateset}","qubits":{self.n_qubits},"circuits":[{listed}]}}'
        )

    @cached_property
    def _format(self) -> str:
        """The JSON text of a circuit, with %r in place of each number."""
        entries = self._entries([["%r"] * self.n_values])[0]
        return json.dumps(entries, **COMPACT).replace('"%r"', "%r")

    def _numbers(self, values: ArrayLike) -> NDArray[np.float64]:
        """Returns real numbers of the right shape; InputError for others."""
        try:
            given = np.asarray(values)
        except (TypeError, ValueError):  # rows of different lengths
            given = np.empty(0, dtype=object)
        if given.ndim != 2 or given.shape[1] != self.n_values or given.dtype.kind not in "fiu":
            raise InputError(
                describe(
                    f"The numbers do not fit the {self.gateset} circuit",
                    expected=f"real numbers of shape [B, {self.n_values}]",
                    received=f"{given.dtype} of shape {given.shape}",
                )
            )
        return given.astype(np.float64)


def job(n_qubits: int, circuits: list[list[Entry]], gateset: str = "native") -> dict[str, Any]:
    """Returns the `input` of a job of these circuits; errors as in `check_job`."""
    check_job(len(circuits), sum(map(len, circuits)))
    listed = [{"circuit": entries} for entries in circuits]
    return {"gateset": gateset, "qubits": n_qubits, "circuits": listed}


def check_job(n_circuits: int, n_gates: int) -> None:
    """Raises `ConversionError` where one job has no room for so many circuits or gates.

    Example:
        >>> check_job(n_circuits=1000, n_gates=100_000)
    """
    if n_circuits < 1:
        raise ConversionError(describe("The batch is empty", expected="at least one circuit"))
    for count, most, what in (
        (n_circuits, MAX_CIRCUITS, "circuits"),
        (n_gates, MAX_GATES, "gates"),
    ):
        if count > most:
            raise ConversionError(_too_large(what, count, most))


def check_length(text: str) -> str:
    """Returns a text, which is ASCII; `ConversionError` where the body of a job has no room."""
    if len(text) > MAX_BYTES:
        raise ConversionError(_too_large("bytes", len(text), MAX_BYTES))
    return text


def _too_large(what: str, count: int, most: int) -> str:
    return describe(
        f"There are too many {what} for one job of IonQ's service",
        expected=f"at most {most}",
        received=count,
        hint="Split the batch into several jobs",
    )
