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
    neighbours = _neighbours(everything)
    ups, costs = start[:, None], np.zeros(1, int)
    # For each entangler: the axis before each axis there, how that one is found, and its pulses.
    history: list[tuple[Ints, Ints, Ints, Ints]] = []
    for axis, side, others in zip(axes, sides, neighbours, strict=True):
        candidates, ways, places, sources = _candidates(axis, side, ups, everything, others)
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


def _candidates(
    axis: FloatArray, side: FloatArray, ups: FloatArray, everything: FloatArray, others: list[int]
) -> tuple[FloatArray, Ints, Ints, Ints]:
    """Returns axes that may be up next, [3, N, S], by which way and other axis each is found, and
    which of `ups` the first of them come from."""
    axis, two = axis[:, None], np.stack([side, cross(axis, side)], axis=1)
    stay = np.flatnonzero(np.all(np.abs(dot(ups, axis)) < CLOSE, axis=-1))
    # What is parallel gives no direction.
    turning = np.flatnonzero(~parallel(axis, ups).any(axis=-1))
    apart = np.flatnonzero(~parallel(axis, everything[:, others]).any(axis=-1))
    others = [others[place] for place in apart.tolist()]
    across = perpendicular(axis, ups[:, turning])
    fixed = perpendicular(axis, everything[:, others])
    toward = perpendicular(axis, fixed)
    parts = (ups[:, stay], across, two, fixed, toward)
    ways = np.repeat(_IN_ORDER, [part.shape[1] for part in parts])
    places = np.array([-1] * (len(stay) + len(turning)) + [0, 1] + others + others, int)
    return np.concatenate(parts, axis=1), ways, places, np.concatenate([stay, turning])


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


def _neighbours(everything: FloatArray) -> list[list[int]]:
    """For each entangler the places of the two nearest axes on either side that differ from it."""
    n = everything.shape[1] - 2

    def nearest(k: int, places: range) -> list[int]:
        found: list[int] = []
        for other in places:
            if not parallel(everything[:, k], everything[:, other]).all():
                found.append(other)
                if len(found) == 2:
                    break
        return found

    return [
        list(
            dict.fromkeys(
                [*nearest(k, range(k - 1, -1, -1)), *nearest(k, range(k + 1, n + 2)), 0, n + 1]
            )
        )
        for k in range(1, n + 1)
    ]
