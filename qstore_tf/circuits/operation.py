"""One gate on given qubits, and the checks of what can be said without a circuit."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import limits
from qstore_tf.circuits.gates import Gate, lookup
from qstore_tf.circuits.primitives import Matrix, SymbolicPrimitive, Unitary, place
from qstore_tf.circuits.symbols import Affine, AffineLike
from qstore_tf.errors import CircuitError, describe

MAX_UNITARY_QUBITS = 5
UNITARY_TOLERANCE = 1e-6

Qubits = int | Sequence[int]


@dataclass(frozen=True)
class Operation:
    """One gate on given qubits; immutable. Circuits check operations, this class does not.

    Attributes:
        gate: Canonical gate name.
        targets: The gate's qubits; for CX and the like its own controls come first.
        params: One affine expression per parameter.
        controls: Further qubits that must all be 1 for the gate to act.
        matrix: Rows of the matrix, for the gate "Unitary" only.
    """

    gate: str
    targets: tuple[int, ...]
    params: tuple[Affine, ...] = ()
    controls: tuple[int, ...] = ()
    matrix: Matrix | None = None

    @property
    def row(self) -> Gate:
        """The gate's row in the gate table."""
        return lookup(self.gate)

    @property
    def qubits(self) -> tuple[int, ...]:
        """All qubits: controls, then targets."""
        return self.controls + self.targets

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of the parameters in order of appearance, each once."""
        return tuple(dict.fromkeys(name for p in self.params for name in p.symbols))

    @property
    def is_measurement(self) -> bool:
        """Whether this is a measurement marker."""
        return self.gate == "Measure"

    @property
    def label(self) -> str:
        """The name with one C per control, such as "CCRX"."""
        return "C" * len(self.controls) + self.gate

    def primitives(self) -> tuple[SymbolicPrimitive, ...]:
        """Returns the primitives in time order, on the circuit's qubits; none for a marker."""
        if self.matrix is not None:
            return (Unitary(self.matrix, self.targets, self.controls),)
        return tuple(
            [
                place(primitive, self.targets, self.controls)
                for primitive in self.row.primitives(*self.params)
            ]
        )

    def with_plain_controls(self) -> Operation:
        """Returns the same operation with the controls in its gate's name (CX, CCZ) as controls.

        >>> Operation("CRY", (0, 1), (Affine(0.5),)).with_plain_controls().gate
        'RY'
        """
        if self.row.controlled is None:
            return self
        name, count = self.row.controlled
        controls = self.controls + self.targets[:count]
        return Operation(name, self.targets[count:], self.params, controls, self.matrix)

    def inverse(self) -> tuple[Operation, ...]:
        """Returns the operations, in time order, that undo this one.

        Raises:
            CircuitError: A measurement marker has no inverse.
        """
        if self.matrix is not None:
            return (
                Operation(
                    self.gate, self.targets, (), self.controls, freeze(thaw(self.matrix).conj().T)
                ),
            )
        inverse = self.row.inverse
        if inverse is None:
            raise CircuitError(
                describe(
                    f"Gate {self.gate!r} has no inverse",
                    hint="Add measurement markers after inverting",
                )
            )
        return tuple(
            Operation(name, self.targets, params, self.controls)
            for name, params in inverse(*self.params)
        )

    def bind(self, values: Mapping[str, AffineLike]) -> Operation:
        """Returns the operation with symbols replaced; symbols without a value stay."""
        if all(p.is_constant for p in self.params):
            return self
        params = tuple(p.substitute(values) for p in self.params)
        return Operation(self.gate, self.targets, params, self.controls, self.matrix)

    def on(self, qubits: Sequence[int], controls: Sequence[int] = ()) -> Operation:
        """Returns the operation moved from qubit q to `qubits[q]`, with further controls."""
        return Operation(
            self.gate,
            tuple(qubits[q] for q in self.targets),
            self.params,
            (*controls, *(qubits[q] for q in self.controls)),
            self.matrix,
        )

    def __str__(self) -> str:
        params = f"({', '.join(map(str, self.params))})" if self.params else ""
        return f"{self.label}{params} {', '.join(map(str, self.qubits))}".rstrip()


def freeze(matrix: NDArray[np.complex128]) -> Matrix:
    """Returns a matrix as nested tuples, which can be hashed."""
    return tuple(map(tuple, matrix.tolist()))


def thaw(matrix: Matrix) -> NDArray[np.complex128]:
    """Returns nested tuples as a matrix."""
    return np.array(matrix, dtype=np.complex128)


def read_integer(value: object, what: str) -> int:
    """Returns an integer of any integer type as int; floats and text are errors."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise CircuitError(
            describe(f"{what} is not an integer", expected="an integer", received=value)
        ) from None


def read_qubits(qubits: Qubits) -> tuple[int, ...]:
    """Returns one qubit number or a sequence of them as a tuple."""
    if isinstance(qubits, int):
        return (qubits,)
    if isinstance(qubits, range) and qubits:
        # Its own length may be too large for len().
        count = (qubits[-1] - qubits[0]) // qubits.step + 1
        limits.QUBITS.check(count, "A list of qubits", CircuitError)
    if isinstance(qubits, (list, tuple, range)) or bool(getattr(qubits, "ndim", 0)):
        return tuple([read_integer(q, "A qubit number") for q in qubits])
    return (read_integer(qubits, "A qubit number"),)


def check_unitary(matrix: ArrayLike, n_targets: int) -> Matrix:
    """Returns a matrix as nested tuples after checking shape and unitarity."""
    if not 1 <= n_targets <= MAX_UNITARY_QUBITS:
        raise CircuitError(
            describe(
                "A unitary matrix has a wrong number of targets",
                expected=f"1 to {MAX_UNITARY_QUBITS}",
                received=n_targets,
            )
        )
    size = 2**n_targets
    try:
        array = np.asarray(matrix, dtype=np.complex128)
    except (TypeError, ValueError):
        raise CircuitError(
            describe(
                "A unitary matrix is not an array of complex numbers",
                expected=f"shape {(size, size)}",
                received=matrix,
            )
        ) from None
    if array.shape != (size, size):
        raise CircuitError(
            describe(
                "A unitary matrix does not fit its targets",
                expected=f"shape {(size, size)} for {n_targets} targets",
                received=array.shape,
            )
        )
    if not np.isfinite(array).all():
        raise CircuitError(describe("A unitary matrix contains NaN or infinity"))
    deviation = float(np.abs(array @ array.conj().T - np.eye(size)).max())
    if not deviation <= UNITARY_TOLERANCE:
        raise CircuitError(
            describe(
                "A matrix is not unitary",
                expected=f"|M M^dagger - I| at most {UNITARY_TOLERANCE:g}",
                received=f"a deviation of {deviation:.3g}",
            )
        )
    return freeze(array)
