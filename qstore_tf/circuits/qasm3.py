"""Circuits from OpenQASM 3 (arXiv:2104.14722), with symbols.

The text is parsed by the reference parser `openqasm3`; this module interprets what the parser
returns, as far as it is a circuit: registers and aliases, gates with modifiers, gate definitions,
constants, loops over known ranges, measurements. `input` declarations become symbols. Nothing in
the text is executed, and neither its size nor its loops and definitions can make the reading
endless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.conversion import (
    MAX_QUBITS,
    Budget,
    Unconvertible,
    global_phase,
    missing,
    under_controls,
    undone,
)
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.qasm3_gates import BUILT_IN, STANDARD, Definition
from qstore_tf.circuits.qasm3_values import (
    CONSTANTS,
    Bits,
    Qubits,
    Scope,
    angle_of,
    integer_of,
    is_real,
    number_of,
    numbers_of,
    qubits_of,
    value_of,
)
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

MAX_CHARACTERS = 1_000_000
MAX_OPERATIONS = 200_000
_MAX_POWER = 1000
_MAX_DEPTH = 60

_HEADER = re.compile(r"\s*OPENQASM\s+3(?:\.\d+)?\s*;")
_BRACKET = re.compile(r"[()\[\]{}]")
_SIGNS = re.compile(r"(?:[-+!~*/%^&|<>=]\s*){60}")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def from_qasm3(text: str) -> UnifiedCircuit:
    """Reads OpenQASM 3.

    Qubits are numbered in the order of their declarations; hardware qubits `$k` are not read.
    `input float theta;` and `input angle theta;` declare symbols, `input array[float, 4] w;` the
    symbols `w[0]` to `w[3]`; gate parameters must be affine in them. The circuit's parameters
    come in order of first use in a gate. Barriers and delays are dropped, measurements become
    markers. Loops over constant ranges and sets are unrolled. The gates are those of
    `stdgates.inc`, those that the text defines, `U` and `gphase`, with the modifiers `inv`,
    `ctrl`, `negctrl` and whole powers. `U` is the matrix with cos(theta / 2) in its upper left
    corner, as Qiskit reads and writes it; some versions of the language's text give it a phase
    of exp(i theta / 2) more, which can be seen under a control only.

    Args:
        text: the program, at most `MAX_CHARACTERS` long.

    Returns:
        The circuit, global phase included.

    Raises:
        ConversionError: the program cannot be read or uses what a circuit cannot hold (`if`,
            `while`, `reset`, subroutines, variables that change, gates after a measurement);
            the message names the line.
        LibraryError: the parser is not installed.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARACTERS:
        size = f"{len(text)} characters" if isinstance(text, str) else type(text).__name__
        _fail("This is no OpenQASM 3 program", f"text of up to {MAX_CHARACTERS} characters", size)
    code = _COMMENT.sub("", text)
    if _HEADER.match(code) is None:
        _fail(
            "The text does not start as an OpenQASM 3 program", "'OPENQASM 3.0;' first", text[:40]
        )
    _check_depth(code)
    try:
        from openqasm3 import parser
    except ImportError as error:
        raise missing("openqasm3[parser]", "qasm3", "Reading OpenQASM 3") from error
    try:
        program = parser.parse(text)
    except RecursionError as error:
        raise ConversionError(
            describe(
                "The OpenQASM program cannot be read: it is nested too deeply",
                hint="Split its expressions.",
            )
        ) from error
    # The parser raises its own errors, and now and then what its actions run into.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ConversionError(
            describe(
                f"The OpenQASM program cannot be read: {reason}",
                expected="valid OpenQASM 3",
                hint="Correct the program.",
            )
        ) from error
    return _Interpreter().run(program)


def _check_depth(code: str) -> None:
    """Refuses deep nesting, over which the parser would take very long."""
    depth = 0
    for found in _BRACKET.finditer(code):
        depth += 1 if found.group() in "([{" else -1
        if depth > _MAX_DEPTH:
            line = code.count("\n", 0, found.start()) + 1
            _fail(
                f"Line {line} of the OpenQASM program is nested too deeply",
                f"at most {_MAX_DEPTH} brackets within each other",
                code[found.start() : found.start() + 40],
            )
    signs = _SIGNS.search(code)
    if signs is not None:
        line = code.count("\n", 0, signs.start()) + 1
        _fail(f"Line {line} of the OpenQASM program has too many signs in a row", "one", "")


