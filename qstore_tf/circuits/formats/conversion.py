"""What the readers of circuits from other libraries share: limits, controls, matrices, errors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.operation import MAX_UNITARY_QUBITS, Operation, freeze
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, LibraryError, describe

_MAX_NESTING = 50


class Unconvertible(CircuitError):
    """Something without a counterpart, raised before it is known where it stands."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


class Budget:
    """Counts the work of a conversion, so that a short text cannot ask for endless gates."""

    def __init__(self) -> None:
        self._spent = 0
        self._most = limits.OPERATIONS.current

    def spend(self, depth: int = 0) -> None:
        """Counts one operation, at a depth of nesting.

        Raises:
            CircuitError: there have been too many.
            Unconvertible: they are nested too deeply.
        """
        self._spent += 1
        if self._spent > self._most:
            limits.OPERATIONS.check(self._spent, "The circuit", CircuitError, counting=True)
        if depth > _MAX_NESTING:
            raise Unconvertible("it is nested too deeply", "Flatten the circuit first.")


def add(circuit: Circuit, operations: Iterable[Operation], where: str) -> None:
    """Adds operations to a circuit.

    Args:
        circuit: what to add to.
        operations: what to add; a generator may raise `Unconvertible` or `CircuitError`.
        where: what is converted and where it stands, for the error.

    Raises:
        ConversionError: an operation cannot be made or does not fit; it names `where`.
    """
    try:
        for operation in operations:
            circuit.add_operation(operation)
    except Unconvertible as error:
        raise ConversionError(
            describe(f"{where} cannot be converted: {error.why}", hint=error.hint)
        ) from error
    except CircuitError as error:
        raise ConversionError(f"{where} cannot be converted: {error}") from error
    except RecursionError as error:
        raise ConversionError(
            describe(
                f"{where} cannot be converted: it is nested too deeply",
                hint="Flatten the circuit first.",
            )
        ) from error


def under_controls(
    inner: Sequence[Operation], controls: Sequence[int], values: Sequence[int | bool]
) -> Iterator[Operation]:
    """The operations under controls that must have the given values.

    Args:
        inner: operations in time order, on other qubits than the controls.
        controls: qubits.
        values: for each control, whether it must be 1 or 0.

    Raises:
        Unconvertible: a measurement is controlled.
    """
    if any(operation.is_measurement for operation in inner):
        raise Unconvertible("it controls a measurement", "Remove the control.")
    flips = [Operation("X", (q,)) for q, value in zip(controls, values, strict=True) if not value]
    yield from flips
    for operation in inner:
        yield dataclasses.replace(operation, controls=(*controls, *operation.controls))
    yield from flips


def inverse_of(inner: Sequence[Operation]) -> list[Operation]:
    """The inverse of operations in time order.

    Raises:
        Unconvertible: one of them is a measurement.
    """
    if any(operation.is_measurement for operation in inner):
        raise Unconvertible("it is the inverse of a measurement", "Remove the measurement.")
    return [step for operation in reversed(inner) for step in operation.inverse()]


def matrix_operation(matrix: Any, targets: Sequence[int]) -> Operation:
    """A matrix as an operation; the first target is the most significant bit of its index.

    Raises:
        Unconvertible: it is on too many qubits.
    """
    if not 1 <= len(targets) <= MAX_UNITARY_QUBITS:
        raise Unconvertible(
            f"it is a matrix on {len(targets)} qubits, and a circuit holds matrices on 1 to "
            f"{MAX_UNITARY_QUBITS}",
            "Decompose it into gates first.",
        )
    try:
        array = np.asarray(matrix, dtype=np.complex128)
    except (TypeError, ValueError) as error:
        raise Unconvertible(
            "its matrix is not made of numbers", "Matrices cannot be trained: bind them."
        ) from error
    return Operation("Unitary", tuple(targets), (), (), freeze(array))


def global_phase(angle: Affine) -> Iterator[Operation]:
    """The operation that multiplies by exp(i angle), if it does anything."""
    if angle != Affine():
        yield Operation("GlobalPhase", (), (angle,))


def missing_library(library: str, extra: str, purpose: str) -> LibraryError:
    """The error for a library that is not installed."""
    return LibraryError(
        describe(
            f"{purpose} needs {library}, which is not installed",
            hint=f"Install it with `pip install 'qstore-tf[{extra}]'`",
        )
    )
