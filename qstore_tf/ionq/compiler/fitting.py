"""Angles of rotations on three wires for which they make a given unitary, by least squares.

Many starts are solved at once, each with rotations of its own, by Levenberg's and Marquardt's
method with exact derivatives. The global phase is free. With U = ... R_k ... R_1 and B_k the
product up to R_k, the derivative of U by the angle of R_k, exp(-i angle/2 P), is
-i/2 U B_k^dagger P B_k. Seen from behind U that is a Hermitian matrix: 64 real numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.gates.matrices import PAULIS

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

N_WIRES = 3
DIMENSION = 2**N_WIRES
LETTERS = "IXYZ"
_PRODUCTS: ComplexArray = np.array(
    [
        np.kron(np.kron(PAULIS[a], PAULIS[b]), PAULIS[c])
        for a in LETTERS
        for b in LETTERS
        for c in LETTERS
    ],
    np.complex128,
)

# So many starts fit into the cache of a processor.
_AT_ONCE = 32
_MAX_STEPS = 100
# Below this the square of a residual is rounding.
_ENOUGH = 1e-24
# A start whose square falls by less than this share in a step, and is still large, leads nowhere.
_LEAST_SHARE, _LARGE = 1e-3, 1e-3
_FIRST_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 1e-2, 1e-12, 1e6
_UP, _DOWN = 5.0, 0.2


class Fit(NamedTuple):
    """What the starts have led to.

    Attributes:
        angles: [S, K], radians.
        residuals: [S], the distance of the unitaries up to global phase, by Frobenius' norm.
    """

    angles: FloatArray
    residuals: FloatArray


class _Point(NamedTuple):
    """For each start: angles, products up to each rotation, what is left, its square's sum."""

    angles: FloatArray
    products: ComplexArray
    left: ComplexArray
    squares: FloatArray

    def of(self, which: NDArray[np.bool_]) -> _Point:
        return _Point(
            self.angles[which], self.products[which], self.left[which], self.squares[which]
        )


def product_number(letters: str) -> int:
    """Returns the number of a product of letters, one a wire, as `fit` takes it.

    >>> product_number("IIZ"), product_number("XII")
    (3, 16)
    """
    return int(sum(LETTERS.index(p) * 4**place for place, p in enumerate(reversed(letters))))


def fit(
    unitaries: ComplexArray,
    products: NDArray[np.int64],
    angles: FloatArray,
    free: NDArray[np.bool_] | None = None,
) -> Fit:
    """Solves for the angles of rotations, from many starts at once.

    Args:
        unitaries: What each start is to make, [S, 8, 8].
        products: The numbers of the products of letters of its rotations, in time order, [S, K].
        angles: Where it begins, [S, K].
        free: Which of its angles may change, [S, K]; None: all.
    """
    found, squares = np.array(angles), np.empty(len(angles))
    free = np.ones(products.shape, bool) if free is None else free
    back = unitaries.conj().swapaxes(-1, -2)
    active = np.zeros(0, np.int64)
    damping, steps = np.zeros(0), np.zeros(0)
    here = _point(back[:0], products[:0], found[:0])
    begun = 0
    while begun < len(angles) or len(active):
        if begun < len(angles) and len(active) < _AT_ONCE:
            new = np.arange(begun, min(begun + _AT_ONCE - len(active), len(angles)))
            begun += len(new)
            here = _Point(*map(_appended, here, _point(back[new], products[new], found[new])))
            damping = np.append(damping, np.full(len(new), _FIRST_DAMPING))
            steps = np.append(steps, np.zeros(len(new)))
            active = np.append(active, new)
        done = _improve(here, back[active], products[active], free[active], damping)
        steps += 1
        done |= steps == _MAX_STEPS
        if done.any():
            found[active[done]], squares[active[done]] = here.angles[done], here.squares[done]
            here, active = here.of(~done), active[~done]
            damping, steps = damping[~done], steps[~done]
    return Fit(found, np.sqrt(squares))


def _appended(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([one, other])


def _improve(
    here: _Point,
    back: ComplexArray,
    products: NDArray[np.int64],
    free: NDArray[np.bool_],
    damping: FloatArray,
) -> NDArray[np.bool_]:
    """Goes one step, and returns which starts need no more."""
    new = _point(back, products, here.angles + _step(here, products, free, damping))
    better = new.squares < here.squares
    gain = 1 - new.squares / np.maximum(here.squares, _ENOUGH)
    for mine, its in zip(here, new, strict=True):
        mine[better] = its[better]
    damping *= np.where(better, _DOWN, _UP)
    np.maximum(damping, _LEAST_DAMPING, out=damping)
    stuck = better & (gain < _LEAST_SHARE) & (here.squares > _LARGE)
    done: NDArray[np.bool_] = (here.squares < _ENOUGH) | (damping > _MOST_DAMPING) | stuck
    return done


def unitary_of(products: NDArray[np.int64], angles: FloatArray) -> ComplexArray:
    """Returns what rotations make, [8, 8]; arguments as for one start of `fit`."""
    return _products_up_to(products[None], angles[None])[0, -1].copy()


def _point(back: ComplexArray, products: NDArray[np.int64], angles: FloatArray) -> _Point:
    gates = _products_up_to(products, angles)
    whole = back @ gates[:, -1]
    trace = np.trace(whole, axis1=1, axis2=2)
    phase = np.where(trace == 0, 1, trace) / np.maximum(abs(trace), 1e-300)
    left = whole / phase[:, None, None] - np.eye(DIMENSION)
    return _Point(angles, gates, left, (left.real**2 + left.imag**2).sum((1, 2)))


def _products_up_to(products: NDArray[np.int64], angles: FloatArray) -> ComplexArray:
    """For each start and rotation the product of all up to it, [S, K, 8, 8]."""
    half = angles[..., None, None] / 2
    made: ComplexArray = np.cos(half) * np.eye(DIMENSION) - 1j * np.sin(half) * _PRODUCTS[products]
    for k in range(1, products.shape[1]):
        made[:, k] = made[:, k] @ made[:, k - 1]
    return made


def _step(
    here: _Point,
    products: NDArray[np.int64],
    free: NDArray[np.bool_],
    damping: FloatArray,
) -> FloatArray:
    before = here.products
    moved = np.conj(before.swapaxes(-1, -2), order="C") @ (_PRODUCTS[products] @ before)
    columns = _real(moved) * free[..., None]
    left = here.left.conj().swapaxes(-1, -2)
    gradient = columns @ _real((left - here.left) / 2j)[..., None] / 2
    normal = columns @ columns.swapaxes(-1, -2) / 4
    diagonal = np.arange(normal.shape[1])
    normal[:, diagonal, diagonal] += damping[:, None]
    return -np.linalg.solve(normal, gradient)[..., 0]


def _real(hermitian: ComplexArray) -> FloatArray:
    """Real numbers of Hermitian matrices with the same inner products, the matrix flattened."""
    return (hermitian.real + hermitian.imag).reshape(*hermitian.shape[:-2], -1)