def _fail(what: str, expected: str, received: object) -> NoReturn:
    raise ConversionError(
        describe(what, expected=expected, received=received, hint="Correct the program.")
    )


class _Interpreter:
    """Goes through the statements of a program; `_HANDLERS` says what each kind of them does."""

    def __init__(self) -> None:
        self._budget = Budget(MAX_OPERATIONS)
        self._gates: dict[str, Definition] = {name: STANDARD[name] for name in BUILT_IN}
        self._n_qubits = 0
        self._operations: list[tuple[int, Operation]] = []

    def run(self, program: Any) -> UnifiedCircuit:
        scope: Scope = dict(CONSTANTS)
        for statement in program.statements:
            self._statement(statement, scope)
        if not self._n_qubits:
            _fail("The OpenQASM program has no qubits", "a declaration such as 'qubit[2] q;'", "")
        circuit = UnifiedCircuit(self._n_qubits)
        for line, operation in self._operations:
            try:
                circuit.add_operation(operation)
            except CircuitError as error:
                raise ConversionError(f"Line {line} of the OpenQASM program: {error}") from error
        return circuit

    # Statements

    def _statement(self, statement: Any, scope: Scope) -> None:
        line = statement.span.start_line if statement.span else 0
        name = type(statement).__name__
        try:
            self._budget.spend()
            handler = _HANDLERS.get(name)
            if handler is None:
                raise Unconvertible(
                    f"{_KINDS.get(name, name)} has no place in a circuit",
                    "Use gates, constants, loops over known ranges and final measurements.",
                )
            made = handler(self, statement, scope)
            for operation in made or ():
                self._operations.append((line, operation))
        except ConversionError:
            raise
        except Unconvertible as error:
            raise ConversionError(
                describe(f"Line {line} of the OpenQASM program: {error.why}", hint=error.hint)
            ) from error
        except RecursionError as error:
            raise ConversionError(
                f"Line {line} of the OpenQASM program is nested too deeply."
            ) from error
        except (CircuitError, ArithmeticError, ValueError) as error:
            raise ConversionError(f"Line {line} of the OpenQASM program: {error}") from error

    def _include(self, statement: Any, scope: Scope) -> None:
        if statement.filename not in ("stdgates.inc", "stdgates.qasm"):
            raise Unconvertible(
                f"the file {statement.filename[:80]!r} is not read",
                "Only stdgates.inc is known; write other definitions into the program.",
            )
        self._gates = {**STANDARD, **self._gates}

    def _declare_qubits(self, statement: Any, scope: Scope) -> None:
        size = 1 if statement.size is None else integer_of(statement.size, scope)
        if size < 1 or self._n_qubits + size > MAX_QUBITS:
            raise Unconvertible(
                f"there are {self._n_qubits + size} qubits",
                f"Declare registers of 1 to {MAX_QUBITS} qubits in all.",
            )
        qubits = Qubits(range(self._n_qubits, self._n_qubits + size))
        scope[statement.qubit.name] = qubits
        self._n_qubits += size

    def _declare_variable(self, statement: Any, scope: Scope) -> Any:
        initial = statement.init_expression
        if type(initial).__name__ == "QuantumMeasurement":
            scope[statement.identifier.name] = Bits()
            return self._measured(initial, scope)
        if _is_bits(statement.type):
            scope[statement.identifier.name] = Bits()
        elif initial is None:
            raise Unconvertible("a variable without a value", "Give it one, as a constant.")
        else:
            # Assignments are refused, so a variable is as good as a constant.
            self._declare_constant(statement, scope)
        return None

    def _declare_constant(self, statement: Any, scope: Scope) -> None:
        value = value_of(statement.init_expression, scope)
        kind = type(statement.type).__name__
        if kind in ("IntType", "UintType"):
            value = integer_of(statement.init_expression, scope)
        elif not is_real(statement.type) or not isinstance(value, (int, float, Affine)):
            raise Unconvertible(f"constants of {kind} are not read", "Use int, float or angle.")
        scope[statement.identifier.name] = value

    def _declare_input(self, statement: Any, scope: Scope) -> None:
        name, kind = statement.identifier.name, statement.type
        if statement.io_identifier.name != "input":
            if not _is_bits(kind):
                raise Unconvertible("only bits can be output", "Leave out the declaration.")
            scope[name] = Bits()
            return
        if is_real(kind):
            scope[name] = Affine.symbol(name)
            return
        if type(kind).__name__ == "ArrayType" and len(kind.dimensions) == 1:
            size = integer_of(kind.dimensions[0], scope)
            if is_real(kind.base_type):
                if not 1 <= size <= MAX_OPERATIONS:
                    raise Unconvertible(f"an array of {size} inputs", "Use fewer.")
                symbols = [Affine.symbol(f"{name}[{k}]") for k in range(size)]
                scope[name] = symbols
                return
        raise Unconvertible(
            f"input {name!r} is no angle", "Use input float, input angle or an array of them."
        )

    def _alias(self, statement: Any, scope: Scope) -> None:
        scope[statement.target.name] = qubits_of(statement.value, scope, self._n_qubits)

    def _define_gate(self, statement: Any, scope: Scope) -> None:
        name = statement.name.name
        if name in self._gates and name not in STANDARD:
            raise Unconvertible(f"gate {name!r} is defined twice", "Rename one.")
        params = [identifier.name for identifier in statement.arguments]
        names = [identifier.name for identifier in statement.qubits]
        known = {key: v for key, v in scope.items() if isinstance(v, (int, float))}
        # Only the gates defined before: a gate that calls itself does not end.
        gates = dict(self._gates)

        def make(qubits: Sequence[int], values: Sequence[Affine]) -> list[Operation]:
            local: Scope = {**known, **dict(zip(params, values, strict=True))}
            local.update((key, Qubits((q,))) for key, q in zip(names, qubits, strict=True))
            made: list[Operation] = []
            outer, self._gates = self._gates, gates
            try:
                for inner in statement.body:
                    self._budget.spend()
                    made.extend(self._gate_body(inner, local))
            finally:
                self._gates = outer
            return made

        self._gates[name] = (len(names), len(params), make)

    def _gate_body(self, statement: Any, scope: Scope) -> list[Operation]:
        kind = type(statement).__name__
        if kind not in _IN_DEFINITIONS:
            raise Unconvertible(
                f"a gate definition contains {_KINDS.get(kind, 'no gate')}",
                "Define gates by gates.",
            )
        return _HANDLERS[kind](self, statement, scope) or []

    def _gate(self, statement: Any, scope: Scope) -> list[Operation]:
        name = statement.name.name
        if name not in self._gates:
            hint = (
                'Write include "stdgates.inc"; at the start.'
                if name in STANDARD
                else "Define it first, with `gate`."
            )
            raise Unconvertible(f"gate {name[:80]!r} is not defined", hint)
        n_qubits, n_params, make = self._gates[name]
        params = [angle_of(argument, scope) for argument in statement.arguments]
        if len(params) != n_params:
            raise Unconvertible(
                f"gate {name!r} has {len(params)} parameters",
                f"It takes {n_params}.",
            )
        return self._modified(statement, n_qubits, lambda on: make(on, params), scope)

    def _phase(self, statement: Any, scope: Scope) -> list[Operation]:
        angle = angle_of(statement.argument, scope)
        return self._modified(statement, 0, lambda on: list(global_phase(angle)), scope)

    def _measure(self, statement: Any, scope: Scope) -> list[Operation]:
        return self._measured(statement.measure, scope)

    def _nothing(self, statement: Any, scope: Scope) -> None:
        """What changes no state."""

    def _loop(self, statement: Any, scope: Scope) -> None:
        for value in numbers_of(statement.set_declaration, scope):
            self._budget.spend()
            inner = {**scope, statement.identifier.name: value}
            for part in statement.block:
                self._statement(part, inner)

    def _measured(self, measurement: Any, scope: Scope) -> list[Operation]:
        return [
            Operation("Measure", (q,)) for q in qubits_of(measurement.qubit, scope, self._n_qubits)
        ]

    def _modified(
        self, statement: Any, n_qubits: int, make: Callable[[list[int]], Any], scope: Scope
    ) -> list[Operation]:
        """A gate under its modifiers, once or, on registers, for each of their qubits."""
        modifiers = [
            (modifier.modifier.name, self._modifier(modifier, scope))
            for modifier in statement.modifiers
        ]
        n_controls = sum(value for name, value in modifiers if name in ("ctrl", "negctrl"))
        operands = [qubits_of(qubit, scope, self._n_qubits) for qubit in statement.qubits]
        if len(operands) != n_qubits + n_controls:
            raise Unconvertible(
                f"a gate on {n_qubits + n_controls} qubits has {len(operands)} operands",
                "Give one operand for each qubit.",
            )
        result: list[Operation] = []
        for qubits in _broadcast(operands):
            self._budget.spend()
            if len(set(qubits)) != len(qubits):
                raise Unconvertible(f"a gate acts twice on one of {qubits}", "Use other qubits.")
            controls = qubits[:n_controls]
            inner = make(qubits[n_controls:])
            # The modifier next to the gate acts first and takes the controls next to it.
            for name, value in reversed(modifiers):
                if name == "inv":
                    inner = undone(inner)
                elif name == "pow":
                    if abs(value) * max(len(inner), 1) > _MAX_POWER:
                        raise Unconvertible("its power is too large", "Write a loop.")
                    inner = (undone(inner) if value < 0 else inner) * abs(value)
                else:
                    own, controls = controls[-value:], controls[:-value]
                    inner = list(under_controls(inner, own, [name == "ctrl"] * value))
            for _ in inner:
                self._budget.spend()
            result.extend(inner)
        return result

    def _modifier(self, modifier: Any, scope: Scope) -> int:
        name = modifier.modifier.name
        if name == "inv":
            return 0
        if name == "pow":
            value = number_of(modifier.argument, scope)
            if not float(value).is_integer():
                raise Unconvertible("a power is no whole number", "Write it as gates.")
            return int(value)
        count = 1 if modifier.argument is None else integer_of(modifier.argument, scope)
        if not 1 <= count <= MAX_QUBITS:
            raise Unconvertible(f"{count} controls", "Give as many controls as there are qubits.")
        return count


