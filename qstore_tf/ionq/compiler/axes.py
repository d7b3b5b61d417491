"""Which axis of each ion is "up" at each MS gate, so that it takes the fewest pulses.

MS acts about an axis on the equator. Seen with all one-wire gates pulled to the end, entangler k of
a wire acts about an axis n_k, and the ion's up axis z_k need only be perpendicular to it: from z_k
to z_{k+1} it takes no pulse where they are equal, one where they are perpendicular, two otherwise.
The cheapest way from Z at the beginning to the measured axis at the end is found by dynamic
programming over a few axes for each k. (No source: the rule follows from the definition of MS.)

Axes depend on the symbols' values; which are equal or perpendicular is seen at random values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from qstore_tf.ionq.compiler.vectors import (
    CLOSE,
    FloatArray,
    cross,
    dot,
    parallel,
    perpendicular,
    same,
)

# Beyond so many axes at one entangler only the cheapest are followed up.
_MOST_AXES = 48
_FAR = 1_000_000


class Way(Enum):
    """How the next up axis follows from what is known."""

    STAY = "the one before"
    SIDE = "one of two that are given"
    ACROSS = "perpendicular to the one before"
    WITH = "perpendicular to the axis of another entangler, the start or the end"
    TOWARD = "as near to that axis as it can be"


_WAYS = tuple(Way)
_STAY = _WAYS.index(Way.STAY)
# The ways in the order in which axes are listed, and by number the order in which one of equal axes
# is chosen: those first that have a direction for most values.
_IN_ORDER = [_WAYS.index(w) for w in (Way.STAY, Way.ACROSS, Way.SIDE, Way.WITH, Way.TOWARD)]
_RANKS = np.array([0, 0, 1, 2, 3])

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """The up axis at one entangler.

    Attributes:
        way: How it is found.
        other: For `WITH` and `TOWARD` the place of the other axis among start, entanglers and end;
            for `SIDE` which of the two, 0 or 1.
        pulses: How many pulses it takes to get there: 0, 1 or 2.
    """

    way: Way
    other: int = -1
    pulses: int = 0


@dataclass(frozen=True)
class Path:
    """The up axes of one wire, and how the last one becomes the measured axis.

    Attributes:
        choices: One for each entangler.
        last: The number of pulses to the measured axis; 0 also where only a flip is left.
        opposite: Whether the last up axis points against the measured one, without any pulse
            before. After a pulse all up axes may as well be the opposite ones: signs are free.
    """

    choices: tuple[Choice, ...]
    last: int
    opposite: bool


def cheapest(axes: FloatArray, sides: FloatArray, end: FloatArray, flip: int) -> Path:
    """Returns the up axes of one wire that take the fewest pulses.

    Args:
        axes: The axis of each entangler at some random values of the symbols, [n, 3, S].
        sides: For each an axis perpendicular to it, the first of the two that `Way.SIDE` gives,
            [n, 3, S]; the second is perpendicular to both.
        end: The measured axis, [3, S].
        flip: What it costs if only a flip is left at the end.
    """
    start = np.zeros_like(end)
    start[2] = 1.0
    everything = np.stack([start, *axes, end], axis=1)
    given = _given(everything, sides)
    ups, costs = start[:, None], np.zeros(1, int)
    # For each entangler: the axis before each axis there, how that one is found, and its pulses.
    history: list[tuple[Ints, Ints, Ints, Ints]] = []
    for axis, own_given in zip(axes, given, strict=True):
        candidates, ways, places, sources = _candidates(axis, ups, own_given)
        dots = np.matmul(ups.transpose(2, 1, 0), candidates.transpose(2, 0, 1))
        steps = np.where(np.all(np.abs(dots) < CLOSE, axis=0), 1, 2)
        # What follows from the axis before follows from that one only.
        own = np.arange(len(sources))
        pulses = np.where(ways[own] == _STAY, 0, steps[sources, own])
        steps[:, own] = _FAR
        steps[sources, own] = pulses
        totals = costs[:, None] + steps
        best = np.argmin(totals, axis=0)
        cost = totals[best, np.arange(len(best))]
        kept = _kept(candidates, cost, ways)
        history.append((best[kept], ways[kept], places[kept], steps[best[kept], kept]))
        ups, costs = candidates[:, kept], cost[kept]
    return _best_path(ups, costs, end, flip, history)


_Given = tuple[FloatArray, list[int]]


def _given(everything: FloatArray, sides: FloatArray) -> list[_Given]:
    """Returns for each entangler the axes that may be up there whatever was up before.

    They are the two at its side, and for some other axes the one perpendicular to its own and to
    that, and the one as near to that as can be; [3, 2 + 2 N, S], and the N places of the others.
    """
    alike = _Alike(everything)
    n = len(sides)
    neighbours = [_neighbours(alike, k, n + 1) for k in range(1, n + 1)]
    # What is parallel gives no direction.
    others = [[j for j in near if not alike(k, j)[1]] for k, near in enumerate(neighbours, 1)]
    counts = [len(near) for near in others]
    own = everything[:, np.repeat(np.arange(1, n + 1), counts)]
    fixed = perpendicular(own, everything[:, np.array([j for near in others for j in near], int)])
    toward = perpendicular(own, fixed)
    mine = sides.transpose(1, 0, 2)
    second = cross(everything[:, 1:-1], mine)
    starts = np.cumsum([0, *counts]).tolist()
    return [
        (
            np.concatenate(
                [mine[:, k, None], second[:, k, None], fixed[:, a:b], toward[:, a:b]], axis=1
            ),
            near,
        )
        for k, (near, a, b) in enumerate(zip(others, starts, starts[1:], strict=False))
    ]


def _candidates(
    axis: FloatArray, ups: FloatArray, given: _Given
) -> tuple[FloatArray, Ints, Ints, Ints]:
    """Returns axes that may be up next, [3, N, S], by which way and other axis each is found, and
    which of `ups` the first of them come from."""
    axis = axis[:, None]
    stay = np.flatnonzero(np.all(np.abs(dot(ups, axis)) < CLOSE, axis=-1))
    # What is parallel gives no direction.
    turning = np.flatnonzero(~parallel(axis, ups).any(axis=-1))
    across = perpendicular(axis, ups[:, turning])
    known, others = given
    counts = (len(stay), len(turning), 2, len(others), len(others))
    ways = np.repeat(_IN_ORDER, counts)
    places = np.array([-1] * (len(stay) + len(turning)) + [0, 1] + others + others, int)
    candidates = np.concatenate((ups[:, stay], across, known), axis=1)
    return candidates, ways, places, np.concatenate([stay, turning])


def _kept(candidates: FloatArray, cost: Ints, ways: Ints) -> Ints:
    """Returns the cheapest of equal or opposite axes, and not too many of them."""
    first = candidates[:, :, 0]
    largest = first[np.argmax(np.abs(first), axis=0), np.arange(first.shape[1])]
    rounded = np.round(candidates * np.sign(largest)[:, None], 8) + 0.0
    keys = np.ascontiguousarray(rounded.transpose(1, 0, 2))
    kept: dict[bytes, int] = {}
    for number in np.lexsort((_RANKS[ways], cost)).tolist():
        kept.setdefault(keys[number].tobytes(), number)
        if len(kept) == _MOST_AXES:
            break
    return np.array(list(kept.values()))


def _best_path(
    ups: FloatArray,
    costs: Ints,
    end: FloatArray,
    flip: int,
    history: list[tuple[Ints, Ints, Ints, Ints]],
) -> Path:
    measured = end[:, None]
    along = np.all(same(ups, measured), axis=-1)
    against = np.all(same(ups, -measured), axis=-1)
    level = np.all(np.abs(dot(ups, measured)) < CLOSE, axis=-1)
    last = np.where(along, 0, np.where(against, flip, np.where(level, 1, 2)))
    # After any pulse the opposite up axis serves as well, for each value on its own.
    either = np.all(parallel(ups, measured), axis=-1)
    last[either & ((costs > 0) | (flip == 0))] = 0
    at = int(np.argmin(costs + last))
    opposite = bool(against[at] and not costs[at])
    final = 0 if opposite else int(last[at])
    path: list[Choice] = []
    for before, ways, places, pulses in reversed(history):
        path.append(Choice(_WAYS[ways[at]], int(places[at]), int(pulses[at])))
        at = int(before[at])
    return Path(tuple(reversed(path)), final, opposite)


class _Alike:
    """Tells which of some axes, [3, N, S], are parallel: many that are asked for next at once."""

    def __init__(self, axes: FloatArray) -> None:
        self._axes = axes
        self._last = axes.shape[1] - 1
        self._found: dict[int, tuple[NDArray[np.bool_], NDArray[np.bool_]]] = {}

    def __call__(self, first: int, second: int) -> tuple[bool, bool]:
        """Returns whether two axes are parallel for all samples, and for any."""
        low, high = sorted((first, second))
        if low == 0:
            return self._look_up(0, high, self._axes, self._axes[:, :1])
        if high == self._last:
            return self._look_up(-1, low, self._axes, self._axes[:, -1:])
        distance = high - low
        return self._look_up(distance, low, self._axes[:, :-distance], self._axes[:, distance:])

    def _look_up(
        self, key: int, place: int, axes: FloatArray, others: FloatArray
    ) -> tuple[bool, bool]:
        if key not in self._found:
            found = parallel(axes, others)
            self._found[key] = np.all(found, axis=-1), np.any(found, axis=-1)
        every, some = self._found[key]
        return bool(every[place]), bool(some[place])


def _neighbours(alike: _Alike, k: int, end: int) -> list[int]:
    """The places of the two nearest axes on either side that differ from one, the start, the end.

    Args:
        alike: Which axes are parallel.
        k: The place of the axis.
        end: The last place.
    """

    def nearest(places: range) -> list[int]:
        found: list[int] = []
        for other in places:
            if not alike(k, other)[0]:
                found.append(other)
                if len(found) == 2:
                    break
        return found

    either = (*nearest(range(k - 1, -1, -1)), *nearest(range(k + 1, end + 1)))
    return list(dict.fromkeys([*either, 0, end]))
