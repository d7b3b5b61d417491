"""Searches for circuits of three wires with fewer or smaller entanglers, by numbers alone.

What three wires do between them is multiplied up to one unitary, and placements of partial
entanglers between general gates of one wire are tried on it, from few to more of them. A placement
grows by one entangler at its end, and goes on from the angles that it had before; only the nearest
to the unitary grow further, as in QSearch (Davis, Smith, Tudor, Sen, Siddiqi, Iancu, "Towards
optimal topology aware quantum circuit synthesis", 2020) and LEAP (Smith, Davis, Larson, Younis,
Iancu, Lavrijsen, "LEAP: scaling numerical optimization based synthesis using an incremental
approach", arXiv:2106.11246). All short placements are tried, from random angles, as the nearness of
a part says little there. What is found loses entanglers again where it does not need them, and its
angles are brought to quarter turns where they may be, as these take fewer pulses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations, pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import THEN
from qstore_tf.ionq.compiler.fitting import (
    DIMENSION,
    N_WIRES,
    ComplexArray,
    FloatArray,
    fit,
    product_number,
    unitary_of,
)
from qstore_tf.ionq.compiler.rotations import HALF_PI, Rotation, Rotations
from qstore_tf.ionq.compiler.scheduling import depth, schedule

# Three wires take 11 partial entanglers: 5 angles each and 9 at the end are enough for the 63 of a
# unitary.
# Full ones have 4 angles each.
_MOST_PARTIAL, _MOST_FULL = 11, 14
# How many placements grow further, and from how many starts each is solved: the first goes on from
# what was found before, the others are random.
_WIDTH, _STARTS = 8, 4
# Up to so many entanglers all placements are tried that have no two in a row on one pair, from so
# many random starts for all together, but at most `_MOST_ROUNDS` for each.
_ALL, _ALL_STARTS, _MOST_ROUNDS = 6, 400, 16
# How many placements that were found are solved again, from how many starts, for smaller angles.
_KEPT, _MORE_STARTS = 4, 24
# A unitary this near is the same, by Frobenius' norm and up to global phase.
_ACCURACY = 1e-10
# Smaller gains of angle are within rounding errors.
_LEAST_GAIN = 1e-6
# How far what an entangler begins with is from the identity.
_NEAR = 0.1

Placement = tuple[int, ...]
_PAIRS = tuple(combinations(range(N_WIRES), 2))
_Turn = tuple[tuple[int, ...], str]
# What a gate of one wire has beyond RX RZ is a turn about Z that commutes with the next entangler.
_ON_PAIR: list[list[_Turn]] = [
    [((a,), "Z"), ((a,), "X"), ((b,), "Z"), ((b,), "X"), ((a, b), "ZZ")] for a, b in _PAIRS
]
_END: list[_Turn] = [((wire,), letter) for wire in range(N_WIRES) for letter in "ZXZ"]
_PER_PAIR = 5


class _Found(NamedTuple):
    """A placement, its angles, and how far they are from the unitary."""

    placement: Placement
    angles: FloatArray
    residual: float

    @property
    def entangling(self) -> FloatArray:
        """The angles of the entanglers, at most a quarter turn, as a half turn takes none."""
        angles = self.angles[_PER_PAIR - 1 : -len(_END) : _PER_PAIR]
        return abs((angles + HALF_PI) % math.pi - HALF_PI)

    @property
    def total(self) -> float:
        """The sum of the entanglers' angles."""
        return float(self.entangling.sum())


Forms = dict[tuple[tuple[Rotation, ...], bool], Rotations | None]
"""What was found for a run, on the first three wires, and whether with partial entanglers."""


