"""Who runs which rows of a batch: by measured throughput at first, then as things happen.

No threads and no clock here. Whoever runs the shares says what became of each; at every moment a
row is done, in one share, or waiting, and the order in which things happen makes no difference to
that.

    what became of a row of a share     where it may go
    done                                nowhere: its results are kept
    surely not run                      any other backend
    perhaps run, and paid for           backends that cost nothing

Of the last kind, and of rows that nobody is left to run, an error tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Share:
    """Rows of a batch that one backend runs together.

    Attributes:
        member: The name of the backend.
        rows: Their numbers in the batch, int64, ascending.
        asked: The rows that an earlier call has sent with them, where this takes them up: only the
            same work is found again. None: this is new.
    """

    member: str
    rows: Rows = field(repr=False)
    asked: Rows | None = field(default=None, repr=False)


def proportional(count: int, weights: Sequence[float]) -> list[int]:
    """Returns how many of `count` things each gets, as near to its weight as whole numbers can be.

    Each gets its exact part rounded down; what is left goes to the largest remainders, and to the
    first of those that are equal.

    Args:
        count: How many there are.
        weights: Not negative; where all are 0, or one is not finite, all count alike.

    Returns:
        Numbers of at least 0 whose sum is `count`.

    Example:
        >>> proportional(10, [2.0, 1.0, 1.0]), proportional(2, [1.0, 1.0, 1.0])
        ([5, 3, 2], [1, 1, 0])
    """
    given = np.asarray(weights, np.float64)
    largest = given.max(initial=0.0)
    if not 0 < largest < np.inf or not np.isfinite(given).all():
        given, largest = np.ones_like(given), 1.0
    scaled = given / largest  # so that no sum overflows
    exact = count * (scaled / scaled.sum())
    found = np.floor(exact).astype(np.int64)
    order = np.argsort(found - exact, kind="stable")
    left = count - int(found.sum())
    if left < 0:  # where rounding made a floor too large
        found[order[left:]] += -1
    else:
        found[order[:left]] += 1
    return [int(each) for each in found]


def alike(speeds: Mapping[str, float], margin: float = 0.15) -> dict[str, float]:
    """Returns speeds with those that differ by no more than measurements do made the same.

    What is a little faster by chance would else get a row more than the others, which all then wait
    for.

    Args:
        speeds: By name, positive.
        margin: Members whose speed is lower than that of the fastest of a group by at most this
            share belong to it; each gets the mean of its group.

    Example:
        >>> alike({"a": 1.0, "b": 4.0, "c": 1.1})
        {'a': 1.05, 'b': 4.0, 'c': 1.05}
    """
    found: dict[str, float] = {}
    group: list[str] = []
    for name in [*sorted(speeds, key=lambda each: -speeds[each]), ""]:
        if group and (not name or not speeds[name] >= (1 - margin) * speeds[group[0]]):
            found |= dict.fromkeys(group, sum(speeds[each] for each in group) / len(group))
            group = []
        group.append(name)
    return {name: found[name] for name in speeds}


def in_shares(rows: Rows, weights: Mapping[str, float], unit: int = 1) -> list[Share]:
    """Deals rows out in proportion to weights, to each a stretch of them in order.

    Args:
        rows: Numbers of rows, ascending.
        weights: Of each backend by its name.
        unit: Rows whose numbers agree in `number // unit` stay together.

    Returns:
        The shares that have rows, in the order of the names; together they have each row once.

    Example:
        >>> [(s.member, s.rows.tolist()) for s in in_shares(np.arange(5), {"a": 3.0, "b": 2.0})]
        [('a', [0, 1, 2]), ('b', [3, 4])]
    """
    units, begins = np.unique(rows // unit, return_index=True)
    edges = np.append(begins, len(rows))
    found, at = [], 0
    for name, count in zip(weights, proportional(len(units), list(weights.values())), strict=True):
        if count:
            found.append(Share(name, rows[edges[at] : edges[at + count]]))
        at += count
    return found


class Dealing:
    """The rows of one batch and who has them.

    Args:
        count: How many rows there are.
        free: Of each backend that may be used, by its name, whether its work costs nothing.
        unit: See `in_shares`.

    Attributes:
        done: Whether each row is done, [count].

    Example:
        >>> dealing = Dealing(4, {"a": True, "b": True})
        >>> first, second = dealing.deal({"a": 1.0, "b": 1.0})
        >>> dealing.succeeded(first)
        >>> dealing.failed(second)
        >>> [(share.member, share.rows.tolist()) for share in dealing.deal({"a": 1.0})]
        [('a', [2, 3])]
    """

    def __init__(self, count: int, free: Mapping[str, bool], unit: int = 1) -> None:
        self._free, self._unit = dict(free), unit
        self.done = np.zeros(count, bool)
        self._dealt = np.zeros(count, bool)
        self._costless = np.zeros(count, bool)  # perhaps paid for already
        self._out: set[str] = set()  # those that have failed in this batch

    @property
    def usable(self) -> list[str]:
        """The backends that have not failed."""
        return [name for name in self._free if name not in self._out]

    def deal(self, weights: Mapping[str, float]) -> list[Share]:
        """Deals all rows that wait to those that may run them; they count as dealt from now on.

        Args:
            weights: Of the backends that may get some, by their names. Others get nothing now, but
                for rows that only those that cost nothing may run, where none of them is named.
        """
        usable = {name: weights[name] for name in self.usable if name in weights}
        free = {name: weight for name, weight in usable.items() if self._free[name]}
        free = free or {name: 1.0 for name in self.usable if self._free[name]}
        found = []
        for mask, takers in ((self._costless, free), (~self._costless, usable)):
            rows = np.flatnonzero(self._waiting & mask)
            if takers and len(rows):
                found += in_shares(rows, takers, self._unit)
        for share in found:
            self._dealt[share.rows] = True
        return found

    def give(self, share: Share) -> Share:
        """Deals a share as an earlier call has; returns it."""
        self._dealt[share.rows] = True
        return share

    def succeeded(self, share: Share) -> None:
        """All rows of a share are done."""
        self._end(share)
        self.done[share.rows] = True

    def failed(
        self,
        share: Share,
        done: Rows | None = None,
        perhaps_paid: Rows | None = None,
        is_well: bool = False,
    ) -> None:
        """A share has failed; its backend gets nothing more of this batch.

        Args:
            share: What has failed.
            done: Those of its rows that are done nevertheless.
            perhaps_paid: Those that perhaps ran, or will, and that cost money there.
            is_well: Whether that was not the backend's fault, so that it may get others.
        """
        self._end(share)
        if not is_well:
            self._out.add(share.member)
        if done is not None:
            self.done[done] = True
        if perhaps_paid is not None:
            self._costless[perhaps_paid] = True

    def _end(self, share: Share) -> None:
        """Takes a share back, which somebody must have."""
        assert self._dealt[share.rows].all() and not self.done[share.rows].any()
        self._dealt[share.rows] = False

    @property
    def perhaps_paid(self) -> Rows:
        """The rows that are not done and perhaps paid for."""
        return np.flatnonzero(self._costless & ~self.done)

    @property
    def _waiting(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = ~self.done & ~self._dealt
        return found
