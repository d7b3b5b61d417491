"""Everything that people write for observables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from qstore_tf import limits
from qstore_tf.circuits.observables.libraries import library_of, terms_of
from qstore_tf.circuits.observables.pauli import PauliString, PauliSum, unreadable
from qstore_tf.errors import ObservableError, describe

if TYPE_CHECKING:
    import cirq

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
        ObservableError: It is not a list.
    """
    try:
        # Not by its type: Qiskit's PauliList can be iterated, but does not say so.
        items = iter(spec)
    except TypeError:
        raise unreadable(spec) from None
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
            is neither a number nor in `qubit_order`.

    Example:
        >>> import cirq
        >>> print(read_observable(cirq.Z(cirq.LineQubit(3))))
        1.0 Z3
    """
    if isinstance(item, PauliSum):
        return item
    if isinstance(item, PauliString):
        return PauliSum((item,))
    terms = terms_of(item, qubit_order)
    if terms is not None:
        return PauliSum(tuple(PauliString(c, tuple(paulis)) for c, paulis in terms))
    if isinstance(item, Mapping):
        return PauliSum.from_dict(item)
    raise unreadable(item)


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
