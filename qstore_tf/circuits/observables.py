"""Observables: real sums of Pauli strings, and everything people write for them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from qstore_tf import limits
from qstore_tf.circuits.foreign_observables import foreign_terms, library_of
from qstore_tf.errors import ObservableError, describe

if TYPE_CHECKING:
    import cirq

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
        x = z = 0
        for qubit, pauli in self.paulis:
            bit = 1 << (n_qubits - 1 - qubit)
            x |= bit if pauli in "XY" else 0
            z |= bit if pauli in "YZ" else 0
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


ObservableLike = Union[
    str, PauliString, PauliSum, "cirq.Gate", "cirq.PauliString", "cirq.PauliSum", Mapping[str, Any]
]


def parse_observables(
    spec: ObservableLike | Iterable[ObservableLike],
    n_qubits: int,
    qubit_order: Sequence[Any] | None = None,
) -> tuple[PauliSum, ...]:
    """Reads one observable or a list of them.

    Each may be a `PauliSum` or `PauliString`; text with one letter per qubit (`"ZZI"`) or with
    numbered factors (`"0.5 X0 Y1 + Z2"`); a `cirq.PauliString`, `cirq.PauliSum` or
    `cirq.DensePauliString`; an operator of PennyLane that is a sum of Paulis; Qiskit's `Pauli`
    or `SparsePauliOp`, whose qubit 0 is the last letter; or the data of `PauliSum.to_dict`.
    A bare `cirq.Z` or `"Z"` means that Pauli on each qubit. In a list there must be one bare
    Pauli per qubit, and the k-th acts on qubit k: `[cirq.Z] * n` is Z on each qubit.

    Args:
        spec: What to read.
        n_qubits: Number of qubits of the circuit.
        qubit_order: The circuit's qubits in order, for observables of the library that it is
            from: Cirq's qubits or PennyLane's wires. By default, and for observables of another
            library, `cirq.LineQubit(q)` and PennyLane's wire q are qubit q.

    Returns:
        One `PauliSum` per observable.

    Raises:
        ObservableError: An observable cannot be read, is not Hermitian, acts on qubits that are
            not there, or the list is empty or has the wrong number of bare Paulis.

    Example:
        >>> print(observables_text(parse_observables(["ZZI", "0.5 X0"], 3)))
        1.0:Z0 Z1;0.5:X0
    """
    if is_single(spec):
        bare = bare_pauli(spec)
        if bare is not None:
            limits.QUBITS.check(n_qubits, "A circuit", ObservableError)
        items: list[Any] = [spec] if bare is None else [spec] * n_qubits
    else:
        items = listed(spec)
    if not items:
        raise ObservableError(describe("No observable was given", expected="at least one"))
    n_bare = sum(bare_pauli(item) is not None for item in items)
    if n_bare not in (0, n_qubits):
        raise ObservableError(
            describe(
                "A list of Paulis without qubits must have one per qubit",
                expected=f"{n_qubits}, the k-th for qubit k",
                received=n_bare,
                hint="Name the qubits, as in 'Z0' or cirq.Z(cirq.LineQubit(0))",
            )
        )
    result: list[PauliSum] = []
    next_bare = 0
    for item in items:
        bare = bare_pauli(item)
        if bare is not None:
            result.append(PauliSum((PauliString(1.0, ((next_bare, bare),)),)))
            next_bare += 1
        else:
            result.append(_parse_one(item, n_qubits, qubit_order))
    for item, observable in zip(items, result, strict=True):
        if observable.max_qubit >= n_qubits:
            raise ObservableError(
                describe(
                    f"An observable acts on qubit {observable.max_qubit}, which is not there",
                    expected=f"qubits 0 to {n_qubits - 1}",
                    received=str(item),
                )
            )
    return tuple(result)


def observables_text(observables: Iterable[PauliSum]) -> str:
    """Returns observables as the native ops parse them: sums joined by `;`."""
    return ";".join(observable.to_text() for observable in observables)


def is_single(spec: object) -> bool:
    """Whether this is one observable rather than a list of them."""
    if isinstance(spec, (str, PauliString, PauliSum, Mapping)):
        return True
    return library_of(spec) is not None


def listed(spec: Any) -> list[Any]:
    """Returns what a list of observables holds.

    Raises:
        ObservableError: It is no list.
    """
    try:
        # Not by its type: Qiskit's PauliList can be iterated, but does not say so.
        items = iter(spec)
    except TypeError:
        raise _unreadable(spec) from None
    return list(items)


def bare_pauli(item: object) -> str | None:
    """Returns the letter of a Pauli without a qubit: `cirq.Z` or "Z"."""
    if isinstance(item, str):
        return item if item in ("X", "Y", "Z") else None
    if library_of(item) == "cirq":
        import cirq

        for pauli, name in ((cirq.X, "X"), (cirq.Y, "Y"), (cirq.Z, "Z")):
            if isinstance(item, cirq.Gate) and item == pauli:
                return name
    return None


def read_observable(item: object, qubit_order: Sequence[Any] | None = None) -> PauliSum:
    """Reads one observable that is neither text nor a Pauli without a qubit.

    The number of qubits need not be known, and is not checked.

    Args:
        item: What to read, as in `parse_observables`.
        qubit_order: As there.

    Raises:
        ObservableError: It cannot be read, is not Hermitian, or names a qubit by a label that
            neither is a number nor stands in `qubit_order`.

    Example:
        >>> import cirq
        >>> print(read_observable(cirq.Z(cirq.LineQubit(3))))
        1.0 Z3
    """
    if isinstance(item, PauliSum):
        return item
    if isinstance(item, PauliString):
        return PauliSum((item,))
    terms = foreign_terms(item, qubit_order)
    if terms is not None:
        return PauliSum(tuple(PauliString(c, tuple(paulis)) for c, paulis in terms))
    if isinstance(item, Mapping):
        return PauliSum.from_dict(item)
    raise _unreadable(item)


def _parse_one(item: object, n_qubits: int, order: Sequence[Any] | None) -> PauliSum:
    if isinstance(item, str):
        if item and not set(item) - set("IXYZ"):
            if len(item) != n_qubits:
                raise ObservableError(
                    describe(
                        "A Pauli string has a wrong number of letters",
                        expected=f"{n_qubits}, one per qubit",
                        received=item,
                        hint="Write numbered factors, such as 'Z0 Z1', to leave qubits out",
                    )
                )
            return PauliSum((PauliString(1.0, tuple(enumerate(item))),))
        return PauliSum.of(item)
    return read_observable(item, order)


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
            raise _unreadable(text)
        coefficient = float(match["number"] or 1.0) * (-1.0 if match["sign"] == "-" else 1.0)
        position = match.end()
        paulis: list[tuple[int, str]] = []
        while True:
            factor = _FACTOR.match(text, position)
            if factor is None:
                break
            if len(factor[2]) > 6:
                raise _unreadable(text)
            paulis.append((int(factor[2]), factor[1]))
            position = factor.end()
            while position < len(text) and text[position] in " \t*":
                position += 1
        if not paulis and match["number"] is None:
            raise _unreadable(text)
        if text[:position].rstrip().endswith("*"):
            raise _unreadable(text)
        yield PauliString(coefficient, tuple(paulis))
        first = False


def _unreadable(item: object) -> ObservableError:
    return ObservableError(
        describe(
            "An observable cannot be read",
            expected="a PauliSum, text such as 'ZZI' or '0.5 X0 Y1 + Z2', or a sum of Paulis of "
            "Cirq, PennyLane or Qiskit",
            received=item,
        )
    )
