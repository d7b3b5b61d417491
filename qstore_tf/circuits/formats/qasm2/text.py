"""The text of an OpenQASM 2 program: its limits, its tokens, and errors that name the line."""

from __future__ import annotations

import re
from typing import NoReturn

from qstore_tf.errors import ConversionError, describe
from qstore_tf.limits import TEXT_OPERATIONS, Limit

CHARACTERS_PER_OPERATION = 50
CHARACTERS = TEXT_OPERATIONS.per(CHARACTERS_PER_OPERATION, "characters")
_TOKENS_PER_OPERATION = 15
SUBJECT = "The OpenQASM 2 program"
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


class Cursor:
    """Stands on one token of a program and moves forward.

    Args:
        text: The program.
        operations: The most operations that it may come to, and the most statements; its length
            is limited with them.

    Attributes:
        kind: "name", "number", "sign", "element" (such as `q[3]`), "string" or "end".
        value: The token's text.
    """

    def __init__(self, text: object, operations: Limit) -> None:
        if not isinstance(text, str):
            raise ConversionError(
                describe(
                    "This is not an OpenQASM program",
                    expected="its text, a str",
                    received=type(text).__name__,
                )
            )
        characters = operations.per(CHARACTERS_PER_OPERATION, "characters")
        characters.check(len(text), SUBJECT, ConversionError)
        text = text.removeprefix("\ufeff")
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        self._text = _COMMENT.sub("", text) if "//" in text else text
        # At once, rather than after all that comes before the statement that is one too many.
        statements = operations.per(1, "statements")
        statements.check(self._text.count(";"), SUBJECT, ConversionError)
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
        self._tokens = operations.per(_TOKENS_PER_OPERATION, "tokens")
        self._most_tokens = self._tokens.current
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
        if count > self._most_tokens:
            self._tokens.check(count, SUBJECT, ConversionError, counting=True)

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
