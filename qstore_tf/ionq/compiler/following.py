"""Follows ions through their up axes, all wires and samples at once, into the phases of pulses.

At each entangler the circuit is seen in coordinates in which that acts about Z. The up axis of the
ion, which is to be the ion's Z, is perpendicular to it there: one azimuth, kept as a complex number
of modulus 1. The start and the end of a wire are seen in coordinates with X and Z exchanged, in
which the up axis is X; so all steps are alike, from one azimuth by a turn R_Z(a) R_Y(b) R_Z(c) to
the next azimuth.

In the ion the turn of a step is then R_Z(f') R_X(-beta) R_Y(-b) R_X(delta) R_Z(-f), with delta the
azimuth before plus c, beta that after minus a, and f and f' the frames; pulses do what is left
besides frames.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from qstore_tf.ionq.compiler.axes import Path, Way
from qstore_tf.ionq.compiler.formulas import FloatArray
from qstore_tf.ionq.compiler.turning import Complex, Ints, Turned

PI = math.pi
# Stands for a sine of 0, so that what is divided by its size has a direction.
_TINY = 1e-150
# Vectors that are shorter are rounding errors.
_NO_DIRECTION = 1e-14


class Steps:
    """The steps of all wires by what they are: where to look for the numbers of each.

    Args:
        paths: The way of the up axis on each wire.
        may_flip: Whether ions may end upside down.
    """

    def __init__(self, paths: Sequence[Path], may_flip: bool) -> None:
        counts = [len(path.choices) + 1 for path in paths]
        self.starts = np.cumsum([0, *counts])
        self.wire = np.repeat(np.arange(len(paths)), counts)
        # The azimuth before each step; the one after it is the next.
        self.before = np.arange(len(self.wire)) + self.wire
        self.ends = self.starts[1:] + np.arange(len(paths))
        self.n_azimuths = len(self.wire) + len(paths)
        self.pulses = np.array(
            [n for path in paths for n in (*(c.pulses for c in path.choices), path.last)], int
        )
        # Ends at which up and down serve alike.
        self.either = np.array(
            [w for w, path in enumerate(paths) if may_flip and not path.last], int
        )
        self._end = np.array([[-1.0 if p.opposite and not p.last else 1.0] for p in paths])
        # Up axes since the last pulse, where they may as well be opposite so as to end up.
        free = []
        for wire, path in enumerate(paths):
            moved = [place for place, choice in enumerate(path.choices, 1) if choice.pulses]
            if moved and not path.last and not may_flip:
                first = int(self.starts[wire]) + wire
                free += [(first + n, wire) for n in range(moved[-1], len(path.choices) + 1)]
        self._free = np.array([place for place, _ in free], int)
        self._freed, self._sign_of = np.unique(
            np.array([wire for _, wire in free], int), return_inverse=True
        )
        follow: dict[int, dict[Way, list[int]]] = defaultdict(lambda: defaultdict(list))
        seen: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        sides: list[tuple[int, complex]] = []
        for wire, path in enumerate(paths):
            first, last, level = int(self.starts[wire]), len(path.choices) + 1, 0
            for place, choice in enumerate(path.choices, 1):
                step = first + place - 1
                if choice.way in (Way.STAY, Way.ACROSS):
                    follow[level][choice.way].append(step)
                    level += 1
                    continue
                level = 0
                if choice.way is Way.SIDE:
                    sides.append((int(self.before[step]) + 1, 1j**choice.other))
                    continue
                outer = choice.other in (0, last)
                seen[choice.other - place].append((step, outer, choice.way is Way.TOWARD))
        # What is seen from an entangler depends on turns only; the rest on the azimuth before.
        self._seen = [(away, *np.array(rows).T) for away, rows in seen.items()]
        self._sides = np.array([place for place, _ in sides], int)
        self._side = np.array([[up] for _, up in sides], np.complex128).reshape(-1, 1)
        self._follow = [
            (way, np.array(rows)) for level in sorted(follow) for way, rows in follow[level].items()
        ]

    def azimuths(self, turned: Turned) -> Complex:
        """Returns exp(i azimuth) of the up axes, [azimuths, B], as the paths say."""
        n_batch = turned.cosine.shape[1]
        out = np.ones((self.n_azimuths, n_batch), np.complex128)
        out[self.ends] = self._end
        out[self._sides] = self._side
        for away, steps, outer, toward in self._seen:
            flat, _ = _seen(turned, steps, away, outer)
            size = np.abs(flat)
            lost = size == 0
            size = 1 / np.where(lost, 1.0, size)
            flat = np.where(lost, 1.0, flat)
            flat.real, flat.imag = flat.real * size, flat.imag * size
            up = flat * np.where(toward, -1.0, 1j)[:, None]
            out[self.before[steps] + 1] = up
        for way, steps in self._follow:
            delta = out[self.before[steps]] * turned.first[steps]
            cosine = turned.cosine[steps]
            x, y = delta.real * cosine, delta.imag
            if way is Way.ACROSS:
                x, y = -y, x
            size = np.sqrt(x * x + y * y)
            lost = size < _NO_DIRECTION
            if lost.any():
                # Any direction will do, if there is none.
                x, size = np.where(lost, 1.0, x), np.where(lost, 1.0, size)
            size = 1 / size
            delta.real, delta.imag = x * size, y * size
            up = np.multiply(delta, turned.last[steps], out=delta)
            out[self.before[steps] + 1] = up
        if len(self.either):
            out[self.ends[self.either]] = self._signs_at_end(turned, out, self.either)
        if len(self._free):
            signs = self._signs_at_end(turned, out, self._freed)
            if (signs < 0).any():
                out[self._free] *= signs[self._sign_of]
        return out

    def _signs_at_end(self, turned: Turned, azimuths: Complex, wires: Ints) -> FloatArray:
        """Returns 1.0 where ions come up and -1.0 where they come down, [wires, B]."""
        steps = self.starts[wires + 1] - 1
        moved = Differences(self, turned, azimuths, steps).moved() * turned.last[steps]
        return np.where(moved.real < 0, -1.0, 1.0)


def _seen(turned: Turned, steps: Ints, away: int, outer: Ints) -> tuple[Complex, FloatArray]:
    """Returns axes in the coordinates in which steps end, as x + iy and z.

    Args:
        turned: The turns.
        steps: The steps, of which those at whose end something is seen.
        away: How many places later or, if negative, earlier that is which is seen.
        outer: Whether it is the start or the end, where up is X.
    """
    shape = (len(steps), turned.cosine.shape[1])
    z = np.broadcast_to(1.0 - outer[:, None], shape)
    flat = np.broadcast_to(outer[:, None], shape).astype(np.complex128)
    for far in range(abs(away) - 1, -1, -1):
        step = steps + 1 + far if away > 0 else steps - far
        sine = turned.sine[step]
        sine = np.where(sine == 0, _TINY, sine)
        if away > 0:
            sine = -sine
        cosine = turned.cosine[step]
        first, last = turned.first[step], turned.last[step]
        if away > 0:
            first, last = last.conj(), first.conj()
        flat = flat * first
        x = flat.real * cosine + z * sine
        z = z * cosine - flat.real * sine
        flat.real = x
        flat = flat * last
    return flat, z


class Differences:
    """What stands between the azimuths before and after steps.

    Args:
        steps: The steps of all wires.
        turned: Their turns.
        azimuths: exp(i azimuth) of the up axes, from number `first` on.
        which: The steps in question.

    Attributes:
        delta: exp(i delta), [steps, B].
        beta: exp(i beta).
        cosine: cos b.
        sine: sin b.
    """

    def __init__(
        self, steps: Steps, turned: Turned, azimuths: Complex, which: Ints, first: int = 0
    ) -> None:
        before = steps.before[which] - first
        self.delta = azimuths[before] * turned.first[which]
        self.beta = azimuths[before + 1] * turned.last[which].conj()
        self.cosine, self.sine = turned.cosine[which], turned.sine[which]

    def height(self) -> FloatArray:
        """Returns the cosine of the angle by which the up axis moves."""
        both = self.delta.real * self.beta.real * self.cosine
        both += self.delta.imag * self.beta.imag
        return np.asarray(both)

    def aside(self) -> FloatArray:
        """Returns, where the up axis stays, its sine off the equator."""
        return np.asarray(self.delta.real * self.sine)

    def moved(self) -> Complex:
        """Returns x + iy of the up axis before, in the coordinates of the next, but for a."""
        out = np.empty_like(self.delta)
        out.real, out.imag = self.delta.real * self.cosine, self.delta.imag
        return out

    def missed(self, pulses: int) -> FloatArray:
        """Returns by how much steps miss what 0 or 1 pulses can do, about, in radians."""
        if pulses:
            return np.abs(self.height())
        off = self.moved() - self.beta
        return np.maximum(np.maximum(np.abs(off.real), np.abs(off.imag)), np.abs(self.aside()))

    def still(self) -> FloatArray:
        """Returns the turn g of the ion R_Z(g) where the up axis stays."""
        return np.asarray(np.arctan2(self.sine * self.beta.imag, self.cosine))

    def quarter(self) -> tuple[FloatArray, FloatArray]:
        """Returns a and c where the turn of the ion is R_Z(a) R_X(b) R_Z(c), for b = pi/2."""
        cd, sd, cb, sb = self.delta.real, self.delta.imag, self.beta.real, self.beta.imag
        a = np.arctan2(-cd * self.sine, sd * cb - cd * sb * self.cosine)
        c = np.arctan2(cb * self.sine, cb * sd * self.cosine - sb * cd)
        return a, c

    def any_angle(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Returns a, b and c where the turn of the ion is R_Z(a) R_X(b) R_Z(c), b in [0, pi]."""
        cd, sd, cb, sb = self.delta.real, self.delta.imag, self.beta.real, self.beta.imag
        cosine, sine = self.cosine, self.sine
        xx, xy, xz = cosine, -sd * sine, -cd * sine
        yx, yy, yz = sb * sine, cb * cd + sb * sd * cosine, sb * cd * cosine - cb * sd
        zx, zy, zz = cb * sine, cb * sd * cosine - sb * cd, self.height()
        a, c = np.arctan2(xz, -yz), np.arctan2(zx, zy)
        # Near b = 0 the sum of the two has more digits left, and near pi the difference.
        low = zz < 0
        total = np.arctan2(yx - xy, xx + yy) - a - c
        difference = np.arctan2(yx + xy, xx - yy) - a + c
        off = np.where(low, difference, total) / 2
        off -= PI * np.rint(off / PI)
        return a + off, np.arctan2(np.hypot(xz, yz), zz), c + np.where(low, -off, off)


def misses(steps: Steps, turned: Turned, azimuths: Complex) -> FloatArray:
    """Returns by how much the up axes of each wire miss what their pulses can do, [wires, B]."""
    missed = np.zeros(turned.cosine.shape)
    for count in (0, 1):
        which = np.flatnonzero(steps.pulses == count)
        missed[which] = Differences(steps, turned, azimuths, which).missed(count)
    return np.maximum.reduceat(missed, steps.starts[:-1], axis=0)
