"""What OpenQASM 3 computes: operators, functions and casts of known values.

Numbers are bool, int, `Unsigned` (uint[n] and bit[n]), float, or `Affine` where inputs take part.
As in C, integers divide towards zero and a remainder has the sign of the dividend. Integers
have 64 bits. A result that does not fit its type is an error, where C would leave it open or
wrap; only casts to uint and bit, `~` and `<<` wrap, as the language says.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from qstore_tf.circuits.formats.conversion import Unconvertible
from qstore_tf.circuits.symbols import Affine

MAX_WIDTH = 1024
_BITS = 64

Number = int | float | Affine


class Unsigned(int):
    """A uint[width], or bit[width] read as a number whose lowest bit is bit 0."""

    width: int

    def __new__(cls, value: int, width: int) -> Unsigned:
        """A number below 2^width, which is not checked."""
        number = super().__new__(cls, value)
        number.width = width
        return number


def wrapped(value: int, width: int) -> Unsigned:
    """An integer modulo 2^width."""
    return Unsigned(value & ((1 << width) - 1), width)


def checked(value: Any) -> Any:
    """A number, if it is finite and fits 64 bits."""
    if isinstance(value, Unsigned):
        return value
    if isinstance(value, int) and not -(2 ** (_BITS - 1)) <= value < 2**_BITS:
        raise Unconvertible("a number is too large: it does not fit 64 bits", "Use smaller ones.")
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        raise Unconvertible("a number is too large or none", "Use finite numbers.")
    return value


def unary(name: str, value: Number) -> Any:
    """The value of `-`, `!` or `~`; None where there is none."""
    if name == "!":
        return not truth(value)
    if name == "~" and isinstance(value, Unsigned):
        return wrapped(~value, value.width)
    if name == "~" and isinstance(value, bool):
        return not value
    if name == "~" and isinstance(value, int):
        return ~value
    if name == "-":
        if isinstance(value, Unsigned):
            return _typed(-int(value), value, value)
        return checked(-value)
    return None


def binary(name: str, left: Number, right: Number) -> Any:
    """The value of an operator between two operands; None where there is none."""
    left, right = _plain(left), _plain(right)
    if isinstance(left, Affine) or isinstance(right, Affine):
        compute = _AFFINE.get(name)
        if compute is None:
            raise Unconvertible(
                f"({left}) {name} ({right}) is not affine in the inputs",
                "Compute it outside and declare the result as an input of its own.",
            )
        return compute(left, right)
    if name in _COMPARISONS:
        return _COMPARISONS[name](left, right)
    if isinstance(left, int) and isinstance(right, int):
        on_integers = _INTEGERS.get(name)
        return None if on_integers is None else on_integers(left, right)
    on_reals = _REALS.get(name)
    if on_reals is None:
        raise Unconvertible(f"`{name}` of numbers that are not integers", "Cast them to int.")
    return checked(on_reals(float(left), float(right)))


def truth(value: Any) -> bool:
    """Whether a number is not zero."""
    value = _plain(value)
    if isinstance(value, Affine):
        raise Unconvertible(f"{value} is not known when the circuit is made", "Use a constant.")
    return bool(value)


def converted(kind: str, width: int | None, value: Number, explicit: bool = True) -> Any:
    """A value as one of a declared type, by a cast or at a declaration.

    Args:
        kind: the type's name among the parser's nodes.
        width: of an int, uint or bit; None if the type has none.
        value: what is converted.
        explicit: whether it is a cast, which may lose the digits after the point.

    Raises:
        Unconvertible: the type cannot hold the value, or is not computed with.
    """
    value = _plain(value)
    if kind in ("FloatType", "AngleType"):
        return value if isinstance(value, Affine) else checked(float(value))
    if kind == "BoolType":
        return truth(value)
    if kind not in ("IntType", "UintType", "BitType"):
        raise Unconvertible(
            f"values of {kind.removesuffix('Type').lower()} type are not computed here",
            "Use int, uint, float, angle, bool or bit.",
        )
    if isinstance(value, Affine):
        raise Unconvertible(f"{value} is not known when the circuit is made", "Use a constant.")
    if isinstance(value, float) and not explicit and not value.is_integer():
        raise Unconvertible(f"{value} is not an integer", "Cast it, as in int(x).")
    if kind == "IntType":
        whole, bits = int(value), _BITS if width is None else width
        if not -(2 ** (bits - 1)) <= whole < 2 ** (bits - 1):
            raise Unconvertible(f"{_short(whole)} does not fit int[{bits}]", "Use more bits.")
        return whole
    bits = width if width is not None else (1 if kind == "BitType" else _BITS)
    if isinstance(value, float) and not 0 <= value < 2**bits:
        raise Unconvertible(f"{value} does not fit uint[{bits}]", "Use more bits.")
    return wrapped(int(value), bits)


def bit_of(value: int, k: int) -> int:
    """Bit `k` of an integer; -1 is the highest."""
    width = value.width if isinstance(value, Unsigned) else _BITS
    if not -width <= k < width:
        raise Unconvertible(f"index {k} is beyond {width} bits", f"Use 0 to {width - 1}.")
    return (value >> (k % width)) & 1


def call(name: str, values: list[Any]) -> Any:
    """The value of a built-in function; None if there is none of that name.

    Raises:
        Unconvertible: the arguments do not fit it.
    """
    row = _FUNCTIONS.get(name)
    if row is None:
        return None
    n_arguments, function = row
    if len(values) != n_arguments:
        raise Unconvertible(f"{name} has {len(values)} arguments", f"It takes {n_arguments}.")
    return checked(function(*values))


def divided(left: Number, right: Number) -> Any:
    """The quotient as a real, or affine, number."""
    left, right = _plain(left), _plain(right)
    if isinstance(right, Affine):
        raise Unconvertible(
            f"a division by {right} is not affine in the inputs",
            "Compute the quotient outside and declare it as an input of its own.",
        )
    if right == 0:
        raise Unconvertible("a division by zero", "Correct the expression.")
    return left / right if isinstance(left, Affine) else checked(float(left) / float(right))


def _plain(value: Any) -> Any:
    return value.constant if isinstance(value, Affine) and value.is_constant else value


def _short(value: int) -> str:
    return str(value) if abs(value) < 10**25 else "a number of many digits"


def _times(left: Any, right: Any) -> Affine:
    if isinstance(left, Affine) and isinstance(right, Affine):
        raise Unconvertible(
            f"({left}) * ({right}) is not affine in the inputs",
            "Compute the product outside and declare it as an input of its own.",
        )
    result: Affine = left * right if isinstance(left, Affine) else right * left
    return result


def _typed(value: int, left: int, right: int) -> int:
    """A result with the type of its operands: uint if both are, else int."""
    if not (isinstance(left, Unsigned) and isinstance(right, Unsigned)):
        result: int = checked(value)
        return result
    width = max(left.width, right.width)
    if not 0 <= value < 1 << width:
        raise Unconvertible(
            f"{_short(value)} does not fit uint[{width}]", "Use more bits, or cast to int."
        )
    return Unsigned(value, width)


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise Unconvertible("a division by zero", "Correct the expression.")
    size = abs(left) // abs(right)
    return size if (left < 0) == (right < 0) else -size


def _remainder(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _integer_power(left: int, right: int) -> int | float:
    if right < 0:
        return float(checked(float(left) ** right))
    if abs(left) > 1 and right > MAX_WIDTH:
        raise Unconvertible(f"an exponent of {right} is too large", "Use smaller numbers.")
    # Beyond it, the powers of 0, 1 and -1 only.
    return _typed(int(left) ** (right if right <= MAX_WIDTH else 2 + right % 2), left, right)


def _real_power(left: float, right: float) -> Any:
    if abs(right) > MAX_WIDTH:
        raise Unconvertible(f"an exponent of {right} is too large", "Use smaller numbers.")
    return left**right


def _shifted_left(left: int, right: int) -> int:
    if right < 0:
        raise Unconvertible(f"a shift by {right}", "Shift by 0 or more.")
    width = left.width if isinstance(left, Unsigned) else _BITS
    if isinstance(left, Unsigned):
        return wrapped(int(left) << right if right < width else 0, width)
    if left and right > width:
        raise Unconvertible(f"a shift by {_short(right)} is too large", "Shift by fewer bits.")
    return int(checked(left << right if left else 0))


def _shifted_right(left: int, right: int) -> int:
    if right < 0:
        raise Unconvertible(f"a shift by {right}", "Shift by 0 or more.")
    value = int(left) >> min(right, MAX_WIDTH)
    return Unsigned(value, left.width) if isinstance(left, Unsigned) else value


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int):
        raise Unconvertible(f"{name} of a number that is not an integer", "Cast it to int.")
    return value


def _popcount(value: Any) -> int:
    width = value.width if isinstance(value, Unsigned) else _BITS
    return (_whole(value, "popcount") & ((1 << width) - 1)).bit_count()


def _rotated(value: Any, by: Any) -> int:
    if not isinstance(value, Unsigned):
        raise Unconvertible("a rotation of a number without a width", "Use bit[n] or uint[n].")
    shift = _whole(by, "a rotation by") % value.width
    return wrapped((int(value) << shift) | (int(value) >> (value.width - shift)), value.width)


def _real(function: Callable[[float], float]) -> tuple[int, Callable[[Any], float]]:
    return 1, lambda value: float(function(float(value)))


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_AFFINE: Mapping[str, Callable[[Any, Any], Affine]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": _times,
    "/": divided,
}
_REALS: Mapping[str, Callable[[float, float], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divided,
    "%": math.fmod,
    "**": _real_power,
}
_INTEGERS: Mapping[str, Callable[[int, int], Any]] = {
    "+": lambda a, b: _typed(int(a) + int(b), a, b),
    "-": lambda a, b: _typed(int(a) - int(b), a, b),
    "*": lambda a, b: _typed(int(a) * int(b), a, b),
    "/": lambda a, b: _typed(_quotient(int(a), int(b)), a, b),
    "%": lambda a, b: _typed(_remainder(int(a), int(b)), a, b),
    "**": _integer_power,
    "<<": _shifted_left,
    ">>": _shifted_right,
    "&": lambda a, b: _typed(int(a) & int(b), a, b),
    "|": lambda a, b: _typed(int(a) | int(b), a, b),
    "^": lambda a, b: _typed(int(a) ^ int(b), a, b),
}
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "arccos": _real(math.acos),
    "arcsin": _real(math.asin),
    "arctan": _real(math.atan),
    "ceiling": _real(math.ceil),
    "cos": _real(math.cos),
    "exp": _real(math.exp),
    "floor": _real(math.floor),
    "log": _real(math.log),
    "sin": _real(math.sin),
    "sqrt": _real(math.sqrt),
    "tan": _real(math.tan),
    "mod": (2, lambda a, b: binary("%", a, b)),
    "popcount": (1, _popcount),
    "rotl": (2, _rotated),
    "rotr": (2, lambda a, b: _rotated(a, -_whole(b, "a rotation by"))),
}
