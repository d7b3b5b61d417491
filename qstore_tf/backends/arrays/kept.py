"""What there is of the results of a run that has failed, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.backends.arrays.base import Array
from qstore_tf.errors import RunFacts


@dataclass(frozen=True, eq=False)
class Kept:
    """The rows of a batch after a run that has failed.

    Attributes:
        done: The rows whose results are there, int64, ascending.
        values: Their results, [done, ...].
        unsettled: The rows of which something may have run, or run yet, and be billed, though its
            outcome is not there; int64, ascending. What is in neither surely costs nothing.
    """

    done: NDArray[np.int64]
    values: Array = field(repr=False)
    unsettled: NDArray[np.int64]


def kept(error: RunFacts, sent: NDArray[np.bool_], read: Callable[[Sequence[Any]], Array]) -> Kept:
    """Returns what an error's outcomes say, where each row has one circuit in each piece of work.

    Args:
        error: What ended the run, with its facts.
        sent: For which rows of the batch circuits were sent, [B]; the others need none.
        read: Makes results [B, ...] of all outcomes.

    Example:
        >>> error = RunFacts()  # of two rows in two pieces of work; the last circuit is missing
        >>> error.circuits, error.outcomes = (3,), ("first", "second")
        >>> kept(error, np.array([True, True]), lambda outcomes: np.zeros((2, 1))).done.tolist()
        [0]
    """
    rows = np.flatnonzero(sent)

    def of(circuits: Iterable[int]) -> NDArray[np.bool_]:
        found = np.zeros(len(sent), bool)
        found[rows[np.array(list(circuits), np.int64) % max(1, len(rows))]] = True
        return found

    unsettled = np.flatnonzero(of(error.unsettled))
    if not error.outcomes:
        return Kept(rows[:0], np.zeros(0), unsettled)
    done = ~of(error.circuits)
    return Kept(np.flatnonzero(done), read(error.outcomes)[done], unsettled)
