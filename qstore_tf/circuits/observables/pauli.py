"""Observables: real sums of Pauli strings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.primitives import mask
from qstore_tf.errors import ObservableError, describe

_VERSION = 1
_FACTOR = re.compile(r"([IXYZ])(\d+)")
_TERM_START = re.compile(
    r"\s*(?P<sign>[+-])?\s*(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)?\s*\*?"
)


@dataclass(frozen=True)
class PauliString:
    """A coefficient times a product of Pauli matrices on different qubits.

    Attributes:
        coefficient: A finite real number.
        paulis: `(qubit, "X" | "Y" | "Z")` pairs, sorted by qubit; empty for the identity.

    Example:
        >>> PauliString(0.5, ((2, "X"), (0, "Z")))
        PauliString(coefficient=0.5, paulis=((0, 'Z'), (2, 'X')))
    """

    coefficient: float = 1.0
    paulis: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficient", _real(self.coefficient))
        kept = []
        for qubit, pauli in self.paulis:
            if pauli not in ("I", "X", "Y", "Z") or not isinstance(qubit, int) or qubit < 0:
                raise ObservableError(
                    describe(
                        "A Pauli string cannot be read",
                        expected="pairs of a qubit number >= 0 and 'X', 'Y', 'Z' or 'I'",
                        received=(qubit, pauli),
                    )
                )
            if pauli != "I":
                kept.append((qubit, pauli))
        if len({qubit for qubit, _ in kept}) != len(kept):
            raise ObservableError(
                describe("A Pauli string names a qubit twice", received=self.paulis)
            )
        object.__setattr__(self, "paulis", tuple(sorted(kept)))

    @property
    def max_qubit(self) -> int:
        """The highest qubit acted on, -1 for the identity."""
        return self.paulis[-1][0] if self.paulis else -1

    def masks(self, n_qubits: int) -> tuple[int, int]:
        """Returns the x and z masks over basis indices; qubit q is bit `n_qubits - 1 - q`."""
        x = mask((qubit for qubit, pauli in self.paulis if pauli in "XY"), n_qubits)
        z = mask((qubit for qubit, pauli in self.paulis if pauli in "YZ"), n_qubits)
        return x, z

    def to_text(self) -> str:
        """Returns the term as the native ops parse it, such as `0.5:X0 Y1`."""
        return f"{self.coefficient!r}:" + " ".join(f"{pauli}{q}" for q, pauli in self.paulis)

    def __str__(self) -> str:
        return " ".join([repr(self.coefficient), *(f"{pauli}{q}" for q, pauli in self.paulis)])


@dataclass(frozen=True)
class PauliSum:
    """A sum of Pauli strings; equal strings are merged, in order of appearance.

    Example:
        >>> PauliSum.of("0.5 X0 Y1 + 0.3").max_qubit
        1
    """

    terms: tuple[PauliString, ...] = ()

    def __post_init__(self) -> None:
        merged: dict[tuple[tuple[int, str], ...], float] = {}
        for term in self.terms:
            merged[term.paulis] = merged.get(term.paulis, 0.0) + term.coefficient
        terms = tuple(PauliString(c, paulis) for paulis, c in merged.items())
        object.__setattr__(self, "terms", terms)

    @classmethod
    def of(cls, text: str) -> PauliSum:
        """Reads text such as `"Z0 Z1"`, `"0.5 X0 Y1 - 0.3 Z2 + 1"` or `"Z0*Z1"`.

        Raises:
            ObservableError: The text cannot be read.
        """
        return cls(tuple(_parse_sum(text)))

    @property
    def max_qubit(self) -> int:
        """The highest qubit acted on, -1 for multiples of the identity."""
        return max((term.max_qubit for term in self.terms), default=-1)

    def matrix(self, n_qubits: int) -> NDArray[np.complex128]:
        """Returns the matrix on `n_qubits` qubits, [2^n, 2^n]."""
        size = 2**n_qubits
        result = np.zeros((size, size), dtype=np.complex128)
        index = np.arange(size)
        for term in self.terms:
            x, z = term.masks(n_qubits)
            # Y = i X Z, so each Y gives a factor i; Z acts first, then X moves the index.
            signs = np.array([(-1.0) ** (int(b) & z).bit_count() for b in index])
            result[index ^ x, index] += term.coefficient * 1j ** (x & z).bit_count() * signs
        return result

    def to_text(self) -> str:
        """Returns the sum as the native ops parse it, such as `0.5:X0 Y1,0.3:`."""
        return ",".join(term.to_text() for term in self.terms) or "0.0:"

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for configs and JSON."""
        return {
            "version": _VERSION,
            "terms": [[t.coefficient, [[q, p] for q, p in t.paulis]] for t in self.terms],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PauliSum:
        """Reads the data of `to_dict`.

        Raises:
            ObservableError: The data are malformed or from a newer version.
        """
        try:
            version = data["version"]
            if isinstance(version, bool) or not isinstance(version, int) or version < 1:
                raise ObservableError(
                    describe(
                        "Observable data are malformed: they have no usable version",
                        expected=f"a whole number from 1 to {_VERSION}",
                        received=version,
                    )
                )
            if version > _VERSION:
                raise ObservableError(
                    describe(
                        "An observable was written by a newer version",
                        expected=f"version {_VERSION}",
                        received=version,
                        hint="Upgrade qstore-tf to read it",
                    )
                )
            return cls(
                tuple(
                    PauliString(float(c), tuple((q, p) for q, p in paulis))
                    for c, paulis in data["terms"]
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, ObservableError):
                raise
            raise ObservableError(
                describe("Observable data are malformed", received=data)
            ) from error

    def __str__(self) -> str:
        return " + ".join(map(str, self.terms)) or "0.0"


def _real(value: Any) -> float:
    try:
        number = complex(value)
    except (TypeError, ValueError):
        number = complex("nan")
    if abs(number.imag) > 1e-9 * abs(number) or not math.isfinite(number.real):
        raise ObservableError(
            describe(
                "An observable has a bad coefficient",
                expected="a finite real number, as expectation values are real",
                received=value,
            )
        )
    return number.real + 0.0


def _parse_sum(text: str) -> Iterable[PauliString]:
    position = 0
    first = True
    while first or position < len(text.rstrip()):
        match = _TERM_START.match(text, position)
        if match is None or (not first and match["sign"] is None):
            raise unreadable(text)
        coefficient = float(match["number"] or 1.0) * (-1.0 if match["sign"] == "-" else 1.0)
        position = match.end()
        paulis: list[tuple[int, str]] = []
        while True:
            factor = _FACTOR.match(text, position)
            if factor is None:
                break
            if len(factor[2]) > 6:
                raise unreadable(text)
            paulis.append((int(factor[2]), factor[1]))
            position = factor.end()
            while position < len(text) and text[position] in " \t*":
                position += 1
        if not paulis and match["number"] is None:
            raise unreadable(text)
        if text[:position].rstrip().endswith("*"):
            raise unreadable(text)
        yield PauliString(coefficient, tuple(paulis))
        first = False


def unreadable(item: object) -> ObservableError:
    """The error for what is not an observable."""
    return ObservableError(
        describe(
            "An observable cannot be read",
            expected="a PauliSum, text such as 'ZZI' or '0.5 X0 Y1 + Z2', or a sum of Paulis of "
            "Cirq, PennyLane or Qiskit",
            received=item,
        )
    )
