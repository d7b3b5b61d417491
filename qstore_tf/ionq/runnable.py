"""Programs ready to be measured in one basis: structures, into which numbers of a batch are put.

A program is compiled here to the machine's native gates, or written in the gate set "qis", which
the service compiles itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.caching import GATE_BYTES, remember
from qstore_tf.circuits.grouping import Paulis
from qstore_tf.circuits.program import Program
from qstore_tf.ionq.compiler.outcomes import OutcomeMap, permutation
from qstore_tf.ionq.compiling import Compiled, compile
from qstore_tf.ionq.from_program import circuit_of, values_of
from qstore_tf.ionq.qis_lowering import QisCircuit, qis_circuit
from qstore_tf.ionq.service.work import Work
from qstore_tf.ionq.targets import Target
from qstore_tf.ionq.writing import NativeTemplate

GATESETS = ("native", "qis")


@dataclass(frozen=True)
class CompileOptions:
    """How programs become gates.

    Attributes:
        target: As all up to `approximation`, an argument of `compile`; see there.
        gateset: "native", or "qis" for gates that the service compiles; of the others only the
            target counts then.
    """

    target: Target
    entangler: str | None = None
    optimization_level: int = 3
    max_partial: float = 0.25
    approximation: float = 0.0
    gateset: str = "native"


@dataclass(frozen=True, eq=False)
class Bound:
    """The circuits of a batch, with all their numbers.

    Attributes:
        work: What is sent.
        flips: Whether each wire's outcome is flipped, [B, wires].
    """

    work: Work
    flips: NDArray[np.bool_]


class Runnable(ABC):
    """A program with its changes of basis, ready for measurement."""

    @property
    @abstractmethod
    def symbols(self) -> tuple[str, ...]:
        """The program's slots, in the order in which `put` takes their values."""

    @property
    @abstractmethod
    def outcomes(self) -> OutcomeMap:
        """How outcomes of wires become those of qubits."""

    @property
    @abstractmethod
    def gates(self) -> tuple[int, int]:
        """One- and two-qubit gates of each circuit as it is sent."""

    @property
    @abstractmethod
    def n_wires(self) -> int:
        """Qubits of each circuit as it is sent."""

    @property
    @abstractmethod
    def has_known_gates(self) -> bool:
        """Whether the gates that are sent are those that run."""

    @abstractmethod
    def put(self, values: NDArray[np.float64]) -> Bound:
        """Returns the circuits for values of the symbols, [B, symbols]."""

    def bind(self, inputs: ArrayLike, theta: ArrayLike) -> Bound:
        """Returns the circuits of a batch; for the same numbers, the same object for a while.

        Args:
            inputs: [B, F], finite.
            theta: [P], finite.
        """
        values = values_of(self.symbols, inputs, theta)
        return bound(self, values.shape[0], values.tobytes())


@dataclass(frozen=True, eq=False)
class NativeRunnable(Runnable):
    """A program in native gates.

    Attributes:
        compiled: The gates with symbols.
    """

    compiled: Compiled

    @property
    def symbols(self) -> tuple[str, ...]:
        """See `Runnable`."""
        return self.compiled.symbols

    @property
    def outcomes(self) -> OutcomeMap:
        """See `Runnable`."""
        return self.compiled.outcomes

    @property
    def gates(self) -> tuple[int, int]:
        """See `Runnable`."""
        return self.compiled.gates_1q, self.compiled.gates_2q

    @property
    def n_wires(self) -> int:
        """See `Runnable`."""
        return self.compiled.circuit.n_qubits

    @property
    def has_known_gates(self) -> bool:
        """They are: the service compiles no native gates."""
        return True

    @cached_property
    def template(self) -> NativeTemplate:
        """The gates as they are sent."""
        gates = tuple((gate.name, gate.wires) for gate in self.compiled.template.gates)
        signed = self.compiled.options.target.signed_zz
        return NativeTemplate(self.compiled.circuit.n_qubits, gates, signed)

    def put(self, values: NDArray[np.float64]) -> Bound:
        """See `Runnable`."""
        compiled = self.compiled
        numbers = compiled.bind(values)
        columns = [column for gate in compiled.template.gates for column in gate.columns]
        sent = numbers.columns[:, columns]
        work = Work(self.template, sent, compiled.gates_1q, compiled.gates_2q)
        return Bound(work, numbers.flips)


@dataclass(frozen=True, eq=False)
class QisRunnable(Runnable):
    """A program in gates of the set "qis": every qubit is its own wire.

    Attributes:
        circuit: The gates with symbols.
    """

    circuit: QisCircuit

    @property
    def symbols(self) -> tuple[str, ...]:
        """See `Runnable`."""
        return self.circuit.symbols

    @cached_property
    def outcomes(self) -> OutcomeMap:
        """See `Runnable`."""
        return permutation(list(range(self.circuit.template.n_qubits)))

    @property
    def gates(self) -> tuple[int, int]:
        """See `Runnable`."""
        return self.circuit.template.gates_1q, self.circuit.template.gates_2q

    @property
    def n_wires(self) -> int:
        """See `Runnable`."""
        return self.circuit.template.n_qubits

    @property
    def has_known_gates(self) -> bool:
        """They need not be."""
        return False

    def put(self, values: NDArray[np.float64]) -> Bound:
        """See `Runnable`."""
        template = self.circuit.template
        numbers = self.circuit.bind(values)
        work = Work(template, numbers, template.gates_1q, template.gates_2q)
        return Bound(work, np.zeros((len(values), template.n_qubits), np.bool_))


@remember(lambda made, program, basis, options: 4 * GATE_BYTES * (1 + len(program.gates)))
def runnable(program: Program, basis: Paulis, options: CompileOptions) -> Runnable:
    """Returns a program for measurement in a basis; made once for each structure.

    Args:
        program: What to run, from |0...0>.
        basis: `(qubit, letter)`, sorted; qubits that are not named are measured in Z.
        options: How to compile.

    Raises:
        CircuitError: A gate cannot be compiled, or the target has too few qubits.
    """
    if options.gateset == "qis":
        options.target.check(program.n_qubits, [])
        return QisRunnable(qis_circuit(program, basis))
    compiled = compile(
        circuit_of(program, basis),
        options.target,
        entangler=options.entangler,
        optimization_level=options.optimization_level,
        max_partial=options.max_partial,
        mode="measured",
        approximation=options.approximation,
    )
    return NativeRunnable(compiled)


@remember(lambda made, *_: 2 * made.work.values.nbytes + made.flips.nbytes)
def bound(made: Runnable, rows: int, values: bytes) -> Bound:
    """Returns the circuits of a batch.

    Args:
        made: The program.
        rows: Their number, B.
        values: Of the symbols, [B, symbols] float64, as bytes.
    """
    return made.put(np.frombuffer(values, np.float64).reshape(rows, len(made.symbols)))