def _is_bits(kind: Any) -> bool:
    return type(kind).__name__ == "BitType"


def _broadcast(operands: Sequence[Qubits]) -> Iterator[list[int]]:
    """One qubit for each operand; registers give theirs in turn."""
    sizes = {len(operand) for operand in operands if len(operand) != 1}
    if len(sizes) > 1:
        raise Unconvertible(
            f"registers of different sizes, {sorted(sizes)}", "Use registers of one size."
        )
    for k in range(sizes.pop() if sizes else 1):
        yield [operand[k] if len(operand) > 1 else operand[0] for operand in operands]


_HANDLERS: Mapping[str, Callable[[_Interpreter, Any, Scope], Any]] = {
    "Include": _Interpreter._include,
    "QubitDeclaration": _Interpreter._declare_qubits,
    "ClassicalDeclaration": _Interpreter._declare_variable,
    "ConstantDeclaration": _Interpreter._declare_constant,
    "IODeclaration": _Interpreter._declare_input,
    "AliasStatement": _Interpreter._alias,
    "QuantumGateDefinition": _Interpreter._define_gate,
    "QuantumGate": _Interpreter._gate,
    "QuantumPhase": _Interpreter._phase,
    "QuantumMeasurementStatement": _Interpreter._measure,
    "QuantumBarrier": _Interpreter._nothing,
    "DelayInstruction": _Interpreter._nothing,
    "Pragma": _Interpreter._nothing,
    "ForInLoop": _Interpreter._loop,
}

_IN_DEFINITIONS = ("QuantumGate", "QuantumPhase", "QuantumBarrier")

_KINDS: Mapping[str, str] = {
    "BranchingStatement": "`if`",
    "WhileLoop": "`while`",
    "QuantumReset": "`reset`",
    "SubroutineDefinition": "a subroutine (`def`)",
    "ExpressionStatement": "a call or an expression by itself",
    "ClassicalAssignment": "an assignment",
    "SwitchStatement": "`switch`",
    "Box": "`box`",
    "ExternDeclaration": "`extern`",
    "CalibrationDefinition": "a calibration",
    "CalibrationStatement": "a calibration",
    "CalibrationGrammarDeclaration": "a calibration",
    "ReturnStatement": "`return`",
    "BreakStatement": "`break`",
    "ContinueStatement": "`continue`",
    "EndStatement": "`end`",
}
