"""The gates that an OpenQASM 2 program knows: those included, and those that it defines.

A definition keeps what a use of it counts for, so that a program can be refused for its size
before any gate is made: definitions that use definitions multiply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from qstore_tf.circuits.formats.qasm2.formulas import Formula, read_formula
from qstore_tf.circuits.formats.qasm2.gates import LANGUAGE, QELIB1, Gate
from qstore_tf.circuits.formats.qasm2.text import Cursor
from qstore_tf.circuits.operation import Operation
from qstore_tf.errors import did_you_mean

KEYWORDS = ("include", "qreg", "creg", "gate", "opaque", "barrier", "measure", "reset", "if")
_MAX_DEPTH = 100
_MAX_PROPOSED = 1000
# This many qubits and parts of formulas in a definition's call cost as much as one gate.
_PARTS_PER_OPERATION = 8


@dataclass(frozen=True, eq=False)
class Definition:
    """A gate that the program defines: calls of earlier gates on its own qubits 0, 1, ..."""

    n_params: int
    n_qubits: int
    calls: tuple[Call, ...]
    cost: int
    depth: int


@dataclass(frozen=True)
class Call:
    """A gate with its parameters, on qubits of a definition."""

    gate: Gate | Definition
    formulas: tuple[Formula, ...]
    qubits: tuple[int, ...]


class Gates:
    """The gates known so far.

    Args:
        cursor: where the program is read.
        spend: told of each definition and each call in it; raises where there are too many.
        most: the largest cost that a gate can have.
    """

    def __init__(self, cursor: Cursor, spend: Callable[[int], None], most: int) -> None:
        self._cursor = cursor
        self._spend = spend
        self._most = most
        self._gates: dict[str, Gate | Definition] = dict(LANGUAGE)
        self._opaque: set[str] = set()
        self._made: dict[tuple[Gate, tuple[int, ...]], list[Operation]] = {}

    def include(self) -> None:
        """Reads `include "qelib1.inc";`; gates that the program defines stay as they are."""
        cursor = self._cursor
        cursor.advance()
        if cursor.value != '"qelib1.inc"':
            cursor.fail(
                f'it includes {cursor.value[:80]}, and only "qelib1.inc" is known',
                "Write the definitions of the other file into the program.",
            )
        self._gates = {**QELIB1, **self._gates}
        cursor.advance()
        cursor.take(";")

    def declare_opaque(self) -> None:
        """Reads `opaque NAME(PARAMETERS) QUBITS;`."""
        self._cursor.advance()
        self._opaque.add(self._cursor.take_name("a gate"))
        self._parameters()
        self._names("a qubit")
        self._cursor.take(";")

    def define(self) -> None:
        """Reads `gate NAME(PARAMETERS) QUBITS { CALLS }`."""
        cursor = self._cursor
        cursor.advance()
        name = cursor.take_name("a gate")
        if name in LANGUAGE or name in KEYWORDS:
            cursor.fail(f"{name!r} is a word of the language and cannot be defined")
        if isinstance(self._gates.get(name), Definition):
            cursor.fail(f"the gate {name[:80]!r} is defined twice")
        params = self._parameters()
        qubits = self._names("a qubit")
        cursor.take("{")
        self._spend(1)
        calls: list[Call] = []
        cost, depth = 1, 0
        while not cursor.take_if("}"):
            if cursor.take_if("barrier"):
                self._local(qubits)
            else:
                call = self._call(params, qubits)
                self._spend(1)
                parts = sum(formula.size for formula in call.formulas) + len(call.qubits)
                cost += call.gate.cost + parts // _PARTS_PER_OPERATION
                # Of definitions that double each other the numbers would get ever longer.
                cost = min(cost, self._most)
                depth = max(depth, call.gate.depth + 1)
                calls.append(call)
            cursor.take(";")
        if depth > _MAX_DEPTH:
            cursor.fail(
                f"the gate {name[:80]!r} uses definitions nested more than {_MAX_DEPTH} deep",
                "Write some of them out.",
            )
        self._gates[name] = Definition(len(params), len(qubits), tuple(calls), cost, depth)

    def head(self, params: Mapping[str, int]) -> tuple[str, Gate | Definition, tuple[Formula, ...]]:
        """Reads the name and the parameters of a call.

        Args:
            params: the parameters that the formulas may use.
        """
        cursor = self._cursor
        gate = self._gates.get(cursor.value)
        if gate is None:
            self._refuse_unknown()
        name = cursor.take_name("a gate")
        formulas = []
        if cursor.take_if("(") and not cursor.take_if(")"):
            formulas.append(read_formula(cursor, params))
            while cursor.take_if(","):
                formulas.append(read_formula(cursor, params))
            cursor.take(")")
        self.check_count(name, gate.n_params, len(formulas), "parameters")
        return name, gate, tuple(formulas)

    def check_count(self, name: str, expected: int, received: int, what: str) -> None:
        """Refuses a wrong number of parameters or qubits."""
        if expected != received:
            self._cursor.fail(
                f"the gate {name[:80]!r} takes {expected} {what}, and {received} are given"
            )

    def value(self, formula: Formula, values: Sequence[float], name: str) -> float:
        """The value of a formula in a use of the gate of this name."""
        why = "it overflows or is not a number"
        try:
            value = formula.value(values)
        except (ArithmeticError, ValueError) as error:
            value, why = math.nan, str(error)
        if not math.isfinite(value):
            self._cursor.fail(f"a parameter of the gate {name[:80]!r} has no finite value ({why})")
        return value

    def expand(
        self,
        gate: Gate | Definition,
        values: Sequence[float],
        qubits: Sequence[int],
        name: str,
        result: list[Operation],
    ) -> None:
        """Appends the operations that a gate comes to.

        Args:
            gate: the gate.
            values: its parameters.
            qubits: the circuit's qubits that it acts on.
            name: its name where it is used, for errors.
            result: what to append to.
        """
        if isinstance(gate, Gate):
            if values:
                result.extend(gate.operations(values, qubits))
                return
            # Operations never change: equal ones are one object, which saves time and memory.
            key = gate, tuple(qubits)
            made = self._made.get(key)
            if made is None:
                made = self._made[key] = gate.operations((), qubits)
            result.extend(made)
            return
        for call in gate.calls:
            inner = [self.value(formula, values, name) for formula in call.formulas]
            self.expand(call.gate, inner, [qubits[q] for q in call.qubits], name, result)

    def _call(self, params: Mapping[str, int], qubits: Mapping[str, int]) -> Call:
        if self._cursor.value in KEYWORDS:
            self._cursor.fail(f"{self._cursor.value!r} cannot stand in a gate definition")
        name, gate, formulas = self.head(params)
        on = self._local(qubits)
        self.check_count(name, gate.n_qubits, len(on), "qubits")
        return Call(gate, formulas, on)

    def _refuse_unknown(self) -> NoReturn:
        cursor = self._cursor
        name = cursor.value[:80]
        if cursor.kind != "name":
            cursor.fail_expecting("a gate")
        if name in self._opaque:
            cursor.fail(f"the gate {name!r} is opaque: nothing says what it does")
        hint = "Define it with 'gate'."
        if name in QELIB1:
            hint = "Add 'include \"qelib1.inc\";' to the program."
        elif len(self._gates) < _MAX_PROPOSED:
            hint = did_you_mean(name, self._gates)
        cursor.fail(f"the gate {name!r} is not defined", hint)

    def _parameters(self) -> dict[str, int]:
        if not self._cursor.take_if("(") or self._cursor.take_if(")"):
            return {}
        params = self._names("a parameter")
        self._cursor.take(")")
        return params

    def _names(self, of_what: str) -> dict[str, int]:
        """Names between commas, each with its place."""
        places: dict[str, int] = {}
        while True:
            name = self._cursor.take_name(of_what)
            if name in places:
                self._cursor.fail(f"the name {name[:80]!r} stands twice")
            places[name] = len(places)
            if not self._cursor.take_if(","):
                return places

    def _local(self, qubits: Mapping[str, int]) -> tuple[int, ...]:
        names = self._names("a qubit of the definition")
        for name in names:
            if name not in qubits:
                self._cursor.fail(f"the qubit {name[:80]!r} is not a qubit of the definition")
        return tuple(qubits[name] for name in names)
