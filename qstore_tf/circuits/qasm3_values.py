"""What expressions, ranges and names of qubits stand for in OpenQASM 3 programs.

Nodes are those of the parser `openqasm3`, told apart by the names of their types.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qstore_tf.circuits.conversion import Unconvertible
from qstore_tf.circuits.symbols import Affine

_MAX_INTEGER = 2**63

Scope = dict[str, Any]
"""Names to what they are: int, float, Affine, a `Qubits`, `Bits`, a list of symbols."""


class Qubits(tuple[int, ...]):
    """A register, an alias or one qubit."""


class Bits:
    """Classical bits, which hold nothing that could be read."""


CONSTANTS: Mapping[str, float] = {
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


def qubits_of(node: Any, scope: Scope, n_qubits: int) -> Qubits:
    """The qubits that a name, an index or a concatenation stands for; there are `n_qubits`."""
    kind = type(node).__name__
    if kind == "Identifier":
        value = scope.get(node.name)
        if isinstance(value, Qubits):
            return value
        what = "hardware qubits are not read" if node.name.startswith("$") else "no such qubit"
        raise Unconvertible(f"{node.name[:80]!r}: {what}", "Declare it, as in 'qubit[2] q;'.")
    if kind == "Concatenation":
        parts = qubits_of(node.lhs, scope, n_qubits), qubits_of(node.rhs, scope, n_qubits)
        # Else aliases of aliases would grow without end.
        if sum(map(len, parts)) > n_qubits:
            raise Unconvertible("qubits are joined with themselves", "Join each once.")
        return Qubits(parts[0] + parts[1])
    if kind == "IndexedIdentifier":
        collection, indices = node.name, node.indices
    elif kind == "IndexExpression":
        collection, indices = node.collection, [node.index]
    else:
        raise Unconvertible("this is no qubit", "Name a qubit or a register.")
    value = qubits_of(collection, scope, n_qubits)
    for index in indices:
        if isinstance(index, list):
            if len(index) != 1:
                raise Unconvertible("qubits have one index", "Write q[i].")
            index = index[0]
        value = _picked(value, index, scope)
    return value


def _picked(value: Qubits, index: Any, scope: Scope) -> Qubits:
    if type(index).__name__ in ("RangeDefinition", "DiscreteSet"):
        picked = numbers_of(index, scope, len(value))
    else:
        picked = [integer_of(index, scope)]
    for k in picked:
        _check_index(k, len(value), "a register of {} qubits")
    return Qubits(value[k] for k in picked)


def _check_index(k: int, size: int, of: str) -> None:
    if not -size <= k < size:
        raise Unconvertible(f"index {k} is beyond {of.format(size)}", f"Use 0 to {size - 1}.")


def numbers_of(node: Any, scope: Scope, size: int | None = None) -> Sequence[int]:
    """The numbers of a range, whose end belongs to it, or of a set."""
    kind = type(node).__name__
    if kind == "DiscreteSet":
        return [integer_of(value, scope) for value in node.values]
    if kind != "RangeDefinition":
        raise Unconvertible("this is no range of numbers", "Write [0:3] or {0, 2}.")
    step = 1 if node.step is None else integer_of(node.step, scope)
    if step == 0 or (size is None and (node.start is None or node.end is None)):
        raise Unconvertible("a range has no end", "Write [first:last] or [first:step:last].")
    first, last = (0, (size or 0) - 1) if step > 0 else ((size or 0) - 1, 0)
    if node.start is not None:
        first = integer_of(node.start, scope)
    if node.end is not None:
        last = integer_of(node.end, scope)
    if size is not None:
        first, last = (k + size if k < 0 else k for k in (first, last))
    numbers = range(first, last + (1 if step > 0 else -1), step)
    if size is not None and len(numbers) > size:
        raise Unconvertible(f"a range goes beyond a register of {size} qubits", "Shorten it.")
    return numbers


def integer_of(node: Any, scope: Scope) -> int:
    """The whole number that an expression is when the circuit is made."""
    value = number_of(node, scope)
    if not float(value).is_integer() or abs(value) > _MAX_INTEGER:
        raise Unconvertible(f"{value} is no whole number of use here", "Use an int.")
    return int(value)


def number_of(node: Any, scope: Scope) -> int | float:
    """The number that an expression is when the circuit is made."""
    value = value_of(node, scope)
    if isinstance(value, Affine):
        if not value.is_constant:
            raise Unconvertible(
                f"{value} is not known when the circuit is made", "Use a constant here."
            )
        return value.constant
    if not isinstance(value, (int, float)):
        raise Unconvertible("this is no number", "Use a number or a constant.")
    return value


def angle_of(node: Any, scope: Scope) -> Affine:
    """The parameter of a gate that an expression is."""
    value = value_of(node, scope)
    if not isinstance(value, (int, float, Affine)):
        raise Unconvertible("a gate parameter is no number", "Use an expression of numbers.")
    return Affine.of(value)


def value_of(node: Any, scope: Scope) -> Any:
    """What an expression is: an int, a float, an Affine or a list of symbols."""
    compute = _EXPRESSIONS.get(type(node).__name__)
    value = None if compute is None else compute(node, scope)
    if value is None:
        raise Unconvertible(
            f"{type(node).__name__} is not computed here",
            "Use numbers, constants, inputs, + - * / ** and functions of constants.",
        )
    return value


# Each kind of expression has a function that computes it, or returns None where it cannot be.


def _literal(node: Any, scope: Scope) -> Any:
    return _bounded(node.value)


def _named(node: Any, scope: Scope) -> Any:
    value = scope.get(node.name)
    if value is None or isinstance(value, (Qubits, Bits)):
        raise Unconvertible(
            f"{node.name[:80]!r} is no number that is known when the circuit is made",
            "Declare it, as in 'input float theta;' or 'const float x = 0.5;'.",
        )
    return value


def _element(node: Any, scope: Scope) -> Any:
    values = value_of(node.collection, scope)
    if not (isinstance(values, list) and isinstance(node.index, list) and len(node.index) == 1):
        return None
    k = integer_of(node.index[0], scope)
    _check_index(k, len(values), "an array of {}")
    return values[k]


def _signed(node: Any, scope: Scope) -> Any:
    return -_operand(node.expression, scope) if node.op.name == "-" else None


def _computed(node: Any, scope: Scope) -> Any:
    compute = _ARITHMETIC.get(node.op.name)
    if compute is None:
        return None
    left, right = _operand(node.lhs, scope), _operand(node.rhs, scope)
    return _bounded(compute(left, right))


def _called(node: Any, scope: Scope) -> Any:
    function = _FUNCTIONS.get(node.name.name)
    if function is None:
        return None
    arguments = [float(number_of(argument, scope)) for argument in node.arguments]
    try:
        return _bounded(function(*arguments))
    except TypeError:
        raise Unconvertible(
            f"{node.name.name} has {len(arguments)} arguments", "Correct the call."
        ) from None


def _cast(node: Any, scope: Scope) -> Any:
    return _operand(node.argument, scope) if is_real(node.type) else None


_EXPRESSIONS: Mapping[str, Callable[[Any, Scope], Any]] = {
    "IntegerLiteral": _literal,
    "FloatLiteral": _literal,
    "Identifier": _named,
    "IndexExpression": _element,
    "UnaryExpression": _signed,
    "BinaryExpression": _computed,
    "FunctionCall": _called,
    "Cast": _cast,
}


def is_real(kind: Any) -> bool:
    """Whether a declared type is one of angles."""
    return type(kind).__name__ in ("FloatType", "AngleType")


def _operand(node: Any, scope: Scope) -> int | float | Affine:
    value = value_of(node, scope)
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
