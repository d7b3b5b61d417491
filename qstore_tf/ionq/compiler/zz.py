"""Emission for ZZ, the entangler of Forte: each one-wire run by as few pulses as it takes.

ZZ acts about the axis in which frames turn, so frames pass through it, and every run between two
of them stands alone: R_Z(a) R_Y(b) R_Z(c) takes no pulse where b is 0, one GPi where b is pi, one
GPi2 where b is pi/2, and two GPi2 otherwise, as R_n(b) is a quarter turn, a frame, and the quarter
turn back. (IonQ's documentation of native gates and virtual Z; McKay et al., arXiv:1612.00858.)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler import formulas
from qstore_tf.ionq.compiler.formulas import Evaluator, FloatArray
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.runs import ZERO, Run, Runs, Wire, wires_of
from qstore_tf.ionq.compiler.signs import ANY, FLIP, NOTHING, QUARTER, Signs
from qstore_tf.ionq.compiler.template import (
    NativeGate,
    Numbers,
    Template,
    in_turns,
    order_of_gates,
)
from qstore_tf.ionq.compiler.turns import CLIFFORDS, Turn, turn_of

PI = math.pi
# By the number of quarter turns that a run comes to (None: any other angle) what it is made of. A
# half turn is put off.
_KINDS = {0: NOTHING, 1: QUARTER, 2: NOTHING, None: ANY}
_PULSES: dict[int, tuple[str, ...]] = {
    NOTHING: (),
    QUARTER: ("GPi2",),
    ANY: ("GPi2", "GPi2"),
    FLIP: ("GPi",),
}
_ONLY = 2  # the place of a pulse that is alone


def emit_zz(
    circuit: Rotations, symbols: Sequence[str], may_flip: bool, signed: bool = True
) -> Template:
    """Returns the native gates of a circuit for a target that entangles by ZZ.

    Args:
        circuit: The circuit in the order in which it is to run.
        symbols: The order of the symbols in the values that are bound.
        may_flip: Whether outcomes may come out flipped, as the bound numbers then say.
        signed: Whether the target takes negative angles.
    """
    wires = wires_of(circuit)
    entangling = [rotation for rotation in circuit.rotations if rotation.is_entangling]
    turns, angles, left = _turns(wires, entangling)
    numbers = _numbered(turns)
    flat = [turn for of_wire in turns for turn in of_wire]
    kinds = [_KINDS[turn.quarters] for turn in flat]
    before: list[list[tuple[int, int]]] = [[] for _ in entangling]
    for place, of_place in enumerate(wires):
        for entangler, turn in zip(of_place.numbers, numbers[place], strict=False):
            before[entangler].append((place, turn))
    pairs = [sorted(pair) for pair in before]
    if signed:
        for wire, flip in enumerate(left):
            if flip and not may_flip:
                kinds[numbers[wire][-1]] = FLIP
        signs = None
    else:
        known = [None if angle.terms else angle.constant for angle in angles]
        signs = Signs(kinds, numbers, pairs, known, left, may_flip)
    pulses: list[list[list[NativeGate]]] = []
    slots: list[tuple[int, int]] = []  # the turn of each pulse, and which of its pulses it is
    for place, of_wire in enumerate(numbers):
        runs = []
        for turn in of_wire:
            names = _PULSES[kinds[turn]]
            runs.append(
                [NativeGate(name, (place,), (len(slots) + k,)) for k, name in enumerate(names)]
            )
            slots += [(turn, k if len(names) == 2 else _ONLY) for k in range(len(names))]
        pulses.append(runs)
    gates = [
        NativeGate("ZZ", rotation.wires, (len(slots) + k,)) for k, rotation in enumerate(entangling)
    ]
    binder = _Binder(flat, kinds, numbers, slots, pairs, angles, signs, symbols)
    binder.flips = np.array(left) & may_flip
    order = order_of_gates(pulses, gates)
    return Template(circuit.n_wires, order, binder)


def _turns(
    wires: Sequence[Wire], entangling: Sequence[Rotation]
) -> tuple[list[list[Turn]], list[Affine], list[bool]]:
    """Returns the turns of each wire, the angles of the entanglers, and which wires end flipped.

    Half turns about X or Y are put off as long as nothing else has to be done on their wire.
    """
    signs = [1] * len(entangling)
    turns: list[list[Turn]] = []
    left: list[bool] = []
    for wire in wires:
        flip = False
        plain = _plain(wire.letters, wire.rotations, wire.frame)
        last = max((k for k, turn in enumerate(plain) if turn.quarters in (1, None)), default=-1)
        # What is turned over after the last pulses is better turned over by them.
        over = sum(turn.quarters == 2 for turn in plain[last + 1 :]) % 2 == 1
        of_wire = []
        for k, turn in enumerate(plain):
            turn, flip = _after_flip(turn, flip)
            if over and k == last:
                turn, flip = _before_flip(turn), True
            if flip and k < len(wire.numbers):
                signs[wire.numbers[k]] *= -1
            of_wire.append(turn)
        turns.append(of_wire)
        left.append(flip)
    angles = [r.angle * sign for r, sign in zip(entangling, signs, strict=True)]
    return turns, angles, left


@lru_cache(maxsize=1024)
def _plain(letters: str, rotations: Runs, frame: int) -> list[Turn]:
    """The turns of a wire, which several ways to compile a circuit have in common."""
    return [turn_of(run) for run in Wire(letters, (), rotations, frame).runs()]


def _numbered(turns: Sequence[Sequence[Turn]]) -> list[list[int]]:
    """The places of each wire's turns among all turns."""
    starts = np.cumsum([0, *map(len, turns)])
    return [list(range(start, end)) for start, end in zip(starts, starts[1:], strict=False)]


