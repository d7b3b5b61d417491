"""Products of Pauli letters on any number of wires, as pairs of bit masks.

Two of them are multiplied, and seen to commute, by a few operations on integers (Aaronson and
Gottesman, arXiv:quant-ph/0406196).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class PauliString(NamedTuple):
    """i^power X^x Z^z: bit w of x and of z belongs to wire w; power counts modulo 4."""

    x: int
    z: int
    power: int

    @property
    def sign(self) -> int:
        """Its sign as a product of letters, where Y is i X Z."""
        return 1 if (self.power - (self.x & self.z).bit_count()) % 4 == 0 else -1

    @property
    def weight(self) -> int:
        """The number of wires on which it acts."""
        return (self.x | self.z).bit_count()

    def positive(self) -> PauliString:
        """Returns the same letters without a sign."""
        return PauliString(self.x, self.z, (self.x & self.z).bit_count() % 4)

    def letters(self) -> dict[int, str]:
        """Returns its letters by wire, in rising order.

        >>> string_of([2, 0], "XY").letters()
        {0: 'Y', 2: 'X'}
        """
        support = self.x | self.z
        wires = (wire for wire in range(support.bit_length()) if support >> wire & 1)
        return {wire: "_XZY"[(self.x >> wire & 1) + 2 * (self.z >> wire & 1)] for wire in wires}


def string_of(wires: Iterable[int], letters: str) -> PauliString:
    """Returns a product of letters, one for each wire."""
    x = z = 0
    for wire, letter in zip(wires, letters, strict=True):
        x |= (letter != "Z") << wire
        z |= (letter != "X") << wire
    return PauliString(x, z, (x & z).bit_count() % 4)


def product(first: PauliString, second: PauliString) -> PauliString:
    """Returns first times second.

    >>> product(string_of([0], "X"), string_of([0], "Y")) == PauliString(0, 1, 1)  # i Z
    True
    """
    swaps = (first.z & second.x).bit_count()
    power = (first.power + second.power + 2 * swaps) % 4
    return PauliString(first.x ^ second.x, first.z ^ second.z, power)


def anticommute(first: PauliString, second: PauliString) -> bool:
    """Whether first times second is minus second times first."""
    return ((first.x & second.z).bit_count() + (first.z & second.x).bit_count()) % 2 == 1


def pulled(string: PauliString, axis: PauliString, quarters: int) -> PauliString:
    """Returns K^dagger P K for the rotation K about an axis by quarter turns.

    >>> pulled(string_of([0], "Z"), string_of([0], "X"), 1) == string_of([0], "Y")
    True
    """
    if quarters % 4 == 0 or not anticommute(string, axis):
        return string
    if quarters % 4 == 2:
        return string._replace(power=(string.power + 2) % 4)
    turned = product(axis, string)
    return turned._replace(power=(turned.power + quarters) % 4)
