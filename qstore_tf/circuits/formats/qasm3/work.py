"""How large OpenQASM 3 programs may be, and the texts as the parser gets them.

The parser takes about 10 microseconds for each token, and a short text can ask for any number of
gates. Both are counted before the work is done, so that a refusal comes within about a second.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from qstore_tf.circuits.formats.conversion import missing_library
from qstore_tf.errors import CircuitError, ConversionError, describe
from qstore_tf.limits import QASM3_OPERATIONS, QASM3_TOKENS

CHARACTERS = QASM3_TOKENS.per(20, "characters")
_STEPS = QASM3_OPERATIONS.per(40, "steps")
_SUBJECT = "The OpenQASM 3 program"
_MAX_DEPTH = 60

_NEWLINE = re.compile(r"\r\n?")
# Strings come first, so that signs of comments within them do not count.
_COMMENT = re.compile(r'"[^"\n]*"|//[^\n]*|/\*.*?(?:\*/|\Z)|[ \t]{2,}', re.DOTALL)
_TOKEN = re.compile(r"\w+|[^\w\s]")
_BRACKET = re.compile(r"[()\[\]{}]")
_SIGNS = re.compile(r"(?:[-+!~*/%^&|<>=]\s*){60}")
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)")


class Work:
    """Counts what a program makes us do.

    Operations are counted by themselves. Steps are all else that takes time or memory:
    statements, parts of expressions, qubits, terms of parameters.
    """

    def __init__(self) -> None:
        self._operations = self._steps = 0
        self._most_operations, self._most_steps = QASM3_OPERATIONS.current, _STEPS.current

    def add_operations(self, number: int) -> None:
        """Counts operations before they are made.

        Raises:
            CircuitError: there are too many.
        """
        self._operations += number
        if self._operations > self._most_operations:
            QASM3_OPERATIONS.check(self._operations, _SUBJECT, CircuitError, counting=True)

    def add_steps(self, number: int = 1) -> None:
        """Counts steps before they are done.

        Raises:
            CircuitError: there are too many.
        """
        self._steps += number
        if self._steps > self._most_steps:
            _STEPS.check(self._steps, _SUBJECT, CircuitError, counting=True)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Keeps Python's garbage collector from running.

    The parser makes so many objects that the collector, which goes through those of TensorFlow
    each time, would take most of the time. The limits above bound what is not collected.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def parsed(text: str) -> Any:
    """The program as the reference parser returns it.

    Raises:
        ConversionError: the text is too large or not OpenQASM 3.
        LibraryError: the parser is not installed.
    """
    code = _prepared(text)
    try:
        from openqasm3 import parser
    except ImportError as error:
        raise missing_library("openqasm3[parser]", "qasm3", "Reading OpenQASM 3") from error
    try:
        return parser.parse(code)
    except RecursionError as error:
        raise ConversionError(
            describe(
                "The OpenQASM program cannot be read: it is nested too deeply",
                hint="Split its expressions.",
            )
        ) from error
    # The parser raises its own errors, and now and then what its actions run into.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or _unexpected(error)
        raise ConversionError(
            describe(
                f"The OpenQASM program cannot be read: {reason}",
                expected="valid OpenQASM 3",
                hint="Correct the program.",
            )
        ) from error


def _unexpected(error: Exception) -> str:
    """Where the grammar ends, which the parser keeps in the cause of its error."""
    causes = getattr(error.__cause__, "args", ())
    token = getattr(causes[0], "offendingToken", None) if causes else None
    if token is None:
        return type(error).__name__
    return f"line {token.line}, unexpected {str(token.text)[:40]!r}"


def _prepared(text: str) -> str:
    """The text without comments, its lines where they were."""
    if not isinstance(text, str):
        _fail("This is not an OpenQASM 3 program", "text", type(text).__name__)
    CHARACTERS.check(len(text), _SUBJECT, ConversionError)
    code = _NEWLINE.sub("\n", text.removeprefix("\ufeff"))
    code = _COMMENT.sub(_without_comment, code)
    version = _VERSION.match(code)
    if version is not None and version.group(1) != "3":
        _fail(
            "The text does not start as an OpenQASM 3 program",
            "'OPENQASM 3.0;' first, or no version (from_qasm reads OpenQASM 2)",
            code.strip()[:40],
        )
    tokens = 0
    for _ in _TOKEN.finditer(code):
        tokens += 1
    QASM3_TOKENS.check(tokens, _SUBJECT, ConversionError)
    _check_depth(code)
    return code


def _without_comment(found: re.Match[str]) -> str:
    part = found.group()
    if part[0] == '"':
        return part
    if part.startswith("//"):
        return ""
    return "\n" * part.count("\n") or " "


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
