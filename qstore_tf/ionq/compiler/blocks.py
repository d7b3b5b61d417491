"""Decomposes anew what two wires do between them, where that takes fewer or smaller rotations.

Runs of rotations on one pair of wires whose angles are all numbers are multiplied up to one
unitary, and written by its Weyl decomposition: at most three entangling rotations, as few and as
small as there can be (Zhang, Vala, Sastry, Whaley, arXiv:quant-ph/0209120).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler import weyl
from qstore_tf.ionq.compiler.cliffords import IDENTITY, INVERSE, MATRICES, THEN
from qstore_tf.ionq.compiler.lowering import add_weyl
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute

# Smaller gains of angle are within rounding errors.
_LEAST_GAIN = 1e-6

Matrix = NDArray[np.complex128]
_PRODUCTS: dict[tuple[str, str], Matrix] = {}
for _a in "IXYZ":
    for _b in "IXYZ":
        _PRODUCTS[_a, _b] = np.kron(PAULIS[_a], PAULIS[_b]).astype(np.complex128)


class Form:
    """What does the same as a run on one pair of wires, where it stands in the circuit.

    Args:
        parts: Its decomposition.
        before: Turns about Z before it on both wires, radians.
        frames: Clifford gates of both wires after it, which are to be taken back.
    """

    def __init__(
        self,
        parts: weyl.TwoQubit,
        before: tuple[float, float] = (0.0, 0.0),
        frames: tuple[int, int] = (IDENTITY, IDENTITY),
    ) -> None:
        self._parts, self._before, self._frames = parts, before, frames

    def is_smaller(self, block: Sequence[Rotation], least_gain: float) -> bool:
        """Whether it is fewer entangling rotations, or as many by smaller angles."""
        entangling = [abs(r.angle.constant) for r in block if r.is_entangling]
        total = sum(entangling) - least_gain
        return (self._parts.count, self._parts.total) < (len(entangling), total)

    def add_to(self, circuit: Rotations, pair: tuple[int, int]) -> None:
        """Adds it on two wires."""
        for wires, letters, angle in self._rotations.rotations:
            circuit.add([pair[wire] for wire in wires], letters, angle)
        for wire, frame in zip(pair, self._rotations.frames, strict=True):
            circuit.frames[wire] = THEN[circuit.frames[wire]][frame]

    @cached_property
    def _rotations(self) -> Rotations:
        made = Rotations(2)
        for wire, angle in enumerate(self._before):
            made.add([wire], "Z", Affine(angle))
        add_weyl(made, (0, 1), self._parts)
        for wire, frame in enumerate(self._frames):
            made.frames[wire] = THEN[made.frames[wire]][INVERSE[frame]]
        return made


_How = Callable[..., Form]
_Way = tuple[_How, tuple[int, ...]]
Forms = dict[tuple[_How, tuple[int, ...], tuple[Rotation, ...]], Form]
"""Forms by how they were found, and of what."""


def _whole(matrix: Matrix) -> Form:
    return Form(weyl.decompose(matrix))


def _state(matrix: Matrix) -> Form:
    return Form(weyl.prepare(matrix[:, 0]))


def _outcomes(matrix: Matrix, first: int, second: int) -> Form:
    """What is measured next, with these Clifford gates at the end."""
    local = np.kron(MATRICES[first], MATRICES[second])
    return Form(weyl.up_to_diagonal(local @ matrix), frames=(first, second))


def _half_begun(matrix: Matrix, zero: int) -> Form:
    """Where one wire is |0>, a diagonal before it is a turn of the other."""
    parts = weyl.up_to_diagonal_before(matrix)
    diagonal = np.diag(parts.matrix().conj().T @ matrix)
    phases = diagonal[[0, 2] if zero else [0, 1]]
    angle = float(np.angle(phases[1] / phases[0]))
    return Form(parts, (angle, 0.0) if zero else (0.0, angle))


def decompose_blocks(
    circuit: Rotations,
    forms: Forms | None = None,
    *,
    from_zero: bool = False,
    measured: bool = False,
    only_fewer: bool = False,
) -> Rotations:
    """Returns an equal circuit in which runs on one pair of wires are as short as they can be.

    That is the circuit itself where all of them are.

    Args:
        circuit: The circuit.
        forms: What runs have come to before; what they come to now is added.
        from_zero: Whether it acts on |0...0>; a run that begins there is a state of two wires,
            which takes one entangling rotation, and one of which one wire begins there takes two.
        measured: Whether all wires are measured; a run that ends there is needed up to phases of
            basis states only, and takes two.
        only_fewer: Whether runs stay that would take as many rotations by smaller angles.
    """
    forms = {} if forms is None else forms
    least_gain = math.inf if only_fewer else _LEAST_GAIN
    blocks = _blocks(circuit)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, block in enumerate(blocks):
        for wire in {wire for rotation in block for wire in rotation.wires}:
            first.setdefault(wire, number)
            last[wire] = number
    new = Rotations(circuit.n_wires)
    changed = False
    for number, block in enumerate(blocks):
        ways: list[_Way] = []
        if _is_constant_pair(block):
            pair = _pair(block)
            begins = [from_zero and first[wire] == number for wire in pair]
            if all(begins):
                ways = [(_state, ())]
            elif measured and last[pair[0]] == last[pair[1]] == number:
                ways = [(_outcomes, tuple([circuit.frames[wire] for wire in pair]))]
            else:
                if any(begins) and not (only_fewer and _count(block) == 1):
                    ways = [(_half_begun, (begins.index(True),))]
                if not _is_canonical(block):
                    ways.append((_whole, ()))
        for way in ways:
            key = (*way, tuple(block))
            if key not in forms:
                forms[key] = way[0](matrix_of(block, pair), *way[1])
            if forms[key].is_smaller(block, least_gain):
                forms[key].add_to(new, pair)
                changed = True
                break
        else:
            _append(new, block)
    if not changed:
        return circuit
    new.follow(circuit)
    return new


def _append(circuit: Rotations, block: Sequence[Rotation]) -> None:
    if any(circuit.frames):
        for rotation in block:
            circuit.add(*rotation)
    else:
        circuit.rotations += block


def matrix_of(block: list[Rotation], pair: tuple[int, int]) -> NDArray[np.complex128]:
    """Returns the unitary [4, 4] of rotations by numbers on one or both of two wires."""
    matrix = np.eye(4, dtype=np.complex128)
    for rotation in block:
        letters = dict(zip(rotation.wires, rotation.letters, strict=True))
        product = _PRODUCTS[letters.get(pair[0], "I"), letters.get(pair[1], "I")]
        half = rotation.angle.constant / 2
        matrix = math.cos(half) * matrix - 1j * math.sin(half) * (product @ matrix)
    return matrix


def _pair(block: list[Rotation]) -> tuple[int, int]:
    wires = next(rotation.wires for rotation in block if rotation.is_entangling)
    return wires[0], wires[1]


def _blocks(circuit: Rotations) -> list[list[Rotation]]:
    """Splits a circuit into runs on one pair of wires or less, in an order that keeps it equal."""
    blocks: list[list[Rotation]] = []
    open_on: dict[int, int] = {}  # the block in which a wire may go on
    for rotation in circuit.rotations:
        on = [open_on.get(wire) for wire in rotation.wires]
        if rotation.angle.terms:
            # A symbol stands alone; what follows on its wires begins anew.
            for wire in rotation.wires:
                open_on.pop(wire, None)
            blocks.append([rotation])
            continue
        if not rotation.is_entangling and on[0] is not None:
            blocks[on[0]].append(rotation)
            continue
        if rotation.is_entangling and on[0] is not None and on[0] == on[1]:
            blocks[on[0]].append(rotation)
            continue
        begun = [rotation]
        for wire, number in zip(rotation.wires, on, strict=True):
            # One-wire runs before a pair's first rotation belong to it.
            if number is not None and rotation.is_entangling and _is_of(blocks[number], wire):
                begun[:0] = blocks[number]
                blocks[number] = []
        for wire in rotation.wires:
            open_on[wire] = len(blocks)
        blocks.append(begun)
    return [block for block in blocks if block]


def _is_of(block: list[Rotation], wire: int) -> bool:
    return all(rotation.wires == (wire,) for rotation in block)


def _is_constant_pair(block: list[Rotation]) -> bool:
    return any(rotation.is_entangling and not rotation.angle.terms for rotation in block)


def _count(block: list[Rotation]) -> int:
    return sum(rotation.is_entangling for rotation in block)


def _is_canonical(block: list[Rotation]) -> bool:
    """Whether it is commuting rotations about different letters, with nothing between them."""
    if _count(block) < 2:
        return True
    places = [number for number, rotation in enumerate(block) if rotation.is_entangling]
    entangling = block[places[0] : places[-1] + 1]
    return (
        len(entangling) == len(places)
        and len({letter for rotation in entangling for letter in rotation.letters[0]})
        == len({letter for rotation in entangling for letter in rotation.letters[1]})
        == len(entangling)
        and all(commute(entangling[0], rotation) for rotation in entangling)
    )
