"""Checks of the numbers that gradient methods and optimizers take as options."""

from __future__ import annotations

import math
import operator
from typing import Any

from qstore_tf.errors import ConfigurationError, describe

# How large options may be; change an entry to raise it. What is larger would compute for days, or
# fill the memory, before anything could be said about it.
LIMITS = {
    "directions": 100_000,
    "window": 10_000,
    "reuse_steps": 10**9,
    "frequencies": 200,
}


def at_most(name: str, size: int, what: str) -> int:
    """Returns a size; raises ConfigurationError where it is above `LIMITS[name]`."""
    if size > LIMITS[name]:
        raise ConfigurationError(
            describe(
                f"{what} is too large",
                expected=f"at most {LIMITS[name]}",
                received=size,
                hint=f"To raise the limit, set qstore_tf.gradients.options.LIMITS[{name!r}]",
            )
        )
    return size


def positive(name: str, value: Any) -> float:
    """Returns a positive number; raises ConfigurationError for anything else."""
    if not (_is_number(value) and value > 0):
        raise ConfigurationError(
            describe(f"`{name}` does not fit", expected="a positive number", received=value)
        )
    return float(value)


def at_least_zero(name: str, value: Any) -> float:
    """Returns a number >= 0; raises ConfigurationError for anything else."""
    if not (_is_number(value) and value >= 0):
        raise ConfigurationError(
            describe(f"`{name}` does not fit", expected="a number >= 0", received=value)
        )
    return float(value)


def count(name: str, value: Any, least: int = 1) -> int:
    """Returns an integer >= `least`, at most `LIMITS[name]`; else raises ConfigurationError."""
    number = None if isinstance(value, bool) else _integer(value)
    if number is None or number < least:
        raise ConfigurationError(
            describe(f"`{name}` does not fit", expected=f"an integer >= {least}", received=value)
        )
    return at_most(name, number, f"`{name}`") if name in LIMITS else number


def _integer(value: Any) -> int | None:
    """NumPy's integers are as good; None for what is no integer."""
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float holds
        return False
