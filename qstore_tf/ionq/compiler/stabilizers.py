"""Rotations of a known state by other products of letters, which take fewer or earlier entanglers.

Of a circuit that starts in |0...0> it is known which products of letters leave the state as it is,
its stabilizers: Z of each wire at the beginning, and then what rotations make of these or leave of
them (Gottesman, arXiv:quant-ph/9807006). If the product of P and Q is a stabilizer, up to a sign,
then Q does to the state what P does, up to that sign, and so do rotations about it. So a rotation
about a stabilizer is a phase, one about two letters may be one about a single letter, and the chain
of CX that makes a GHZ state becomes a tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qstore_tf.ionq.compiler.cliffords import LETTERS
from qstore_tf.ionq.compiler.rotations import Rotation, Rotations, quarter_turns


def use_stabilizers(circuit: Rotations) -> Rotations:
    """Returns a circuit that makes the same state of |0...0>; the circuit itself if none is better.

    It has no more entangling rotations, and each of those it changes can run earlier.
    """
    known = Stabilizers(circuit.n_wires)
    steps = [0] * circuit.n_wires  # time steps of entangling rotations that each wire has had
    new: list[Rotation] = []

    def rank(form: Rotation) -> tuple[int, int, bool]:
        entangling = len(form.wires) == 2
        step = max((steps[wire] for wire in form.wires), default=0)
        return len(form.wires), step * entangling, form != rotation

    for number, rotation in enumerate(circuit.rotations):
        if not known:
            new += circuit.rotations[number:]
            break
        best = min([rotation, *known.forms(rotation)], key=rank)
        if not best.wires:
            continue
        if len(best.wires) == len(rotation.wires) == 1:
            best = rotation
        new.append(best)
        known.follow(best)
        if best.is_entangling:
            step = 1 + max(steps[wire] for wire in best.wires)
            for wire in best.wires:
                steps[wire] = step
    return circuit if new == circuit.rotations else circuit.again(new)


class Pauli(NamedTuple):
    """i^power X^x Z^z, where bit w of x and of z stands for wire w."""

    x: int
    z: int
    power: int

    @staticmethod
    def of(wires: Sequence[int], letters: str) -> Pauli:
        """Returns a product of letters.

        >>> Pauli.of([0, 1], "XY")
        Pauli(x=3, z=2, power=1)
        """
        x = z = 0
        for wire, letter in zip(wires, letters, strict=True):
            x |= (letter != "Z") << wire
            z |= (letter != "X") << wire
        return Pauli(x, z, (x & z).bit_count() % 4)

    def times(self, other: Pauli) -> Pauli:
        """Returns its product with another, which acts first."""
        crossed = 2 * (self.z & other.x).bit_count()
        power = (self.power + other.power + crossed) % 4
        return Pauli(self.x ^ other.x, self.z ^ other.z, power)

    def commutes(self, other: Pauli) -> bool:
        """Whether it commutes with another."""
        return ((self.x & other.z).bit_count() + (self.z & other.x).bit_count()) % 2 == 0


class Stabilizers:
    """The products of letters that leave a state as it is, which begins as |0...0>.

    Args:
        n_wires: The number of wires.

    Example:
        >>> known = Stabilizers(2)
        >>> from qstore_tf.circuits.symbols import Affine
        >>> list(known.forms(Rotation((0, 1), "ZX", Affine.of("a"))))[0]
        Rotation(wires=(1,), letters='X', angle=Affine(constant=0.0, terms=(('a', 1.0),)))
    """

    def __init__(self, n_wires: int) -> None:
        self._n = n_wires
        wires = range(n_wires)
        self._letters = [(w, p, Pauli.of([w], p)) for w in wires for p in LETTERS]
        self._rows = [Pauli(0, 1 << wire, 0) for wire in wires]
        self._reduce()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def forms(self, rotation: Rotation) -> Iterator[Rotation]:
        """Yields rotations about two letters or less, or none, that do the same to the state."""
        whole = Pauli.of(rotation.wires, rotation.letters)
        rest = self._rest(whole)
        if not rest:
            yield rotation._replace(wires=(), letters="")
        for wire, letter in self._with_rest.get(rest, ()):
            yield from self._form(rotation, whole, (wire,), letter)
        if not rotation.is_entangling:
            return
        for first, letter, _ in self._letters:
            for second, other in self._with_rest.get(rest ^ self._rests[first, letter], ()):
                if first < second:
                    yield from self._form(rotation, whole, (first, second), letter + other)

    def follow(self, rotation: Rotation) -> None:
        """Takes over what is known of the state to the one after a rotation."""
        turned = Pauli.of(rotation.wires, rotation.letters)
        against = [n for n, row in enumerate(self._rows) if not row.commutes(turned)]
        if not against:
            return
        quarters = quarter_turns(rotation.angle)
        if quarters is None:
            # Of those that anticommute only products of two stay.
            pivot = self._rows[against[0]]
            for number in against[1:]:
                self._rows[number] = self._rows[number].times(pivot)
            del self._rows[against[0]]
        else:
            # With C the k quarter turns about P, C Q C^dagger is (-i)^k P^k Q.
            for number in against:
                row = self._rows[number]
                if quarters % 2:
                    row = turned.times(row)
                self._rows[number] = row._replace(power=(row.power - quarters) % 4)
        self._reduce()

    def _reduce(self) -> None:
        """Brings the stabilizers to echelon form, and letters to their rests by these."""
        self._basis: list[tuple[int, Pauli]] = []
        for row in self._rows:
            row = self._reduced(row)
            self._basis.append((self._bits(row).bit_length(), row))
        self._rests = {(w, p): self._rest(pauli) for w, p, pauli in self._letters}
        self._with_rest: dict[int, list[tuple[int, str]]] = {}
        for place, rest in self._rests.items():
            self._with_rest.setdefault(rest, []).append(place)

    def _bits(self, pauli: Pauli) -> int:
        return pauli.x << self._n | pauli.z

    def _rest(self, pauli: Pauli) -> int:
        """What is left of a product, up to its phase, the same for all that differ by stabilizers.

        It is linear: that of a product of two is the sum of theirs, bit by bit.
        """
        bits = self._bits(pauli)
        for length, row in self._basis:
            if bits >> (length - 1) & 1:
                bits ^= self._bits(row)
        return bits

    def _reduced(self, pauli: Pauli) -> Pauli:
        for length, row in self._basis:
            if self._bits(pauli) >> (length - 1) & 1:
                pauli = pauli.times(row)
        return pauli

    def _form(
        self, rotation: Rotation, whole: Pauli, wires: tuple[int, ...], letters: str
    ) -> Iterator[Rotation]:
        phase = self._reduced(whole.times(Pauli.of(wires, letters))).power
        # With a phase i or -i the two products anticommute.
        if phase % 2 == 0:
            angle = rotation.angle if phase == 0 else -rotation.angle
            yield Rotation(wires, letters, angle)
