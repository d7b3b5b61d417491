"""How large what comes from outside may be, in one table: checked before work starts.

A number in a configuration, a saved model or a text costs nothing to write, and may cost all
memory and hours to serve. Each limit can be raised by the environment variable that its error
names; it is read whenever the limit is checked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from qstore_tf.errors import ConfigurationError, QstoreError, describe


@dataclass(frozen=True)
class Limit:
    """The most of something.

    Attributes:
        most: The limit, unless the environment variable is set.
        what: What is counted, in the plural.
        variable: The environment variable that sets another one.
    """

    most: int
    what: str
    variable: str

    @property
    def current(self) -> int:
        """The limit that holds now.

        Raises:
            ConfigurationError: The environment variable is not a positive integer.
        """
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
        self, count: int, subject: str, error: type[QstoreError] = ConfigurationError
    ) -> None:
        """Raises `error` where there are more than the limit.

        Args:
            count: How many there would be.
            subject: What would have so many, such as "A circuit".
            error: The class to raise.

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
                    received=count,
                    hint="If this is meant, set the environment variable "
                    f"{self.variable} to a larger number",
                )
            )


QUBITS = Limit(4096, "qubits", "QSTORE_MAX_QUBITS")
GATES = Limit(100_000, "gates", "QSTORE_MAX_GATES")  # that one call of a builder makes
CELLS = Limit(500_000, "cells", "QSTORE_MAX_CELLS")  # qubits times columns of a picture
SHOTS = Limit(1_000_000_000, "shots", "QSTORE_MAX_SHOTS")
THREADS = Limit(4096, "threads", "QSTORE_MAX_THREADS")
WORKERS = Limit(1024, "workers", "QSTORE_MAX_WORKERS")  # that one command launches

LIMITS = (QUBITS, GATES, CELLS, SHOTS, THREADS, WORKERS)
