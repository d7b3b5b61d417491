"""Emission for MS, the entangler of Aria, with the up axes of `axes`.

What happens on a wire, but for the names of its symbols, is planned once and kept; `following`
computes the numbers of all wires together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, describe
from qstore_tf.ionq.compiler.axes import Path, cheapest
from qstore_tf.ionq.compiler.cliffords import HADAMARD, LETTERS, PULLED, taking
from qstore_tf.ionq.compiler.following import Differences, Steps, misses
from qstore_tf.ionq.compiler.formulas import Evaluator, FloatArray
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.runs import ZERO, Runs, Wire, wires_of
from qstore_tf.ionq.compiler.settling import settle
from qstore_tf.ionq.compiler.template import (
    NativeGate,
    Numbers,
    Template,
    order_of_gates,
)
from qstore_tf.ionq.compiler.turning import Complex, Formulas, Turned, Turning
from qstore_tf.ionq.compiler.turns import turn_of

PI = math.pi
# Signs that depend on the values differ among so many random ones.
_SAMPLES = 16
_FAR = 1000.0
# What axes may miss, radians, that are planned to be equal or perpendicular.
_ACCURACY = 1e-11
_ALLOWED = 1e-9
# How far beside values is tried where axes coincide that differ for most values, radians.
_NUDGES = (1e-4, 1e-2, 1e-6)


def emit_ms(circuit: Rotations, symbols: Sequence[str], may_flip: bool) -> Template:
    """Returns the native gates of a circuit for a target that entangles by MS.

    Args:
        circuit: The circuit in the order in which it is to run.
        symbols: The order of the symbols in the values that are bound.
        may_flip: Whether outcomes may come out flipped, as the bound numbers then say.
    """
    wires = wires_of(circuit)
    entangling = [rotation for rotation in circuit.rotations if rotation.is_entangling]
    renamed = [_renamed(wire, entangling) for wire in wires]
    plans = [_plan(*key, may_flip) for key, _ in renamed]
    pulses: list[list[list[NativeGate]]] = []
    n_pulses = 0
    for place, plan in enumerate(plans):
        runs = []
        for names in plan.pulses:
            runs.append(
                [NativeGate(names[k], (place,), (n_pulses + k,)) for k in range(len(names))]
            )
            n_pulses += len(names)
        pulses.append(runs)
    gates = [
        NativeGate("MS", rotation.wires, tuple(n_pulses + 3 * number + k for k in range(3)))
        for number, rotation in enumerate(entangling)
    ]
    order = order_of_gates(pulses, gates)
    return Template(
        circuit.n_wires,
        order,
        _Binder(plans, wires, [names for _, names in renamed], entangling, symbols, may_flip),
    )


@dataclass(frozen=True, eq=False)
class _Plan:
    """What happens on a wire, but for numbers.

    Attributes:
        path: The way of the up axis.
        pulses: The names of the pulses before, between and after the entanglers.
        formulas: The turns of the steps between up axes, in coordinates in which entanglers act
            about Z; at the beginning and the end X and Z are exchanged.
    """

    path: Path
    pulses: tuple[tuple[str, ...], ...]
    formulas: Formulas


def _renamed(
    wire: Wire, entangling: Sequence[Rotation]
) -> tuple[tuple[str, Runs, tuple[Affine, ...], int], list[str]]:
    """A wire's letters, rotations, angles of entanglers and frame, with symbols by number, and
    the names of these.

    Wires that differ in the names of their symbols alone are the same then.
    """
    names: dict[str, str] = {}

    def renamed(angle: Affine) -> Affine:
        terms = [(names.setdefault(name, str(len(names))), c) for name, c in angle.terms]
        return Affine(angle.constant, tuple(terms))

    runs = tuple(tuple((letter, renamed(angle)) for letter, angle in run) for run in wire.rotations)
    # Of an entangler's angle half turns matter only, which no number has.
    angles = [entangling[number].angle for number in wire.numbers]
    own = tuple(renamed(angle) if angle.terms else ZERO for angle in angles)
    return (wire.letters, runs, own, wire.frame), list(names)


@lru_cache(maxsize=1024)
def _plan(letters: str, runs: Runs, own: tuple[Affine, ...], frame: int, may_flip: bool) -> _Plan:
    path = _path(letters, _loose(runs, own), own, frame, may_flip)
    last = ("GPi2",) * path.last
    if not path.last and path.opposite and not may_flip:
        last = ("GPi",)
    between = tuple(("GPi2",) * choice.pulses for choice in path.choices)
    wire = Wire(letters, (), runs, frame)
    turns = [turn_of(run) for run in wire.runs(HADAMARD)]
    return _Plan(path, (*between, last), Formulas(turns))


def _loose(runs: Runs, own: tuple[Affine, ...]) -> Runs:
    """The runs with plain symbols for angles whose symbols do not come again: any angles."""
    angles = [angle for run in runs for _, angle in run]
    times = Counter(name for angle in (*angles, *own) for name in angle.symbols)

    def loose(angle: Affine) -> Affine:
        for name in angle.symbols:
            if times[name] == 1:
                return Affine(0.0, ((name, 1.0),))
        return angle

    return tuple(tuple((letter, loose(angle)) for letter, angle in run) for run in runs)


@lru_cache(maxsize=1024)
def _path(letters: str, runs: Runs, own: tuple[Affine, ...], frame: int, may_flip: bool) -> Path:
    rotations = tuple("".join(letter for letter, _ in run) for run in runs)
    angles = [angle for run in runs for _, angle in run]
    symbols = list({name: None for angle in (*angles, *own) for name in angle.symbols})
    count = _SAMPLES if symbols else 1
    values = np.random.default_rng(1).uniform(-_FAR, _FAR, (len(symbols), count))
    # Half turns of entanglers turn the signs of what follows around, as they do when bound.
    odd = _halves(Evaluator(own, symbols)(values)) % 2 != 0
    axes, sides, end = _axes(letters, rotations, frame, Evaluator(angles, symbols)(values), odd)
    return cheapest(axes, sides, end, 0 if may_flip else 1)


def _halves(angles: FloatArray) -> FloatArray:
    """Returns how many half turns leave at most a quarter turn either way."""
    return np.asarray(np.ceil(angles / PI - 0.5))


def _axes(
    letters: str,
    rotations: Sequence[str],
    frame: int,
    angles: FloatArray,
    odd: NDArray[np.bool_],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Returns axes of the entanglers and axes at right angles, [n, 3, M], and the last Z axis.

    The axes at right angles are X in the coordinates in which an entangler acts about Z.

    Args:
        letters: The letter of each entangler.
        rotations: The letters of the rotations before, between and after them.
        frame: The Clifford gate at the end.
        angles: The angles of the rotations, [rotations, M].
        odd: For each entangler whether a half turn of it is due, [n, M].
    """
    rows = [np.broadcast_to(row[:, None], (3, angles.shape[1])).copy() for row in np.eye(3)]
    axes = np.empty((len(letters), 3, angles.shape[1]))
    sides = np.empty_like(axes)
    cosines, sines = np.cos(angles), np.sin(angles)
    number = 0
    for k, run in enumerate(rotations):
        for letter in run:
            first, second = ((1, 2), (2, 0), (0, 1))[LETTERS.index(letter)]
            c, s = cosines[number], sines[number]
            rows[first], rows[second] = (
                c * rows[first] - s * rows[second],
                s * rows[first] + c * rows[second],
            )
            number += 1
        if k == len(letters):
            break
        mine = LETTERS.index(letters[k])
        axes[k] = rows[mine]
        sign, letter = PULLED[taking(letters[k])]["X"]
        sides[k] = sign * rows[LETTERS.index(letter)]
        if odd[k].any():
            flipped = np.where(odd[k], -1.0, 1.0)
            for other in {0, 1, 2} - {mine}:
                rows[other] = rows[other] * flipped
    sign, letter = PULLED[frame]["Z"]
    return axes, sides, sign * rows[LETTERS.index(letter)]


