"""Brings rotations about many letters down to two wires by few entanglers, greedily.

A quarter turn about two letters, put in front of everything that is left, takes letters away from
some strings and adds them to others. In each step that one is taken which lowers the letters of
what comes next the most, where the next rotations count full, later ones and the Clifford gate at
the end less; or a rotation about two letters is run as a partial entangler. At last the Clifford
gate is brought down to one wire for each likewise. (After Paykin et al., arXiv:2302.08660, and de
Brugiere and Martiel, arXiv:2404.03280, who have full entanglers only.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import NamedTuple

import numpy as np

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler import strings
from qstore_tf.ionq.compiler.cliffords import COUNT, IDENTITY, LETTERS, PULLED, THEN, taking
from qstore_tf.ionq.compiler.columns import Columns, Turn, bits
from qstore_tf.ionq.compiler.outcomes import OutcomeMap, permutation
from qstore_tf.ionq.compiler.pulling import Pulled
from qstore_tf.ionq.compiler.rotations import Rotations

_QUARTER = Affine(math.pi / 2)
_FRAME = {(PULLED[n]["X"], PULLED[n]["Z"]): n for n in range(COUNT)}
_LETTER_PAIRS = tuple(product(LETTERS, LETTERS))
_OTHERS = {letter: LETTERS.replace(letter, "") for letter in LETTERS}
# How much a letter of the next rotations counts.
NEXT = 100


class Weights(NamedTuple):
    """How much letters count, those of the next rotations being 100.

    Attributes:
        later: Letters of the rotations right after the next ones; those after them less again.
        end: Letters of the images under the Clifford gate at the end.
        partial: What a partial entangler gains beyond the letter that it saves.
        reach: How many numbers of letters beyond the fewest the rotations may have for which
            quarter turns are tried.
    """

    later: int
    end: int
    partial: int
    reach: int


class Synthesis:
    """One attempt to run a circuit of Pauli rotations by entanglers of two wires.

    Args:
        circuit: The circuit.
        weights: What the steps are chosen by.
        measured: Whether only outcomes in Z are needed at the end.
        partial: Whether partial entanglers may be used.

    Attributes:
        entanglers: The number of entanglers so far.
        left: The rotations that are not run yet, as a mask.
    """

    def __init__(
        self, circuit: Pulled, weights: Weights, *, measured: bool, partial: bool = True
    ) -> None:
        self._circuit, self._weights = circuit, weights
        self._measured, self._partial = measured, partial
        self._count = count = len(circuit.gadgets)
        # The rotations, then the images under the Clifford gate at the end.
        rows = [string for string, _ in circuit.gadgets] + [z for _, z in circuit.images]
        if not measured:
            rows += [x for x, _ in circuit.images]
            rows += [strings.product(x, z) for x, z in circuit.images]
        self._columns = Columns(circuit.n_wires, rows)
        self._end = (1 << len(rows)) - (1 << count)
        self.left = (1 << count) - 1
        self._before, self._after = [], []
        for number in range(count):
            against = self._columns.anticommuting(number) & self.left
            below = (1 << number) - 1
            self._before.append(against & below)
            self._after.append(against & ~below)
        self._levels = _levels(self._before)
        self._ready = self._levels[0] if self._levels else 0
        self._made: list[tuple[Sequence[int], str, Affine]] = []
        self.entanglers = 0

    def run(self, most: int) -> tuple[Rotations, OutcomeMap] | None:
        """Returns an equal circuit and its outcomes.

        Returns None where it takes more entanglers than `most`, or no step brings the Clifford
        gate at the end further down.
        """
        while self.left:
            light, candidates = self._columns.by_weight(self._ready, self._weights.reach)
            if light:
                for number in bits(light):
                    self._rotate(number)
                continue
            best = self._best_for_rotations(candidates)
            if isinstance(best, int):
                self._rotate(best)
            else:
                self._turn(best)
            if self.entanglers > most:
                return None
        while not self._is_finished():
            turn = self._best_for_end()
            if turn is None or self.entanglers >= most:
                return None
            self._turn(turn)
        return self._outcomes() if self._measured else self._wires()

    def _rotate(self, number: int) -> None:
        """Runs a rotation about one letter or two."""
        letters = self._columns.letters(number)
        angle = self._circuit.gadgets[number][1]
        self._made.append(
            (
                [wire for wire, _ in letters],
                "".join([letter for _, letter in letters]),
                -angle if self._columns.negative >> number & 1 else angle,
            )
        )
        self.entanglers += len(letters) == 2
        self.left &= ~(1 << number)
        self._ready &= self.left
        for later in bits(self._after[number]):
            if not self._before[later] & self.left:
                self._ready |= 1 << later

    def _turn(self, turn: Turn) -> None:
        self._columns.turn(turn)
        first, second, a, b = turn
        self._made.append(((first, second), a + b, _QUARTER))
        self.entanglers += 1

    def _best_for_rotations(self, candidates: int) -> Turn | int:
        """Returns the best quarter turn for what is left, or a rotation about two letters."""
        columns, weights = self._columns, self._weights
        rest = self.left & ~self._ready
        soon = next((level & rest for level in self._levels if level & rest), 0)
        ready, last, end = self._ready, rest & ~soon, self._end
        much = weights.later * weights.later // NEXT

        def score(support: int) -> int:
            return (
                NEXT * (support & ready).bit_count()
                + weights.later * (support & soon).bit_count()
                + much * (support & last).bit_count()
                + weights.end * (support & end).bit_count()
            )

        before: dict[int, int] = {}
        best: Turn | int | None = None
        least = 0
        tried: set[Turn] = set()
        for number in bits(candidates):
            letters = columns.letters(number)
            if len(letters) == 2 and self._partial and -NEXT - weights.partial < least:
                best, least = number, -NEXT - weights.partial
            for wire, _ in letters:
                if wire not in before:
                    before[wire] = score(columns.x[wire] | columns.z[wire])
            for turn in _lowering(letters):
                if turn in tried:
                    continue
                tried.add(turn)
                (x, z), (u, v) = columns.after(turn)
                change = score(x | z) + score(u | v) - before[turn[0]] - before[turn[1]]
                if best is None or change < least:
                    best, least = turn, change
        assert best is not None
        return best

    def _best_for_end(self) -> Turn | None:
        """Returns the quarter turn that brings the Clifford gate at the end down the most."""
        x, z = self._columns.x, self._columns.z
        before = [self._end_cost(x[wire], z[wire]) for wire in range(len(x))]
        best, least = None, 0
        for first, second in combinations(range(len(x)), 2):
            if not (x[first] | z[first]) & (x[second] | z[second]) & self._end:
                continue
            for letters in _LETTER_PAIRS:
                turn = (first, second, *letters)
                cost = sum(self._end_cost(*column) for column in self._columns.after(turn))
                change = cost - before[first] - before[second]
                if change < least:
                    best, least = turn, change
        return best

    def _end_cost(self, x: int, z: int) -> int:
        """What the letters of the images on one wire cost; if measured, those of other kinds."""
        x, z = x & self._end, z & self._end
        every = (x | z).bit_count()
        if not self._measured:
            return every
        both = (x & z).bit_count()
        return every - max(both, x.bit_count() - both, z.bit_count() - both)

    def _is_finished(self) -> bool:
        """Whether each image acts on one wire, or, if measured, each wire has one letter."""
        pairs = zip(self._columns.x, self._columns.z, strict=True)
        cost = sum(self._end_cost(x, z) for x, z in pairs)
        return cost == (0 if self._measured else self._end.bit_count())

    def _rotations(self) -> Rotations:
        rotations = Rotations(self._circuit.n_wires)
        for wires, letters, angle in self._made:
            rotations.add(wires, letters, angle)
        return rotations

    def _image(self, number: int) -> tuple[list[tuple[int, str]], int]:
        """Letters and sign of what has become of an image."""
        number += self._count
        return self._columns.letters(number), -1 if self._columns.negative >> number & 1 else 1

    def _wires(self) -> tuple[Rotations, OutcomeMap]:
        made = self._rotations()
        n = made.n_wires
        place, images = [0] * n, [0] * n
        for wire in range(n):
            [(on, z)], z_sign = self._image(wire)
            [(_, x)], x_sign = self._image(n + wire)
            place[wire], images[on] = on, _FRAME[(x_sign, x), (z_sign, z)]
        # One-wire gates of rotations that were quarter turns come first.
        made.frames = [THEN[own][image] for own, image in zip(made.frames, images, strict=True)]
        made.wires = [place[wire] for wire in self._circuit.wires]
        return made, permutation(made.wires)

    def _outcomes(self) -> tuple[Rotations, OutcomeMap]:
        made = self._rotations()
        n = made.n_wires
        matrix, offset = np.zeros((n, n), np.uint8), np.zeros(n, np.uint8)
        measured = [IDENTITY] * n
        for wire in range(n):
            letters, sign = self._image(wire)
            offset[wire] = sign < 0
            for on, letter in letters:
                matrix[wire, on] = 1
                measured[on] = taking(letter)
        made.frames = [THEN[own][last] for own, last in zip(made.frames, measured, strict=True)]
        wires = list(self._circuit.wires)
        return made, OutcomeMap(matrix[wires], offset[wires])


def _levels(before: Sequence[int]) -> list[int]:
    """Returns masks of rotations by the longest chain of rotations that have to be before them."""
    levels: list[int] = []
    for number, mask in enumerate(before):
        level = next((k + 1 for k in reversed(range(len(levels))) if levels[k] & mask), 0)
        if level == len(levels):
            levels.append(0)
        levels[level] |= 1 << number
    return levels


def _lowering(letters: Sequence[tuple[int, str]]) -> Iterator[Turn]:
    """Quarter turns that take one letter away from a string."""
    for (first, a), (second, b) in combinations(letters, 2):
        for other in _OTHERS[b]:
            yield first, second, a, other
        for other in _OTHERS[a]:
            yield first, second, other, b
