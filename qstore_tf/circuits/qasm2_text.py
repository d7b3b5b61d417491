"""The text of an OpenQASM 2 program: its limits, its tokens, and errors that name the line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from qstore_tf.errors import ConversionError, describe

MAX_OPERATIONS = 100_000
_CHARACTERS_PER_OPERATION = 50
_TOKENS_PER_OPERATION = 15
_MAX_NUMBER = 400

_COMMENT = re.compile(r"//[^\n]*")
_HEADER = re.compile(r"\s*OPENQASM\s+2(?:\.0*)?\s*;")
# `q[3]` is one token: most of a program is made of them.
_TOKEN = re.compile(
    r"\s*(?:(?P<element>[A-Za-z_][A-Za-z0-9_]*\s*\[\s*[0-9]+\s*\])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<sign>->|==|[-+*/^()\[\]{},;])"
    r'|(?P<string>"[^"\n]*")'
    r"|(?P<end>\Z)"
    r"|(?P<unknown>.))"
)


@dataclass(frozen=True)
class Limits:
    """How large a program may be; everything follows from the number of operations.

    It is also the most statements that the text may have.
    """

    operations: int

    def __post_init__(self) -> None:
        if type(self.operations) is not int or self.operations < 1:
            raise ConversionError(
                describe(
                    "max_operations must be a positive integer",
                    expected="an integer of at least 1",
                    received=self.operations,
                )
            )

    @property
    def characters(self) -> int:
        """The longest text that is read."""
        return self.operations * _CHARACTERS_PER_OPERATION

    @property
    def tokens(self) -> int:
        """The most names, numbers and signs that are read."""
        return self.operations * _TOKENS_PER_OPERATION


def too_large(what: str, limit: int, unit: str) -> NoReturn:
    """Refuses a program for its size, in words that say how to have it read."""
    raise ConversionError(
        describe(
            f"The OpenQASM program {what}",
            expected=f"at most {limit} {unit}",
            hint="Raise the limit with UnifiedCircuit.from_qasm(text, max_operations=...), whose "
            f"default is {MAX_OPERATIONS}.",
        )
    )


class Cursor:
    """Stands on one token of a program and moves forward.

    Attributes:
        kind: "name", "number", "sign", "element" (such as `q[3]`), "string" or "end".
        value: The token's text.
    """

    def __init__(self, text: object, limits: Limits) -> None:
        if not isinstance(text, str):
            raise ConversionError(
                describe(
                    "This is no OpenQASM program",
                    expected="its text, a str",
                    received=type(text).__name__,
                )
            )
        if len(text) > limits.characters:
            too_large("is too long", limits.characters, "characters")
        text = text.removeprefix("\ufeff")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._text = _COMMENT.sub("", text) if "//" in text else text
        # At once, rather than after all that comes before the statement that is one too many.
        if self._text.count(";") > limits.operations:
            too_large("is too long", limits.operations, "statements")
        header = _HEADER.match(self._text)
        if header is None:
            raise ConversionError(
                describe(
                    "The text does not start as an OpenQASM 2 program",
                    expected="'OPENQASM 2.0;' first (from_qasm3 reads OpenQASM 3)",
                    received=self._text.strip()[:40],
                )
            )
        self._matches = enumerate(_TOKEN.finditer(self._text, header.end()))
        self._max_tokens = limits.tokens
        self._position = header.end()
        self.kind = ""
        self.value = ""
        self.advance()

    def advance(self) -> None:
        """Moves to the next token."""
        count, match = next(self._matches)
        self.kind = kind = match.lastgroup or ""
        self.value = match[kind]
        self._position = match.end()
        if kind == "unknown":
            self.fail(f"the character {self.value!r} has no meaning here")
        if count > self._max_tokens:
            too_large("is too long", self._max_tokens, "names, numbers and signs")

    def take(self, value: str) -> None:
        """Moves over a sign or a keyword that must stand here."""
        if self.value != value:
            self.fail_expecting(repr(value))
        self.advance()

    def take_if(self, value: str) -> bool:
        """Moves over a sign, if it stands here."""
        if self.value != value:
            return False
        self.advance()
        return True

    def take_name(self, of_what: str) -> str:
        """Moves over a name and returns it."""
        if self.kind != "name":
            self.fail_expecting(f"the name of {of_what}")
        name = self.value
        self.advance()
        return name

    def take_element(self, of_what: str) -> tuple[str, int]:
        """Moves over a name with a number in brackets, such as `q[3]`, and returns both."""
        if self.kind != "element":
            self.fail_expecting(f"{of_what}, such as 'q[3]'")
        name, _, digits = self.value[:-1].partition("[")
        self.advance()
        digits = digits.strip().lstrip("0") or "0"
        # Beyond any register; longer numbers cost time.
        return name.strip(), int(digits) if len(digits) < 10 else 10**9

    def take_number(self) -> float:
        """Moves over a number and returns it."""
        if len(self.value) > _MAX_NUMBER:
            self.fail(f"a number has {len(self.value)} digits, and at most {_MAX_NUMBER} are read")
        number = float(self.value)
        self.advance()
        return number

    @property
    def line(self) -> int:
        """The number of the line that the token stands on, from 1."""
        return self._text.count("\n", 0, self._position) + 1

    def fail_expecting(self, expected: str) -> NoReturn:
        """Refuses the program for what stands here instead of something else."""
        received = "the end of the text" if self.kind == "end" else repr(self.value[:80])
        self.fail(f"{received} stands where {expected} was expected")

    def fail(self, why: str, hint: str = "Correct the program.") -> NoReturn:
        """Refuses the program for what is wrong here."""
        raise ConversionError(
            describe(f"Line {self.line} of the OpenQASM program cannot be read: {why}", hint=hint)
        )
