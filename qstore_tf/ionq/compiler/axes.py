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

from qstore_tf.ionq.compiler.vectors import CLOSE, ONE, FloatArray, dot, perpendicular

# Beyond so many axes at one entangler only the cheapest are followed up.
_MOST_AXES = 48
_FAR = 1_000_000


class Way(Enum):
    """How the next up axis follows from what is known."""

    STAY = "the one before"
    ACROSS = "perpendicular to the one before"
    WITH = "perpendicular to the axis of another entangler, the start or the end"
    TOWARD = "as near to that axis as it can be"


@dataclass(frozen=True)
class Choice:
    """The up axis at one entangler.

    Attributes:
        way: How it is found.
        other: For `WITH` and `TOWARD` the place of the other axis among start, entanglers and end.
        pulses: How many pulses it takes to get there: 0, 1 or 2.
        sign: Whether it is the perpendicular axis or its opposite.
    """

    way: Way
    other: int = -1
    pulses: int = 0
    sign: int = 1


@dataclass(frozen=True)
class Path:
    """The up axes of one wire, and how the last one becomes the measured axis.

    Attributes:
        choices: One for each entangler.
        last: The number of pulses to the measured axis; 0 also where only a flip is left.
        opposite: Whether the last up axis points against the measured one.
    """

    choices: tuple[Choice, ...]
    last: int
    opposite: bool


def cheapest(axes: FloatArray, end: FloatArray, flip: int) -> Path:
    """Returns the up axes of one wire that take the fewest pulses.

    Args:
        axes: The axis of each entangler at some random values of the symbols, [n, 3, S].
        end: The measured axis, [3, S].
        flip: What it costs if only a flip is left at the end.
    """
    start = np.zeros_like(end)
    start[2] = 1.0
    everything = np.stack([start, *axes, end], axis=1)
    neighbours = _neighbours(everything)
    ups, costs = start[:, None], np.zeros(1, int)
    # For each entangler and each axis there: the axis before it, and the choice.
    history: list[tuple[NDArray[np.int64], list[Choice]]] = []
    for axis, others in zip(axes, neighbours, strict=True):
        candidates, derived, n_stay = _candidates(axis[:, None], ups, everything[:, others])
        dots = np.einsum("cas,cbs->abs", ups, candidates)
        steps = np.where(np.all(np.abs(dots) < CLOSE, axis=-1), 1, 2)
        # What follows from the axis before follows from that one only.
        for place, before in enumerate(derived):
            pulses = 0 if place < n_stay else int(steps[before, place])
            steps[:, place] = _FAR
            steps[before, place] = pulses
        totals = costs[:, None] + steps
        best = np.argmin(totals, axis=0)
        cost = totals[best, np.arange(len(best))]
        kept = _kept(candidates, cost)
        choices = []
        for number in kept:
            pulses = int(steps[best[number], number])
            if number < n_stay:
                choices.append(Choice(Way.STAY))
            elif number < len(derived):
                sign = 1 if number - n_stay < ups.shape[1] else -1
                choices.append(Choice(Way.ACROSS, pulses=pulses, sign=sign))
            else:
                side, place = divmod(number - len(derived), len(others))
                way = Way.WITH if side < 2 else Way.TOWARD
                choices.append(Choice(way, others[place], pulses, 1 - 2 * (side % 2)))
        history.append((best[kept], choices))
        ups, costs = candidates[:, kept], cost[kept]
    return _best_path(ups, costs, end, flip, history)


def _candidates(
    axis: FloatArray, ups: FloatArray, others: FloatArray
) -> tuple[FloatArray, list[int], int]:
    """Returns axes that are up next, [3, N, S], which of `ups` the first come from, and how many
    of them are the same as before."""
    stay = np.flatnonzero(np.all(np.abs(dot(ups, axis)) < CLOSE, axis=-1))
    across = perpendicular(axis, ups)
    fixed = perpendicular(axis, others)
    toward = perpendicular(axis, fixed)
    candidates = [ups[:, stay], across, -across, fixed, -fixed, toward, -toward]
    derived = [*stay.tolist(), *range(ups.shape[1]), *range(ups.shape[1])]
    return np.concatenate(candidates, axis=1), derived, len(stay)


def _kept(candidates: FloatArray, cost: NDArray[np.int64]) -> list[int]:
    """Returns the cheapest of equal axes, and not too many of them."""
    rounded = np.round(candidates, 8) + 0.0
    kept: list[int] = []
    seen: set[bytes] = set()
    for number in np.argsort(cost, kind="stable").tolist():
        key = rounded[:, number].tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(number)
        if len(kept) == _MOST_AXES:
            break
    return kept


def _best_path(
    ups: FloatArray,
    costs: NDArray[np.int64],
    end: FloatArray,
    flip: int,
    history: list[tuple[NDArray[np.int64], list[Choice]]],
) -> Path:
    dots = dot(ups, end[:, None])
    same = np.all(dots > ONE, axis=-1)
    against = np.all(dots < -ONE, axis=-1)
    level = np.all(np.abs(dots) < CLOSE, axis=-1)
    last = np.where(same, 0, np.where(against, flip, np.where(level, 1, 2)))
    if not flip:
        last[np.all(np.abs(dots) > ONE, axis=-1)] = 0
    at = int(np.argmin(costs + last))
    final = 0 if same[at] or against[at] or not last[at] else int(last[at])
    opposite = bool(against[at])
    path: list[Choice] = []
    for before, choices in reversed(history):
        path.append(choices[at])
        at = int(before[at])
    return Path(tuple(reversed(path)), final, opposite)


def _neighbours(everything: FloatArray) -> list[list[int]]:
    """For each entangler the places of the two nearest axes on either side that differ from it."""
    n = everything.shape[1] - 2

    def nearest(k: int, places: range) -> list[int]:
        found: list[int] = []
        for other in places:
            if np.any(np.abs(dot(everything[:, k], everything[:, other])) <= ONE):
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
