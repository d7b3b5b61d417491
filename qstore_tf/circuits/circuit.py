"""`Circuit`: a list of gates on numbered qubits, with symbols.

The `add_*` methods change the circuit and return it, so that calls chain; everything else
(`compose`, `inverse`, `bind`, `controlled`) returns a new circuit of the same class. What is wrong
with a gate is said when it is added. What joins a circuit to other libraries, pictures and the
optimizer is `UnifiedCircuit`, which is built on top of this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from qstore_tf import limits
from qstore_tf.circuits.gates import Gate, lookup
from qstore_tf.circuits.operation import (
    Operation,
    Qubits,
    check_unitary,
    read_integer,
    read_qubits,
)
from qstore_tf.circuits.primitives import Matrix
from qstore_tf.circuits.symbols import Affine, AffineLike, check_symbol_name
from qstore_tf.errors import CircuitError, describe, did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Self


class Circuit:
    """A quantum circuit with named symbols, independent of any framework.

    Methods that return a new circuit return one of the same class, so that a subclass must take
    `n_qubits` alone.

    Args:
        n_qubits: Number of qubits, at least 1. Qubit 0 is the most significant bit.

    Raises:
        CircuitError: `n_qubits` is not an integer from 1 to the limit (4096, see
            `qstore_tf.limits`).

    Example:
        >>> circuit = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> circuit.add_gate("RZ", 1, "2*theta + 0.5").parameters
        ('theta',)
    """

    def __init__(self, n_qubits: int) -> None:
        self._n_qubits = read_integer(n_qubits, "The number of qubits")
        if self._n_qubits < 1:
            raise CircuitError(
                describe("A circuit needs at least one qubit", expected=">= 1", received=n_qubits)
            )
        limits.QUBITS.check(self._n_qubits, "A circuit", CircuitError)
        self._operations: list[Operation] = []
        self._measured: dict[int, None] = {}
        self._frozen: tuple[Operation, ...] | None = ()

    @classmethod
    def of(cls, circuit: Circuit) -> Self:
        """Returns a circuit of this class with the operations of another.

        Raises:
            CircuitError: It is not a circuit of this package.
        """
        check_circuit(circuit)
        return cls._with(circuit._n_qubits, circuit._operations)

    @classmethod
    def from_operations(cls, n_qubits: int, operations: Iterable[Operation]) -> Self:
        """Returns the circuit of these operations, each checked."""
        circuit = cls(n_qubits)
        for operation in operations:
            circuit.add_operation(operation)
        return circuit

    # Building

    def add_gate(
        self,
        gate: str,
        targets: Qubits,
        parameters: AffineLike | Sequence[AffineLike] | None = None,
        controls: Qubits = (),
    ) -> Self:
        """Adds a gate of the gate table.

        Args:
            gate: Name or alias, such as "RX" or "cnot"; case does not matter.
            targets: The gate's qubits, for CX and the like control first. () for GlobalPhase.
            parameters: One value, or one per parameter: numbers, symbol names, affine text such
                as "2*x + 0.5", or SymPy expressions.
            controls: Further qubits that must all be 1 for the gate to act.

        Returns:
            This circuit.

        Raises:
            CircuitError: Unknown gate, wrong number of targets or parameters, a qubit twice or
                out of range, a parameter that is not affine or not finite, or a qubit that has
                been measured.
        """
        row = lookup(gate)
        if row.name == "Unitary":
            raise CircuitError(
                describe("Gate 'Unitary' needs its matrix", hint="Use add_unitary(matrix, targets)")
            )
        if parameters is None:
            params: tuple[Affine, ...] = ()
        elif isinstance(parameters, (list, tuple)) or bool(getattr(parameters, "ndim", 0)):
            params = tuple([Affine.of(p) for p in parameters])  # type: ignore[union-attr]
        else:
            params = (Affine.of(parameters),)  # type: ignore[arg-type]
        return self._append(row, read_qubits(targets), params, read_qubits(controls), None)

    def add_unitary(self, matrix: ArrayLike, targets: Qubits, controls: Qubits = ()) -> Self:
        """Adds a constant unitary matrix on up to 5 qubits.

        Args:
            matrix: Shape [2^k, 2^k]; the first target is the most significant bit of its index.
            targets: k different qubits.
            controls: Further qubits that must all be 1 for the matrix to act.

        Raises:
            CircuitError: Wrong shape, not unitary to 1e-6, not finite, or bad qubits.
        """
        on = read_qubits(targets)
        rows = check_unitary(matrix, len(on))
        return self._append(lookup("Unitary"), on, (), read_qubits(controls), rows)

    def add_operation(self, operation: Operation) -> Self:
        """Adds an operation, with the same checks as the other methods."""
        if not isinstance(operation, Operation):
            raise CircuitError(
                describe(
                    "This is not an operation",
                    expected="an Operation",
                    received=operation,
                    hint="To add a gate by name use add_gate('X', 0)",
                )
            )
        row = lookup(operation.gate)
        matrix = operation.matrix
        if row.name == "Unitary":
            matrix = check_unitary(() if matrix is None else matrix, len(operation.targets))
        elif matrix is not None:
            raise CircuitError(describe(f"Gate {row.name!r} takes no matrix"))
        params = tuple([Affine.of(p) for p in operation.params])
        return self._append(
            row, read_qubits(operation.targets), params, read_qubits(operation.controls), matrix
        )

    def add_parameterized_layer(self, gate: str, name: str) -> Self:
        """Adds a one-qubit gate with its own symbols on every qubit.

        Args:
            gate: A one-qubit gate with parameters, such as "RY" or "U3".
            name: Prefix of the symbols: `{name}_{qubit}`, or `{name}_{qubit}_{j}` where the gate
                has several parameters.

        Raises:
            CircuitError: The gate is not a one-qubit gate with parameters.
        """
        row = lookup(gate)
        if row.n_qubits != 1 or not row.n_params:
            raise CircuitError(
                describe(
                    f"Gate {row.name!r} cannot make a parameterized layer",
                    expected="a one-qubit gate with parameters, such as 'RY'",
                    received=f"{row.n_qubits} qubits, {row.n_params} parameters",
                )
            )
        check_symbol_name(name)
        for q in range(self._n_qubits):
            if row.n_params == 1:
                self.add_gate(row.name, q, Affine.symbol(f"{name}_{q}"))
            else:
                symbols = [Affine.symbol(f"{name}_{q}_{j}") for j in range(row.n_params)]
                self.add_gate(row.name, q, symbols)
        return self

    def measure(self, *qubits: int) -> Self:
        """Marks qubits, or all qubits if none is given, as measured at the end."""
        for q in qubits or range(self._n_qubits):
            self.add_gate("Measure", q)
        return self

    def _append(
        self,
        row: Gate,
        targets: tuple[int, ...],
        params: tuple[Affine, ...],
        controls: tuple[int, ...],
        matrix: Matrix | None,
    ) -> Self:
        if row.n_qubits is not None and len(targets) != row.n_qubits:
            raise CircuitError(
                describe(
                    f"Gate {row.name!r} has a wrong number of targets",
                    expected=row.n_qubits,
                    received=targets,
                )
            )
        if len(params) != row.n_params:
            raise CircuitError(
                describe(
                    f"Gate {row.name!r} has a wrong number of parameters",
                    expected=row.n_params,
                    received=[str(p) for p in params],
                )
            )
        if controls and not row.is_unitary:
            raise CircuitError(
                describe(f"Gate {row.name!r} cannot have controls", received=controls)
            )
        qubits = controls + targets
        for q in qubits:
            if not 0 <= q < self._n_qubits:
                raise CircuitError(
                    describe(
                        f"Gate {row.name!r} acts on qubit {q}, which is not in the circuit",
                        expected=f"qubits 0 to {self._n_qubits - 1}",
                        received=qubits,
                    )
                )
            if q in self._measured:
                raise CircuitError(
                    describe(
                        f"Gate {row.name!r} acts on qubit {q} after its measurement marker",
                        expected="measurement markers at the end",
                        hint="Add the marker after all gates; measuring midway is not supported",
                    )
                )
        if len(set(qubits)) != len(qubits):
            raise CircuitError(
                describe(
                    f"Gate {row.name!r} acts on a qubit twice",
                    expected="different qubits for all controls and targets",
                    received=f"controls {controls}, targets {targets}",
                )
            )
        if not row.is_unitary:
            self._measured[targets[0]] = None
        self._operations.append(Operation(row.name, targets, params, controls, matrix))
        self._frozen = None
        return self

    # Looking

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self._n_qubits

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations in time order."""
        if self._frozen is None:
            self._frozen = tuple(self._operations)
        return self._frozen

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the symbols in order of first appearance."""
        return tuple(
            dict.fromkeys(name for op in self._operations for p in op.params for name, _ in p.terms)
        )

    @property
    def n_parameters(self) -> int:
        """Number of different symbols."""
        return len(self.parameters)

    @property
    def measured_qubits(self) -> tuple[int, ...]:
        """Qubits with a measurement marker, in the order of the markers."""
        return tuple(self._measured)

    @property
    def depth(self) -> int:
        """Number of time steps when every gate starts as early as it can.

        Measurement markers and global phases take no time.
        """
        ready = [0] * self._n_qubits
        for op in self._operations:
            if op.qubits and not op.is_measurement:
                step = max(ready[q] for q in op.qubits) + 1
                for q in op.qubits:
                    ready[q] = step
        return max(ready)

    def count_gates(self) -> dict[str, int]:
        """Returns how often each gate appears; controls show as one C each, such as "CCRX"."""
        return dict(Counter(op.label for op in self._operations))

    def __len__(self) -> int:
        return len(self._operations)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Circuit):
            return NotImplemented
        return self._n_qubits == other._n_qubits and self.operations == other.operations

    def __hash__(self) -> int:
        """Hash of the present structure; do not add gates while the circuit is a key."""
        return hash((self._n_qubits, self.operations))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {self._n_qubits} qubits, {len(self)} operations, "
            f"{self.n_parameters} parameters>"
        )

    # New circuits

    def copy(self) -> Self:
        """Returns an independent copy."""
        return self._with(self._n_qubits, self._operations)

    def compose(self, other: Circuit, qubits: Sequence[int] | None = None) -> Self:
        """Returns this circuit followed by another.

        Args:
            other: The circuit that comes after. Equal symbol names are the same symbol.
            qubits: Where the qubits of `other` go; None means qubit q to qubit q.

        Raises:
            CircuitError: `other` does not fit, or acts on measured qubits.
        """
        check_circuit(other)
        on = tuple(range(other._n_qubits)) if qubits is None else read_qubits(qubits)
        if len(on) != other._n_qubits or other._n_qubits > self._n_qubits:
            raise CircuitError(
                describe(
                    "A composed circuit does not fit",
                    expected=f"one of {self._n_qubits} qubits for each of its {other._n_qubits}",
                    received=on,
                )
            )
        if len(set(on)) != len(on):
            raise CircuitError(describe("A composed circuit is put on a qubit twice", received=on))
        result = self.copy()
        for op in other._operations:
            moved = op.on(on)
            result._append(op.row, moved.targets, op.params, moved.controls, op.matrix)
        return result

    def inverse(self) -> Self:
        """Returns the circuit that undoes this one.

        Raises:
            CircuitError: The circuit has measurement markers.
        """
        operations = [inv for op in reversed(self._operations) for inv in op.inverse()]
        return self._with(self._n_qubits, operations)

    def controlled(self, *controls: int) -> Self:
        """Returns the circuit with every gate under these controls.

        Raises:
            CircuitError: A control is also acted upon, out of range, or there are markers.
        """
        on = read_qubits(controls)
        result = type(self)(self._n_qubits)
        for op in self._operations:
            result._append(op.row, op.targets, op.params, on + op.controls, op.matrix)
        return result

    def bind(self, values: Mapping[str, AffineLike] | Mapping[Any, Any]) -> Self:
        """Returns the circuit with symbols replaced by numbers or affine expressions.

        Args:
            values: Symbol names (or SymPy symbols) to values. Symbols without a value stay.

        Raises:
            CircuitError: A name is not a symbol of the circuit, or a value cannot be read.
        """
        if not isinstance(values, Mapping):
            raise CircuitError(
                describe(
                    "Symbols are bound by name",
                    expected="a dict such as {'x': 0.1}",
                    received=values,
                    hint=f"The circuit has the symbols {list(self.parameters)}",
                )
            )
        named = {check_symbol_name(name): Affine.of(value) for name, value in values.items()}
        known = self.parameters
        for name in named:
            if name not in known:
                raise CircuitError(
                    describe(f"The circuit has no symbol {name!r}", hint=did_you_mean(name, known))
                )
        return self._with(self._n_qubits, (op.bind(named) for op in self._operations))

    @classmethod
    def _with(cls, n_qubits: int, operations: Iterable[Operation]) -> Self:
        """Makes a circuit of operations that have been checked before."""
        result = cls(n_qubits)
        result._operations = list(operations)
        result._measured = {op.targets[0]: None for op in result._operations if op.is_measurement}
        result._frozen = None
        return result


def check_circuit(circuit: object) -> None:
    """Raises `CircuitError` if something is not a circuit of this package."""
    if not isinstance(circuit, Circuit):
        raise CircuitError(
            describe(
                "This is not a circuit of qstore_tf",
                expected="a UnifiedCircuit",
                received=type(circuit).__name__,
                hint="Read circuits of other libraries with UnifiedCircuit.from_cirq and the like",
            )
        )
