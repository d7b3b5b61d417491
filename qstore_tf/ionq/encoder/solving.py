"""The angles of a pattern that prepare given vectors, and how they depend on these.

`solve` is Levenberg's and Marquardt's method (Marquardt, J. Soc. Indust. Appl. Math. 11, 431,
1963) on the difference between the state and the vector, with the exact derivatives of `sweep`.
All vectors of a batch take their steps together, each with a damping of its own, and none sees
the others: a vector has the same angles alone and in any batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.encoder.inputs import read_angles, read_vectors
from qstore_tf.ionq.encoder.pattern import Pattern
from qstore_tf.ionq.encoder.ranges import in_range
from qstore_tf.ionq.encoder.sweep import Floats, Vectors, states_and_derivatives

TOLERANCE = 1e-12
RESTARTS = 40

_GOAL = 1e-24  # |r|^2; the last step converges quadratically and mostly ends near 1e-30
_GOOD = 1e-20  # what ends here is not tried again
_STEPS = 200
_PATIENCE = 8  # steps in which |r|^2 must fall by a tenth, or another start is better
_LEAST_DAMPING = 1e-14  # keeps the matrix of a step positive where directions are redundant
_OUT_OF_REACH = 1e-6  # relative singular value
_BYTES = 8 * 2**20  # of the arrays of one sweep, so that they stay in the cache


@dataclass(frozen=True)
class Solution:
    """Angles for a batch of vectors.

    Attributes:
        angles: [B, P] in radians, in the order of the symbols of `Pattern.circuit()`. RZZ angles
            lie in [0, pi/2], others in [-pi, pi].
        residuals: [B], the squared distance |r|^2 between the state and the normalized vector,
            at the best global phase.
    """

    angles: Floats
    residuals: Floats

    @property
    def converged(self) -> NDArray[np.bool_]:
        """[B], whether |r|^2 <= 1e-12. Where not, use the exact `amplitude_encoding`."""
        return self.residuals <= TOLERANCE


def solve(
    pattern: Pattern,
    vectors: ArrayLike,
    start: ArrayLike | None = None,
    restarts: int = RESTARTS,
) -> Solution:
    """Finds angles for which the pattern's circuit prepares each vector, up to a global phase.

    The same vector and start give the same angles. Without a start, or where it leads nowhere,
    random starts follow, the same ones for all vectors.

    Args:
        pattern: The gates.
        vectors: [B, 2^n], real for "CZ", real or complex for "RZZ"; normalized here.
        start: Angles to begin with, [P] or [B, P]: those of a vector nearby, such as the previous
            one of a sequence. This takes fewer steps, and the angles mostly follow the vector
            smoothly; where that has no way on, they jump to those of a random start.
        restarts: The most random starts of a vector; with 0 there must be a `start`.

    Returns:
        The angles and the residuals; see `Solution.converged`.

    Raises:
        InputError: Vectors or start of a wrong shape or type, not finite, or a vector of zeros.
        ConfigurationError: `restarts` is not an integer of at least 0.

    Example:
        >>> solution = solve(Pattern(2), [[1.0, 2.0, 3.0, -1.0]])
        >>> bool(solution.converged[0])
        True
        >>> state, _ = states_and_derivatives(Pattern(2), solution.angles)
        >>> (state * np.sign(state[0, 0]) * np.sqrt(15)).round(6).tolist()
        [[1.0, 2.0, 3.0, -1.0]]
    """
    if isinstance(restarts, bool) or not isinstance(restarts, int) or restarts < 0:
        raise ConfigurationError(
            describe(
                "A wrong number of random starts",
                expected="an integer of at least 0",
                received=restarts,
            )
        )
    targets, _ = read_vectors(pattern, vectors)
    batch = len(targets)
    best = np.zeros((batch, pattern.n_angles))
    residuals = np.full(batch, np.inf)
    if start is not None:
        best, residuals = _from_start(pattern, targets, read_angles(pattern, start, batch))
    for attempt in range(restarts):
        rows = np.flatnonzero(residuals > _GOOD)
        if not len(rows):
            break
        tried = np.broadcast_to(_guess(pattern, attempt), (len(rows), pattern.n_angles))
        angles, squares = _from_start(pattern, targets[rows], tried)
        better = squares < residuals[rows]
        best[rows[better]], residuals[rows[better]] = angles[better], squares[better]
    return Solution(in_range(pattern, best), residuals)


def jacobian(pattern: Pattern, angles: ArrayLike, vectors: ArrayLike) -> Vectors:
    """Returns the derivatives of the angles by the vectors that they prepare.

    Of all changes of the angles that move the state as the vector moves, to first order, this is
    the smallest one: the pseudo-inverse of the state's derivatives. Scaling the vector, or a
    global phase, changes nothing. Directions into which no rotation can move the state are left
    out; there are such at some vectors with zeros, as at a single amplitude of 1.

    Args:
        pattern: The gates.
        angles: [B, P], as `solve` returns them.
        vectors: [B, 2^n], the vectors that were solved for, of whatever length and phase.

    Returns:
        [B, P, 2^n], J[b, i, j] = d angle_i / d vector_j. For complex patterns
        d angle_i / d Re vector_j + 1j * d angle_i / d Im vector_j, so that angles change by
        Re(conj(J) d vector).

    Raises:
        InputError: As in `solve`.

    Example:
        >>> angles = solve(Pattern(1), [[2.0, 2.0]]).angles
        >>> jacobian(Pattern(1), angles, [[2.0, 2.0]]).round(6).tolist()
        [[[-0.5, 0.5]]]
    """
    targets, lengths = read_vectors(pattern, vectors)
    points = read_angles(pattern, angles, len(targets))
    out = np.empty((len(targets), pattern.n_angles, pattern.size), targets.dtype)
    for piece in _pieces(pattern, len(targets)):
        states, derivatives = states_and_derivatives(pattern, points[piece])
        # Turned to the vector's own phase, the state is the vector.
        phases = _phases(states, targets[piece])
        moves = _as_real(_tangent(states, derivatives) / phases[:, None, None])
        inverse = np.linalg.pinv(moves, rcond=_OUT_OF_REACH)
        real = inverse[:, :, : pattern.size]
        both = real + 1j * inverse[:, :, pattern.size :] if pattern.is_complex else real
        out[piece] = both / lengths[piece, None, None]
    return out


def _guess(pattern: Pattern, attempt: int) -> Floats:
    """Random angles to start from, [P]."""
    guess = np.random.default_rng(attempt).uniform(-np.pi, np.pi, pattern.n_angles)
    if attempt % 2 == 0:
        # Weak entanglers stay so: solutions have less of RZZ in all, by an eighth for random
        # vectors. Smooth vectors converge more often from strong ones, so these take turns.
        weak = [angle for layer in pattern.layers for angle in layer.zz_angles]
        guess[weak] /= 4
    return guess


def _from_start(pattern: Pattern, targets: Vectors, start: Floats) -> tuple[Floats, Floats]:
    """Descends from given angles; returns the best angles and their |r|^2."""
    angles, residuals = np.empty_like(start), np.empty(len(start))
    for piece in _pieces(pattern, len(start)):
        angles[piece], residuals[piece] = _descend(pattern, targets[piece], start[piece])
    return angles, residuals


def _descend(pattern: Pattern, targets: Vectors, start: Floats) -> tuple[Floats, Floats]:
    """Takes damped steps until each vector is reached, or is no longer approached."""
    final, squares = start.copy(), np.full(len(start), np.inf)
    rows = np.arange(len(start))  # those still under way
    angles = final.copy()
    slopes, gaps = _linearize(pattern, angles, targets)
    square = (gaps * gaps).sum(1)
    squares[:] = mark = square
    damping = np.ones(len(start))
    for step in range(_STEPS):
        keep = square > _GOAL
        if step and step % _PATIENCE == 0:
            keep &= square < 0.9 * mark
            mark = square
        if not keep.all():
            rows, angles, damping, mark = rows[keep], angles[keep], damping[keep], mark[keep]
            slopes, gaps, square = slopes[keep], gaps[keep], square[keep]
        if not len(rows):
            break
        # A damping that falls with |r| lets the end converge quadratically.
        change = _step(slopes, gaps, damping * np.sqrt(square))
        expected = gaps + (slopes @ change[:, :, None])[:, :, 0]
        next_slopes, next_gaps = _linearize(pattern, angles + change, targets[rows])
        next_square = (next_gaps * next_gaps).sum(1)
        gain = (square - next_square) / np.maximum(square - (expected * expected).sum(1), 1e-300)
        damping = np.where(gain > 0.75, damping / 3, np.where(gain < 0.25, damping * 4, damping))
        damping = np.clip(damping, 1e-8, 1e8)
        better = next_square < square
        angles = np.where(better[:, None], angles + change, angles)
        slopes = np.where(better[:, None, None], next_slopes, slopes)
        gaps = np.where(better[:, None], next_gaps, gaps)
        square = np.where(better, next_square, square)
        final[rows], squares[rows] = angles, square
    return final, squares


def _step(slopes: Floats, gaps: Floats, damping: Floats) -> Floats:
    """The damped least-squares step of each row, [B, P]."""
    transposed = slopes.transpose(0, 2, 1)
    normal = transposed @ slopes
    diagonal = np.arange(normal.shape[1])
    normal[:, diagonal, diagonal] += (damping + _LEAST_DAMPING)[:, None]
    return -np.linalg.solve(normal, transposed @ gaps[:, :, None])[:, :, 0]


def _linearize(pattern: Pattern, angles: Floats, targets: Vectors) -> tuple[Floats, Floats]:
    """Derivatives [B, N, P] and difference [B, N] of the state to the vector, as real numbers."""
    states, derivatives = states_and_derivatives(pattern, angles)
    gaps = states - _phases(states, targets)[:, None] * targets
    return _as_real(_tangent(states, derivatives)), _as_real(gaps)


def _tangent(states: Vectors, derivatives: Vectors) -> Vectors:
    """Derivatives without the change of the global phase, which is free anyway."""
    if derivatives.dtype.kind == "f":
        return derivatives
    along = states.conj()[:, None, :] @ derivatives
    return np.asarray(derivatives - states[:, :, None] * along)


def _phases(states: Vectors, targets: Vectors) -> Vectors:
    """The global phase that brings each vector nearest to its state, [B]."""
    overlaps = (targets.conj() * states).sum(1)
    sizes = np.abs(overlaps)
    orthogonal = sizes == 0.0
    return np.where(orthogonal, 1.0, overlaps / np.where(orthogonal, 1.0, sizes))


def _as_real(array: Vectors) -> Floats:
    """Complex [B, N, ...] as real [B, 2 N, ...]; real ones stay."""
    if array.dtype.kind == "f":
        return array
    return np.concatenate([array.real, array.imag], axis=1)


def _pieces(pattern: Pattern, batch: int) -> list[slice]:
    """Parts of a batch whose arrays fit into the cache."""
    each = 8 * pattern.size * (len(pattern.layers) * pattern.size + 4 * pattern.n_angles)
    rows = max(1, _BYTES // each)
    return [slice(first, first + rows) for first in range(0, batch, rows)]
