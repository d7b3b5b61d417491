"""Arrays that only grow, and where slots stand in them: what lets readers go on during writes.

Rows are never changed once they are written: a changed row is written again behind the others, and
its old place is dead. So readers keep views of the first n rows, and nothing that they see moves.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qstore_tf import memory

Array = NDArray[Any]

_LARGE = 1 << 26  # bytes: so much is asked for only where it is there
SLACK = 1.25  # how much more is allocated than is needed


class GrowingRows:
    """Rows of one shape and type, to which more are appended; views of them stay as they are.

    Args:
        dtype: Of the rows.
        *shape: Of one row; nothing for single numbers.
    """

    def __init__(self, dtype: DTypeLike, *shape: int) -> None:
        self._buffer: Array = np.empty((0, *shape), dtype)
        self.count = 0

    def append(self, rows: Array) -> None:
        """Appends rows; the first ones are kept as they are, without a copy, where they fit."""
        if not len(rows):
            return
        needed = self.count + len(rows)
        kind = (self._buffer.dtype, self._buffer.shape[1:])
        if self.count == 0 and (rows.dtype, rows.shape[1:]) == kind and rows.flags.c_contiguous:
            self._buffer, self.count = rows, needed
            return
        if needed > len(self._buffer) or not self._buffer.flags.writeable:
            size = int(needed * SLACK) + 8
            bytes_ = size * self._buffer.itemsize * math.prod(self._buffer.shape[1:])
            if bytes_ > _LARGE:
                memory.check(bytes_, "An index in memory")
            grown = np.empty((size, *self._buffer.shape[1:]), self._buffer.dtype)
            grown[: self.count] = self._buffer[: self.count]
            self._buffer = grown
        self._buffer[self.count : needed] = rows
        self.count = needed

    @property
    def view(self) -> Array:
        """The rows that are there now."""
        return self._buffer[: self.count]


class MostlyOne:
    """A number for each row that is the same for nearly all: no array until one differs.

    Args:
        value: What it is for nearly all.
    """

    def __init__(self, value: float) -> None:
        self.value = value
        self.count = 0
        self._rows: GrowingRows | None = None

    def append(self, numbers: Array) -> None:
        """Appends numbers [n]."""
        if self._rows is None and not np.all(numbers == self.value):
            self._rows = GrowingRows(np.float64)
            self._rows.append(np.full(self.count, self.value))
        if self._rows is not None:
            self._rows.append(numbers)
        self.count += len(numbers)

    def chosen(self, rows: Array) -> MostlyOne:
        """The numbers of some rows alone."""
        new = MostlyOne(self.value)
        new.append(np.full(len(rows), self.value) if self._rows is None else self._rows.view[rows])
        return new

    @property
    def view(self) -> NDArray[np.float64] | None:
        """The numbers that are there now; None where all are `value`."""
        return None if self._rows is None else self._rows.view


class SlotMap:
    """Where each slot's row stands; one writer uses it, and readers none of it."""

    def __init__(self) -> None:
        self._slots = GrowingRows(np.int64)
        self._positions = GrowingRows(np.int64)

    def find(self, slots: Array) -> NDArray[np.int64]:
        """The positions of slots, -1 where they are not there."""
        known = self._slots.view
        if not len(known) or not len(slots):
            return np.full(len(slots), -1, np.int64)
        places = np.minimum(np.searchsorted(known, slots), len(known) - 1)
        return np.where(known[places] == slots, self._positions.view[places], -1)

    def set(self, slots: Array, positions: Array) -> None:
        """Writes down where slots stand now; -1 for those that are gone."""
        slots, positions = np.asarray(slots, np.int64), np.asarray(positions, np.int64)
        if np.any(slots[1:] < slots[:-1]):
            order = np.argsort(slots, kind="stable")
            slots, positions = slots[order], positions[order]
        known = self._slots.view
        newer = np.searchsorted(slots, known[-1], side="right") if len(known) else 0
        if newer:
            places = np.searchsorted(known, slots[:newer])
            there = known[np.minimum(places, len(known) - 1)] == slots[:newer]
            self._positions.view[places[there]] = positions[:newer][there]
            if not there.all():
                self._insert(slots[:newer][~there], positions[:newer][~there])
        self._slots.append(slots[newer:])
        self._positions.append(positions[newer:])

    def _insert(self, slots: Array, positions: Array) -> None:
        places = np.searchsorted(self._slots.view, slots)
        for name, new in (("_slots", slots), ("_positions", positions)):
            merged = GrowingRows(np.int64)
            merged.append(np.insert(getattr(self, name).view, places, new))
            setattr(self, name, merged)
