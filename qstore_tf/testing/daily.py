"""The seed of random tests: new cases every day, the same ones all day long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import TypeVar

VARIABLE = "QSTORE_TEST_SEED"

_Case = TypeVar("_Case")


def daily_seed() -> int:
    """The seed that random tests start from: `QSTORE_TEST_SEED`, else today's number.

    Test runs print it at their end, so that a failure can be repeated on another day.

    Returns:
        The value of the variable, or the days since 1970-01-01 (UTC).

    Raises:
        ValueError: The variable is set, but is not an integer of at least 0.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng([daily_seed(), 7])
    """
    text = os.environ.get(VARIABLE, "")
    if not text:
        return int(time.time() // 86400)
    if not text.isdecimal():
        raise ValueError(
            f"{VARIABLE} must be an integer of at least 0. Received: {text!r}. "
            "Use the number that the failing run printed, or unset it."
        )
    return int(text)


def todays(cases: Iterable[_Case], parts: int = 3) -> list[_Case]:
    """One case in `parts`, others each day, so that all come within as many days.

    Args:
        cases: All cases, in an order that stays.
        parts: How many days it takes.

    Returns:
        Those of today.

    Example:
        >>> sorted(todays("ab", 1))
        ['a', 'b']
    """
    return list(cases)[daily_seed() % parts :: parts]
