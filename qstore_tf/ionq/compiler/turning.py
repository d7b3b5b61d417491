"""The turns of many wires at once, for a batch: cosines and sines of R_Z(a) R_Y(b) R_Z(c).

What a plan needs of its turns is made once and kept; circuits put the turns of their wires together
and say which of their symbols is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import INVERSE, PULLED
from qstore_tf.ionq.compiler.formulas import FloatArray, cosine_and_sine
from qstore_tf.ionq.compiler.turns import CLIFFORDS, Turn

# Half turns and no turn have no axis in the plane: smaller products of numbers are taken for 0.
_NO_DIRECTION = 1e-100

Complex = NDArray[np.complex128]
Ints = NDArray[np.int64]


class Turned(NamedTuple):
    """Turns for a batch, [turns, B] each.

    Attributes:
        first: exp(i c) of R_Z(a) R_Y(b) R_Z(c).
        cosine: cos b.
        sine: sin b.
        last: exp(i a).
    """

    first: Complex
    cosine: FloatArray
    sine: FloatArray
    last: Complex

    def of(self, rows: Ints) -> Turned:
        """Returns them for some rows of the batch."""
        first, cosine, sine, last = self
        return Turned(first[:, rows], cosine[:, rows], sine[:, rows], last[:, rows])


class Formulas:
    """The affine angles of the turns of a wire, with symbols by number.

    Attributes:
        count: The number of turns.
        constants: Of c, b and a of each turn and of the further angles, four arrays.
        terms: Rows of part (which of the four), place in it, symbol; and how many terms of the same
            angle come before.
        coefficients: Of the terms.
        products: Runs that are not affine: letters, Clifford gate, turn, and the place of the first
            of their further angles.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        self.count = len(turns)
        further: list[Affine] = []
        self.products: list[tuple[str, int, int, int]] = []
        for number, turn in enumerate(turns):
            if turn.run is not None:
                run = turn.run
                self.products.append((run.letters, run.clifford, number, len(further)))
                further += run.angles
        parts: list[list[Affine]] = [
            [turn.first for turn in turns],
            [turn.middle for turn in turns],
            [turn.last for turn in turns],
            further,
        ]
        self.constants = [np.array([angle.constant for angle in part]) for part in parts]
        terms = [
            (part, place, int(symbol), rank, coefficient)
            for part, angles in enumerate(parts)
            for place, angle in enumerate(angles)
            for rank, (symbol, coefficient) in enumerate(angle.terms)
        ]
        self.terms = np.array([term[:4] for term in terms], int).reshape(-1, 4)
        self.coefficients = np.array([term[4] for term in terms], float)


class Turning:
    """The turns of several wires, evaluated together.

    Args:
        wires: The formulas of each wire.
        columns: For each wire the columns of its symbols in the values.
        aside: By how much each symbol's value moves, where angles are asked for beside the values.
    """

    def __init__(
        self, wires: Sequence[Formulas], columns: Sequence[Sequence[int]], aside: FloatArray
    ) -> None:
        self.starts = np.cumsum([0, *(wire.count for wire in wires)])
        further = np.cumsum([0, *(len(wire.constants[3]) for wire in wires)])
        n = int(self.starts[-1])
        self._n = n
        constants = np.concatenate(
            [wire.constants[part] for part in range(4) for wire in wires] or [np.zeros(0)]
        )
        rows, symbols = [], []
        for wire, own, start, place in zip(wires, columns, self.starts, further, strict=False):
            base = np.array([start, n + start, 2 * n + start, 3 * n + place])
            rows.append(base[wire.terms[:, 0]] + wire.terms[:, 1])
            symbols.append(np.array(own, int)[wire.terms[:, 2]])
        row, symbol = np.concatenate(rows), np.concatenate(symbols)
        rank = np.concatenate([wire.terms[:, 3] for wire in wires])
        coefficients = np.concatenate([wire.coefficients for wire in wires])
        # Angles of symbols, and their places among all angles.
        self._varying = np.flatnonzero(np.bincount(row, minlength=len(constants)))
        place_of = np.zeros(len(constants), int)
        place_of[self._varying] = np.arange(len(self._varying))
        self._offsets = constants[self._varying]
        self._terms = []
        for number in range(int(rank.max(initial=-1)) + 1):
            mine = np.flatnonzero(rank == number)
            mine = mine[np.argsort(row[mine])]
            self._terms.append((place_of[row[mine]], symbol[mine], coefficients[mine, None]))
        self._slopes = self._linear(aside[:, None])
        # Angles of turns that are numbers are made cosines and sines of now.
        turns = self._varying < 3 * n
        self._of_turns = int(turns.sum())
        part, row = np.divmod(self._varying[turns], max(n, 1))
        self._rows = [(np.flatnonzero(part == k), row[part == k]) for k in range(3)]
        self._numbers = np.exp(1j * constants[: 3 * n]).reshape(3, n, 1)
        self._further = constants[3 * n :, None]
        self._further_rows = self._varying[~turns] - 3 * n
        grouped: dict[int, list[tuple[int, int, str, int]]] = {}
        for wire, start, place in zip(wires, self.starts, further, strict=False):
            for letters, clifford, number, first in wire.products:
                member = (start + number, place + first, letters, clifford)
                grouped.setdefault(len(letters), []).append(member)
        plain = constants[: 3 * n] == 0
        plain[self._varying[turns]] = False
        self._products = [
            _Products(members, [plain[turn] and plain[2 * n + turn] for turn, *_ in members])
            for members in grouped.values()
        ]

    def _linear(self, values: FloatArray) -> FloatArray:
        if not self._terms:
            return np.zeros((0, values.shape[1]))
        # All have a first term; it is the only one of most.
        (_, columns, coefficients), *more = self._terms
        out = values[columns]
        out *= coefficients
        for rows, columns, coefficients in more:
            out[rows] += values[columns] * coefficients
        return out

    def __call__(self, values: FloatArray, beside: float = 0.0) -> Turned:
        """Returns the turns for values of the symbols, [symbols, B], or beside them."""
        n, n_batch = self._n, values.shape[1]
        angles = self._linear(values)
        angles += self._offsets[:, None]
        if beside:
            angles += beside * self._slopes
        cosines, sines = cosine_and_sine(angles[: self._of_turns])
        first, last = np.empty((2, n, n_batch), np.complex128)
        cosine, sine = np.empty((2, n, n_batch))
        parts = ((first.real, first.imag), (cosine, sine), (last.real, last.imag))
        for (real, imaginary), numbers, (which, rows) in zip(
            parts, self._numbers, self._rows, strict=True
        ):
            real[:], imaginary[:] = numbers.real, numbers.imag
            real[rows], imaginary[rows] = cosines[which], sines[which]
        turned = Turned(first, cosine, sine, last)
        if self._products:
            further = angles[self._of_turns :]
            if len(further) < len(self._further):
                whole = np.empty((len(self._further), n_batch))
                whole[:] = self._further
                whole[self._further_rows] = further
                further = whole
            for products in self._products:
                products.multiply(turned, further)
        return turned