def search(
    circuit: Rotations,
    forms: Forms | None = None,
    *,
    partial: bool = True,
    backwards: bool = False,
) -> Rotations:
    """Returns an equal circuit in which runs of numbers on three wires take fewer entanglers.

    Where they take as many, the sum of their angles is smaller. The circuit is never deeper, and
    the circuit itself is returned where nothing is found. The same circuit gives the same result.

    Args:
        circuit: The circuit; rotations with symbols stay as they are.
        forms: What runs have come to before; what they come to now is added.
        partial: Whether partial entanglers may be used.
        backwards: Whether runs are as long as they can be from the end on, not the beginning.
    """
    forms = {} if forms is None else forms
    blocks = list(_blocks(circuit.rotations[:: -1 if backwards else 1], circuit.n_wires))
    if backwards:
        blocks = [block[::-1] for block in blocks[::-1]]
    parts: list[tuple[Sequence[Rotation], Rotations | None]] = [(block, None) for block in blocks]
    now, least = circuit, depth(circuit.rotations)
    for number, block in enumerate(blocks):
        wires = _wires(block)
        if len(wires) != N_WIRES or _count(block) < N_WIRES:
            continue
        key = (tuple(_narrowed(block, wires)), partial)
        if key not in forms:
            forms[key] = synthesize(_unitary(key[0]), _count(block), partial=partial)
        made = forms[key]
        if made is None or not _is_smaller(made.rotations, block):
            continue
        tried = [*parts]
        tried[number] = (block, made)
        new = schedule(_joined(circuit, tried))
        if depth(new.rotations) <= least:
            parts, now, least = tried, new, depth(new.rotations)
    return now


def synthesize(unitary: ComplexArray, most: int, *, partial: bool = True) -> Rotations | None:
    """Returns a circuit of three wires with as few entanglers as are found, or None.

    Args:
        unitary: What it does, [8, 8].
        most: The most entanglers that it may have.
        partial: Whether they may be partial ones.
    """
    one = _Search(unitary, partial)
    found = one.grown(min(most, _MOST_PARTIAL if partial else _MOST_FULL))
    if not found:
        return None
    while fewer := one.without_one(found):
        found = fewer
    best = one.tidied(one.smallest(found))
    made = Rotations(N_WIRES)
    for (wires, letters), angle in zip(_turns(best.placement), best.angles.tolist(), strict=True):
        made.add(wires, letters, Affine(angle))
    return made


