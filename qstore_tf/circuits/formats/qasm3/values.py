"""What expressions, ranges and qubits come to in OpenQASM 3 programs.

Nodes are those of the parser `openqasm3`, told apart by the names of their types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qstore_tf.circuits.formats.conversion import Unconvertible
from qstore_tf.circuits.formats.qasm3.arithmetic import (
    MAX_WIDTH,
    binary,
    bit_of,
    call,
    checked,
    converted,
    divided,
    truth,
    unary,
)
from qstore_tf.circuits.formats.qasm3.scope import Bits, Inputs, Qubits, Scope, Time
from qstore_tf.circuits.symbols import Affine

# Qubits


def qubits_of(node: Any, scope: Scope, n_qubits: int) -> Qubits:
    """The qubits that a name, an index or a concatenation stands for; there are `n_qubits`."""
    kind = type(node).__name__
    scope.work.add_steps()
    if kind == "Identifier":
        value = scope.get(node.name)
        if isinstance(value, Qubits):
            return value
        name = repr(node.name[:80])
        if node.name.startswith("$"):
            raise Unconvertible(
                f"{name}: hardware qubits are not read",
                "Use declared qubits; a transpiled circuit of Qiskit's can be read as it is.",
            )
        raise Unconvertible(f"{name}: no such qubit", "Declare it, as in 'qubit[2] q;'.")
    if kind == "Concatenation":
        parts = qubits_of(node.lhs, scope, n_qubits), qubits_of(node.rhs, scope, n_qubits)
        # Else aliases of aliases would grow without end.
        if sum(map(len, parts)) > n_qubits:
            raise Unconvertible("qubits are joined with themselves", "Join each once.")
        scope.work.add_steps(sum(map(len, parts)))
        return Qubits(parts[0] + parts[1])
    if kind == "IndexedIdentifier":
        collection, indices = node.name, node.indices
    elif kind == "IndexExpression":
        collection, indices = node.collection, [node.index]
    else:
        raise Unconvertible("this is not a qubit", "Name a qubit or a register.")
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
    scope.work.add_steps(len(picked))
    for k in picked:
        _check_index(k, len(value), "a register of {} qubits")
    return Qubits(value[k] for k in picked)


def _check_index(k: int, size: int, of: str) -> None:
    if not -size <= k < size:
        raise Unconvertible(f"index {k} is beyond {of.format(size)}", f"Use 0 to {size - 1}.")


# Numbers


def numbers_of(node: Any, scope: Scope, size: int | None = None) -> Sequence[int]:
    """The numbers of a range, whose end belongs to it, or of a set.

    Args:
        node: the range or set.
        scope: what names mean.
        size: of the register that is indexed, which gives the range its ends.
    """
    kind = type(node).__name__
    if kind == "DiscreteSet":
        return [integer_of(value, scope) for value in node.values]
    if kind != "RangeDefinition":
        raise Unconvertible("this is not a range of numbers", "Write [0:3] or {0, 2}.")
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
    # `len` of a range has to fit 64 bits.
    count = max((last - first) // step + 1, 0)
    if size is not None and count > size:
        raise Unconvertible(f"a range goes beyond a register of {size} qubits", "Shorten it.")
    if size is None:
        scope.work.add_steps(count)
    return range(first, first + count * step, step)


def values_of(node: Any, scope: Scope, real: bool) -> Sequence[Any]:
    """What a loop goes through: a range, a set or an array; `real` if not of integers alone."""
    kind = type(node).__name__
    if kind == "DiscreteSet" and real:
        return [number_of(value, scope) for value in node.values]
    if kind in ("DiscreteSet", "RangeDefinition"):
        return numbers_of(node, scope)
    values = value_of(node, scope)
    if not isinstance(values, tuple):
        raise Unconvertible("this is not a range of numbers", "Write [0:3] or {0, 2}.")
    return values


def integer_of(node: Any, scope: Scope) -> int:
    """The whole number that an expression is when the circuit is made."""
    value = number_of(node, scope)
    if isinstance(value, float) and not value.is_integer():
        raise Unconvertible(f"{value} is not an integer", "Use an int, or cast it: int(x).")
    return int(checked(int(value)))


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
        raise Unconvertible("this is not a number", "Use a number or a constant.")
    return value


def exponent_of(node: Any, scope: Scope) -> int | float:
    """The exponent of `pow(...) @`.

    There `1/2` is one half, as stdgates.inc in the text of the language means it.
    """
    if type(node).__name__ == "UnaryExpression" and node.op.name == "-":
        return -exponent_of(node.expression, scope)
    if type(node).__name__ == "BinaryExpression" and node.op.name == "/":
        value = float(divided(number_of(node.lhs, scope), number_of(node.rhs, scope)))
    else:
        value = number_of(node, scope)
    return int(value) if isinstance(value, int) or value.is_integer() else value


def angle_of(node: Any, scope: Scope) -> Affine:
    """The parameter of a gate that an expression is."""
    value = value_of(node, scope)
    if not isinstance(value, (int, float, Affine)):
        raise Unconvertible("a gate parameter is not a number", "Use an expression of numbers.")
    return Affine.of(value)


def condition_of(node: Any, scope: Scope) -> bool:
    """Whether the condition of an `if` holds, if that is known when the circuit is made."""
    try:
        return truth(number_of(node, scope))
    except Unconvertible as error:
        raise Unconvertible(
            f"`if` on what is not known when the circuit is made: {error.why}",
            "A circuit does not depend on measured bits; use constants in the condition.",
        ) from error


def value_of(node: Any, scope: Scope) -> Any:
    """What an expression is: a number, an Affine, an array of them or `Inputs`."""
    scope.work.add_steps()
    compute = _EXPRESSIONS.get(type(node).__name__)
    value = None if compute is None else compute(node, scope)
    if value is None:
        raise Unconvertible(
            f"{type(node).__name__} is not computed here",
            "Use numbers, constants, inputs, operators and built-in functions.",
        )
    if isinstance(value, Affine):
        scope.work.add_steps(len(value.terms))
    return value


def typed(kind: Any, value: Any, scope: Scope, explicit: bool) -> Any:
    """A number or an array as one of a declared type, which is a node."""
    name = type(kind).__name__
    if name == "ArrayType":
        sizes = [integer_of(size, scope) for size in kind.dimensions]
        return _array(kind.base_type, sizes, value, scope)
    if not isinstance(value, (int, float, Affine)):
        raise Unconvertible("this is not a number", "Use a number, or index the array.")
    width = None
    if name in ("IntType", "UintType", "BitType") and kind.size is not None:
        width = integer_of(kind.size, scope)
        if not 1 <= width <= MAX_WIDTH:
            raise Unconvertible(f"a type of {width} bits", f"Use 1 to {MAX_WIDTH}.")
    return converted(name, width, value, explicit)


def _array(base: Any, sizes: Sequence[int], value: Any, scope: Scope) -> Any:
    if not sizes:
        return typed(base, value, scope, False)
    if not isinstance(value, tuple) or len(value) != sizes[0]:
        received = f"{len(value)}" if isinstance(value, tuple) else "no list of"
        raise Unconvertible(
            f"an array has {received} values where {sizes[0]} are declared",
            "Give it as many values as its type says.",
        )
    scope.work.add_steps(len(value))
    return tuple([_array(base, sizes[1:], part, scope) for part in value])


# Each kind of expression has a function that computes it, or returns None where it cannot be.


def _literal(node: Any, scope: Scope) -> Any:
    return checked(node.value)


def _bits(node: Any, scope: Scope) -> Any:
    if node.width > MAX_WIDTH:
        raise Unconvertible(f"a literal of {node.width} bits", f"Use up to {MAX_WIDTH}.")
    return converted("BitType", node.width, node.value)


def _list(node: Any, scope: Scope) -> Any:
    return tuple([value_of(value, scope) for value in node.values])


def _named(node: Any, scope: Scope) -> Any:
    value = scope.get(node.name)
    if value is None or isinstance(value, (Qubits, Bits, Time)):
        raise Unconvertible(
            f"{node.name[:80]!r} is not a number that is known when the circuit is made",
            "Declare it, as in 'input float theta;' or 'const float x = 0.5;'.",
        )
    return value


def _element(node: Any, scope: Scope) -> Any:
    value = value_of(node.collection, scope)
    for index in node.index if isinstance(node.index, list) else [None]:
        if index is None or type(index).__name__ == "RangeDefinition":
            raise Unconvertible("a slice of an array", "Index one element.")
        k = integer_of(index, scope)
        if isinstance(value, int):
            value = bit_of(value, k)
        elif isinstance(value, (tuple, Inputs)):
            size = value.size if isinstance(value, Inputs) else len(value)
            _check_index(k, size, "an array of {}")
            value = value[k]
        else:
            raise Unconvertible("this cannot be indexed", "Index an array or an integer.")
    return value


def _signed(node: Any, scope: Scope) -> Any:
    return unary(node.op.name, _operand(node.expression, scope))


def _computed(node: Any, scope: Scope) -> Any:
    name = node.op.name
    left, right = _operand(node.lhs, scope), _operand(node.rhs, scope)
    if name == "&&":
        return truth(left) and truth(right)
    if name == "||":
        return truth(left) or truth(right)
    return binary(name, left, right)


def _called(node: Any, scope: Scope) -> Any:
    return call(node.name.name, [number_of(argument, scope) for argument in node.arguments])


def _cast(node: Any, scope: Scope) -> Any:
    return typed(node.type, value_of(node.argument, scope), scope, True)


def _size(node: Any, scope: Scope) -> Any:
    value = value_of(node.target, scope)
    k = 0 if node.index is None else integer_of(node.index, scope)
    sizes: list[int] = []
    while isinstance(value, (tuple, Inputs)):
        sizes.append(value.size if isinstance(value, Inputs) else len(value))
        value = value[0]
    if not sizes:
        raise Unconvertible("sizeof of something that is not an array", "Use it on an array.")
    if not 0 <= k < len(sizes):
        raise Unconvertible(f"dimension {k} of {len(sizes)}", f"Use 0 to {len(sizes) - 1}.")
    return converted("UintType", None, sizes[k])


def _operand(node: Any, scope: Scope) -> int | float | Affine:
    value = value_of(node, scope)
    if not isinstance(value, (int, float, Affine)):
        raise Unconvertible("this is not a number", "Index the array.")
    return value


_EXPRESSIONS: Mapping[str, Callable[[Any, Scope], Any]] = {
    "ArrayLiteral": _list,
    "BinaryExpression": _computed,
    "BitstringLiteral": _bits,
    "BooleanLiteral": _literal,
    "Cast": _cast,
    "FloatLiteral": _literal,
    "FunctionCall": _called,
    "Identifier": _named,
    "IndexExpression": _element,
    "IntegerLiteral": _literal,
    "SizeOf": _size,
    "UnaryExpression": _signed,
}


def is_real(kind: Any) -> bool:
    """Whether a declared type is one of angles."""
    return type(kind).__name__ in ("FloatType", "AngleType")
