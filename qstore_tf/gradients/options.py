"""Checks of the numbers that gradient methods and optimizers take as options."""

from __future__ import annotations

import math
import operator
from typing import Any

from qstore_tf.errors import ConfigurationError, describe


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
    """Returns an integer that is large enough; raises ConfigurationError for anything else."""
    number = None if isinstance(value, bool) else _integer(value)
    if number is None or number < least:
        raise ConfigurationError(
            describe(f"`{name}` does not fit", expected=f"an integer >= {least}", received=value)
        )
    return number


def _integer(value: Any) -> int | None:
    """NumPy's integers are as good; None for what is no integer."""
    try:
        return operator.index(value)
    except TypeError:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
