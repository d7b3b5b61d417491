"""Circuits from OpenQASM 3 (arXiv:2104.14722), with symbols.

The text is parsed by the reference parser `openqasm3`; this module interprets what the parser
returns, as far as it is a circuit: registers and aliases, gates with modifiers, gate definitions,
constants, loops and conditions that are known, measurements at the end. `input` declarations
become symbols. Nothing in the text is executed, and neither its size nor its loops and
definitions can make the reading endless (`work`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.conversion import (
    Unconvertible,
    global_phase,
    under_controls,
)
from qstore_tf.circuits.formats.qasm3.gates import Gates
from qstore_tf.circuits.formats.qasm3.powers import power
from qstore_tf.circuits.formats.qasm3.scope import Bits, Inputs, Qubits, Scope, Time
from qstore_tf.circuits.formats.qasm3.values import (
    angle_of,
    condition_of,
    exponent_of,
    integer_of,
    is_real,
    qubits_of,
    typed,
    value_of,
    values_of,
)
from qstore_tf.circuits.formats.qasm3.work import Work, parsed, without_collection
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, ConversionError, describe

_STATEMENT_STEPS = 10


def from_qasm3(text: str) -> Circuit:
    """Reads OpenQASM 3.

    Qubits are numbered in the order of their declarations; hardware qubits `$k` are not read.
    `input float theta;` and `input angle theta;` declare symbols, `input array[float, 4] w;` the
    symbols `w[0]` to `w[3]`; gate parameters must be affine in them. The circuit's parameters
    come in order of first use in a gate. Barriers, delays and boxes around gates are dropped,
    measurements become markers, and `reset` of a qubit that nothing has acted on does nothing.
    Loops over constant ranges, sets and arrays are unrolled, and an `if` on constants is
    decided. The gates are those of `stdgates.inc`, those that the text defines, `U` and
    `gphase`, with the modifiers `inv`, `ctrl`, `negctrl` and `pow`. `U` is the matrix with
    cos(theta / 2) in its upper left corner, as Qiskit reads and writes it; some versions of the
    language's text give it a phase of exp(i theta / 2) more, which can be seen under a control
    only.

    Integers are computed as in C: `1/2` is 0, `1/2.0` and `pi/2` are not. Angles and floats
    have double precision, whatever their type's number of bits. A version line is not needed.

    Args:
        text: the program. Its tokens, and its operations when loops and definitions are
            expanded, are limited by `limits.QASM3_TOKENS` and `limits.QASM3_OPERATIONS`.

    Returns:
        The circuit, global phase included.

    Raises:
        ConversionError: the program cannot be read or uses what a circuit cannot hold (`if` on
            measured bits, `while`, `reset` after a gate, subroutines, variables that change,
            gates after a measurement); the message names the line.
        LibraryError: the parser is not installed.

    >>> circuit = from_qasm3('include "stdgates.inc"; qubit[2] q; reset q; h q; rx(1/2.0) q[1];')
    >>> circuit.count_gates()
    {'H': 2, 'RX': 1}
    """
    with without_collection():
        return _Interpreter().run(parsed(text))


def _fail(what: str, expected: str, received: object) -> NoReturn:
    raise ConversionError(
        describe(what, expected=expected, received=received, hint="Correct the program.")
    )


class _Interpreter:
    """Goes through the statements of a program; `_HANDLERS` says what each kind of them does."""

    def __init__(self) -> None:
        self._work = Work()
        self._gates = Gates()
        self._n_qubits = 0
        self._operations: list[tuple[int, Operation]] = []
        self._used: set[int] = set()

    def run(self, program: Any) -> Circuit:
        self._block(program.statements, Scope(work=self._work))
        if not self._n_qubits:
            _fail("The OpenQASM program has no qubits", "a declaration such as 'qubit[2] q;'", "")
        circuit = Circuit(self._n_qubits)
        for line, operation in self._operations:
            try:
                circuit.add_operation(operation)
            except CircuitError as error:
                raise ConversionError(f"Line {line} of the OpenQASM program: {error}") from error
        return circuit

    # Statements

    def _block(self, statements: Sequence[Any], scope: Scope) -> None:
        for statement in statements:
            self._statement(statement, scope)

    def _statement(self, statement: Any, scope: Scope) -> None:
        line = statement.span.start_line if statement.span else 0
        name = type(statement).__name__
        try:
            self._work.add_steps(_STATEMENT_STEPS)
            handler = _HANDLERS.get(name)
            if handler is None:
                raise Unconvertible(
                    f"{_KINDS.get(name, name)} has no place in a circuit",
                    "Use gates, constants, loops over known ranges and final measurements.",
                )
            made = handler(self, statement, scope)
            for operation in made or ():
                self._operations.append((line, operation))
                self._used.update(operation.qubits)
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
        if statement.filename == "qelib1.inc":
            raise Unconvertible(
                "qelib1.inc belongs to OpenQASM 2",
                "Write 'OPENQASM 2.0;' first and read it with from_qasm, or include stdgates.inc.",
            )
        if statement.filename not in ("stdgates.inc", "stdgates.qasm"):
            raise Unconvertible(
                f"the file {statement.filename[:80]!r} is not read",
                "Only stdgates.inc is known; write other definitions into the program.",
            )
        self._gates.include()

    def _declare_qubits(self, statement: Any, scope: Scope) -> None:
        size = 1 if statement.size is None else integer_of(statement.size, scope)
        if size < 1:
            raise Unconvertible(f"a register of {size} qubits", "Declare at least 1.")
        limits.QUBITS.check(self._n_qubits + size, "The program", CircuitError, counting=True)
        scope.declare(statement.qubit.name, Qubits(range(self._n_qubits, self._n_qubits + size)))
        self._n_qubits += size

    def _declare_variable(self, statement: Any, scope: Scope) -> Any:
        initial, name = statement.init_expression, statement.identifier.name
        if type(initial).__name__ == "QuantumMeasurement":
            scope.declare(name, Bits())
            return self._measured(initial, scope)
        kind = type(statement.type).__name__
        if kind in ("DurationType", "StretchType"):
            scope.declare(name, Time())
        elif initial is not None:
            # Assignments are refused, so a variable is as good as a constant.
            self._declare_constant(statement, scope)
        elif kind == "BitType":
            scope.declare(name, Bits())
        else:
            raise Unconvertible("a variable without a value", "Give it one, as a constant.")
        return None

    def _declare_constant(self, statement: Any, scope: Scope) -> None:
        value = value_of(statement.init_expression, scope)
        scope.declare(statement.identifier.name, typed(statement.type, value, scope, False))

    def _declare_input(self, statement: Any, scope: Scope) -> None:
        name, kind = statement.identifier.name, statement.type
        if statement.io_identifier.name != "input":
            if type(kind).__name__ != "BitType":
                raise Unconvertible("only bits can be output", "Leave out the declaration.")
            scope.declare(name, Bits())
            return
        if is_real(kind):
            scope.declare(name, Affine.symbol(name))
            return
        if type(kind).__name__ == "ArrayType" and len(kind.dimensions) == 1:
            size = integer_of(kind.dimensions[0], scope)
            if is_real(kind.base_type):
                if size < 1:
                    raise Unconvertible(f"an array of {size} inputs", "Use 1 or more.")
                scope.declare(name, Inputs(name, size))
                return
        raise Unconvertible(
            f"input {name!r} is not an angle", "Use input float, input angle or an array of them."
        )

    def _alias(self, statement: Any, scope: Scope) -> None:
        scope.declare(statement.target.name, qubits_of(statement.value, scope, self._n_qubits))

    def _define_gate(self, statement: Any, scope: Scope) -> None:
        params = [identifier.name for identifier in statement.arguments]
        names = [identifier.name for identifier in statement.qubits]
        # Only the gates defined before: a gate that calls itself does not end.
        seen_gates, seen_names = len(self._gates), len(scope)

        def make(qubits: Sequence[int], values: Sequence[Affine]) -> list[Operation]:
            self._work.add_steps(_STATEMENT_STEPS)
            local = Scope(scope, seen=seen_names)
            for name, value in zip(params, values, strict=True):
                local.declare(name, value)
            for name, qubit in zip(names, qubits, strict=True):
                local.declare(name, Qubits((qubit,)))
            made: list[Operation] = []
            outer, self._gates.seen = self._gates.seen, seen_gates
            try:
                for inner in statement.body:
                    self._work.add_steps(_STATEMENT_STEPS)
                    made.extend(self._gate_body(inner, local))
            finally:
                self._gates.seen = outer
            return made

        self._gates.define(statement.name.name, (len(names), len(params), make))

    def _gate_body(self, statement: Any, scope: Scope) -> list[Operation]:
        kind = type(statement).__name__
        if kind not in _IN_DEFINITIONS:
            raise Unconvertible(
                f"a gate definition contains {_KINDS.get(kind, f'a {kind}')}",
                "Define gates by gates.",
            )
        return _HANDLERS[kind](self, statement, scope) or []

    def _gate(self, statement: Any, scope: Scope) -> list[Operation]:
        name = statement.name.name
        n_qubits, n_params, make = self._gates.find(name)
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
        target = statement.target
        if target is not None:
            name = target.name if isinstance(target.name, str) else target.name.name
            scope.measure_into(name)
        return self._measured(statement.measure, scope)

    def _measured(self, measurement: Any, scope: Scope) -> list[Operation]:
        qubits = qubits_of(measurement.qubit, scope, self._n_qubits)
        self._work.add_operations(len(qubits))
        return [Operation("Measure", (q,)) for q in qubits]

    def _reset(self, statement: Any, scope: Scope) -> None:
        qubits = qubits_of(statement.qubits, scope, self._n_qubits)
        self._work.add_steps(len(qubits))
        used = [q for q in qubits if q in self._used]
        if used:
            raise Unconvertible(
                f"`reset` of qubit {used[0]} after a gate or a measurement of it",
                "Qubits start in 0; reset them only before everything else, or use new ones.",
            )

    def _nothing(self, statement: Any, scope: Scope) -> None:
        """What changes no state."""

    def _inner_block(self, statement: Any, scope: Scope) -> None:
        """A box or a block by itself."""
        body = statement.body if type(statement).__name__ == "Box" else statement.statements
        self._block(body, Scope(scope))

    def _loop(self, statement: Any, scope: Scope) -> None:
        for value in values_of(statement.set_declaration, scope, is_real(statement.type)):
            self._work.add_steps(_STATEMENT_STEPS)
            inner = Scope(scope)
            inner.declare(statement.identifier.name, typed(statement.type, value, scope, False))
            self._block(statement.block, inner)

    def _branch(self, statement: Any, scope: Scope) -> None:
        chosen = condition_of(statement.condition, scope)
        self._block(statement.if_block if chosen else statement.else_block, Scope(scope))

    def _modified(
        self, statement: Any, n_qubits: int, make: Callable[[range], Any], scope: Scope
    ) -> list[Operation]:
        """A gate under its modifiers, once or, on registers, for each of their qubits."""
        modifiers = [
            (modifier.modifier.name, self._modifier(modifier, scope))
            for modifier in statement.modifiers
        ]
        n_controls = sum(int(count) for name, count in modifiers if name in _CONTROLS)
        operands = [qubits_of(qubit, scope, self._n_qubits) for qubit in statement.qubits]
        if len(operands) != n_qubits + n_controls:
            raise Unconvertible(
                f"a gate on {n_qubits + n_controls} qubits has {len(operands)} operands",
                "Give one operand for each qubit.",
            )
        # The gate is made once, on qubits of its own: first those it acts on, then its controls,
        # the nearest first. The modifier next to the gate acts first and takes those next to it.
        inner = make(range(n_qubits))
        width = n_qubits
        self._work.add_steps(_size(inner))
        for name, value in reversed(modifiers):
            if name in _CONTROLS:
                own = range(width, width + int(value))
                width += len(own)
                self._work.add_steps(len(own) * (len(inner) + 1))
                inner = list(under_controls(inner, own[::-1], [name == "ctrl"] * len(own)))
            else:
                inner = power(inner, value, width, self._work)
            self._work.add_steps(_size(inner))
        result: list[Operation] = []
        size = _size(inner)
        for qubits in _broadcast(operands):
            self._work.add_steps(len(qubits) + size)
            if not self._in_definition:
                self._work.add_operations(len(inner))
            if len(set(qubits)) != len(qubits):
                raise Unconvertible(f"a gate acts twice on one of {qubits}", "Use other qubits.")
            on = qubits[n_controls:] + qubits[:n_controls][::-1]
            result.extend([operation.on(on) for operation in inner])
        return result

    @property
    def _in_definition(self) -> bool:
        return self._gates.seen is not None

    def _modifier(self, modifier: Any, scope: Scope) -> int | float:
        """The exponent, or the number of controls, that a modifier stands for."""
        name = modifier.modifier.name
        if name == "inv":
            return -1
        if name == "pow":
            return exponent_of(modifier.argument, scope)
        count = 1 if modifier.argument is None else integer_of(modifier.argument, scope)
        if not 1 <= count <= limits.QUBITS.current:
            raise Unconvertible(f"{count} controls", "Give as many controls as there are qubits.")
        return count


def _size(operations: Sequence[Operation]) -> int:
    """What operations cost, in steps."""
    return sum(
        [
            2 + len(o.targets) + len(o.controls) + sum([len(p.terms) for p in o.params])
            for o in operations
        ]
    )


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
    "QuantumReset": _Interpreter._reset,
    "ForInLoop": _Interpreter._loop,
    "BranchingStatement": _Interpreter._branch,
    "Box": _Interpreter._inner_block,
    "CompoundStatement": _Interpreter._inner_block,
}

_CONTROLS = ("ctrl", "negctrl")
_IN_DEFINITIONS = ("QuantumGate", "QuantumPhase", "QuantumBarrier")

_KINDS: Mapping[str, str] = {
    "Box": "`box`",
    "DelayInstruction": "`delay`",
    "AliasStatement": "`let`",
    "QuantumMeasurementStatement": "a measurement",
    "BranchingStatement": "`if`",
    "WhileLoop": "`while`",
    "QuantumReset": "`reset`",
    "SubroutineDefinition": "a subroutine (`def`)",
    "ExpressionStatement": "a call or an expression by itself",
    "ClassicalAssignment": "an assignment",
    "SwitchStatement": "`switch`",
    "ForInLoop": "a loop",
    "ExternDeclaration": "`extern`",
    "CalibrationDefinition": "a calibration",
    "CalibrationStatement": "a calibration",
    "CalibrationGrammarDeclaration": "a calibration",
    "ReturnStatement": "`return`",
    "BreakStatement": "`break`",
    "ContinueStatement": "`continue`",
    "EndStatement": "`end`",
}
