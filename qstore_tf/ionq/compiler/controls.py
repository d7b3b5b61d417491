"""Gates under many controls, as rotations about one or two letters: with and without spare wires.

Everything is made of controlled rotations, one entangling rotation each. Without spare wires a
gate under k controls takes 2k^2 - 2k + 1 of them (da Silva and Park, arXiv:2203.11882). X can
borrow idle wires, in any state, to hold what some of the controls come to (Barenco et al.,
arXiv:quant-ph/9503016, lemmas 7.2 and 7.3), and what is taken back later need only be right up to
phases (Maslov, arXiv:1508.03273; Iten et al., arXiv:1501.06911), which takes 8k - 12 with enough.
Wires that are known to be |0> can hold it without being given back twice: 6k - 7 with enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import LETTERS

PI = math.pi

# Rotations in time order: letters by qubit, and the angle in radians.
Steps = list[tuple[dict[int, str], Affine]]


def inverse(steps: Steps) -> Steps:
    """Returns the rotations that take back what others do."""
    return [(factors, -angle) for factors, angle in reversed(steps)]


def under_controls(
    controls: Sequence[int],
    target: int,
    letter: str,
    angle: Affine,
    as_power: bool,
    clean: Sequence[int] = (),
) -> Steps:
    """exp(-i angle/2 P), or as a power of P exp(i angle/2 (1 - P)), where all controls are 1.

    Args:
        controls: One or more.
        target: The target.
        letter: P.
        angle: In radians.
        as_power: Whether it is a power of P.
        clean: Qubits that are |0>, as they are afterwards.
    """
    made = [_under_controls(controls, target, letter, angle, as_power)]
    for left in range(1, len(controls)) if clean else ():
        held, rest = hold(controls, clean, left)
        turn = _under_controls(rest, target, letter, angle, as_power)
        made.append([*held, *turn, *inverse(held)])
    return min(made, key=_entangling)


def _under_controls(
    controls: Sequence[int], target: int, letter: str, angle: Affine, as_power: bool
) -> Steps:
    qubits = [*controls, target]
    n = len(qubits)
    steps: Steps = []
    for count, direction in ((n, 1), (n, -1), (n - 1, 1), (n - 1, -1)):
        start = 0 if direction > 0 else 1
        pairs = [(c, t) for t in range(count) for c in range(start, t)]
        for c, t in sorted(pairs, key=sum, reverse=direction > 0):
            share = direction / 2 ** (t - c - (c == 0))
            if t == n - 1:
                if as_power:
                    steps.append(({qubits[c]: "Z"}, angle * (share / 2)))
                steps += _rotation(qubits[c], "Z", target, letter, angle * share)
            else:
                share = -share if c == 0 and count < n else share
                steps += _rotation(qubits[c], "Z", qubits[t], "X", Affine(PI * share))
    return steps


def flip(
    controls: Sequence[int], target: int, spare: Sequence[int], clean: Sequence[int] = ()
) -> Steps:
    """X where all controls are 1, up to global phase.

    Args:
        controls: Two or more.
        target: The target.
        spare: Qubits that may be borrowed, whatever their states.
        clean: Those of them that are |0>, as they are afterwards.
    """
    k = len(controls)
    ways = {_alone: 2 * k * k - 2 * k + 1}
    if spare and k > 2:
        borrowed = min(len(spare) - 1, max(k - 5, 0))
        ways[_with_chain] = 8 + 2 * (4 * borrowed + _count(k - 1 - borrowed))
        if k > 3:
            ways[_with_one] = 2 * _count(k - 2) + 26
    made = [min(ways, key=ways.__getitem__)(controls, target, spare)]
    for left in range(2, k) if clean else ():
        held, rest = hold(controls, clean, left)
        others = [q for q in (*controls, *spare) if q not in rest]
        made.append([*held, *flip(rest, target, others), *inverse(held)])
    return min(made, key=_entangling)


def hold(controls: Sequence[int], clean: Sequence[int], left: int) -> tuple[Steps, list[int]]:
    """Puts what some of the controls come to onto wires that are |0>, up to phases.

    Args:
        controls: The controls.
        clean: The wires.
        left: How many controls are to be left, at least 1.

    Returns:
        The rotations, and the controls that do instead until these are taken back.
    """
    steps: Steps = []
    rest, free = list(controls), list(clean)
    while len(rest) > left and free:
        size = 1 + math.ceil((len(rest) - left) / len(free))
        wire = free.pop()
        steps += _relative(rest[:size], wire, "X", "Y")
        rest = [*rest[size:], wire]
    return steps, rest


def flip_up_to_phases(controls: Sequence[int], target: int) -> Steps:
    """X where all controls are 1, times phases of basis states."""
    return _relative(controls, target, "X", "Y")


def _alone(controls: Sequence[int], target: int, spare: Sequence[int]) -> Steps:
    return _under_controls(controls, target, "X", Affine(PI), as_power=True)


def _with_one(controls: Sequence[int], target: int, spare: Sequence[int]) -> Steps:
    """One spare qubit holds all controls but two, on top of what it held."""
    held = _relative(controls[:-2], spare[0], "X", "Y")
    used = _alone([*controls[-2:], spare[0]], target, ())
    return [*held, *used, *inverse(held), *used]


def _with_chain(controls: Sequence[int], target: int, spare: Sequence[int]) -> Steps:
    """Spare qubits hold all controls but one, step by step, on top of what they held.

    With that, f, added to the first of them, a turn of it by Z under the last control and the
    target (in the basis of X) and back comes to -1 where f, the last control and the target are 1.
    """
    last, a = controls[-1], spare[0]
    half = Affine(PI / 2)
    flips = _rotation(target, "X", a, "X", Affine(PI))
    turn = [
        *inverse(flips),
        *_rotation(last, "Z", a, "Z", -half),
        *flips,
        *_rotation(last, "Z", a, "Z", half),
    ]
    held = _chain(controls[:-1], a, spare[1:])
    return [*inverse(held), *inverse(turn), *held, *turn]


def _chain(controls: Sequence[int], target: int, spare: Sequence[int]) -> Steps:
    """X where all controls are 1, up to phases, with something left on spare qubits too."""
    if not spare or len(controls) < 5:
        return _relative(controls, target, "X", "Y")
    around = _around(controls[-1], target, "X", "Y")
    add = _rotation(spare[0], "Z", target, "X", Affine(PI))
    held = _chain(controls[:-1], spare[0], spare[1:])
    return [*around, *add, *held, *inverse(add), *inverse(around)]


def _relative(controls: Sequence[int], target: int, letter: str, axis: str) -> Steps:
    """The letter on the target where all controls are 1, times phases by the third letter.

    Between turns about the axis by pi/4 on either side of the letter under the last control
    (Margolus), the letter under the others takes effect where that one is 1, and phases else.
    """
    *others, last = controls
    if not others:
        return _rotation(last, "Z", target, letter, Affine(PI))
    around = _around(last, target, letter, axis)
    return [*around, *_exact(others, target, letter, Affine(PI)), *inverse(around)]


def _around(control: int, target: int, letter: str, axis: str) -> Steps:
    eighth = ({target: axis}, Affine(PI / 4))
    return [eighth, *_rotation(control, "Z", target, letter, Affine(PI)), eighth]


def _exact(controls: Sequence[int], target: int, letter: str, angle: Affine) -> Steps:
    """A rotation where all controls are 1: half of it under the last, and half, turned around by
    the others, back."""
    *others, last = controls
    if not others:
        return _rotation(last, "Z", target, letter, angle)
    turned, axis = (other for other in LETTERS if other != letter)
    around = _relative(others, target, turned, axis)
    half = angle / 2
    return [
        *inverse(around),
        *_rotation(last, "Z", target, letter, -half),
        *around,
        *_rotation(last, "Z", target, letter, half),
    ]


def _rotation(control: int, sign: str, target: int, letter: str, angle: Affine) -> Steps:
    """A rotation of the target where the letter `sign` of the control is -1."""
    return [({target: letter}, angle / 2), ({control: sign, target: letter}, -angle / 2)]


def _entangling(steps: Steps) -> int:
    return sum(len(factors) == 2 for factors, _ in steps)


def _count(k: int) -> int:
    """How many entangling rotations `_relative` takes under k controls."""
    return 2 * k - 1 if k < 3 else 4 + 2 * _count(k - 2)
