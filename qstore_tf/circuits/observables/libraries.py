"""Observables of other libraries as terms: a coefficient, and the Paulis on numbered qubits.

Beside a circuit of its own library, an observable names the qubits or wires of that circuit. Beside
any other, Cirq's `LineQubit(q)`, PennyLane's wire q and Qiskit's qubit q are qubit q. The
right end of a label is Qiskit's qubit 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from qstore_tf.errors import ObservableError, describe

Term = tuple[Any, Iterable[tuple[int, str]]]

# Qiskit's list of observables, which is iterated like any other.
_LIST = "PauliList"


def library_of(item: object) -> str | None:
    """The library whose class, or whose class's descendant, one observable may be.

    A class itself, such as `qml.Z` without a wire, is not an observable.
    """
    if isinstance(item, type):
        return None
    for kind in type(item).__mro__:
        library = kind.__module__.split(".")[0]
        if library in _READERS:
            return None if kind.__name__ == _LIST else library
    return None


def terms_of(item: Any, labels: Sequence[Any] | None) -> list[Term] | None:
    """The terms of an observable of Cirq, Qiskit or PennyLane; None if it cannot be read.

    Args:
        item: the observable.
        labels: the qubits of the circuit beside it, in the circuit's order: Cirq's qubits or
            PennyLane's wires. Labels of another library than the observable's do not count.

    Raises:
        ObservableError: it acts on a qubit that is not there, or whose label is not a number.
    """
    library = library_of(item)
    if library is None:
        return None
    if labels is not None and (library == "cirq") != _are_of_cirq(labels):
        labels = None
    return _READERS[library](item, labels)


def _cirq_terms(item: Any, labels: Sequence[Any] | None) -> list[Term] | None:
    import cirq

    if isinstance(item, cirq.DensePauliString):
        letters = ["IXYZ"[k] for k in item.pauli_mask]
        return [(item.coefficient, enumerate(letters))]
    if isinstance(item, cirq.PauliString):
        strings = [item]
    elif isinstance(item, cirq.PauliSum):
        strings = list(item)
    else:
        return None

    def number(qubit: Any) -> int:
        if labels is not None:
            return _place(qubit, labels, item)
        if isinstance(qubit, cirq.LineQubit) and qubit.x >= 0:
            return int(qubit.x)
        raise ObservableError(
            describe(
                f"An observable names the Cirq qubit {qubit!r}, but this circuit has only "
                "numbered qubits",
                expected="cirq.LineQubit(0), cirq.LineQubit(1), and so on",
                received=str(item),
                hint="Write cirq.LineQubit(q) or text such as 'Z0'; a layer made with a "
                "cirq.Circuit on such qubits takes observables on them",
            )
        )

    return [
        (string.coefficient, [(number(qubit), str(pauli)) for qubit, pauli in string.items()])
        for string in strings
    ]


def _pennylane_terms(item: Any, labels: Sequence[Any] | None) -> list[Term] | None:
    sentence = getattr(item, "pauli_rep", None)
    if sentence is None:
        return None

    def number(wire: Any) -> int:
        if labels is not None:
            return _place(wire, labels, item)
        try:
            qubit = -1 if isinstance(wire, bool) else operator.index(wire)
        except TypeError:
            qubit = -1
        if qubit >= 0:
            return qubit
        raise ObservableError(
            describe(
                f"An observable names the PennyLane wire {wire!r}, but this circuit has only "
                "numbered qubits",
                expected="wires 0, 1, and so on: wire q is qubit q",
                received=str(item),
                hint="Number the wires, or write text such as 'Z0'; a layer made with a tape or "
                "a QNode on such wires takes observables on them",
            )
        )

    return [
        (coefficient, [(number(wire), pauli) for wire, pauli in word.items()])
        for word, coefficient in sentence.items()
    ]


def _qiskit_terms(item: Any, labels: Sequence[Any] | None) -> list[Term] | None:
    from qiskit.quantum_info import Pauli, SparsePauliOp

    if type(item).__name__ == "SparseObservable":
        return _qiskit_sparse_terms(item)
    if isinstance(item, Pauli):
        item = SparsePauliOp(item)
    if not isinstance(item, SparsePauliOp):
        return None
    return [
        (coefficient, enumerate(reversed(label)))
        for label, coefficient in zip(item.paulis.to_labels(), item.coeffs, strict=True)
    ]


def _qiskit_sparse_terms(item: Any) -> list[Term]:
    terms = item.to_sparse_list()
    if any(set(letters) - set("XYZ") for letters, _, _ in terms):
        # Not expanded here: n projectors are 2^n Pauli strings.
        raise ObservableError(
            describe(
                "A SparseObservable of Qiskit's holds projectors",
                expected="the letters X, Y, Z and I alone",
                received=item,
                hint="Write them as Paulis with its method as_paulis(), which makes 2^n terms of "
                "n projectors",
            )
        )
    return [
        (coefficient, zip(indices, letters, strict=True)) for letters, indices, coefficient in terms
    ]


_READERS: Mapping[str, Callable[[Any, Sequence[Any] | None], list[Term] | None]] = {
    "cirq": _cirq_terms,
    "pennylane": _pennylane_terms,
    "qiskit": _qiskit_terms,
}


def _are_of_cirq(labels: Sequence[Any]) -> bool:
    return all(library_of(label) == "cirq" for label in labels)


def _place(label: Any, labels: Sequence[Any], item: Any) -> int:
    if label in labels:
        return list(labels).index(label)
    raise ObservableError(
        describe(
            f"An observable acts on {label!r}, which is not among the qubits of the circuit",
            expected=f"one of {', '.join(map(repr, labels))}",
            received=str(item),
        )
    )
