"""Single numbers that users hand in: how long an item keeps, how many matches are asked for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qstore_tf.errors import ItemError, describe


def check_coherence_time(time: Any, default: float = math.inf) -> float:
    """Returns a coherence time in ms; `math.inf` where an item is kept for ever.

    Raises:
        ItemError: It is not a positive number.
    """
    if time is None:
        return default
    is_number = isinstance(time, (int, float, np.integer, np.floating))
    if isinstance(time, bool) or not is_number or not time > 0:
        raise ItemError(
            describe(
                "A coherence time cannot be used",
                expected="a positive number of milliseconds, or None to keep the item for ever",
                received=time,
            )
        )
    return float(time)


def check_top_k(top_k: Any) -> int:
    """Returns how many matches a query asks for.

    Raises:
        ItemError: It is not an integer of at least 1.
    """
    if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
        raise ItemError(
            describe("top_k cannot be used", expected="an integer of at least 1", received=top_k)
        )
    return int(top_k)