class _Search:
    """The search for one unitary."""

    def __init__(self, unitary: ComplexArray, partial: bool) -> None:
        self._unitary, self._partial = unitary, partial
        self._random = np.random.default_rng(0)

    def grown(self, most: int) -> list[_Found]:
        """Returns what is found with the fewest entanglers, up to `most` of them."""
        begun = np.zeros((1, len(_END)))
        nearest = self._solved([()], begun)
        while nearest and nearest[0].residual > _ACCURACY:
            if len(nearest[0].placement) == most:
                return []
            starts: list[FloatArray] = []
            placements: list[Placement] = []
            for placement, angles, _ in nearest[:_WIDTH]:
                for pair in range(len(_PAIRS)):
                    if placement[-3:] == (pair,) * 3:
                        continue  # three do all that there is on one pair
                    new = self._random.normal(0, _NEAR, _PER_PAIR)
                    starts.append(np.insert(angles, len(angles) - len(_END), new))
                    placements.append((*placement, pair))
            nearest = self._solved(placements, np.array(starts), _STARTS - 1)
            others = _without_repeats(len(placements[0]))
            if others and nearest[0].residual > _ACCURACY:
                nearest = _best([*nearest, *self._tried(others)])
        return [found for found in nearest if found.residual < _ACCURACY]

    def _tried(self, placements: Sequence[Placement]) -> list[_Found]:
        """The best of each placement from random starts alone, until one is exact."""
        found: list[_Found] = []
        left = _ALL_STARTS if self._partial else 2 * _ALL_STARTS
        for _ in range(min(_MOST_ROUNDS, left // len(placements))):
            shape = (len(placements), _PER_PAIR * len(placements[0]) + len(_END))
            found += self._solved(placements, self._random.uniform(-math.pi, math.pi, shape))
            if any(one.residual < _ACCURACY for one in found):
                break
        return _best(found)

    def without_one(self, found: Iterable[_Found]) -> list[_Found]:
        """Returns what is left where one of the entanglers is not needed."""
        starts: dict[Placement, FloatArray] = {}
        for placement, angles, _ in [*found][:_KEPT]:
            for place in range(len(placement)):
                left = (*placement[:place], *placement[place + 1 :])
                gone = range(place * _PER_PAIR, (place + 1) * _PER_PAIR)
                starts.setdefault(left, np.delete(angles, gone))
        if not starts:
            return []
        solved = self._solved([*starts], np.array([*starts.values()]), _STARTS - 1)
        return [one for one in solved if one.residual < _ACCURACY]

    def smallest(self, found: Sequence[_Found]) -> _Found:
        """Returns the one with the smallest angles, after more starts."""
        kept = found[:_KEPT]
        angles = np.array([one.angles for one in kept])
        more = self._all_solved([one.placement for one in kept], angles, _MORE_STARTS)
        exact = [one for one in more if one.residual < _ACCURACY]
        return min([*kept, *exact], key=lambda one: round(one.total / _LEAST_GAIN))

    def tidied(self, found: _Found) -> _Found:
        """Returns the same with quarter turns instead of other angles, where they do as well."""
        turns = _turns(found.placement)
        free = self._free([found.placement])[0]
        near = np.round(found.angles / HALF_PI) * HALF_PI
        far = abs(found.angles - near)
        # A turn about Z takes no pulses; a larger entangler is worse.
        order = sorted(np.flatnonzero(free).tolist(), key=lambda k: (turns[k][1] == "Z", far[k]))
        for k in order:
            quarter = round(found.angles[k] / HALF_PI) * HALF_PI
            if len(turns[k][0]) > 1 and abs(found.angles[k] - quarter) > _LEAST_GAIN:
                continue
            start = found.angles.copy()
            start[k] = quarter
            free[k] = False
            angles, (residual,) = fit(
                self._unitary[None], _products([found.placement]), start[None], free[None]
            )
            other = _Found(found.placement, angles[0], float(residual))
            if other.residual < _ACCURACY and other.total < found.total + _LEAST_GAIN:
                found = other
            else:
                free[k] = True
        return found

    def _solved(
        self, placements: Sequence[Placement], starts: FloatArray, more: int = 0
    ) -> list[_Found]:
        """The best of each placement, the nearest first."""
        return _best(self._all_solved(placements, starts, more))

    def _all_solved(
        self, placements: Sequence[Placement], starts: FloatArray, more: int
    ) -> Iterator[_Found]:
        """What comes of each start, and of more that are random."""
        drawn = self._random.uniform(-math.pi, math.pi, (more, *starts.shape))
        angles = np.concatenate([starts, *drawn])
        placements = [*placements] * (1 + more)
        free = self._free(placements)
        angles[~free] = HALF_PI
        unitaries = np.broadcast_to(self._unitary, (len(angles), DIMENSION, DIMENSION))
        solved, residuals = fit(unitaries, _products(placements), angles, free)
        for placement, row, residual in zip(placements, solved, residuals.tolist(), strict=True):
            yield _Found(placement, row, residual)

    def _free(self, placements: Sequence[Placement]) -> NDArray[np.bool_]:
        """Which angles may change, for placements of one length."""
        one = [self._partial or len(wires) == 1 for wires, _ in _turns(placements[0])]
        return np.tile(one, (len(placements), 1))


def _best(found: Iterable[_Found]) -> list[_Found]:
    """The nearest of each placement, the nearest first, and of exact ones the smallest."""
    best: dict[Placement, _Found] = {}
    for one in sorted(found, key=lambda one: (max(one.residual, _ACCURACY), one.total)):
        best.setdefault(one.placement, one)
    return [*best.values()]


def _without_repeats(count: int) -> list[Placement]:
    """All placements of a few entanglers without two in a row on one pair."""
    if count > _ALL:
        return []
    every = product(range(len(_PAIRS)), repeat=count)
    return [one for one in every if all(a != b for a, b in pairwise(one))]


def _turns(placement: Placement) -> list[_Turn]:
    return [turn for pair in placement for turn in _ON_PAIR[pair]] + _END


def _products(placements: Sequence[Placement]) -> NDArray[np.int64]:
    numbers = [[_NUMBERS[turn] for turn in _turns(placement)] for placement in placements]
    return np.array(numbers, np.int64)


def _number(wires: Sequence[int], letters: str) -> int:
    on = dict(zip(wires, letters, strict=True))
    return product_number("".join(on.get(wire, "I") for wire in range(N_WIRES)))


_NUMBERS = {turn: _number(*turn) for turn in [*_END, *(one for on in _ON_PAIR for one in on)]}


def _blocks(rotations: Sequence[Rotation], n_wires: int) -> Iterator[list[Rotation]]:
    """Splits a circuit into runs on three wires, in an order that keeps it equal."""
    left = list(rotations)
    while left:
        first = left[0]
        if first.angle.terms:
            yield [left.pop(0)]
            continue
        pair = next((r.wires for r in left if r.is_entangling and first.wires[0] in r.wires), ())
        others = [wire for wire in range(n_wires) if wire not in pair] if pair else []
        # A circuit of two wires, or a wire without entanglers, has no third one.
        sets = [{*pair, other} for other in others] or [{*first.wires, *pair}]
        runs = [_run(left, wires) for wires in sets]
        longest = max(runs, key=lambda run: _count(left[k] for k in run))
        yield [left[k] for k in longest]
        taken = set(longest)
        left = [rotation for k, rotation in enumerate(left) if k not in taken]


def _run(rotations: Sequence[Rotation], wires: Iterable[int]) -> list[int]:
    """The places of rotations by numbers on some wires that can stand before all others."""
    run, open_wires = [], set(wires)
    for place, rotation in enumerate(rotations):
        if not rotation.angle.terms and open_wires.issuperset(rotation.wires):
            run.append(place)
        else:
            open_wires.difference_update(rotation.wires)
            if not open_wires:
                break
    return run


def _wires(block: Iterable[Rotation]) -> list[int]:
    return sorted({wire for rotation in block for wire in rotation.wires})


def _narrowed(block: Iterable[Rotation], wires: Sequence[int]) -> Iterator[Rotation]:
    """Rotations on some wires as rotations on as many first ones."""
    for rotation in block:
        on = [wires.index(wire) for wire in rotation.wires]
        yield rotation._replace(wires=tuple(on))


def _unitary(block: Sequence[Rotation]) -> ComplexArray:
    products = [_number(r.wires, r.letters) for r in block]
    return unitary_of(np.array(products), np.array([r.angle.constant for r in block]))


def _count(block: Iterable[Rotation]) -> int:
    return sum(rotation.is_entangling for rotation in block)


def _is_smaller(made: Sequence[Rotation], block: Sequence[Rotation]) -> bool:
    its, mine = (sum(abs(r.angle.constant) for r in b if r.is_entangling) for b in (made, block))
    return (_count(made), its) < (_count(block), mine - _LEAST_GAIN)


def _joined(
    circuit: Rotations, parts: Iterable[tuple[Sequence[Rotation], Rotations | None]]
) -> Rotations:
    new = Rotations(circuit.n_wires)
    for block, made in parts:
        if made is None:
            for rotation in block:
                new.add(*rotation)
            continue
        wires = _wires(block)
        for on, letters, angle in made.rotations:
            new.add([wires[wire] for wire in on], letters, angle)
        for wire, frame in zip(wires, made.frames, strict=True):
            new.frames[wire] = THEN[new.frames[wire]][frame]
    new.follow(circuit)
    return new
