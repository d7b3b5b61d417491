"""How large what comes from outside may be, in one table: checked before work starts.

A number in a configuration, a saved model or a text costs nothing to write, and may cost all
memory and hours to serve. Each limit can be raised by the environment variable that its error
names; it is read whenever the limit is checked. docs/limits.md has the table for users.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from qstore_tf.errors import ConfigurationError, QstoreError, describe


@dataclass(frozen=True)
class Limit:
    """The most of something.

    Attributes:
        most: The limit, unless the environment variable is set.
        what: What is counted, in the plural.
        variable: The environment variable that sets another one.
        argument: The name of the argument, if any, that goes before the variable.
        given: What was passed for that argument; None leaves the limit as it is.
        each: How many of `what` there may be for each of `base`.
        base: What the variable counts, where that is something else.
    """

    most: int
    what: str
    variable: str
    argument: str = ""
    given: int | None = None
    each: int = 1
    base: str = ""

    @property
    def current(self) -> int:
        """The limit that holds now.

        Raises:
            ConfigurationError: The environment variable is not a positive integer.
        """
        return self.each * (self._from_environment() if self.given is None else self.given)

    def per(self, each: int, what: str) -> Limit:
        """Returns the limit of something that is allowed so often for each of these.

        Example:
            >>> THREADS.per(10, "pieces").current
            40960
        """
        return replace(self, each=each, what=what, base=self.what)

    def unless(
        self, argument: str, given: int | None, error: type[QstoreError] = ConfigurationError
    ) -> Limit:
        """Returns the limit that an argument of a function may set instead.

        Args:
            argument: The argument's name.
            given: Its value; None for the table's limit.
            error: The class to raise.

        Raises:
            error: The value is not a positive integer.
        """
        if given is not None and (type(given) is not int or given < 1):
            raise error(
                describe(
                    f"{argument} must be a positive integer, or None for the usual limit",
                    expected="an integer of at least 1",
                    received=given,
                )
            )
        return replace(self, argument=argument, given=given)

    def _from_environment(self) -> int:
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.most
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text)):
            raise ConfigurationError(
                describe(
                    f"The environment variable {self.variable} is not a limit",
                    expected="a positive integer of up to 19 digits",
                    received=text,
                )
            )
        return int(text)

    def check(
        self,
        count: int,
        subject: str,
        error: type[QstoreError] = ConfigurationError,
        *,
        counting: bool = False,
    ) -> None:
        """Raises `error` where there are more than the limit.

        Args:
            count: How many there would be.
            subject: What is counted, such as "A circuit".
            error: The class to raise.
            counting: Whether the count goes on, so that there may be more in the end.

        Example:
            >>> QUBITS.check(10**9, "A circuit")
            Traceback (most recent call last):
                ...
            qstore_tf.errors.ConfigurationError: A circuit has too many qubits. Expected: at most \
4096. Received: 1000000000. If this is meant, set the environment variable QSTORE_MAX_QUBITS to a \
larger number.
        """
        if count > self.current:
            raise error(
                describe(
                    f"{subject} has too many {self.what}",
                    expected=f"at most {self.current}",
                    received=_AtLeast(count) if counting else count,
                    hint=f"If this is meant, {self._how_to_raise()}",
                )
            )

    def _how_to_raise(self) -> str:
        unit = f" ({self.base} of {self.each} {self.what} each)" if self.each > 1 else ""
        if self.given is not None:
            return f"pass a larger {self.argument}={unit}"
        passing = f", or pass {self.argument}=" if self.argument else ""
        return f"set the environment variable {self.variable} to a larger number{passing}{unit}"


@dataclass(frozen=True)
class _AtLeast:
    """A count that went no further, as an error shows it."""

    count: int

    def __repr__(self) -> str:
        return f"at least {self.count}"


QUBITS = Limit(4096, "qubits", "QSTORE_MAX_QUBITS")
GATES = Limit(100_000, "gates", "QSTORE_MAX_GATES")  # that one call of a builder makes
CELLS = Limit(500_000, "cells", "QSTORE_MAX_CELLS")  # qubits times columns of a picture
SHOTS = Limit(1_000_000_000, "shots", "QSTORE_MAX_SHOTS")
THREADS = Limit(4096, "threads", "QSTORE_MAX_THREADS")
WORKERS = Limit(1024, "workers", "QSTORE_MAX_WORKERS")  # that one command launches

# Of a circuit that is read: from objects of another library or a saved layer, which are in memory
# already; from OpenQASM 2 and JSON, which anyone may send; from OpenQASM 3, whose parser is slow.
OPERATIONS = Limit(1_000_000, "operations", "QSTORE_MAX_OPERATIONS")
TEXT_OPERATIONS = Limit(100_000, "operations", "QSTORE_MAX_TEXT_OPERATIONS")
QASM3_OPERATIONS = Limit(50_000, "operations", "QSTORE_MAX_QASM3_OPERATIONS")
QASM3_TOKENS = Limit(50_000, "tokens", "QSTORE_MAX_QASM3_TOKENS")

# Of gradient methods and optimizers.
DIRECTIONS = Limit(100_000, "directions", "QSTORE_MAX_DIRECTIONS")
WINDOW = Limit(10_000, "estimates", "QSTORE_MAX_WINDOW")
REUSE_STEPS = Limit(1_000_000_000, "steps", "QSTORE_MAX_REUSE_STEPS")
FREQUENCIES = Limit(200, "frequencies", "QSTORE_MAX_FREQUENCIES")  # of one parameter

LIMITS = (
    QUBITS,
    GATES,
    CELLS,
    SHOTS,
    THREADS,
    WORKERS,
    OPERATIONS,
    TEXT_OPERATIONS,
    QASM3_OPERATIONS,
    QASM3_TOKENS,
    DIRECTIONS,
    WINDOW,
    REUSE_STEPS,
    FREQUENCIES,
)
