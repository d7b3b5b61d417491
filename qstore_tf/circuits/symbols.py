"""Symbols and affine expressions: `constant + sum(coefficient * symbol)`.

Affine is what a gate parameter may be. It covers what circuits need (`2*x + 0.5`, sums of
symbols) and keeps derivatives exact: the derivative with respect to a symbol is its coefficient.
Text is read by a small parser of its own; nothing is ever evaluated as Python code.
"""

from __future__ import annotations

import math
import numbers
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from qstore_tf.errors import CircuitError, describe

if TYPE_CHECKING:
    import sympy

_MAX_TEXT = 10_000
_MAX_NESTING = 50
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*(?:\[\d+\])?)"
    r"|(?P<operator>\*\*|[-+*/()^]))"
)
_BARE_NAME = re.compile(r"[^\W\d]\w*(?:\[\d+\])?")
_CONSTANTS = {"pi": math.pi, "π": math.pi}


@dataclass(frozen=True)
class Affine:
    """An affine expression of symbols, immutable and hashable.

    Attributes:
        constant: The constant part, finite.
        terms: `(symbol, coefficient)` pairs in order of appearance, every symbol once and no
            coefficient zero.

    Example:
        >>> Affine.of("2*x + 0.5").evaluate({"x": 1.0})
        2.5
    """

    constant: float = 0.0
    terms: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, value: AffineLike) -> Affine:
        """Reads a number, a name, an expression as text, a SymPy expression or an `Affine`.

        Args:
            value: For instance `0.5`, `"theta"`, `"2*x + pi/2"`, `sympy.Symbol("x") / 2`.

        Raises:
            CircuitError: The value is not affine, not finite, or cannot be read.
        """
        if isinstance(value, Affine):
            return value
        if isinstance(value, (float, int)):
            return cls(_finite(_float(value), value))
        if isinstance(value, str):
            return cls.symbol(value) if _is_bare_name(value) else _Parser(value).parse()
        if isinstance(value, numbers.Real):
            return cls(_finite(_float(value), value))
        # Who passes a SymPy object has imported SymPy; without one the slow import is not paid.
        sympy_module = sys.modules.get("sympy")
        if sympy_module is not None and isinstance(value, sympy_module.Basic):
            return _from_sympy(value)
        if getattr(value, "shape", None) == () and hasattr(value, "item"):
            return cls.of(value.item())
        raise CircuitError(
            describe(
                "A gate parameter cannot be read",
                expected="a number, a symbol name, an affine expression such as '2*x + 0.5', "
                "or a SymPy expression",
                received=value,
            )
        )

    @classmethod
    def symbol(cls, name: str) -> Affine:
        """Returns the expression that is one symbol."""
        return cls(0.0, ((check_symbol_name(name), 1.0),))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the symbols, in order of appearance."""
        return tuple(name for name, _ in self.terms)

    @property
    def is_constant(self) -> bool:
        """Whether no symbol appears."""
        return not self.terms

    def __add__(self, other: Affine | float) -> Affine:
        if not isinstance(other, Affine):
            other = Affine.of(other)
        if not other.terms:
            return Affine(_finite(self.constant + other.constant, other), self.terms)
        merged = dict(self.terms)
        for name, coefficient in other.terms:
            merged[name] = merged.get(name, 0.0) + coefficient
        return _make(self.constant + other.constant, merged)

    def __radd__(self, other: float) -> Affine:
        return Affine.of(other) + self

    def __sub__(self, other: Affine | float) -> Affine:
        return self + -Affine.of(other)

    def __rsub__(self, other: float) -> Affine:
        return Affine.of(other) + -self

    def __mul__(self, factor: float) -> Affine:
        factor = float(factor)
        return _make(self.constant * factor, {name: c * factor for name, c in self.terms})

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Affine:
        if divisor == 0:
            raise CircuitError(describe("A gate parameter divides by zero", received=str(self)))
        return _make(self.constant / divisor, {name: c / divisor for name, c in self.terms})

    def __neg__(self) -> Affine:
        return Affine(-self.constant + 0.0, tuple([(name, -c) for name, c in self.terms]))

    def evaluate(self, values: Mapping[str, float] | None = None) -> float:
        """Returns the number the expression has for these symbol values.

        Raises:
            CircuitError: A symbol has no value.
        """
        total = self.constant
        for name, coefficient in self.terms:
            if values is None or name not in values:
                raise CircuitError(
                    describe(
                        f"Symbol {name!r} has no value",
                        expected=f"values for {', '.join(self.symbols)}",
                        received="no values" if values is None else sorted(values),
                        hint="Bind the symbol, or pass its value",
                    )
                )
            total += coefficient * float(values[name])
        return total

    def substitute(self, values: Mapping[str, AffineLike]) -> Affine:
        """Replaces symbols by numbers or expressions; symbols without a value stay."""
        result = Affine(self.constant)
        for name, coefficient in self.terms:
            part = Affine.of(values[name]) if name in values else Affine(0.0, ((name, 1.0),))
            result = result + part * coefficient
        return result

    def to_sympy(self) -> sympy.Expr:
        """Returns the same expression as a SymPy object."""
        import sympy

        parts = [sympy.Symbol(name) if c == 1 else c * sympy.Symbol(name) for name, c in self.terms]
        if self.constant or not parts:
            parts.append(sympy.Float(self.constant))
        return sympy.Add(*parts)

    def __str__(self) -> str:
        """Text that `Affine.of` reads back to the same expression."""
        text = ""
        for name, coefficient in self.terms:
            size = abs(coefficient)
            factor = name if size == 1 else f"{size!r}*{name}"
            text += (" - " if coefficient < 0 else " + ") + factor
        if self.constant or not text:
            text += (" - " if self.constant < 0 else " + ") + repr(abs(self.constant))
        return ("-" if text.startswith(" - ") else "") + text[3:]


AffineLike = Union[float, int, str, "sympy.Expr", Affine]


def check_symbol_name(name: object) -> str:
    """Returns the name of a symbol given as text or as a SymPy symbol.

    Raises:
        CircuitError: The name is empty, not printable, longer than 200 characters or reserved.
    """
    text = name if isinstance(name, str) else getattr(name, "name", None)
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > 200:
        raise CircuitError(
            describe(
                "A symbol has no usable name",
                expected="a short printable name such as 'theta_0'",
                received=name,
            )
        )
    if text in _CONSTANTS:
        raise CircuitError(
            describe(f"Symbol name {text!r} is reserved for the number pi", hint="Rename it")
        )
    return text


def _is_bare_name(text: str) -> bool:
    return _BARE_NAME.fullmatch(text) is not None and text not in _CONSTANTS


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond the range of floats
        return math.inf


def _finite(number: float, received: object) -> float:
    if not math.isfinite(number):
        raise CircuitError(
            describe(
                "A gate parameter is not a finite number",
                expected="a finite number or an affine expression",
                received=received,
            )
        )
    return number + 0.0  # -0.0 becomes 0.0, so that equal circuits also print alike


def _make(constant: float, terms: Mapping[str, float]) -> Affine:
    if not terms:
        return Affine(_finite(constant, constant))
    return Affine(
        _finite(constant, constant),
        tuple((name, _finite(c, c)) for name, c in terms.items() if c != 0),
    )


def _product(left: Affine, right: Affine, text: object) -> Affine:
    if left.is_constant:
        return right * left.constant
    if right.is_constant:
        return left * right.constant
    raise _not_affine(text)


def _not_affine(text: object) -> CircuitError:
    return CircuitError(
        describe(
            "A gate parameter is not affine in its symbols",
            expected="constant + sum of coefficient*symbol, such as '2*x + y/3 - pi'",
            received=str(text),
            hint="Compute the nonlinear part outside and feed it as a symbol of its own",
        )
    )


class _Parser:
    """Recursive descent over names, numbers, pi, + - * / and parentheses."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._next = 0
        self._nesting = 0

    def parse(self) -> Affine:
        value = self._sum()
        if self._next < len(self._tokens):
            raise self._error(f"unexpected {self._tokens[self._next][1]!r}")
        return value

    def _split(self, text: str) -> Sequence[tuple[str, str]]:
        if len(text) > _MAX_TEXT:
            raise CircuitError(
                describe(
                    "A gate parameter is too long",
                    expected=f"at most {_MAX_TEXT} characters",
                    received=len(text),
                )
            )
        tokens: list[tuple[str, str]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"unexpected {text[position:].lstrip()[:1]!r}")
            kind = match.lastgroup or ""
            tokens.append((kind, match.group(kind)))
            position = match.end()
        return tokens

    def _error(self, problem: str) -> CircuitError:
        return CircuitError(
            describe(
                f"A gate parameter cannot be read: {problem}",
                expected="names, numbers, pi, + - * / and parentheses, such as '2*x + pi/4'",
                received=self._text,
            )
        )

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else ""

    def _take(self) -> tuple[str, str]:
        if self._next >= len(self._tokens):
            raise self._error("it ends too early")
        self._next += 1
        return self._tokens[self._next - 1]

    def _sum(self) -> Affine:
        value = self._term()
        while self._peek() in ("+", "-"):
            _, sign = self._take()
            term = self._term()
            value = value + term if sign == "+" else value - term
        return value

    def _term(self) -> Affine:
        value = self._factor()
        while self._peek() in ("*", "/", "**", "^"):
            _, operator = self._take()
            if operator in ("**", "^"):
                raise _not_affine(self._text)
            right = self._factor()
            if operator == "*":
                value = _product(value, right, self._text)
            elif right.is_constant:
                value = value / right.constant
            else:
                raise _not_affine(self._text)
        return value

    def _factor(self) -> Affine:
        sign = 1.0
        kind, token = self._take()
        while token in ("+", "-"):
            sign = -sign if token == "-" else sign
            kind, token = self._take()
        if kind == "number":
            return Affine(_finite(float(token), token)) * sign
        if kind == "name":
            if self._peek() == "(":
                raise _not_affine(self._text)
            if token in _CONSTANTS:
                return Affine(_CONSTANTS[token] * sign)
            return Affine.symbol(token) * sign
        if token != "(":
            raise self._error(f"unexpected {token!r}")
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise self._error(f"parentheses nested deeper than {_MAX_NESTING}")
        value = self._sum() * sign
        if self._take()[1] != ")":
            raise self._error("a parenthesis is not closed")
        self._nesting -= 1
        return value


def _from_sympy(expression: Any) -> Affine:
    import sympy

    def walk(node: Any) -> Affine:
        if node.is_Symbol:
            return Affine.symbol(node.name)
        if node.is_number:
            try:
                number = complex(node)
            except (TypeError, ValueError, OverflowError):
                raise _not_affine(expression) from None
            if number.imag != 0:
                raise _not_affine(expression)
            return Affine(_finite(number.real, expression))
        if node.is_Add:
            total = Affine()
            for part in node.args:
                total = total + walk(part)
            return total
        if node.is_Mul:
            product = Affine(1.0)
            for part in node.args:
                product = _product(product, walk(part), expression)
            return product
        raise _not_affine(expression)

    if not isinstance(expression, sympy.Expr):
        raise _not_affine(expression)
    try:
        result = walk(expression)
    except CircuitError:
        result = walk(sympy.expand(expression))
    # SymPy sorts the terms of a sum by name, x10 before x2; counting order is what people mean.
    return Affine(result.constant, tuple(sorted(result.terms, key=lambda term: _natural(term[0]))))


def _natural(name: str) -> list[tuple[int, int, str]]:
    pieces = re.split(r"(\d+)", name)
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p) for p in pieces]
