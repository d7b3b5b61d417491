"""Circuits from OpenQASM 3 (arXiv:2104.14722), with symbols.

The text is parsed by the reference parser `openqasm3`; this module interprets what the parser
returns, as far as it is a circuit: registers and aliases, gates with modifiers, gate definitions,
constants, loops over known ranges, measurements. `input` declarations become symbols. Nothing in
the text is executed, and neither its size nor its loops and definitions can make the reading
endless.
"""

from __future__ import annotations

import math
import operator
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
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

MAX_CHARACTERS = 1_000_000
MAX_OPERATIONS = 200_000
_MAX_POWER = 1000
_MAX_INTEGER = 2**63
_MAX_DEPTH = 60

_HEADER = re.compile(r"\s*OPENQASM\s+3(?:\.\d+)?\s*;")
_BRACKET = re.compile(r"[()\[\]{}]")
_SIGNS = re.compile(r"(?:[-+!~*/%^&|<>=]\s*){60}")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)

_Gate = Callable[..., list[Operation]]


def _table(name: str, *, phase: Callable[..., Affine] | None = None) -> _Gate:
    """A gate of the gate table, perhaps with a global phase by which OpenQASM's differs."""

    def make(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
        more = [] if phase is None else list(global_phase(phase(*params)))
        return [*more, Operation(name, tuple(qubits), tuple(params))]

    return make


def _u2(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
    phi, lam = params
    more = global_phase((phi + lam) * -0.5)
    return [*more, Operation("U3", tuple(qubits), (Affine(math.pi / 2), phi, lam))]


def _cu(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
    theta, phi, lam, gamma = params
    control, target = qubits
    return [
        *_phase_where(gamma, control),
        Operation("U3", (target,), (theta, phi, lam), (control,)),
    ]


def _cu3(qubits: Sequence[int], params: Sequence[Affine]) -> list[Operation]:
    return _cu(qubits, (*params, Affine()))


def _phase_where(angle: Affine, control: int) -> list[Operation]:
    return [] if angle == Affine() else [Operation("PhaseShift", (control,), (angle,))]


# stdgates.inc, and the built-in U: name -> (qubits, parameters, what it is).
_STANDARD: Mapping[str, tuple[int, int, _Gate]] = {
    **{
        theirs: (GATES[ours].n_qubits or 0, GATES[ours].n_params, _table(ours))
        for theirs, ours in {
            "p": "PhaseShift",
            "x": "X",
            "y": "Y",
            "z": "Z",
            "h": "H",
            "s": "S",
            "sdg": "Sdg",
            "t": "T",
            "tdg": "Tdg",
            "sx": "SX",
            "rx": "RX",
            "ry": "RY",
            "rz": "RZ",
            "cx": "CX",
            "cy": "CY",
            "cz": "CZ",
            "cp": "CPhase",
            "crx": "CRX",
            "cry": "CRY",
            "crz": "CRZ",
            "ch": "CH",
            "swap": "SWAP",
            "ccx": "CCX",
            "cswap": "CSWAP",
            "CX": "CX",
            "phase": "PhaseShift",
            "cphase": "CPhase",
            "id": "I",
            "u1": "PhaseShift",
        }.items()
    },
    "U": (1, 3, _table("U3")),
    "cu": (2, 4, _cu),
    "u2": (1, 2, _u2),
    "u3": (1, 3, _table("U3", phase=lambda theta, phi, lam: (phi + lam) * -0.5)),
}
_BUILT_IN = ("U",)

_CONSTANTS: Mapping[str, float] = {
    "pi": math.pi,
    "π": math.pi,
    "tau": 2 * math.pi,
    "τ": 2 * math.pi,
    "euler": math.e,
    "ℇ": math.e,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "arccos": math.acos,
    "arcsin": math.asin,
    "arctan": math.atan,
    "ceiling": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "mod": math.fmod,
    "pow": math.pow,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}


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
        import openqasm3
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
    return _Interpreter(openqasm3.ast).run(program)


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


_Scope = dict[str, Any]
"""Names to what they are: int, float, Affine, a `_Qubits`, `_Bits`, a list of symbols."""


class _Qubits(tuple[int, ...]):
    """A register, an alias or one qubit."""


class _Bits:
    """Classical bits, which hold nothing that could be read."""


class _Interpreter:
    def __init__(self, ast: Any) -> None:
        self._ast = ast
        self._budget = Budget(MAX_OPERATIONS)
        self._gates: dict[str, tuple[int, int, _Gate]] = {
            name: _STANDARD[name] for name in _BUILT_IN
        }
        self._n_qubits = 0
        self._operations: list[tuple[int, Operation]] = []

    def run(self, program: Any) -> UnifiedCircuit:
        scope: _Scope = dict(_CONSTANTS)
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

    def _statement(self, statement: Any, scope: _Scope) -> None:
        line = statement.span.start_line if statement.span else 0
        name = type(statement).__name__
        try:
            self._budget.spend()
            handler = getattr(self, f"_do_{name}", None)
            if handler is None:
                raise Unconvertible(
                    f"{_KINDS.get(name, name)} has no place in a circuit",
                    "Use gates, constants, loops over known ranges and final measurements.",
                )
            made = handler(statement, scope)
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

    def _do_Include(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        if statement.filename not in ("stdgates.inc", "stdgates.qasm"):
            raise Unconvertible(
                f"the file {statement.filename[:80]!r} is not read",
                "Only stdgates.inc is known; write other definitions into the program.",
            )
        self._gates = {**_STANDARD, **self._gates}

    def _do_QubitDeclaration(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        size = 1 if statement.size is None else self._integer(statement.size, scope)
        if size < 1 or self._n_qubits + size > MAX_QUBITS:
            raise Unconvertible(
                f"there are {self._n_qubits + size} qubits",
                f"Declare registers of 1 to {MAX_QUBITS} qubits in all.",
            )
        qubits = _Qubits(range(self._n_qubits, self._n_qubits + size))
        self._declare(statement.qubit.name, qubits, scope)
        self._n_qubits += size

    def _do_ClassicalDeclaration(self, statement: Any, scope: _Scope) -> Any:  # noqa: N802
        initial = statement.init_expression
        if isinstance(initial, self._ast.QuantumMeasurement):
            self._declare(statement.identifier.name, _Bits(), scope)
            return self._measured(initial, scope)
        if isinstance(statement.type, self._ast.BitType):
            self._declare(statement.identifier.name, _Bits(), scope)
        elif initial is None:
            raise Unconvertible("a variable without a value", "Give it one, as a constant.")
        else:
            # Assignments are refused, so a variable is as good as a constant.
            self._do_ConstantDeclaration(statement, scope)
        return None

    def _do_ConstantDeclaration(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        value = self._value(statement.init_expression, scope)
        kind = type(statement.type).__name__
        if kind in ("IntType", "UintType"):
            value = self._integer(statement.init_expression, scope)
        elif kind not in ("FloatType", "AngleType") or not isinstance(value, (int, float, Affine)):
            raise Unconvertible(f"constants of {kind} are not read", "Use int, float or angle.")
        self._declare(statement.identifier.name, value, scope)

    def _do_IODeclaration(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        name, kind = statement.identifier.name, statement.type
        if statement.io_identifier != self._ast.IOKeyword.input:
            if not isinstance(kind, self._ast.BitType):
                raise Unconvertible("only bits can be output", "Leave out the declaration.")
            self._declare(name, _Bits(), scope)
            return
        if isinstance(kind, (self._ast.FloatType, self._ast.AngleType)):
            self._declare(name, Affine.symbol(name), scope)
            return
        if isinstance(kind, self._ast.ArrayType) and len(kind.dimensions) == 1:
            size = self._integer(kind.dimensions[0], scope)
            if isinstance(kind.base_type, (self._ast.FloatType, self._ast.AngleType)):
                if not 1 <= size <= MAX_OPERATIONS:
                    raise Unconvertible(f"an array of {size} inputs", "Use fewer.")
                symbols = [Affine.symbol(f"{name}[{k}]") for k in range(size)]
                self._declare(name, symbols, scope)
                return
        raise Unconvertible(
            f"input {name!r} is no angle", "Use input float, input angle or an array of them."
        )

    def _do_AliasStatement(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        self._declare(statement.target.name, self._qubits(statement.value, scope), scope)

    def _do_QuantumGateDefinition(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        name = statement.name.name
        if name in self._gates and name not in _STANDARD:
            raise Unconvertible(f"gate {name!r} is defined twice", "Rename one.")
        params = [identifier.name for identifier in statement.arguments]
        names = [identifier.name for identifier in statement.qubits]
        known = {key: v for key, v in scope.items() if isinstance(v, (int, float))}
        # Only the gates defined before: a gate that calls itself does not end.
        gates = dict(self._gates)

        def make(qubits: Sequence[int], values: Sequence[Affine]) -> list[Operation]:
            local: _Scope = {**known, **dict(zip(params, values, strict=True))}
            local.update((key, _Qubits((q,))) for key, q in zip(names, qubits, strict=True))
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

    def _gate_body(self, statement: Any, scope: _Scope) -> list[Operation]:
        if isinstance(statement, self._ast.QuantumGate):
            return self._do_QuantumGate(statement, scope)
        if isinstance(statement, self._ast.QuantumPhase):
            return self._do_QuantumPhase(statement, scope)
        if isinstance(statement, self._ast.QuantumBarrier):
            return []
        raise Unconvertible(
            f"a gate definition contains {_KINDS.get(type(statement).__name__, 'no gate')}",
            "Define gates by gates.",
        )

    def _do_QuantumGate(self, statement: Any, scope: _Scope) -> list[Operation]:  # noqa: N802
        name = statement.name.name
        if name not in self._gates:
            hint = (
                'Write include "stdgates.inc"; at the start.'
                if name in _STANDARD
                else "Define it first, with `gate`."
            )
            raise Unconvertible(f"gate {name[:80]!r} is not defined", hint)
        n_qubits, n_params, make = self._gates[name]
        params = [self._angle(argument, scope) for argument in statement.arguments]
        if len(params) != n_params:
            raise Unconvertible(
                f"gate {name!r} has {len(params)} parameters",
                f"It takes {n_params}.",
            )
        return self._modified(statement, n_qubits, lambda on: make(on, params), scope)

    def _do_QuantumPhase(self, statement: Any, scope: _Scope) -> list[Operation]:  # noqa: N802
        angle = self._angle(statement.argument, scope)
        return self._modified(statement, 0, lambda on: list(global_phase(angle)), scope)

    def _do_QuantumMeasurementStatement(  # noqa: N802
        self, statement: Any, scope: _Scope
    ) -> list[Operation]:
        return self._measured(statement.measure, scope)

    def _do_QuantumBarrier(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        """Barriers do nothing here."""

    _do_DelayInstruction = _do_QuantumBarrier
    _do_Pragma = _do_QuantumBarrier

    def _do_ForInLoop(self, statement: Any, scope: _Scope) -> None:  # noqa: N802
        for value in self._set(statement.set_declaration, scope):
            self._budget.spend()
            inner = {**scope, statement.identifier.name: value}
            for part in statement.block:
                self._statement(part, inner)

    # What statements are made of

    def _declare(self, name: str, value: Any, scope: _Scope) -> None:
        scope[name] = value

    def _measured(self, measurement: Any, scope: _Scope) -> list[Operation]:
        return [Operation("Measure", (q,)) for q in self._qubits(measurement.qubit, scope)]

    def _modified(
        self, statement: Any, n_qubits: int, make: Callable[[list[int]], Any], scope: _Scope
    ) -> list[Operation]:
        """A gate under its modifiers, once or, on registers, for each of their qubits."""
        modifiers = [
            (modifier.modifier.name, self._modifier(modifier, scope))
            for modifier in statement.modifiers
        ]
        n_controls = sum(value for name, value in modifiers if name in ("ctrl", "negctrl"))
        operands = [self._qubits(qubit, scope) for qubit in statement.qubits]
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

    def _modifier(self, modifier: Any, scope: _Scope) -> int:
        name = modifier.modifier.name
        if name == "inv":
            return 0
        if name == "pow":
            value = self._number(modifier.argument, scope)
            if not float(value).is_integer():
                raise Unconvertible("a power is no whole number", "Write it as gates.")
            return int(value)
        count = 1 if modifier.argument is None else self._integer(modifier.argument, scope)
        if not 1 <= count <= MAX_QUBITS:
            raise Unconvertible(f"{count} controls", "Give as many controls as there are qubits.")
        return count

    def _qubits(self, node: Any, scope: _Scope) -> _Qubits:
        ast = self._ast
        if isinstance(node, ast.Identifier):
            value = scope.get(node.name)
            if isinstance(value, _Qubits):
                return value
            what = "hardware qubits are not read" if node.name.startswith("$") else "no such qubit"
            raise Unconvertible(f"{node.name[:80]!r}: {what}", "Declare it, as in 'qubit[2] q;'.")
        if isinstance(node, ast.Concatenation):
            parts = self._qubits(node.lhs, scope), self._qubits(node.rhs, scope)
            # Else aliases of aliases would grow without end.
            if sum(map(len, parts)) > self._n_qubits:
                raise Unconvertible("qubits are joined with themselves", "Join each once.")
            return _Qubits(parts[0] + parts[1])
        if isinstance(node, ast.IndexedIdentifier):
            collection, indices = node.name, node.indices
        elif isinstance(node, ast.IndexExpression):
            collection, indices = node.collection, [node.index]
        else:
            raise Unconvertible("this is no qubit", "Name a qubit or a register.")
        value = self._qubits(collection, scope)
        for index in indices:
            if isinstance(index, list):
                if len(index) != 1:
                    raise Unconvertible("qubits have one index", "Write q[i].")
                index = index[0]
            value = self._picked(value, index, scope)
        return value

    def _picked(self, value: _Qubits, index: Any, scope: _Scope) -> _Qubits:
        if isinstance(index, (self._ast.RangeDefinition, self._ast.DiscreteSet)):
            picked = self._set(index, scope, len(value))
        else:
            picked = [self._integer(index, scope)]
        for k in picked:
            if not -len(value) <= k < len(value):
                raise Unconvertible(
                    f"index {k} is beyond a register of {len(value)} qubits",
                    f"Use 0 to {len(value) - 1}.",
                )
        return _Qubits(value[k] for k in picked)

    def _set(self, node: Any, scope: _Scope, size: int | None = None) -> Sequence[int]:
        """The numbers of a range, whose end belongs to it, or of a set."""
        if isinstance(node, self._ast.DiscreteSet):
            return [self._integer(value, scope) for value in node.values]
        if not isinstance(node, self._ast.RangeDefinition):
            raise Unconvertible("this is no range of numbers", "Write [0:3] or {0, 2}.")
        step = 1 if node.step is None else self._integer(node.step, scope)
        if step == 0 or (size is None and (node.start is None or node.end is None)):
            raise Unconvertible("a range has no end", "Write [first:last] or [first:step:last].")
        first, last = (0, (size or 0) - 1) if step > 0 else ((size or 0) - 1, 0)
        if node.start is not None:
            first = self._integer(node.start, scope)
        if node.end is not None:
            last = self._integer(node.end, scope)
        if size is not None:
            first, last = (k + size if k < 0 else k for k in (first, last))
        numbers = range(first, last + (1 if step > 0 else -1), step)
        if size is not None and len(numbers) > size:
            raise Unconvertible(f"a range goes beyond a register of {size} qubits", "Shorten it.")
        return numbers

    def _integer(self, node: Any, scope: _Scope) -> int:
        value = self._number(node, scope)
        if not float(value).is_integer() or abs(value) > _MAX_INTEGER:
            raise Unconvertible(f"{value} is no whole number of use here", "Use an int.")
        return int(value)

    def _number(self, node: Any, scope: _Scope) -> int | float:
        value = self._value(node, scope)
        if isinstance(value, Affine):
            if not value.is_constant:
                raise Unconvertible(
                    f"{value} is not known when the circuit is made", "Use a constant here."
                )
            return value.constant
        if not isinstance(value, (int, float)):
            raise Unconvertible("this is no number", "Use a number or a constant.")
        return value

    def _angle(self, node: Any, scope: _Scope) -> Affine:
        value = self._value(node, scope)
        if not isinstance(value, (int, float, Affine)):
            raise Unconvertible("a gate parameter is no number", "Use an expression of numbers.")
        return Affine.of(value)

    def _value(self, node: Any, scope: _Scope) -> Any:
        ast = self._ast
        if isinstance(node, (ast.IntegerLiteral, ast.FloatLiteral)):
            return _bounded(node.value)
        if isinstance(node, ast.Identifier):
            value = scope.get(node.name)
            if value is None or isinstance(value, (_Qubits, _Bits)):
                raise Unconvertible(
                    f"{node.name[:80]!r} is no number that is known when the circuit is made",
                    "Declare it, as in 'input float theta;' or 'const float x = 0.5;'.",
                )
            return value
        if isinstance(node, ast.IndexExpression):
            values = self._value(node.collection, scope)
            if isinstance(values, list) and isinstance(node.index, list) and len(node.index) == 1:
                k = self._integer(node.index[0], scope)
                if not -len(values) <= k < len(values):
                    raise Unconvertible(
                        f"index {k} is beyond an array of {len(values)}",
                        f"Use 0 to {len(values) - 1}.",
                    )
                return values[k]
        if isinstance(node, ast.UnaryExpression) and node.op.name == "-":
            return -self._operand(node.expression, scope)
        if isinstance(node, ast.BinaryExpression) and node.op.name in _ARITHMETIC:
            left, right = self._operand(node.lhs, scope), self._operand(node.rhs, scope)
            return _bounded(_ARITHMETIC[node.op.name](left, right))
        if isinstance(node, ast.FunctionCall) and node.name.name in _FUNCTIONS:
            arguments = [float(self._number(argument, scope)) for argument in node.arguments]
            try:
                return _bounded(_FUNCTIONS[node.name.name](*arguments))
            except TypeError:
                raise Unconvertible(
                    f"{node.name.name} has {len(arguments)} arguments", "Correct the call."
                ) from None
        if isinstance(node, ast.Cast) and type(node.type).__name__ in ("FloatType", "AngleType"):
            return self._operand(node.argument, scope)
        raise Unconvertible(
            f"{type(node).__name__} is not computed here",
            "Use numbers, constants, inputs, + - * / ** and functions of constants.",
        )

    def _operand(self, node: Any, scope: _Scope) -> int | float | Affine:
        value = self._value(node, scope)
        if not isinstance(value, (int, float, Affine)):
            raise Unconvertible("this is no number", "Index the array.")
        return value


def _bounded(value: Any) -> Any:
    """Refuses what grows without end, and numbers that are none."""
    if isinstance(value, complex) or (
        isinstance(value, (int, float)) and not abs(value) <= float(_MAX_INTEGER) ** 4
    ):
        raise Unconvertible("a number is too large or none", "Use finite numbers.")
    return value


def _broadcast(operands: Sequence[_Qubits]) -> Iterator[list[int]]:
    """One qubit for each operand; registers give theirs in turn."""
    sizes = {len(operand) for operand in operands if len(operand) != 1}
    if len(sizes) > 1:
        raise Unconvertible(
            f"registers of different sizes, {sorted(sizes)}", "Use registers of one size."
        )
    for k in range(sizes.pop() if sizes else 1):
        yield [operand[k] if len(operand) > 1 else operand[0] for operand in operands]


def _times(left: Any, right: Any) -> Any:
    if not isinstance(left, Affine):
        return right * left
    if not isinstance(right, Affine):
        return left * right
    if left.is_constant or right.is_constant:
        return left * right.constant if right.is_constant else right * left.constant
    raise Unconvertible(
        f"({left}) * ({right}) is not affine in the inputs",
        "Compute the product outside and declare it as an input of its own.",
    )


def _divided(left: Any, right: Any) -> Any:
    right = right.constant if isinstance(right, Affine) and right.is_constant else right
    if isinstance(right, Affine):
        raise Unconvertible(
            f"a division by {right} is not affine in the inputs",
            "Compute the quotient outside and declare it as an input of its own.",
        )
    if right == 0:
        raise Unconvertible("a division by zero", "Correct the expression.")
    if isinstance(left, int) and isinstance(right, int):
        return left // right if left % right == 0 else left / right
    return left / right


def _raised(left: Any, right: Any) -> Any:
    numbers = [v.constant if isinstance(v, Affine) and v.is_constant else v for v in (left, right)]
    if any(isinstance(value, Affine) for value in numbers):
        raise Unconvertible(
            f"({left}) ** ({right}) is not affine in the inputs",
            "Compute the power outside and declare it as an input of its own.",
        )
    base, exponent = numbers
    if abs(exponent) > 1024:
        raise Unconvertible(f"an exponent of {exponent}", "Use smaller numbers.")
    return float(base) ** exponent if exponent < 0 else base**exponent


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, Affine) or isinstance(right, Affine):
        raise Unconvertible("a remainder is not affine in the inputs", "Compute it outside.")
    return math.fmod(left, right) if isinstance(left, float) else left % right


_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": _times,
    "/": _divided,
    "**": _raised,
    "%": _modulo,
}

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
