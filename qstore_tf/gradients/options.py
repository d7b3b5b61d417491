"""Checks of the numbers that gradient methods and optimizers take as options."""

from __future__ import annotations

import math
import operator
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.limits import Limit


def positive(name: str, value: Any) -> float:
    """Returns a positive number; raises ConfigurationError for anything else."""
    if not (_is_number(value) and value > 0):
        raise ConfigurationError(describe(f"`{name}` must be a positive number", received=value))
    return float(value)


def at_least_zero(name: str, value: Any) -> float:
    """Returns a number >= 0; raises ConfigurationError for anything else."""
    if not (_is_number(value) and value >= 0):
        raise ConfigurationError(describe(f"`{name}` must be a number >= 0", received=value))
    return float(value)


def count(name: str, value: Any, limit: Limit, least: int = 1) -> int:
    """Returns an integer >= `least` and within the limit; else raises ConfigurationError."""
    number = None if isinstance(value, bool) else _integer(value)
    if number is None or number < least:
        raise ConfigurationError(
            describe(f"`{name}` must be an integer >= {least}", received=value)
        )
    limit.check(number, f"`{name}`")
    return number


def _integer(value: Any) -> int | None:
    """Returns an integer of any integer type as int, else None."""
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
