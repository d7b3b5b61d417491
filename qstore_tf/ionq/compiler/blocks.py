"""Decomposes anew what two wires do between them, where that takes fewer or smaller rotations.

Runs of rotations on one pair of wires whose angles are all numbers are multiplied up to one
unitary, and written by its Weyl decomposition: at most three entangling rotations, as few and as
small as there can be (Zhang, Vala, Sastry, Whaley, arXiv:quant-ph/0209120).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler import weyl
from qstore_tf.ionq.compiler.cliffords import INVERSE, MATRICES, THEN
from qstore_tf.ionq.compiler.lowering import add_weyl
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, commute

# Smaller gains of angle are within rounding errors.
_LEAST_GAIN = 1e-6

_PRODUCTS: dict[tuple[str, str], NDArray[np.complex128]] = {}
for _a in "IXYZ":
    for _b in "IXYZ":
        _PRODUCTS[_a, _b] = np.kron(PAULIS[_a], PAULIS[_b]).astype(np.complex128)


def decompose_blocks(
    circuit: Rotations,
    *,
    from_zero: bool = False,
    measured: bool = False,
    only_fewer: bool = False,
) -> Rotations:
    """Returns an equal circuit in which runs on one pair of wires are as short as they can be.

    Args:
        circuit: The circuit.
        from_zero: Whether it acts on |0...0>; a run that begins there is a state of two wires,
            which takes one entangling rotation, and one of which one wire begins there takes two.
        measured: Whether all wires are measured; a run that ends there is needed up to phases of
            basis states only, and takes two.
        only_fewer: Whether runs stay that would take as many rotations by smaller angles.
    """
    least_gain = math.inf if only_fewer else _LEAST_GAIN
    blocks = _blocks(circuit)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, block in enumerate(blocks):
        for wire in {wire for rotation in block for wire in rotation.wires}:
            first.setdefault(wire, number)
            last[wire] = number
    new = Rotations(circuit.n_wires)
    for number, block in enumerate(blocks):
        if not _is_constant_pair(block):
            _add(new, block)
            continue
        pair = _pair(block)
        if from_zero and all(first[wire] == number for wire in pair):
            _add_smaller(new, block, weyl.prepare(matrix_of(block, pair)[:, 0]), least_gain)
        elif measured and all(last[wire] == number for wire in pair):
            frames = [circuit.frames[wire] for wire in pair]
            local = np.kron(MATRICES[frames[0]], MATRICES[frames[1]])
            parts = weyl.up_to_diagonal(local @ matrix_of(block, pair))
            if _add_smaller(new, block, parts, least_gain):
                # They hold the gates at the end already, which are therefore taken back.
                for wire, frame in zip(pair, frames, strict=True):
                    new.frames[wire] = THEN[new.frames[wire]][INVERSE[frame]]
        elif (
            from_zero
            and any(first[wire] == number for wire in pair)
            and not (only_fewer and _count(block) == 1)
        ):
            _add_half_begun(new, block, pair, first[pair[1]] == number, least_gain)
        else:
            known = _is_canonical(block)
            _add_smaller(
                new, block, None if known else weyl.decompose(matrix_of(block, pair)), least_gain
            )
    new.follow(circuit)
    return new


def _add(circuit: Rotations, block: list[Rotation]) -> None:
    for rotation in block:
        circuit.add(rotation.wires, rotation.letters, rotation.angle)


def _add_half_begun(
    circuit: Rotations,
    block: list[Rotation],
    pair: tuple[int, int],
    second_is_zero: bool,
    least_gain: float,
) -> None:
    """Adds a block before which one wire is |0>: a diagonal before it is a turn of the other."""
    matrix = matrix_of(block, pair)
    parts = weyl.up_to_diagonal_before(matrix)
    if not _is_smaller(block, parts, least_gain):
        known = _is_canonical(block)
        _add_smaller(circuit, block, None if known else weyl.decompose(matrix), least_gain)
        return
    diagonal = np.diag(parts.matrix().conj().T @ matrix)
    phases = diagonal[[0, 2] if second_is_zero else [0, 1]]
    angle = Affine(float(np.angle(phases[1] / phases[0])))
    circuit.add([pair[0] if second_is_zero else pair[1]], "Z", angle)
    add_weyl(circuit, pair, parts)


def _is_smaller(block: list[Rotation], parts: weyl.TwoQubit, least_gain: float) -> bool:
    """Whether it is fewer entangling rotations, or as many by smaller angles."""
    entangling = [abs(r.angle.constant) for r in block if r.is_entangling]
    return (parts.count, parts.total) < (len(entangling), sum(entangling) - least_gain)


def _add_smaller(
    circuit: Rotations, block: list[Rotation], parts: weyl.TwoQubit | None, least_gain: float
) -> bool:
    """Adds what a block is decomposed into where that is smaller, else the block as it is."""
    if parts is not None and _is_smaller(block, parts, least_gain):
        add_weyl(circuit, _pair(block), parts)
        return True
    _add(circuit, block)
    return False


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
