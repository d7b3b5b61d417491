"""ZZ with no negative angles: the sign becomes a flip of one wire that its pulses take up.

exp(i a ZZ) is exp(-i a ZZ) between two X of one wire. The first X is taken up by the pulses right
before the entangler, the second by the next pulses of that wire; the entanglers between the two
change their sign. Where no pulses stand there are some made for it: one where it is known that the
sign changes, else two that make nothing or a flip.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from qstore_tf.ionq.compiler.formulas import FloatArray

PI = math.pi
# What a turn between two entanglers is made of.
NOTHING, QUARTER, ANY, FLIP = range(4)
_PULSED = (QUARTER, ANY)

Bools = NDArray[np.bool_]


class Signs:
    """Decides which pulses take up which flips.

    Args:
        kinds: What each turn is made of; changed where pulses have to be made for flips.
        turns: For each wire its turns, one more than it has entanglers.
        pairs: For each entangler in time order its two wires and the turns right before it.
        angles: Their angles in radians, None where they depend on symbols.
        left: Whether a flip of each wire is due at its end anyway.
        may_flip: Whether outcomes may come out flipped.
    """

    def __init__(
        self,
        kinds: list[int],
        turns: Sequence[Sequence[int]],
        pairs: Sequence[Sequence[tuple[int, int]]],
        angles: Sequence[float | None],
        left: Sequence[bool],
        may_flip: bool,
    ) -> None:
        self._kinds = kinds
        self._left = np.array(left)
        self._may_flip = may_flip
        self._last = [wire[-1] for wire in turns]
        self._pairs = pairs
        known = all(angle is not None for angle in angles)
        # For each entangler the side on which a flip may be made.
        self._side = [0] * len(pairs)
        due = [False] * len(turns)
        for number, pair in enumerate(pairs):
            for wire, turn in pair:
                # What is due is taken up by the first pulses that come.
                due[wire] &= kinds[turn] not in _PULSED
            angle = angles[number]
            negative = angle is None or (angle < 0) != (due[pair[0][0]] != due[pair[1][0]])
            if known and not negative:
                continue
            side = min((0, 1), key=lambda s: self._cost(turns[pair[s][0]], pair[s][1], may_flip))
            self._side[number] = side
            wire, turn = pair[side]
            if kinds[turn] == NOTHING:
                kinds[turn] = FLIP if known else ANY
            due[wire] = not due[wire] if known else True
        for wire, turn in enumerate(self._last):
            due[wire] &= kinds[turn] not in _PULSED
            flipped = due[wire] != left[wire] if known else due[wire] or left[wire]
            if flipped and kinds[turn] == NOTHING and not may_flip:
                kinds[turn] = FLIP if known else ANY

    def _cost(self, turns: Sequence[int], turn: int, may_flip: bool) -> int:
        later = turns[turns.index(turn) + 1 :]
        ends = may_flip or any(self._kinds[other] in _PULSED for other in later)
        return (self._kinds[turn] not in _PULSED) + (not ends)

    def settle(
        self, angles: FloatArray, values: tuple[FloatArray, FloatArray, FloatArray]
    ) -> tuple[FloatArray, Bools, tuple[FloatArray, FloatArray, FloatArray]]:
        """Returns angles without signs, the flips of outcomes, and the turns with flips taken up.

        Args:
            angles: Of the entanglers, radians, [entanglers, B].
            values: Of the turns R_Z(a) R_Y(b) R_Z(c): c, b and a, radians, [turns, B] each.
        """
        n_batch = angles.shape[1]
        before = np.zeros((len(self._kinds), n_batch), bool)
        after = np.zeros((len(self._kinds), n_batch), bool)
        due = np.zeros((len(self._last), n_batch), bool)

        def enter(wire: int, turn: int) -> None:
            before[turn] = due[wire]
            if self._kinds[turn] in _PULSED:
                due[wire] = False

        for number, pair in enumerate(self._pairs):
            for wire, turn in pair:
                enter(wire, turn)
            negative = (angles[number] < 0) ^ due[pair[0][0]] ^ due[pair[1][0]]
            wire, turn = pair[self._side[number]]
            if self._kinds[turn] != NOTHING:
                after[turn] = negative
                due[wire] ^= negative
        for wire, turn in enumerate(self._last):
            enter(wire, turn)
            due[wire] ^= self._left[wire]
            if self._kinds[turn] != NOTHING and not self._may_flip:
                after[turn] = due[wire]
                due[wire] = False
        return np.abs(angles), due, self._taken_up(before, after, values)

    def _taken_up(
        self, before: Bools, after: Bools, values: tuple[FloatArray, FloatArray, FloatArray]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        c, b, a = values
        kinds = np.array(self._kinds)
        for kind, first, second in (
            (NOTHING, _past_nothing, _unchanged),
            (FLIP, _past_nothing, _flipped),
            (QUARTER, _quarter_after, _quarter_before),
            (ANY, _any_after, _any_before),
        ):
            where = np.flatnonzero(kinds == kind)
            mine = (c[where], b[where], a[where])
            for flips, change in ((before, first), (after, second)):
                changed = change(*mine)
                mine = tuple(  # type: ignore[assignment]
                    np.where(flips[where], new, old) for new, old in zip(changed, mine, strict=True)
                )
            c[where], b[where], a[where] = mine
        return c, b, a


_Change = Callable[[FloatArray, FloatArray, FloatArray], tuple[FloatArray, FloatArray, FloatArray]]


def _unchanged(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    return c, b, a


def _past_nothing(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """An X goes on through frames."""
    return -c, b, -a


def _flipped(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """X R_Z(a + c) is R_Y(pi) R_Z(a + c + pi), one GPi."""
    return c + a + PI, b, np.zeros_like(a)


def _quarter_after(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A quarter turn after an X."""
    return -c, b, a + PI


def _quarter_before(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A quarter turn before an X."""
    return c - PI, b, -a


def _any_after(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """R_Y(b) X is R_Y(b + pi) Z."""
    return PI - c, b + PI, a


def _any_before(
    c: FloatArray, b: FloatArray, a: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """X R_Y(b) is Z R_Y(b + pi)."""
    return c, b + PI, PI - a
