"""Many Pauli strings at once, by columns: for each wire two integers, a bit for each string.

A quarter turn that all of them undergo then costs a few operations on integers, whatever their
number, and so does trying it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qstore_tf.ionq.compiler.strings import PauliString

Turn = tuple[int, int, str, str]
"""A quarter turn: two wires and the letter on each."""

# P times the letter before it is minus i times the third.
_BEFORE = {"X": "Z", "Y": "X", "Z": "Y"}


class Columns:
    """Pauli strings on some wires.

    Attributes:
        x: For each wire the strings with X or Y there, as a mask.
        z: For each wire the strings with Z or Y there.
        negative: The strings with a negative sign.
    """

    def __init__(self, n_wires: int, rows: Sequence[PauliString]) -> None:
        self.x, self.z, self.negative = [0] * n_wires, [0] * n_wires, 0
        bit = 1
        for row in rows:
            for wire in bits(row.x):
                self.x[wire] |= bit
            for wire in bits(row.z):
                self.z[wire] |= bit
            if row.sign < 0:
                self.negative |= bit
            bit <<= 1

    def anticommuting(self, number: int) -> int:
        """Returns the strings that anticommute with one of them."""
        mask = 0
        for x, z in zip(self.x, self.z, strict=True):
            if x >> number & 1:
                mask ^= z
            if z >> number & 1:
                mask ^= x
        return mask

    def letters(self, number: int) -> list[tuple[int, str]]:
        """Returns the letters of a string, with their wires."""
        found = []
        for wire, (x, z) in enumerate(zip(self.x, self.z, strict=True)):
            place = (x >> number & 1) + 2 * (z >> number & 1)
            if place:
                found.append((wire, "_XZY"[place]))
        return found

    def by_weight(self, of: int, further: int) -> tuple[int, int]:
        """Returns the strings of a mask with at most one letter, and the lightest of the others.

        Args:
            of: The mask.
            further: How many numbers of letters beyond the least count as light too.
        """
        # Digit k of the number of letters, for all strings.
        digits = [0] * len(self.x).bit_length()
        for x, z in zip(self.x, self.z, strict=True):
            carry = x | z
            for place, digit in enumerate(digits):
                digits[place] = digit ^ carry
                carry &= digit
                if not carry:
                    break
        light = of
        for digit in digits[1:]:
            light &= ~digit
        left, found = of & ~light, 0
        for _ in range(further + 1):
            lightest = left
            for digit in reversed(digits):
                lightest = lightest & ~digit or lightest
            found |= lightest
            left &= ~lightest
        return light, found

    def after(self, turn: Turn) -> tuple[tuple[int, int], tuple[int, int]]:
        """Returns what the columns of two wires become by a quarter turn."""
        first, second, a, b = turn
        x, z, u, v = self.x[first], self.z[first], self.x[second], self.z[second]
        flips = _anticommuting(a, x, z) ^ _anticommuting(b, u, v)
        return (
            (x if a == "Z" else x ^ flips, z if a == "X" else z ^ flips),
            (u if b == "Z" else u ^ flips, v if b == "X" else v ^ flips),
        )

    def turn(self, turn: Turn) -> None:
        """Takes every string P to V P V^dagger, for the quarter turn V about the letters."""
        first, second, a, b = turn
        x, z, u, v = self.x[first], self.z[first], self.x[second], self.z[second]
        # That is -i A P where A and P anticommute, so where the letters do on one wire only.
        on_a, on_b = _anticommuting(a, x, z), _anticommuting(b, u, v)
        before_a, before_b = _with(_BEFORE[a], x, z), _with(_BEFORE[b], u, v)
        self.negative ^= (on_a & ~on_b & before_a) | (on_b & ~on_a & before_b)
        (self.x[first], self.z[first]), (self.x[second], self.z[second]) = self.after(turn)


def bits(mask: int) -> Iterator[int]:
    """Yields the places of the ones in a mask, rising."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _with(letter: str, x: int, z: int) -> int:
    """The strings with a letter on a wire."""
    return x & ~z if letter == "X" else z & ~x if letter == "Z" else x & z


def _anticommuting(letter: str, x: int, z: int) -> int:
    """The strings with a letter on a wire that anticommutes with another."""
    return z if letter == "X" else x if letter == "Z" else x ^ z
