"""Angles in OpenQASM 2: formulas of numbers, pi and the parameters of a gate definition.

A formula is kept in postfix order, parts without parameters computed, so that neither reading
nor evaluating one recurses over its length.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf.circuits.formats.qasm2.text import Cursor

_MAX_NESTING = 50
_SIGNED = 5

# One step: a number to take, the place of a parameter to take, or a function of the last values.
_NUMBER, _PARAMETER, _ONE, _TWO = range(4)
_Step = tuple[int, Any]

# Sign -> how strongly it binds to the left and to the right, and what it does.
_BINARY: Mapping[str, tuple[int, int, _Step]] = {
    "+": (1, 2, (_TWO, operator.add)),
    "-": (1, 2, (_TWO, operator.sub)),
    "*": (3, 4, (_TWO, operator.mul)),
    "/": (3, 4, (_TWO, operator.truediv)),
    "^": (8, 7, (_TWO, math.pow)),
}
_NEGATE: _Step = (_ONE, operator.neg)
_FUNCTIONS: Mapping[str, _Step] = {
    "sin": (_ONE, math.sin),
    "cos": (_ONE, math.cos),
    "tan": (_ONE, math.tan),
    "exp": (_ONE, math.exp),
    "ln": (_ONE, math.log),
    "sqrt": (_ONE, math.sqrt),
    "asin": (_ONE, math.asin),
    "acos": (_ONE, math.acos),
    "atan": (_ONE, math.atan),
}


class Formula:
    """A formula, made by `read_formula`.

    Attributes:
        size: How many numbers and parameters it has once the constant parts are computed.
    """

    def __init__(self, steps: Sequence[_Step]) -> None:
        self._steps = tuple(steps)
        self.size = sum([kind in (_NUMBER, _PARAMETER) for kind, _ in steps])

    def value(self, parameters: Sequence[float] = ()) -> float:
        """The formula's value, which may be infinite or NaN.

        Raises:
            ArithmeticError, ValueError: it has none.
        """
        kind, what = self._steps[0]
        if len(self._steps) == 1:
            return what if kind == _NUMBER else parameters[what]
        stack: list[float] = []
        for kind, what in self._steps:
            if kind == _NUMBER:
                stack.append(what)
            elif kind == _PARAMETER:
                stack.append(parameters[what])
            elif kind == _ONE:
                stack[-1] = what(stack[-1])
            else:
                right = stack.pop()
                stack[-1] = what(stack[-1], right)
        return stack[0]


def read_formula(cursor: Cursor, parameters: Mapping[str, int]) -> Formula:
    """Reads the formula at a cursor and leaves the cursor after it.

    Args:
        cursor: where it starts.
        parameters: the parameters that may appear, each with its place among the values.

    Raises:
        ConversionError: it is not a formula, or a part without parameters has no value.
    """
    reader = _Reader(cursor, parameters)
    reader.read(0)
    return Formula(reader.steps)


@functools.lru_cache(maxsize=1000)
def _parameter(place: int) -> _Step:
    # One object for all formulas: a long one is then no more than a list of references.
    return _PARAMETER, place


class _Reader:
    def __init__(self, cursor: Cursor, parameters: Mapping[str, int]) -> None:
        self._cursor = cursor
        self._parameters = parameters
        self._nesting = 0
        self.steps: list[_Step] = []

    def read(self, strength: int) -> None:
        """Reads on for as long as signs bind at least this strongly."""
        cursor = self._cursor
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            cursor.fail(f"a formula is nested more than {_MAX_NESTING} deep")
        self._operand()
        while cursor.kind == "sign" and cursor.value in _BINARY:
            left, right, step = _BINARY[cursor.value]
            if left < strength:
                break
            cursor.advance()
            self.read(right)
            self._apply(step)
        self._nesting -= 1

    def _operand(self) -> None:
        cursor = self._cursor
        if cursor.kind == "number":
            self.steps.append((_NUMBER, cursor.take_number()))
        elif cursor.kind == "name":
            self._named()
        elif cursor.value == "(":
            self._in_parentheses()
        elif cursor.value in ("-", "+"):
            negative = False
            while cursor.value in ("-", "+"):
                negative ^= cursor.value == "-"
                cursor.advance()
            # -2^2 is -(2^2).
            self.read(_SIGNED)
            if negative:
                self._apply(_NEGATE)
        else:
            cursor.fail_expecting("a number, 'pi', a parameter or '('")

    def _named(self) -> None:
        cursor = self._cursor
        name = cursor.value
        if name in self._parameters:
            self.steps.append(_parameter(self._parameters[name]))
            cursor.advance()
        elif name == "pi":
            self.steps.append((_NUMBER, math.pi))
            cursor.advance()
        elif name in _FUNCTIONS:
            cursor.advance()
            self._in_parentheses()
            self._apply(_FUNCTIONS[name])
        else:
            known = [*self._parameters, "pi", *_FUNCTIONS]
            cursor.fail(f"the name {name[:80]!r} in a formula is none of {', '.join(known)[:200]}")

    def _in_parentheses(self) -> None:
        self._cursor.take("(")
        self.read(0)
        self._cursor.take(")")

    def _apply(self, step: _Step) -> None:
        kind, function = step
        steps = self.steps
        if steps[-1][0] != _NUMBER or (kind == _TWO and steps[-2][0] != _NUMBER):
            steps.append(step)
            return
        right = steps.pop()[1]
        try:
            value = function(right) if kind == _ONE else function(steps.pop()[1], right)
            steps.append((_NUMBER, value))
        except (ArithmeticError, ValueError) as error:
            self._cursor.fail(f"a formula has no finite value ({error})")
