"""Turns over rotations P Q P about two products of letters that anticommute: they are also Q P Q.

P, Q and i P Q are the axes of a rotation in space, which can be written by Euler angles either way.
Where P takes an entangler and Q does not, as in ZZ X ZZ, that saves one. In chains of such
rotations, such as the Trotter steps of an Ising chain, one that costs an entangler can make two
others possible that save one each. So a search goes through what turnovers lead to (the words of a
braid group: angles do not matter for it), and only the best is computed with angles.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from qstore_tf.caching import remember
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations

# How many letters of words are looked at before no better word is expected.
_PATIENCE = 40_000
# How many entanglers more than at the beginning a word on the way may have.
_DETOUR = 1
# Smaller angles are rounding errors.
_NOTHING = 1e-12

# What is kept of one letter of a word, about.
_LETTER_BYTES = 100

_Axis = tuple[tuple[int, ...], str]
_Word = tuple[int, ...]
_Move = tuple[int, int, int]


def turn_over(circuit: Rotations) -> Rotations:
    """Returns an equal circuit of fewer entangling rotations; the circuit itself if none is found.

    Or of as many, but fewer others. Rotations by symbols stay as they are.

    Example:
        >>> circuit = Rotations(2)
        >>> for wires, letters in (((0, 1), "ZZ"), ((0,), "X"), ((0, 1), "ZZ")):
        ...     circuit.add(wires, letters, Affine(0.3))
        >>> [rotation.letters for rotation in turn_over(circuit).rotations]
        ['X', 'ZZ', 'X']
    """
    if not _may_meet(circuit.rotations):
        return circuit
    structure = tuple([(r.wires, r.letters, bool(r.angle.terms)) for r in circuit.rotations])
    moves = _moves(structure)
    if not moves:
        return circuit
    axes = _Axes(structure)
    order, word, _ = axes.normal(axes.word)
    rotations = _ordered(circuit.rotations, order)
    for move in moves:
        rotations = _turned_over(rotations, move)
        order, word, _ = axes.normal(_braided(word, move))
        rotations = _ordered(rotations, order)
    return circuit.again(rotations)


_Structure = tuple[tuple[tuple[int, ...], str, bool], ...]
"""Wires, letters and whether there are symbols, for each rotation."""


@remember(lambda moves, structure: _LETTER_BYTES * (len(structure) + len(moves)))
def _moves(structure: _Structure) -> tuple[_Move, ...]:
    """Returns the moves that a circuit is worth being turned over by, in their order.

    They are kept, as angles do not matter for them: circuits that differ in what is measured at
    the end, or in their numbers, have them in common.
    """
    axes = _Axes(structure)
    _, word, _ = axes.normal(axes.word)
    found: list[_Move] = []
    while moves := _better(axes, word):
        for move in moves:
            _, word, _ = axes.normal(_braided(word, move))
        found += moves
    return tuple(found)


def _may_meet(rotations: Iterable[Rotation]) -> bool:
    """Whether there may be P, Q and P as `_Axes.moves` looks for, or two P that are one.

    What anticommutes with P keeps its place beside it, so that what stands between two of them is
    the same in all orders of what commutes.
    """
    # By wire the letters of what has few behind it that anticommute; and these, None for symbols.
    near: dict[int, dict[_Axis, str]] = defaultdict(dict)
    behind: dict[_Axis, list[_Axis | None]] = {}
    # Entanglers between two P on one wire pay where they come twice.
    between: set[_Axis | None] = set()
    twice: set[_Axis] = set()
    for wires, letters, angle in rotations:
        mine = (wires, letters)
        known = None if angle.terms else mine
        entangles = len(wires) == 2
        if known and mine in behind:
            found = behind[mine]
            if not found or entangles and len(found) == 1 and found[0]:
                return True
            if entangles:
                twice.add(mine)
            else:
                between.add(found[0])
        against = [
            axis
            for wire, letter in zip(wires, letters, strict=True)
            for axis, other in near[wire].items()
            if other != letter
        ]
        for axis in against:
            others = axis[0]
            found = behind[axis]
            if entangles and others == wires and against.count(axis) == 2:
                continue  # which commute
            found.append(known)
            if len(found) > (2 if len(others) == 2 else entangles):
                del behind[axis]
                for wire in others:
                    del near[wire][axis]
        if known:
            behind[mine] = []
            for wire, letter in zip(wires, letters, strict=True):
                near[wire][mine] = letter
    return not between.isdisjoint(twice)


class _Axes:
    """The products of letters of a circuit by number, and words of these numbers for circuits.

    Attributes:
        word: The circuit given.
        entangles: For each axis whether rotations about it do.
    """

    def __init__(self, structure: _Structure) -> None:
        numbers: dict[object, int] = {}
        word: list[int] = []
        examples: list[_Axis] = []
        self._fixed = []
        for place, (wires, letters, fixed) in enumerate(structure):
            # What has symbols is no other's equal.
            key = place if fixed else (wires, letters)
            if key not in numbers:
                numbers[key] = len(examples)
                examples.append((wires, letters))
                self._fixed.append(fixed)
            word.append(numbers[key])
        self.word = tuple(word)
        self.entangles = [len(wires) == 2 for wires, _ in examples]
        on_wire: dict[int, list[int]] = {}
        for number, (wires, _) in enumerate(examples):
            for wire in wires:
                on_wire.setdefault(wire, []).append(number)
        flips, signs = [_mask(r, "XY") for r in examples], [_mask(r, "YZ") for r in examples]
        self._against = [
            {
                number
                for wire in wires
                for number in on_wire[wire]
                if ((flip & signs[number]).bit_count() ^ (sign & flips[number]).bit_count()) & 1
            }
            for (wires, _), flip, sign in zip(examples, flips, signs, strict=True)
        ]

    def normal(
        self, word: _Word, known: Sequence[int] = ()
    ) -> tuple[list[list[int]], _Word, list[int]]:
        """Returns the same for all words that differ by what commutes, equal neighbours as one.

        Also returns for each of its letters the places in the word that it comes from, and the
        step: one more than that of the latest before it that anticommutes.

        Args:
            word: The word.
            known: The steps of the first letters of the word, which begins as one returned.
        """
        count = len(self.entangles)
        step = [0] * count
        places: dict[int, list[int]] = {}
        for place, latest in enumerate(known):
            axis = word[place]
            step[axis] = latest
            places[latest * count + axis] = [place]
        for place in range(len(known), len(word)):
            axis = word[place]
            latest = 1 + max([step[other] for other in self._against[axis]], default=0)
            step[axis] = latest
            places.setdefault(latest * count + axis, []).append(place)
        keys = sorted(places)
        return (
            [places[key] for key in keys],
            tuple([key % count for key in keys]),
            [key // count for key in keys],
        )

    def moves(self, word: _Word) -> Iterator[_Move]:
        """Yields the places of P, Q and P that can be brought together, and with some gain."""
        for first, axis in enumerate(word):
            if self._fixed[axis]:
                continue
            against = self._against[axis]
            middle = -1
            for place in range(first + 1, len(word)):
                other = word[place]
                if other == axis:
                    move = first, middle, place
                    if middle >= 0 and self._promises(word, move):
                        yield move
                    break
                if other in against:
                    if middle >= 0 or self._fixed[other]:
                        break
                    middle = place

    def _promises(self, word: _Word, move: _Move) -> bool:
        first, middle, last = move
        p, q = word[first], word[middle]
        if self.entangles[p] or not self.entangles[q]:
            return self.entangles[p]
        # One entangler more, which pays only if one of the two can be turned over or merged next.
        before = chain(range(middle - 1, first, -1), range(first - 1, -1, -1))
        after = chain(range(middle + 1, last), range(last + 1, len(word)))
        return self._meets(word, before, q) or self._meets(word, after, q)

    def _meets(self, word: _Word, places: Iterable[int], axis: int) -> bool:
        """Whether there is another rotation about an axis, with one between at most."""
        against = self._against[axis]
        between = 0
        for place in places:
            if word[place] == axis:
                return True
            between += word[place] in against
            if between > 1:
                break
        return False

    def entanglers(self, word: _Word) -> int:
        return sum([self.entangles[axis] for axis in word])


def _mask(axis: _Axis, letters: str) -> int:
    """Returns the wires with one of these letters, as bits."""
    pairs = zip(*axis, strict=True)
    return sum(1 << wire for wire, letter in pairs if letter in letters)


def _better(axes: _Axes, start: _Word) -> list[_Move]:
    """Returns moves to a word of fewer entanglers, or shorter with as many, if one is found."""
    least = axes.entanglers(start)
    came: dict[_Word, tuple[_Word, _Move] | None] = {start: None}
    queue = [(least, 0, start, axes.normal(start)[2])]
    patience = _PATIENCE
    while queue and patience > 0:
        before, _, word, steps = heapq.heappop(queue)
        for move in axes.moves(word):
            p, q = word[move[0]], word[move[1]]
            if before + axes.entangles[q] - axes.entangles[p] > least + _DETOUR:
                continue
            patience -= len(word)
            _, following, after = axes.normal(_braided(word, move), steps[: move[0]])
            if following in came:
                continue
            came[following] = word, move
            count = axes.entanglers(following)
            if (count, len(following)) < (least, len(start)):
                return _way(came, following)
            heapq.heappush(queue, (count, len(came), following, after))
    return []


def _way(came: dict[_Word, tuple[_Word, _Move] | None], word: _Word) -> list[_Move]:
    moves = []
    while before := came[word]:
        word, move = before
        moves.append(move)
    return moves[::-1]


def _braided(word: _Word, move: _Move) -> _Word:
    first, middle, last = move
    p, q = word[first], word[middle]
    before, after = word[first + 1 : middle], word[middle + 1 : last]
    return (*word[:first], *before, q, p, q, *after, *word[last + 1 :])


def _turned_over(rotations: list[Rotation], move: _Move) -> list[Rotation]:
    first, middle, last = move
    p, q = rotations[first], rotations[middle]
    d, e, f = euler(p.angle.constant, q.angle.constant, rotations[last].angle.constant)
    made = [
        q._replace(angle=Affine(d)),
        p._replace(angle=Affine(e)),
        q._replace(angle=Affine(f)),
    ]
    before, after = rotations[first + 1 : middle], rotations[middle + 1 : last]
    return [*rotations[:first], *before, *made, *after, *rotations[last + 1 :]]


def _ordered(rotations: Sequence[Rotation], order: Sequence[Sequence[int]]) -> list[Rotation]:
    """Takes rotations in another order, those about the same letters at once by their sum."""
    made = []
    for places in order:
        rotation = rotations[places[0]]
        for place in places[1:]:
            rotation = rotation._replace(angle=rotation.angle + rotations[place].angle)
        made.append(rotation)
    return made


def euler(a: float, b: float, c: float) -> tuple[float, float, float]:
    """Returns d, e, f with P(a) Q(b) P(c) = Q(d) P(e) Q(f), up to sign, in time order.

    P(a) is exp(-i a/2 P), and P and Q anticommute.

    >>> [round(angle, 6) for angle in euler(0.3, 0.0, 0.4)]
    [0.0, 0.7, 0.0]
    """
    sine, cosine = math.sin(b / 2), math.cos(b / 2)
    # As w - i (p P + q Q + r R) with R = i P Q.
    w, p = cosine * math.cos((a + c) / 2), cosine * math.sin((a + c) / 2)
    q, r = sine * math.cos((a - c) / 2), sine * math.sin((a - c) / 2)
    along, across = math.hypot(w, q), math.hypot(p, r)
    half_sum = math.atan2(q, w) if along > _NOTHING else 0.0
    half_difference = math.atan2(-r, p) if across > _NOTHING else 0.0
    if along <= _NOTHING:  # only the difference matters
        half_sum = half_difference
    elif across <= _NOTHING:  # only the sum matters
        half_difference = half_sum
    return half_sum + half_difference, 2 * math.atan2(across, along), half_sum - half_difference
