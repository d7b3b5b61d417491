"""What a circuit may become by the passes that a mode and a level allow.

A pass that saves entanglers may cost depth or pulses further on, which it cannot know. So several
ways are tried, and which is the best is seen at the end.
"""

from __future__ import annotations

from collections.abc import Iterator

from qstore_tf.ionq.compiler.blocks import Forms, decompose_blocks
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.outcomes import OutcomeMap, drop_unmeasured, permutation
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations
from qstore_tf.ionq.compiler.stabilizers import use_stabilizers
from qstore_tf.ionq.compiler.starting import from_zero
from qstore_tf.ionq.compiler.turnovers import turn_over

# By how many entanglers more than the fewest a circuit is worth being turned over.
_NEARLY = 2


def candidates(circuit: Rotations, mode: str, level: int) -> Iterator[tuple[Rotations, OutcomeMap]]:
    """Yields circuits that do the same, with how outcomes of wires become those of qubits.

    Args:
        circuit: As it was lowered, and merged.
        mode: "unitary", "state" or "measured".
        level: Of optimization, 0 to 3.
    """
    if level >= 2:
        circuit = conjugate(circuit)
    forms: Forms = {}
    found: list[tuple[Rotations, OutcomeMap]] = []
    for begun in _turned(circuit, level):
        found += _ways(begun, mode, level, forms)
    fewest = min(_size(made)[0] for made, _ in found)
    seen: list[list[Rotation]] = [circuit.rotations]
    for made, outcomes in found:
        yield made, outcomes
        if _size(made)[0] <= fewest + _NEARLY and made.rotations not in seen:
            seen.append(made.rotations)
            yield from ((turned, outcomes) for turned in _turned(made, level)[1:])


def _turned(circuit: Rotations, level: int) -> list[Rotations]:
    """Returns a circuit and, where there is one, what comes of turning over its rotations."""
    turned = turn_over(circuit) if level >= 3 else circuit
    return [circuit] if turned is circuit else [circuit, conjugate(merge(turned))]


def _ways(
    circuit: Rotations, mode: str, level: int, forms: Forms
) -> Iterator[tuple[Rotations, OutcomeMap]]:
    outcomes = permutation(circuit.wires)
    yield decomposed(circuit, level, forms), outcomes
    if mode == "unitary":
        return
    for known in _known(from_zero(circuit), level):
        for only_fewer in (False, True) if level >= 2 else (False,):
            state = decomposed(known, level, forms, from_zero=True, only_fewer=only_fewer)
            yield state, outcomes
            if mode == "measured":
                yield _measured(state, level, forms, only_fewer)
            if not _size(state)[0]:
                return
            is_new = state.rotations != known.rotations
            if mode == "measured" and is_new:
                yield _measured(known, level, forms, only_fewer)
            if not is_new:
                break  # and not in the other way either


def _known(circuit: Rotations, level: int) -> Iterator[Rotations]:
    """Yields circuits that make the same state of |0...0>, the smaller one first."""
    if level >= 1:
        other = use_stabilizers(circuit)
        if other is not circuit:
            other = merge(other)
            yield conjugate(other) if level >= 2 else other
    yield circuit


def _measured(
    circuit: Rotations, level: int, forms: Forms, only_fewer: bool
) -> tuple[Rotations, OutcomeMap]:
    """Returns a circuit from |0...0> that is measured, and how its outcomes are to be read."""
    shorter, outcomes = drop_unmeasured(circuit)
    made = decomposed(shorter, level, forms, from_zero=True, measured=True, only_fewer=only_fewer)
    return made, outcomes


def decomposed(
    circuit: Rotations,
    level: int,
    forms: Forms | None = None,
    *,
    from_zero: bool = False,
    measured: bool = False,
    only_fewer: bool = False,
) -> Rotations:
    """Returns a circuit whose runs on two wires are decomposed anew, until that is quiet.

    Args:
        circuit: The circuit.
        level: Of optimization; below 2 nothing is done, at 2 once.
        forms: See `decompose_blocks`.
        from_zero: Whether it starts in |0...0>.
        measured: Whether outcomes in Z alone have to stay.
        only_fewer: Whether runs whose number of entanglers stays are left as they are.
    """
    if level < 2:
        return circuit
    while True:
        size = _size(circuit)
        made = decompose_blocks(
            circuit, forms, from_zero=from_zero, measured=measured, only_fewer=only_fewer
        )
        made = merge(made)
        if from_zero:
            known = use_stabilizers(made)
            if known is not made:
                made = merge(known)
        circuit = made
        if level < 3 or _size(circuit) >= size:
            return circuit
        circuit = conjugate(circuit)


def _size(circuit: Rotations) -> tuple[int, int]:
    entangling = sum(rotation.is_entangling for rotation in circuit.rotations)
    return entangling, len(circuit.rotations)
