"""Circuits from OpenQASM 2 (arXiv:1707.03429).

A program is read statement by statement, and what a statement comes to is counted before any of
it is made: neither gates on whole registers nor definitions that use definitions can make a huge
circuit out of a short text. `writing` does the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.qasm2.definitions import Gates
from qstore_tf.circuits.formats.qasm2.text import SUBJECT, Cursor
from qstore_tf.circuits.operation import Operation
from qstore_tf.errors import ConversionError, describe
from qstore_tf.limits import QUBITS, TEXT_OPERATIONS, Limit


def from_qasm(text: str, *, max_operations: int | None = None) -> Circuit:
    """Reads OpenQASM 2.

    Registers follow each other in the order of their declarations: the first qubit declared is
    qubit 0. Gates of `qelib1.inc` are those of the file that Qiskit ships, unless the program
    defines them itself; definitions are expanded, barriers dropped, measurements become markers.
    A reset is dropped where nothing was done to its qubits before, and is an error elsewhere.

    Args:
        text: the program; line ends of any kind, perhaps with a byte order mark.
        max_operations: the most operations that the program may come to; None for
            `limits.TEXT_OPERATIONS`. Its length is limited to 50 characters, and 15 tokens
            (names, numbers and signs), for each of them.

    Returns:
        The circuit, equal up to a global phase.

    Raises:
        ConversionError: if the program cannot be read, is too large, or uses what a circuit
            cannot hold (`if`, opaque gates, gates after a measurement); the message names the
            line.

    >>> from_qasm('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; cx q[0],q[1];').count_gates()
    {'CX': 1}
    """
    operations = TEXT_OPERATIONS.unless("max_operations", max_operations, ConversionError)
    reader = _Program(Cursor(text, operations), operations)
    reader.read()
    return reader.circuit()


class _Program:
    def __init__(self, cursor: Cursor, limit: Limit) -> None:
        self._cursor = cursor
        self._limit, self._most = limit, limit.current
        self._spent = 0
        self._gates = Gates(cursor, self._spend, self._most + 1)
        self._qubits: dict[str, range] = {}
        self._bits: dict[str, range] = {}
        self._elements: dict[str, int] = {}
        self._touched: set[int] = set()
        self._measured: set[int] = set()
        self._operations: list[Operation] = []
        self._statements: Mapping[str, Callable[[], None]] = {
            "include": self._gates.include,
            "qreg": lambda: self._register(self._qubits, "qubits"),
            "creg": lambda: self._register(self._bits, "bits"),
            "gate": self._gates.define,
            "opaque": self._gates.declare_opaque,
            "barrier": self._barrier,
            "measure": self._measure,
            "reset": self._reset,
            "if": self._condition,
        }

    def read(self) -> None:
        cursor = self._cursor
        while cursor.kind != "end":
            if cursor.kind != "name":
                cursor.fail_expecting("a statement")
            statement = self._statements.get(cursor.value)
            if statement is None:
                self._call()
            else:
                statement()

    def circuit(self) -> Circuit:
        n_qubits = _size(self._qubits)
        if not n_qubits:
            raise ConversionError(
                describe(
                    "The OpenQASM program has no qubits",
                    expected="at least one, such as 'qreg q[1];'",
                    hint="Declare a register.",
                )
            )
        return Circuit.from_operations(n_qubits, self._operations)

    def _spend(self, cost: int) -> None:
        self._spent += cost
        if self._spent > self._most:
            self._limit.check(self._spent, SUBJECT, ConversionError, counting=True)

    # Declarations

    def _register(self, registers: dict[str, range], kind: str) -> None:
        cursor = self._cursor
        cursor.advance()
        name, size = cursor.take_element("a register and its size")
        if name in self._qubits or name in self._bits:
            cursor.fail(f"the register {name[:80]!r} is declared twice")
        start = _size(registers)
        if not size:
            cursor.fail(f"the register {name[:80]!r} has 0 {kind}", "Declare at least 1.")
        QUBITS.per(1, kind).check(
            start + size,
            f"{SUBJECT}, with the register {name[:80]!r} in line {cursor.line},",
            ConversionError,
            counting=True,
        )
        registers[name] = range(start, start + size)
        cursor.take(";")

    # Calls

    def _call(self) -> None:
        cursor = self._cursor
        name, gate, formulas = self._gates.head({})
        values = [self._gates.value(formula, (), name) for formula in formulas]
        arguments = self._arguments()
        self._gates.check_count(name, gate.n_qubits, len(arguments), "qubits")
        lengths = {len(a) for a in arguments if not isinstance(a, int)}
        if len(lengths) > 1:
            cursor.fail(f"the gate {name[:80]!r} is given registers of different sizes")
        n_times = lengths.pop() if lengths else 1
        self._spend(gate.cost * n_times)
        for k in range(n_times):
            qubits = [a if isinstance(a, int) else a[k] for a in arguments]
            if len(set(qubits)) != len(qubits):
                cursor.fail(f"the gate {name[:80]!r} is given a qubit twice")
            if self._measured and not self._measured.isdisjoint(qubits):
                self._refuse_measured()
            self._touched.update(qubits)
            self._gates.expand(gate, values, qubits, name, self._operations)
        cursor.take(";")

    def _arguments(self) -> list[int | range]:
        arguments = [self._argument(self._qubits)]
        while self._cursor.take_if(","):
            arguments.append(self._argument(self._qubits))
        return arguments

    def _argument(self, registers: Mapping[str, range]) -> int | range:
        cursor = self._cursor
        of_qubits = registers is self._qubits
        if of_qubits:
            known = self._elements.get(cursor.value)
            if known is not None:
                cursor.advance()
                return known
        text, index = cursor.value, None
        if cursor.kind == "element":
            name, index = cursor.take_element("")
        else:
            name = cursor.take_name("a register")
        register = registers.get(name)
        if register is None:
            kind = "qubits" if of_qubits else "bits"
            cursor.fail(f"there is no register of {kind} {name[:80]!r}")
        if index is None:
            return register
        if index >= len(register):
            cursor.fail(f"{text[:80]!r} is beyond the register's {len(register)}")
        if of_qubits:
            self._elements[text] = register[index]
        return register[index]

    # Everything else

    def _barrier(self) -> None:
        self._cursor.advance()
        self._arguments()
        self._cursor.take(";")

    def _measure(self) -> None:
        cursor = self._cursor
        cursor.advance()
        source = _listed(self._argument(self._qubits))
        cursor.take("->")
        target = _listed(self._argument(self._bits))
        if len(source) != len(target):
            cursor.fail(f"{len(source)} qubits are measured into {len(target)} bits")
        self._spend(len(source))
        if not self._measured.isdisjoint(source):
            self._refuse_measured()
        self._measured.update(source)
        self._operations.extend(Operation("Measure", (q,)) for q in source)
        cursor.take(";")

    def _refuse_measured(self) -> NoReturn:
        self._cursor.fail(
            "something is done to a qubit after its measurement, and a circuit measures last",
            "Move the measurements to the end.",
        )

    def _reset(self) -> None:
        cursor = self._cursor
        cursor.advance()
        qubits = _listed(self._argument(self._qubits))
        if not (self._touched.isdisjoint(qubits) and self._measured.isdisjoint(qubits)):
            cursor.fail(
                "it resets a qubit on which something was done, which a circuit cannot hold",
                "Use a fresh qubit.",
            )
        cursor.take(";")

    def _condition(self) -> None:
        self._cursor.fail(
            "'if' depends on a measurement, which a circuit cannot hold",
            "Leave conditions out: gates, barriers and final measurements can be read.",
        )


def _size(registers: dict[str, range]) -> int:
    return registers[next(reversed(registers))].stop if registers else 0


def _listed(argument: int | range) -> Sequence[int]:
    return (argument,) if isinstance(argument, int) else argument