# -i P q for a quaternion q: which component comes to each place, and with which sign.
_TIMES = {
    "X": ((1, -1), (0, 1), (3, -1), (2, 1)),
    "Y": ((2, -1), (3, 1), (0, 1), (1, -1)),
    "Z": ((3, -1), (2, -1), (1, 1), (0, 1)),
}


def _times(letter: str, sign: int) -> FloatArray:
    """Returns -i sign P as a matrix that acts on quaternions, [4, 4]."""
    matrix = np.zeros((4, 4))
    for row, (column, by) in enumerate(_TIMES[letter]):
        matrix[row, column] = sign * by
    return matrix


class _Products:
    """Runs of the same number of rotations, two or more, that are not affine.

    Args:
        members: The turn of each run, the place of its first angle, its letters and Clifford gate.
        plain: Whether each turn is nothing else.
    """

    def __init__(self, members: Sequence[tuple[int, int, str, int]], plain: Sequence[bool]) -> None:
        self._turns = np.array([turn for turn, _, _, _ in members])
        self._others = np.flatnonzero(~np.array(plain))
        first = np.array([place for _, place, _, _ in members])
        count = len(members[0][2])
        self._angles = [first + k for k in range(count)]
        # The Clifford gate, which comes last, is pulled to the beginning.
        factors = [
            [_times(*PULLED[INVERSE[clifford]][letter][::-1]) for letter in letters]
            for _, _, letters, clifford in members
        ]
        one = np.eye(4)
        begin = [np.array(CLIFFORDS[clifford]) for *_, clifford in members]
        # By the products cos cos, cos sin, sin cos, sin sin of the first two half angles.
        self._first = np.stack(
            [
                np.stack([c, b @ c, a @ c, b @ a @ c], axis=1)
                for c, (a, b, *_) in zip(begin, factors, strict=True)
            ]
        )
        # By cosine and sine times what there is so far.
        self._more = [
            np.stack([np.hstack([one, of_run[k]]) for of_run in factors]) for k in range(2, count)
        ]

    def multiply(self, turned: Turned, further: FloatArray) -> None:
        """Multiplies the runs into their turns."""
        (c, s), (cosine, sine), *rest = (
            cosine_and_sine(further[places] / 2) for places in self._angles
        )
        parts = np.empty((len(self._turns), 4, further.shape[1]))
        for k, (one, other) in enumerate(((c, cosine), (c, sine), (s, cosine), (s, sine))):
            np.multiply(one, other, out=parts[:, k])
        made = self._first @ parts
        for matrices, (c, s) in zip(self._more, rest, strict=True):
            made = matrices @ np.concatenate([c[:, None] * made, s[:, None] * made], axis=1)
        w, x, y, z = (made[:, k] for k in range(4))
        # w + i z is exp(i (a + c)/2) cos(b/2), and y - i x is exp(i (a - c)/2) sin(b/2).
        large, small = w * w + z * z, x * x + y * y
        size = np.sqrt(large * small)
        scale = 1 / (large + small)
        turns = self._turns
        turned.cosine[turns] = (large - small) * scale
        turned.sine[turns] = 2 * size * scale
        none = size < _NO_DIRECTION
        if none.any():
            # Where a half turn or none is made, a is all that can be told.
            up = large > small
            w, z, y, x = (
                np.where(none & ~up, y, w),
                np.where(none & ~up, -x, z),
                np.where(none & up, w, y),
                np.where(none & up, -z, x),
            )
            size = np.where(none, np.maximum(large, small), size)
        scale = 1 / size
        w, z = w * scale, z * scale
        wx, wy, zx, zy = w * x, w * y, z * x, z * y
        for all_of, real, imaginary in (
            (turned.last, wy + zx, zy - wx),
            (turned.first, wy - zx, zy + wx),
        ):
            unit = _complex(real, imaginary)
            others = turns[self._others]
            unit[self._others] *= all_of[others]
            all_of[turns] = unit


def _complex(real: FloatArray, imaginary: FloatArray) -> Complex:
    out = np.empty(real.shape, np.complex128)
    out.real, out.imag = real, imaginary
    return out
