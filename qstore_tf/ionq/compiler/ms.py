"""Emission for MS, the entangler of Aria, with the up axes of `axes`.

The ion's own axes are followed through all pulses as seen with the circuit's one-wire gates pulled
to the end, so that the phase of each pulse and MS gate is an azimuth in them. Wires on which the
same happens, but for the numbers, are followed together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.symbols import Affine
from qstore_tf.errors import CircuitError, describe
from qstore_tf.ionq.compiler import vectors
from qstore_tf.ionq.compiler.axes import Choice, Path, Way, cheapest
from qstore_tf.ionq.compiler.cliffords import LETTERS, PULLED
from qstore_tf.ionq.compiler.formulas import Evaluator, FloatArray
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.runs import Wire, wires_of
from qstore_tf.ionq.compiler.template import (
    NativeGate,
    Numbers,
    Template,
    in_turns,
    order_of_gates,
)
from qstore_tf.ionq.compiler.vectors import CLOSE, cross, dot

PI = math.pi
# Signs that depend on the values differ among so many random ones.
_SAMPLES = 16
_FAR = 1000.0
# By how much, radians, an axis may miss the plane or the axis that it is planned to be in.
_ACCURACY = 1e-8
# How far values are moved where axes that differ for most values coincide, radians. Axes may then
# miss by as much; the fidelity falls by the square of it.
_NUDGES = (1e-6, 1e-5, 1e-4, 1e-3)


def emit_ms(circuit: Rotations, symbols: Sequence[str], may_flip: bool) -> Template:
    """Returns the native gates of a circuit for a target that entangles by MS.

    Args:
        circuit: The circuit in the order in which it is to run.
        symbols: The order of the symbols in the values that are bound.
        may_flip: Whether outcomes may come out flipped, as the bound numbers then say.
    """
    wires = wires_of(circuit)
    entangling = [rotation for rotation in circuit.rotations if rotation.is_entangling]
    plans = [_plan(*_renamed(wire, entangling), may_flip) for wire in wires]
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
        circuit.n_wires, order, _Binder(plans, wires, entangling, symbols, n_pulses, may_flip)
    )


@dataclass(frozen=True)
class _Plan:
    """What happens on a wire, but for numbers.

    Attributes:
        letters: The letter of each entangler.
        rotations: The letters of the rotations before, between and after the entanglers.
        frame: The Clifford gate at the end.
        path: The way of the up axis.
        pulses: The names of the pulses before, between and after the entanglers.
    """

    letters: str
    rotations: tuple[str, ...]
    frame: int
    path: Path
    pulses: tuple[tuple[str, ...], ...]


_Runs = tuple[tuple[tuple[str, Affine], ...], ...]


def _renamed(
    wire: Wire, entangling: Sequence[Rotation]
) -> tuple[str, _Runs, tuple[Affine, ...], int]:
    """A wire's letters, rotations, angles of entanglers and frame, with symbols by number.

    Wires that differ in the names of their symbols alone are the same then.
    """
    names: dict[str, str] = {}

    def renamed(angle: Affine) -> Affine:
        terms = [(names.setdefault(name, str(len(names))), c) for name, c in angle.terms]
        return Affine(angle.constant, tuple(terms))

    runs = tuple(tuple((letter, renamed(angle)) for letter, angle in run) for run in wire.rotations)
    own = tuple(renamed(entangling[number].angle) for number in wire.numbers)
    return wire.letters, runs, own, wire.frame


@lru_cache(maxsize=1024)
def _plan(letters: str, runs: _Runs, own: tuple[Affine, ...], frame: int, may_flip: bool) -> _Plan:
    rotations = tuple("".join(letter for letter, _ in run) for run in runs)
    angles = [angle for run in runs for _, angle in run]
    symbols = list({name: None for angle in (*angles, *own) for name in angle.symbols})
    count = _SAMPLES if symbols else 1
    values = np.random.default_rng(1).uniform(-_FAR, _FAR, (len(symbols), count))
    # Half turns of entanglers turn the signs of what follows around, as they do when bound.
    odd = _halves(Evaluator(own, symbols)(values)) % 2 != 0
    axes, _, end = _axes(letters, rotations, frame, Evaluator(angles, symbols)(values), odd)
    path = cheapest(axes, end, 0 if may_flip else 1)
    last = ("GPi2",) * path.last
    if not path.last and path.opposite and not may_flip:
        last = ("GPi",)
    between = tuple(("GPi2",) * choice.pulses for choice in path.choices)
    return _Plan(letters, rotations, frame, path, (*between, last))


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
    """Returns the axes of the entanglers, [n, 3, M], and the last X and Z axes, [3, M] each.

    Args:
        letters: The letter of each entangler.
        rotations: The letters of the rotations before, between and after them.
        frame: The Clifford gate at the end.
        angles: The angles of the rotations, [rotations, M].
        odd: For each entangler whether a half turn of it is due, [n, M].
    """
    rows = [np.broadcast_to(row[:, None], (3, angles.shape[1])).copy() for row in np.eye(3)]
    axes = np.empty((len(letters), 3, angles.shape[1]))
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
        if odd[k].any():
            sign = np.where(odd[k], -1.0, 1.0)
            for other in {0, 1, 2} - {mine}:
                rows[other] = rows[other] * sign
    pulled = PULLED[frame]
    x, z = (pulled[letter][0] * rows[LETTERS.index(pulled[letter][1])] for letter in "XZ")
    return axes, x, z


class _Binder:
    """Computes the numbers of the gates for a batch of values of the symbols."""

    def __init__(
        self,
        plans: Sequence[_Plan],
        wires: Sequence[Wire],
        entangling: Sequence[Rotation],
        symbols: Sequence[str],
        n_pulses: int,
        may_flip: bool,
    ) -> None:
        self._n_wires, self._n_pulses, self._may_flip = len(wires), n_pulses, may_flip
        self._aside = np.random.default_rng(2).uniform(0.5, 1.0, len(symbols))
        sides = {
            (wire, number): side
            for number, rotation in enumerate(entangling)
            for side, wire in enumerate(rotation.wires)
        }
        starts = np.cumsum([0, *(sum(map(len, plan.pulses)) for plan in plans)])
        alike: dict[_Plan, list[int]] = defaultdict(list)
        for wire, plan in enumerate(plans):
            alike[plan].append(wire)
        angles = [rotation.angle for rotation in entangling]
        self._groups = []
        for plan, members in alike.items():
            runs = [[a for run in wires[wire].rotations for _, a in run] for wire in members]
            places = np.arange(len(angles), len(angles) + len(members) * len(runs[0]))
            angles += [angle for run in runs for angle in run]
            self._groups.append(
                _Group(
                    plan,
                    np.array(members),
                    places.reshape(len(members), -1).T,
                    np.array([wires[wire].numbers for wire in members], int).T,
                    np.array(
                        [[sides[wire, n] for n in wires[wire].numbers] for wire in members], int
                    ).T,
                    starts[members],
                )
            )
        self._evaluate = Evaluator(angles, symbols)
        self._n_entanglers = len(entangling)

    def __call__(self, values: FloatArray) -> Numbers:
        numbers, miss = self._numbers(values)
        wrong = miss > (_ACCURACY if len(values) else CLOSE)
        # Where axes coincide that differ for other values, as at angles of 0, a plan that relies
        # on the difference has no direction to go. Right beside, it has.
        for nudge in _NUDGES:
            if not len(values) or not wrong.any():
                break
            places = np.flatnonzero(wrong)
            beside = values[:, places] + nudge * self._aside[:, None]
            better, miss = self._numbers(beside)
            for old, new in zip(numbers, better, strict=True):
                old[..., places] = new
            wrong[places] = miss > nudge
        if wrong.any():
            raise CircuitError(
                describe(
                    "The numbers of the MS gates cannot be computed for these values",
                    expected="values at which the axes of the gates can be told apart",
                    received=values[:, np.argmax(wrong)].tolist(),
                    hint="Bind the values before compiling",
                )
            )
        columns, frames, flips = numbers
        return Numbers(columns.T, frames.T, flips.T)

    def _numbers(
        self, values: FloatArray
    ) -> tuple[tuple[FloatArray, FloatArray, NDArray[np.bool_]], FloatArray]:
        """Returns columns, frames and flips, [..., B] each, and by how much an axis misses, [B]."""
        n_batch, n = values.shape[1], self._n_entanglers
        evaluated = self._evaluate(values)
        angles = evaluated[:n]
        halves = _halves(angles)
        angles = angles - halves * PI
        odd = halves % 2 != 0
        pulses = np.empty((self._n_pulses, n_batch))
        phases = np.empty((n, 3, n_batch))
        phases[:, 2] = np.minimum(np.abs(angles) / (2 * PI), 0.25)
        frames = np.empty((self._n_wires, n_batch))
        flips = np.zeros((self._n_wires, n_batch), bool)
        miss = np.zeros(n_batch)
        for group in self._groups:
            size = (len(group.members), n_batch)
            followed = _follow(
                group.plan,
                evaluated[group.angles].reshape(len(group.angles), size[0] * n_batch),
                odd[group.numbers].reshape(len(group.numbers), size[0] * n_batch),
                self._may_flip,
            )
            for number, radians in enumerate(followed.pulses):
                pulses[group.starts + number] = radians.reshape(size)
            for k, azimuth in enumerate(followed.azimuths):
                phases[group.numbers[k], group.sides[k]] = azimuth.reshape(size)
            frames[group.members] = followed.frame.reshape(size)
            flips[group.members] = followed.flipped.reshape(size)
            miss = np.maximum(miss, followed.miss.reshape(size).max(axis=0))
        phases[:, 0] += np.where(angles < 0, PI, 0.0)
        phases[:, :2] = in_turns(phases[:, :2])
        columns = np.concatenate([in_turns(pulses), phases.reshape(3 * n, n_batch)])
        return (columns, frames, flips), miss


@dataclass(frozen=True)
class _Group:
    """Wires with the same plan.

    Attributes:
        plan: The plan.
        members: The wires, [m].
        angles: The places of their rotations' angles, [rotations, m].
        numbers: The places of their entanglers, [n, m].
        sides: Which of an entangler's two wires each of them is, [n, m].
        starts: The column of the first pulse of each, [m].
    """

    plan: _Plan
    members: NDArray[np.int64]
    angles: NDArray[np.int64]
    numbers: NDArray[np.int64]
    sides: NDArray[np.int64]
    starts: NDArray[np.int64]


class _Followed(NamedTuple):
    """What comes of following ions through a plan, [M] each.

    Attributes:
        pulses: The azimuth of each pulse, radians.
        azimuths: The azimuth of each entangler's axis, radians.
        frame: The turn about Z that is left, radians.
        flipped: Whether the ion ends upside down.
        miss: By how much an axis misses where the plan has it, about, radians.
    """

    pulses: list[FloatArray]
    azimuths: list[FloatArray]
    frame: FloatArray
    flipped: NDArray[np.bool_]
    miss: FloatArray


def _follow(plan: _Plan, angles: FloatArray, odd: NDArray[np.bool_], may_flip: bool) -> _Followed:
    axes, x_end, z_end = _axes(plan.letters, plan.rotations, plan.frame, angles, odd)
    ion = _Ion(angles.shape[1])
    everything = (ion.up, *axes, z_end)
    made: list[FloatArray] = []
    azimuths = []
    for axis, choice in zip(axes, plan.path.choices, strict=True):
        made += ion.follow(choice, axis, everything)
        ion.expect(dot(ion.up, axis))
        azimuths.append(ion.azimuth(axis))
    flipped = np.zeros(angles.shape[1], bool)
    last = plan.pulses[-1]
    if not last:
        flipped = dot(ion.up, z_end) < 0
        ion.expect(ion.up - (np.where(flipped, -z_end, z_end) if may_flip else z_end))
    elif last == ("GPi",):
        ion.expect(ion.up + z_end)
        made += ion.over()
    else:
        made += ion.to(z_end, len(last))
    return _Followed(made, azimuths, ion.rest(x_end), flipped, ion.miss)


class _Ion:
    """The axes of ions, [3, M], seen with all one-wire gates pulled to the end."""

    def __init__(self, count: int) -> None:
        self.up = np.zeros((3, count))
        self.up[2] = 1.0
        self._x = np.zeros((3, count))
        self._x[0] = 1.0
        self._frame = np.zeros(count)
        self.miss = np.zeros(count)

    def expect(self, zero: FloatArray) -> None:
        """Notes how far something, [M] or [3, M], is from 0 that is 0 where the plan works."""
        size = np.abs(zero)
        np.maximum(self.miss, size if size.ndim == 1 else size.max(axis=0), out=self.miss)

    def azimuth(self, axis: FloatArray) -> FloatArray:
        """Returns the azimuth, radians, at which a pulse acts about an axis on the equator."""
        y = dot(axis, cross(self.up, self._x))
        return np.asarray(np.arctan2(y, dot(axis, self._x)) - self._frame)

    def follow(
        self, choice: Choice, axis: FloatArray, everything: Sequence[FloatArray]
    ) -> list[FloatArray]:
        """Moves the up axis as chosen; returns the azimuths of the pulses."""
        if choice.way is Way.STAY:
            return []
        other = self.up if choice.way is Way.ACROSS else everything[choice.other]
        up = vectors.perpendicular(axis, other)
        if choice.way is Way.TOWARD:
            up = vectors.perpendicular(axis, up)
        return self.to(choice.sign * up, choice.pulses)

    def to(self, up: FloatArray, pulses: int) -> list[FloatArray]:
        """Moves the up axis by one quarter turn, or by two that make any angle."""
        normal = cross(up, self.up)
        length = np.sqrt(dot(normal, normal))
        short = length < 1e-9
        if short.any():
            normal = np.where(short, self._x, normal)
            length = np.where(short, 0.0, length)
            normal = normal / np.sqrt(dot(normal, normal))
        else:
            normal = normal / length
        azimuth = self.azimuth(normal)
        along = dot(normal, self._x) * normal
        across = cross(normal, self._x)
        if pulses == 1:
            self.expect(dot(up, self.up))
            self._x = along - across
            self.up = up
            return [azimuth]
        height = dot(up, self.up)
        angle = np.arctan2(length, height)
        # The cosine and sine of it, also where up and the axis before are parallel.
        scale = np.hypot(length, height)
        self._x = along + (height / scale) * (self._x - along) - (length / scale) * across
        self.up = up
        self._frame = self._frame + angle
        return [azimuth - PI / 2, azimuth + PI / 2 - angle]

    def over(self) -> list[FloatArray]:
        """Turns the ion upside down by one pulse."""
        azimuth = self.azimuth(self._x)
        self.up = -self.up
        return [azimuth]

    def rest(self, x_end: FloatArray) -> FloatArray:
        """Returns the turn about Z that is left, before the flip where the ion is upside down."""
        left = np.arctan2(-dot(x_end, cross(self.up, self._x)), dot(x_end, self._x))
        return np.asarray(left + self._frame)
