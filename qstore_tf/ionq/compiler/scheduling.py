"""Orders rotations so that entangling ones take as few time steps as commuting allows.

On each wire, neighbours with the same letter commute and form a group; a rotation can run as soon
as the preceding groups of its wires have. In each time step the entangling rotations run that are
ready and have the most behind them, one on a wire.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from qstore_tf.ionq.compiler.rotations import Rotation, Rotations


def schedule(circuit: Rotations) -> Rotations:
    """Returns an equal circuit whose order needs few time steps of entangling rotations.

    It never needs more than the order given.
    """
    new = Rotations(circuit.n_wires)
    new.rotations = [circuit.rotations[number] for number in _order(circuit.rotations)]
    new.follow(circuit)
    return new if depth(new.rotations) <= depth(circuit.rotations) else circuit


def depth(rotations: list[Rotation]) -> int:
    """Returns the number of time steps of entangling rotations in the order given."""
    ready: dict[int, int] = defaultdict(int)
    for wires, _, _ in rotations:
        if len(wires) == 2:
            first, second = wires
            ready[first] = ready[second] = 1 + max(ready[first], ready[second])
    return max(ready.values(), default=0)


class _Groups(NamedTuple):
    """The rotations of each group, the groups of each rotation, and which group follows which."""

    members: list[list[int]]
    of: list[tuple[int, ...]]
    before: dict[int, int]


def _groups(rotations: list[Rotation]) -> _Groups:
    groups: list[list[int]] = []
    last: dict[int, tuple[str, int]] = {}
    before: dict[int, int] = {}
    of: list[tuple[int, ...]] = []
    for number, rotation in enumerate(rotations):
        mine = []
        for wire, letter in zip(rotation.wires, rotation.letters, strict=True):
            if wire not in last or last[wire][0] != letter:
                if wire in last:
                    before[len(groups)] = last[wire][1]
                last[wire] = (letter, len(groups))
                groups.append([])
            groups[last[wire][1]].append(number)
            mine.append(last[wire][1])
        of.append(tuple(mine))
    return _Groups(groups, of, before)


def _order(rotations: list[Rotation]) -> list[int]:
    groups, of, before = _groups(rotations)
    after = {earlier: later for later, earlier in before.items()}
    length = _lengths(rotations, groups, of, after)
    left = [len(group) for group in groups]
    waits = [sum(group in before for group in mine) for mine in of]
    ready = [number for number, count in enumerate(waits) if not count]
    order: list[int] = []

    def run(number: int) -> None:
        order.append(number)
        for group in of[number]:
            left[group] -= 1
            if not left[group] and group in after:
                for following in groups[after[group]]:
                    waits[following] -= 1
                    if not waits[following]:
                        ready.append(following)

    while ready:
        single = [number for number in ready if len(of[number]) == 1]
        if single:
            ready = [number for number in ready if len(of[number]) == 2]
            for number in single:
                run(number)
            continue
        load: dict[int, int] = defaultdict(int)
        for number in ready:
            for wire in rotations[number].wires:
                load[wire] += 1
        ready.sort(key=lambda n: (-length[n], -max(load[w] for w in rotations[n].wires), n))
        busy: set[int] = set()
        chosen: list[int] = []
        rest: list[int] = []
        for number in ready:
            free = busy.isdisjoint(rotations[number].wires)
            (chosen if free else rest).append(number)
            if free:
                busy.update(rotations[number].wires)
        ready = rest
        for number in chosen:
            run(number)
    return order


def _lengths(
    rotations: list[Rotation],
    groups: list[list[int]],
    of: list[tuple[int, ...]],
    after: dict[int, int],
) -> list[int]:
    """For each rotation the least number of time steps from its own to the last."""
    length = [0] * len(rotations)
    # The time from the beginning of a group: all of it, one after the other, and what follows.
    of_group: dict[int, int] = {}
    behind: dict[int, int] = {}
    for number in reversed(range(len(rotations))):
        following = 0
        for group in of[number]:
            if group in after:
                following = max(following, of_group.get(after[group], 0))
        is_entangling = rotations[number].is_entangling
        length[number] = following + is_entangling
        for group in of[number]:
            # Of those in its group that are not before it.
            entangling = behind[group] = behind.get(group, 0) + is_entangling
            of_group[group] = max(of_group.get(group, 0), length[number], entangling + following)
    return length