class _Binder:
    """Computes the numbers of the gates for a batch of values of the symbols."""

    def __init__(
        self,
        plans: Sequence[_Plan],
        wires: Sequence[Wire],
        names: Sequence[Sequence[str]],
        entangling: Sequence[Rotation],
        symbols: Sequence[str],
        may_flip: bool,
    ) -> None:
        column = {name: number for number, name in enumerate(symbols)}
        aside = np.random.default_rng(2).uniform(0.5, 1.0, len(symbols))
        columns = [[column[name] for name in own] for own in names]
        self._turning = Turning([plan.formulas for plan in plans], columns, aside)
        self._steps = steps = Steps([plan.path for plan in plans], may_flip)
        self._angles = Evaluator([rotation.angle for rotation in entangling], symbols)
        self._any_halves = any(rotation.angle.terms for rotation in entangling)
        # Columns: the pulses of all wires, each with a GPi at its end if it has one.
        over = [plan.pulses[-1] == ("GPi",) for plan in plans]
        made = steps.pulses.copy()
        made[steps.starts[1:] - 1] += over
        first = np.cumsum(made) - made
        self._n_pulses = int(made.sum())
        self._over = np.flatnonzero(over)
        self._one, self._two = (np.flatnonzero(steps.pulses == count) for count in (1, 2))
        self._none = np.flatnonzero(steps.pulses == 0)
        self._first, self._over_column = first, first[steps.starts[1:] - 1][over]
        # The steps before and after each entangler on both of its wires.
        number = np.concatenate([np.array(wire.numbers, int) for wire in wires])
        inner = np.concatenate(
            [np.arange(a, b - 1) for a, b in pairwise(steps.starts.tolist())]
        ).astype(int)
        side = np.array(
            [entangling[n].wires[1] == w for w, wire in enumerate(wires) for n in wire.numbers], int
        )
        self._before = np.empty((len(entangling), 2), int)
        self._before[number, side] = inner

    def __call__(self, values: FloatArray) -> Numbers:
        steps, n_batch = self._steps, values.shape[1]
        angles = self._angles(values)
        odd = None
        if self._any_halves:
            halves = np.ceil(angles / PI - 0.5)
            angles -= halves * PI
            # Half turns of an entangler are half turns of both of its wires.
            odd = np.where(halves % 2 != 0, -1.0, 1.0)
        turned = self._turned(values, odd)
        azimuths = steps.azimuths(turned)
        none = Differences(steps, turned, azimuths, self._none)
        one = Differences(steps, turned, azimuths, self._one)
        if max(none.missed(0).max(initial=0), one.missed(1).max(initial=0)) > _ACCURACY:
            self._settle(values, odd, turned, azimuths)
            none = Differences(steps, turned, azimuths, self._none)
            one = Differences(steps, turned, azimuths, self._one)
        increments = np.empty((len(steps.wire), n_batch))
        increments[self._none] = -none.still()
        a, c_one = one.quarter()
        a += c_one
        increments[self._one] = np.negative(a, out=a)
        a, b, c_two = Differences(steps, turned, azimuths, self._two).any_angle()
        increments[self._two] = -a - b - c_two
        frames = np.cumsum(increments, axis=0)
        begins = np.subtract(frames, increments, out=increments)
        offsets = begins[steps.starts[:-1]]
        begins -= offsets[steps.wire]
        columns = np.empty((self._n_pulses + 3 * len(angles), n_batch))
        columns[self._first[self._one]] = begins[self._one] - c_one
        c_two = begins[self._two] - c_two
        columns[self._first[self._two]] = c_two - PI / 2
        columns[self._first[self._two] + 1] = c_two - b + PI / 2
        columns[self._over_column] = 0.0
        phases = columns[self._n_pulses :].reshape(len(angles), 3, n_batch)
        phases[:, :2] = begins[self._before + 1]
        phases[:, 0] += np.where(angles < 0, PI, 0.0)
        np.minimum(np.abs(angles), PI / 2, out=phases[:, 2])
        columns /= 2 * PI
        columns -= np.rint(columns)
        left = offsets - frames[steps.starts[1:] - 1]
        # X R_Z(-f) is R_Z(f) X.
        left[self._over] *= -1
        flips = np.zeros(left.shape, bool)
        flips[steps.either] = azimuths[steps.ends[steps.either]].real < 0
        return Numbers(columns.T, left.T, flips.T)

    def _turned(self, values: FloatArray, odd: FloatArray | None, beside: float = 0.0) -> Turned:
        turned = self._turning(values, beside)
        if odd is not None:
            for side in range(2):
                turned.first[self._before[:, side] + 1] *= odd
        return turned

    def _settle(
        self, values: FloatArray, odd: FloatArray | None, turned: Turned, azimuths: Complex
    ) -> None:
        """Changes azimuths where axes miss what the pulses can do."""
        steps = self._steps
        wrong = ~(misses(steps, turned, azimuths) < _ACCURACY)
        for nudge in _NUDGES:
            rows = np.flatnonzero(wrong.any(axis=0))
            if not len(rows):
                return
            here = turned.of(rows)
            odd_here = None if odd is None else odd[:, rows]
            beside = steps.azimuths(self._turned(values[:, rows], odd_here, nudge))
            for wire in np.flatnonzero(wrong.any(axis=1)).tolist():
                own = np.flatnonzero(wrong[wire, rows])
                place = slice(steps.starts[wire] + wire, steps.starts[wire + 1] + wire + 1)
                azimuths[place, rows[own]] = settle(
                    steps, wire, here.of(own), beside[place][:, own]
                )
            wrong[:, rows] = ~(misses(steps, here, azimuths[:, rows]) < _ACCURACY)
        rows = np.flatnonzero(wrong.any(axis=0))
        if not len(rows):
            return
        miss = misses(steps, turned.of(rows), azimuths[:, rows]).max(axis=0)
        # Axes this near to each other for all values were taken for one.
        if not (miss < _ALLOWED).all():
            raise CircuitError(
                describe(
                    "The numbers of the MS gates cannot be computed for these values",
                    expected="values at which the axes of the gates can be told apart",
                    received=values[:, rows[np.argmax(miss)]].tolist(),
                    hint="Bind the values before compiling",
                )
            )
