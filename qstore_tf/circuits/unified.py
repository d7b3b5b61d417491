"""`UnifiedCircuit`: a circuit with readers, writers, pictures and the optimizer.

What it joins lives in modules of its own: `formats`, `drawing`, `optimizing`, `reference`. Readers
and writers of other libraries' circuits are imported when one is called, as importing those
libraries takes long, and not all of them are installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits import reference
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.drawing import draw_mpl, draw_text
from qstore_tf.circuits.formats import json, registry
from qstore_tf.circuits.formats.qasm2 import reading as qasm2
from qstore_tf.circuits.formats.qasm3 import reading as qasm3
from qstore_tf.circuits.optimizing import Shortened, optimize, shorten
from qstore_tf.errors import CircuitError, describe

if TYPE_CHECKING:
    import cirq
    import qiskit
    import sympy
    from matplotlib.figure import Figure
    from typing_extensions import Self


class UnifiedCircuit(Circuit):
    """A quantum circuit with named symbols, independent of any framework.

    Args:
        n_qubits: Number of qubits, at least 1. Qubit 0 is the most significant bit.

    Raises:
        CircuitError: `n_qubits` is not an integer from 1 to the limit (4096, see
            `qstore_tf.limits`).

    Example:
        >>> circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> circuit.add_gate("RZ", 1, "2*theta + 0.5").parameters
        ('theta',)
    """

    def unitary(self, values: Mapping[str, float] | None = None) -> NDArray[np.complex128]:
        """Returns the matrix of the circuit, [2^n, 2^n], by the slow reference simulator.

        Args:
            values: Values of the symbols.

        Raises:
            CircuitError: A symbol has no value.
            MemoryLimitError: The circuit is too large for a matrix.
        """
        circuit = self.bind(values) if values else self
        return reference.unitary(circuit)

    def optimize(self, max_depth: int | None = None, threshold: float | None = None) -> Self:
        """Returns a circuit with merged rotations and cancelled gates.

        Without options the unitary stays the same, for all values of the symbols. Both options
        change it; `optimize_with_report` says by how much.

        Args:
            max_depth: Time steps that are left at most; entangling gates are taken out for them.
            threshold: Rotations by at most that many radians are left out.

        Raises:
            CircuitError: An option makes no sense, or the depth cannot be reached.

        Example:
            >>> circuit = UnifiedCircuit(1).add_gate("RX", 0, 0.5).add_gate("RZ", 0, 1e-9)
            >>> circuit.optimize(threshold=1e-6).count_gates()
            {'RX': 1}
        """
        if max_depth is None and threshold is None:
            return optimize(self)
        return shorten(self, max_depth, threshold).circuit

    def optimize_with_report(
        self,
        max_depth: int | None = None,
        threshold: float | None = None,
        values: Mapping[str, float] | None = None,
    ) -> Shortened[Self]:
        """Returns what `optimize` does, with a report: gates saved, and the fidelity they cost.

        Args:
            max_depth: As in `optimize`.
            threshold: As in `optimize`.
            values: Values of the symbols, for which fidelities are computed and gates are chosen.

        Raises:
            CircuitError: As in `optimize`.

        Example:
            >>> chain = UnifiedCircuit(3).add_gate("H", 0).add_gate("CX", [0, 1])
            >>> made = chain.add_gate("CRY", [1, 2], 0.2).optimize_with_report(max_depth=2)
            >>> made.report.after.depth, round(made.report.state_fidelity, 4)
            (2, 0.995)
        """
        return shorten(self, max_depth, threshold, values)

    def draw(self, output: str = "text", ax: Any = None) -> str | Figure:
        """Draws the circuit.

        Args:
            output: "text" for a string, "mpl" for a Matplotlib figure.
            ax: Matplotlib axes to draw into.

        Raises:
            CircuitError: Unknown output.
        """
        if output == "text":
            return draw_text(self)
        if output == "mpl":
            return draw_mpl(self, ax=ax)
        raise CircuitError(
            describe("Unknown drawing output", expected="'text' or 'mpl'", received=output)
        )

    def __str__(self) -> str:
        return str(self.draw())

    def to_json(self) -> str:
        """Returns the circuit as versioned JSON text."""
        return json.to_json(self)

    @classmethod
    def from_json(cls, text: str, *, max_operations: int | None = None) -> Self:
        """Reads a circuit from the text of `to_json`.

        Args:
            text: The JSON.
            max_operations: The most operations that are read, by which the text's length is
                limited too; None for `limits.TEXT_OPERATIONS`.
        """
        return cls.of(json.from_json(text, max_operations=max_operations))

    def to_cirq(self) -> cirq.Circuit:
        """Returns the circuit as a `cirq.Circuit` on line qubits."""
        from qstore_tf.circuits.formats.cirq import writing

        return writing.to_cirq(self)

    @classmethod
    def from_cirq(
        cls, circuit: cirq.Circuit, qubit_order: Sequence[cirq.Qid] | None = None
    ) -> Self:
        """Reads a `cirq.Circuit`."""
        from qstore_tf.circuits.formats.cirq import reading

        return cls.of(reading.from_cirq(circuit, qubit_order=qubit_order))

    def to_qiskit(self) -> qiskit.QuantumCircuit:
        """Returns the circuit as a `qiskit.QuantumCircuit`; needs the extra `qiskit`."""
        from qstore_tf.circuits.formats.qiskit import writing

        return writing.to_qiskit(self)

    @classmethod
    def from_qiskit(cls, circuit: qiskit.QuantumCircuit) -> Self:
        """Reads a `qiskit.QuantumCircuit`; qubit i is its qubit i."""
        from qstore_tf.circuits.formats.qiskit import reading

        return cls.of(reading.from_qiskit(circuit))

    @classmethod
    def from_pennylane(
        cls,
        tape: Any,
        *,
        wire_order: Sequence[Any] | None = None,
        trainable: str | None = None,
        args: Sequence[Any] = (),
    ) -> Self:
        """Reads a PennyLane tape, or a QNode called with `args`.

        Args:
            tape: A `QuantumScript`, a `QNode` or a quantum function.
            wire_order: Which wire becomes qubit 0, 1, ...; by default the device's wires of a
                QNode, else wires labelled 0, 1, ..., n - 1 by label, others by first use.
            trainable: Prefix of the symbols that the trainable parameters become; None binds
                all parameters to their numbers.
            args: What a QNode or a quantum function is called with.
        """
        from qstore_tf.circuits.formats.pennylane import reading

        return cls.of(
            reading.from_pennylane(tape, wire_order=wire_order, trainable=trainable, args=args)
        )

    def to_qasm(self) -> str:
        """Returns the circuit as OpenQASM 2; all symbols must be bound."""
        from qstore_tf.circuits.formats.qasm2 import writing

        return writing.to_qasm(self)

    @classmethod
    def from_qasm(cls, text: str, *, max_operations: int | None = None) -> Self:
        """Reads OpenQASM 2.

        Args:
            text: The program.
            max_operations: The most operations that it may come to, by which its length is
                limited too; None for `limits.TEXT_OPERATIONS`.
        """
        return cls.of(qasm2.from_qasm(text, max_operations=max_operations))

    @classmethod
    def from_qasm3(cls, text: str) -> Self:
        """Reads OpenQASM 3, symbols by `input`; needs the extra `qasm3`."""
        return cls.of(qasm3.from_qasm3(text))

    def to_ionq_native(
        self,
        target: Any = "forte-1",
        *,
        optimization_level: int = 3,
        entangler: str | None = None,
        max_partial: float = 0.25,
        approximation: float = 0.0,
        search: bool = False,
    ) -> Self:
        """Returns the circuit in native gates of an IonQ machine: GPi, GPi2, and ZZ or MS.

        Equal up to a global phase, turns about Z at the end, and a permutation of the wires, which
        `qstore_tf.ionq.compile(circuit, target).output_permutation` tells: a SWAP is no gate but a
        change of names.

        Args:
            target: A machine by name, such as "forte-1" or "aria-1", or a `qstore_tf.ionq.Target`.
            optimization_level: 0, gate by gate, to 3.
            entangler: "ZZ" or "MS"; None: the machine's own.
            max_partial: The largest angle, in turns, of an entangler that is not a full one.
            approximation: The infidelity that leaving out small entanglers may cost.
            search: Whether to search numerically for fewer entanglers on three qubits, at level 3;
                it takes seconds, for wide circuits minutes.

        Raises:
            CircuitError: There are symbols (bind them, or use `qstore_tf.ionq.compile`), a gate
                that cannot be compiled, or more qubits than the machine has.
            ConfigurationError: An option makes no sense.

        Example:
            >>> bell = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
            >>> bell.to_ionq_native("aria-1").count_gates()["MS"]
            1
        """
        return type(self).of(
            registry.writer("ionq_native")(
                self,
                target,
                optimization_level=optimization_level,
                entangler=entangler,
                max_partial=max_partial,
                approximation=approximation,
                search=search,
            )
        )

    def symbols_as_sympy(self) -> tuple[sympy.Symbol, ...]:
        """Returns the parameters as SymPy symbols, in order of first appearance."""
        import sympy

        return tuple(sympy.Symbol(name) for name in self.parameters)