def _after_flip(turn: Turn, flip: bool) -> tuple[Turn, bool]:
    """Returns a turn after an X that is due, if one is, and whether one is due after it.

    An X is put off as long as nothing else has to be done: it turns frames and angles around. A
    run with pulses takes it up at no cost.
    """
    first, middle, last = turn.first, turn.middle, turn.last
    if turn.quarters == 0:
        step = first + last
        return turn._replace(first=-step if flip else step, last=ZERO), flip
    if turn.quarters == 2:
        # R_Y(pi) is X Z: R_Z(a) X Z R_Z(c) = X R_Z(c - a + pi).
        step = first - last + PI
        return turn._replace(first=-step if flip else step, middle=ZERO, last=ZERO), not flip
    if not flip:
        return turn, False
    if turn.quarters == 1:
        return turn._replace(first=-first, last=last + PI), False
    # R_Y(b) X is R_Y(b + pi) Z.
    return turn._replace(first=-first + PI, middle=middle + PI, signs=(1, -1)), False


def _before_flip(turn: Turn) -> Turn:
    """Returns a turn with an X after it, to be followed by the X that takes it back."""
    first, middle, last = turn.first, turn.middle, turn.last
    if turn.quarters == 1:
        return turn._replace(first=first - PI, last=-last)
    # X R_Y(b) is Z R_Y(b + pi).
    return turn._replace(last=-last + PI, middle=middle + PI, signs=(-1, turn.signs[1]))


class _Binder:
    """Computes the numbers of the gates for a batch of values of the symbols."""

    def __init__(
        self,
        turns: Sequence[Turn],
        kinds: Sequence[int],
        numbers: Sequence[Sequence[int]],
        slots: Sequence[tuple[int, int]],
        pairs: Sequence[Sequence[tuple[int, int]]],
        angles: Sequence[Affine],
        signs: Signs | None,
        symbols: Sequence[str],
    ) -> None:
        self.flips = np.zeros(len(numbers), bool)
        self._n_turns = len(turns)
        self._signs = signs
        self._evaluate = Evaluator(
            [turn.first for turn in turns]
            + [turn.middle for turn in turns]
            + [turn.last for turn in turns]
            + list(angles),
            symbols,
        )
        self._starts = np.array([of_wire[0] for of_wire in numbers])
        self._ends = np.array([of_wire[-1] for of_wire in numbers])
        self._wire_of_turn = np.repeat(np.arange(len(numbers)), [len(n) for n in numbers])
        # Two pulses make a frame by the angle between them.
        self._any = np.flatnonzero([kind == ANY for kind in kinds])
        # X R_Z(c) is R_Y(pi) R_Z(c + pi): what a wire ends with where signs are settled otherwise.
        self._over = np.flatnonzero([kind == FLIP and signs is None for kind in kinds])
        slot = np.array(slots, dtype=int).reshape(-1, 2)
        self.turn_of_pulse = slot[:, 0]
        self._single = np.flatnonzero(slot[:, 1] == _ONLY)
        self._second = np.flatnonzero(slot[:, 1] == 1)
        # A half turn about ZZ is a half turn of the frame of either wire, right before the turn
        # that follows.
        self._before = np.array([[turn for _, turn in pair] for pair in pairs], int).reshape(-1, 2)
        self._any_halves = any(angle.terms for angle in angles)
        grouped: dict[tuple[str, int, tuple[int, int]], list[tuple[int, Run]]] = defaultdict(list)
        for number, turn in enumerate(turns):
            if turn.run is not None:
                grouped[turn.run.letters, turn.run.clifford, turn.signs].append((number, turn.run))
        self._curved = [
            (
                letters,
                CLIFFORDS[clifford],
                signs_of_run,
                np.array([number for number, _ in members]),
                [
                    Evaluator([run.angles[k] for _, run in members], symbols)
                    for k in range(len(letters))
                ],
            )
            for (letters, clifford, signs_of_run), members in grouped.items()
        ]

    def __call__(self, values: FloatArray) -> Numbers:
        n = self._n_turns
        all_angles = self._evaluate(values)
        first, middle, last = (all_angles[k * n : (k + 1) * n] for k in range(3))
        entangling = all_angles[3 * n :]
        for letters, clifford, (sign_a, sign_c), numbers, evaluators in self._curved:
            angles = [evaluate(values) for evaluate in evaluators]
            a, b, c = formulas.euler(formulas.times(clifford, formulas.product(letters, angles)))
            # The half turns of an X that has been taken up are in the affine part.
            first[numbers] += sign_c * c
            middle[numbers] += b
            last[numbers] += sign_a * a
        if self._any_halves:
            halves = PI * np.ceil(entangling / PI - 0.5)
            entangling = entangling - halves
            for side in range(2):
                # Each turn precedes at most one entangler, so that no index comes twice.
                last[self._before[:, side]] += halves
        flips = np.broadcast_to(self.flips[:, None], (len(self.flips), values.shape[1]))
        if self._signs is not None:
            entangling, flips, (first, middle, last) = self._signs.settle(
                entangling, (first, middle, last)
            )
        first[self._over] += PI
        step = first + last
        step[self._any] += middle[self._any]
        ends = np.cumsum(step, axis=0)
        begins = ends - step
        offset = begins[self._starts]
        psi = begins + first
        psi -= offset[self._wire_of_turn]
        of = self.turn_of_pulse
        radians = -psi[of]
        radians[self._single] += PI / 2
        radians[self._second] += PI - middle[of[self._second]]
        # Rounding may leave an angle a little beyond a full entangler.
        turns = np.clip(entangling / (2 * PI), -0.25, 0.25)
        columns = np.concatenate([in_turns(radians), turns])
        return Numbers(columns.T, (ends[self._ends] - offset).T, flips.T)
