"""Two-qubit unitaries as few entanglers: the Weyl (Cartan, KAK) decomposition and its relatives.

Every two-qubit unitary is R_XX(x) R_YY(y) R_ZZ(z) between unitaries of one qubit each. Ions take
partial entanglers, so what a unitary costs is the number of its angles that are not zero, each
with pi/2 as the full entangler. `decompose` finds the fewest. What surrounds a unitary can save
more: a state to `prepare` needs one entangler, and a unitary that is measured next needs two
(`up_to_diagonal`), as does one that acts on basis states (`up_to_diagonal_before`).

Angles are in radians, R_P(a) = exp(-i a/2 P), and qubit 0 is the most significant bit. The method
is that of the magic basis: Zhang, Vala, Sastry and Whaley, arXiv:quant-ph/0209120.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.circuits.gates.matrices import PAULIS, ComplexArray, array, pauli_product
from qstore_tf.circuits.operation import UNITARY_TOLERANCE
from qstore_tf.errors import CircuitError, describe

FloatArray = NDArray[np.float64]
Angles = tuple[float, float, float]
Pair = tuple[ComplexArray, ComplexArray]

# Angles this near to zero or to a full entangler are exactly that: far below what an ion trap
# resolves, far above rounding.
TOLERANCE = 1e-9
# What a product of parts may differ from its matrix, besides angles that were rounded.
ACCURACY = 1e-12

_FULL = math.pi / 2
# Bell states in the order of their phases under R_XX(x) R_YY(y) R_ZZ(z) for x >= y >= |z|:
# (x+y+z)/2 first. With these factors i, products of SU(2) x SU(2) become real rotations: SO(4).
_MAGIC = math.sqrt(0.5) * array([[0, 1j, 1, 0], [1, 0, 0, 1j], [-1, 0, 0, 1j], [0, -1j, 1, 0]])
_TO_MAGIC = _MAGIC.conj().T.copy()
_SIGNS = np.stack(
    [(_TO_MAGIC @ pauli_product(2 * p) @ _MAGIC).diagonal().real.round() for p in "XYZ"]
)
# SU(2) as unit quaternions, and SO(4) as the outer products of two of them.
_QUATERNIONS: ComplexArray = np.stack([PAULIS["I"], *(-1j * PAULIS[p] for p in "XYZ")])
_OUTER = np.stack(
    [(_TO_MAGIC @ np.kron(a, b) @ _MAGIC).real.ravel() for a in _QUATERNIONS for b in _QUATERNIONS]
).T.copy()


@dataclass(frozen=True, eq=False)
class TwoQubit:
    """exp(i phase) (after[0] x after[1]) R_XX(x) R_YY(y) R_ZZ(z) (before[0] x before[1]).

    Attributes:
        before: What acts first on qubit 0 and on qubit 1, unitary matrices of shape [2, 2].
        angles: (x, y, z) in radians, with pi/2 >= x >= y >= |z|, and z >= 0 where x is pi/2.
            Those within 1e-9 of zero or pi/2 are exactly 0.0 or pi/2.
        after: What acts last, like `before`.
        phase: The global phase in radians.
    """

    before: Pair
    angles: Angles
    after: Pair
    phase: float

    @property
    def count(self) -> int:
        """The number of entanglers, partial ones included."""
        return sum(angle != 0 for angle in self.angles)

    @property
    def total(self) -> float:
        """The sum of the entangling angles without their signs, in radians."""
        return sum(map(abs, self.angles))

    def matrix(self) -> ComplexArray:
        """Returns the product of the parts, of shape [4, 4].

        >>> decompose(np.eye(4)).matrix().real.round(9).diagonal().tolist()
        [1.0, 1.0, 1.0, 1.0]
        """
        phases = np.exp(1j * self.phase - 0.5j * (np.array(self.angles) @ _SIGNS))
        inner = (_MAGIC * phases) @ _TO_MAGIC
        matrix: ComplexArray = _product(self.after) @ inner @ _product(self.before)
        return matrix

    def transpose(self) -> TwoQubit:
        """Returns the transpose, whose angles are the same."""
        (a, b), (c, d) = self.before, self.after
        return TwoQubit((c.T.copy(), d.T.copy()), self.angles, (a.T.copy(), b.T.copy()), self.phase)


def decompose(matrix: ArrayLike) -> TwoQubit:
    """Splits a two-qubit unitary into the fewest entanglers, and those of the least angles.

    As exact for repeated and nearly repeated eigenvalues (SWAP, iSWAP, CX, products) as for
    others.

    Args:
        matrix: A unitary of shape [4, 4], to 1e-6; the nearest unitary is what is decomposed.

    Returns:
        The parts. Their product is that unitary to 1e-12, besides angles that were rounded. What
        needs no entangler has identities before.

    Raises:
        CircuitError: Wrong shape, not finite or not unitary; or the product of the parts is not
            the unitary, which would be a fault here.

    Example:
        >>> cx = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
        >>> decompose(cx).angles
        (1.5707963267948966, 0.0, 0.0)
        >>> decompose(np.diag([1, 1, 1, np.exp(0.4j)])).count
        1
    """
    return _split(_check_unitary(matrix, 4))


def prepare(state: ArrayLike) -> TwoQubit:
    """Returns what makes a two-qubit state from |00>, with one entangler at most.

    By the Schmidt decomposition: Nielsen and Chuang, section 2.5. No smaller angle would do, as
    unitaries of one qubit each leave the Schmidt coefficients cos(x/2) and sin(x/2) as they are.

    Args:
        state: The amplitudes of |00>, |01>, |10>, |11>, of shape [4] and norm 1 to 1e-6.

    Returns:
        What takes |00> to the state, with the angles (x, 0.0, 0.0), x in [0, pi/2] and exactly
        0.0 for products. What acts before is the identity.

    Raises:
        CircuitError: Wrong shape, not finite or not of norm 1.

    Example:
        >>> round(prepare([0.6, 0, 0, 0.8j]).angles[0], 9) == round(2 * math.atan2(0.6, 0.8), 9)
        True
        >>> prepare([0.5, 0.5, -0.5, -0.5]).count
        0
    """
    amplitudes = _check_array(state, (4,), "A two-qubit state")
    norm = float(np.linalg.norm(amplitudes))
    if not abs(norm - 1) <= UNITARY_TOLERANCE:
        raise CircuitError(
            describe("A two-qubit state is not normalised", expected="norm 1", received=norm)
        )
    first, (large, small), second = np.linalg.svd(amplitudes.reshape(2, 2))
    angles = _rounded((2 * math.atan2(small, large), 0.0, 0.0))
    # R_XX makes cos(x/2) |00> - i sin(x/2) |11>; the factor i takes away that -i.
    return TwoQubit(_identities(), angles, (first * np.array([1, 1j]), second.T.copy()), 0.0)


def up_to_diagonal(matrix: ArrayLike) -> TwoQubit:
    """Returns V with matrix = D V and D diagonal: the same, if both qubits are measured in Z next.

    V is R_ZZ(t) matrix with the t that makes one angle zero: Shende, Bullock and Markov,
    arXiv:quant-ph/0308045. Mostly there is one such t. Where every t does it, V has the fewest
    entanglers and, among those and to 1e-3, the least sum of angles.

    Args:
        matrix: A unitary of shape [4, 4], as in `decompose`.

    Returns:
        The parts of V, of two entanglers at most.

    Raises:
        CircuitError: As from `decompose`.

    Example:
        >>> swap = [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
        >>> decompose(swap).count, up_to_diagonal(swap).count
        (3, 2)
        >>> up_to_diagonal(np.diag([1, 1, 1, -1])).count
        0
    """
    unitary = _check_unitary(matrix, 4)
    rotated = _TO_MAGIC @ unitary @ _MAGIC
    gram = rotated @ rotated.T / cmath.sqrt(complex(np.linalg.det(unitary)))
    # The trace for R_ZZ(t) has the imaginary part -4 sin x sin y sin z, zero where an angle is,
    # which is swing sin(t - turn). Angles give it better than the matrix does if they are small.
    turn = 0.0
    for _ in range(4):
        (sine, angles), (cosine, _) = _traces(gram, [turn, turn + _FULL])
        if abs(angles[2]) < 1e-13:
            break
        turn -= math.atan2(sine, cosine)
    if math.hypot(sine, cosine) < 1e-6:  # every t does it, or nearly
        turns = [turn, 0.0, *_best_turns(gram)]
        costs = [_cost(angles) for _, angles in _traces(gram, turns)]
        turn = turns[costs.index(min(costs))]
    return _split(np.exp(-0.5j * turn * np.array([1, -1, -1, 1]))[:, None] * unitary)


def up_to_diagonal_before(matrix: ArrayLike) -> TwoQubit:
    """Returns V with matrix = V D and D diagonal: the same on basis states, up to phases.

    Args:
        matrix: A unitary of shape [4, 4], as in `decompose`.

    Returns:
        The parts of V, of two entanglers at most, as by `up_to_diagonal`.

    Raises:
        CircuitError: As from `decompose`.

    Example:
        >>> up_to_diagonal_before(np.diag([1, 1, 1, -1])).count
        0
    """
    return up_to_diagonal(_check_unitary(matrix, 4).T).transpose()


def zyz(matrix: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Splits one-qubit unitaries into exp(i phase) R_Z(a) R_Y(b) R_Z(c).

    Nielsen and Chuang, theorem 4.1.

    Args:
        matrix: Unitaries of shape [..., 2, 2].

    Returns:
        a, b and c in radians, each of shape [...]: b in [0, pi], a and c in [-pi, pi]. Where b is
        within 1e-9 of 0 or pi it is exactly 0.0 or pi, and c is 0.0.

    Raises:
        CircuitError: Wrong shape, not finite or not unitary.

    Example:
        >>> a, b, c = zyz([[0, 1], [1, 0]])
        >>> float(b), float(c)
        (3.141592653589793, 0.0)
    """
    unitary = _check_unitary(matrix, 2, stacked=True)
    (u00, u01), (u10, u11) = np.moveaxis(unitary, (-2, -1), (0, 1))
    b = 2 * np.arctan2(np.abs(u10), np.abs(u00))
    b = np.where(b <= TOLERANCE, 0.0, np.where(math.pi - b <= TOLERANCE, math.pi, b))
    fixed = (b == 0) | (b == math.pi)
    # a + c or a - c from the larger two entries: the phases of tiny ones are those of rounding.
    larger = np.where(b < _FULL, np.angle(u11 * u00.conj()), np.angle(-u10 * u01.conj()))
    a = np.where(fixed, larger, np.angle(u10 * u00.conj()))
    c = np.where(b < _FULL, larger - a, a - larger)
    return a, b, c - 2 * math.pi * np.round(c / (2 * math.pi))


def _split(unitary: ComplexArray) -> TwoQubit:
    """Decomposes a matrix that is known to be unitary."""
    rotated = _TO_MAGIC @ unitary @ _MAGIC
    # rotated = left exp(i phases) right^T, with left and right real and orthogonal.
    right = _eigenvectors(rotated.T @ rotated)
    left = rotated @ right
    phases: FloatArray = np.angle((left * left).sum(axis=0)) / 2
    order = phases.argsort()[::-1]
    phases, right = phases[order], right[:, order]
    left = (left[:, order] * np.exp(-1j * phases)).real
    signs = np.linalg.det(np.stack((left, right))) < 0
    moved, raw = _fold(phases.tolist(), bool(signs[0] != signs[1]))
    # Those moved to the end have lost pi, and so their columns on the left change sign.
    left = np.concatenate((left[:, moved:], -left[:, :moved]), axis=1)
    right = np.concatenate((right[:, moved:], right[:, :moved]), axis=1)
    if signs[0]:  # of the left before and after, and now of the right too
        left[:, 0], right[:, 0] = -left[:, 0], -right[:, 0]
    quaternions = _quaternions(np.stack((left, right.T)))
    factors: ComplexArray = quaternions.reshape(4, 4) @ _QUATERNIONS.reshape(4, 4)
    a, b, c, d = factors.reshape(4, 2, 2)
    angles = _rounded(raw)
    before, after = ((c, d), (a, b)) if any(angles) else (_identities(), (a @ c, b @ d))
    phase = (float(phases.sum()) - moved * math.pi) / 4
    result = TwoQubit(before, angles, after, phase)
    error = float(np.abs(result.matrix() - unitary).max())
    allowed = ACCURACY + sum(abs(p - q) for p, q in zip(angles, raw, strict=True)) / 2
    if not error <= allowed:
        raise CircuitError(
            describe(
                "The parts of a two-qubit unitary do not give it back",
                expected=f"a difference of at most {allowed:.1e}",
                received=error,
                hint=f"This is a fault of qstore_tf; please report it with {unitary.tolist()}",
            )
        )
    return result


def _eigenvectors(gram: ComplexArray) -> FloatArray:
    """Returns real orthonormal eigenvectors, as columns, of a symmetric unitary matrix.

    Those of cos(t) Re + sin(t) Im, with eigenvalues cos(p - t) for the eigenvalues exp(ip) of the
    matrix. For different p they are equal only where t is the mean of two p, modulo pi. With t
    in the middle of the widest gap between these six means, rounding is amplified fourfold at
    most, however near to each other eigenvalues are.
    """
    phases = np.angle(np.linalg.eigvals(gram)).tolist()
    means = sorted((p + q) / 2 % math.pi for p, q in combinations(phases, 2))
    low, high = max(pairwise([*means, means[0] + math.pi]), key=lambda gap: gap[1] - gap[0])
    return np.linalg.eigh((gram * cmath.exp(-0.5j * (low + high))).real)[1]


def _fold(phases: list[float], is_odd: bool) -> tuple[int, Angles]:
    """Moves phases, falling and within pi, into the Weyl chamber.

    The first few of them lose pi and go to the end. Their number is odd where the determinants of
    the two orthogonal matrices differ, else even. Returns the number and the angles.
    """
    for moved in (0 + is_odd, 2 + is_odd):
        a, b, c, d = phases[moved:] + [p - math.pi for p in phases[:moved]]
        x, y, z = (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2
        y = min(x, y)  # Sums of sorted numbers are sorted, but for rounding.
        z = max(-y, min(y, z))
        # Two moves more make (pi - x, y, -z) of it.
        if x < _FULL - TOLERANCE or (x <= _FULL + TOLERANCE and z >= 0):
            break
    return moved, (x, y, z)


def _rounded(angles: Angles, tolerance: float = TOLERANCE) -> Angles:
    """Makes angles near zero or a full entangler exactly that."""
    x, y, z = (
        next((whole for whole in (0.0, _FULL, -_FULL) if abs(angle - whole) <= tolerance), angle)
        for angle in angles
    )
    return x, y, z


def _quaternions(rotations: FloatArray) -> FloatArray:
    """Returns the two unit quaternions, [n, 2, 4], of rotations of the magic basis, [n, 4, 4]."""
    outer = (rotations.reshape(-1, 16) @ _OUTER).reshape(-1, 4, 4)
    largest = (outer * outer).sum(axis=1).argmax(axis=1)
    first = np.take_along_axis(outer, largest[:, None, None], axis=2).transpose(0, 2, 1)
    both = np.concatenate((first, first @ outer), axis=1)
    normalised: FloatArray = both / np.sqrt((both * both).sum(axis=2, keepdims=True))
    return normalised


def _traces(gram: ComplexArray, turns: list[float]) -> list[tuple[float, Angles]]:
    """Returns the imaginary part of the trace and the angles of R_ZZ(t) matrix for several t."""
    eigenvalues = np.linalg.eigvals(
        np.exp(-1j * np.multiply.outer(turns, _SIGNS[2]))[:, :, None] * gram
    )
    result = []
    for phases in np.sort(np.angle(eigenvalues) / 2, axis=1)[:, ::-1].tolist():
        # The sum of phases is a multiple of pi, as the determinant is 1, and zero for the angles
        # whose sines give the trace. Two moves more or less turn its sign.
        whole = round(sum(phases) / math.pi)
        moved, angles = _fold(phases, whole % 2 == 1)
        sign = -4 if (moved - whole) % 4 == 0 else 4
        result.append((sign * math.prod(map(math.sin, angles)), angles))
    return result


def _best_turns(gram: ComplexArray) -> list[float]:
    """Returns the t that can be best where every t makes one angle zero."""
    # From the traces of gram and of its square, which are real then, come
    # |cos x cos y| = |near . (cos t, sin t)| and (sin x sin y)^2 = level + far . (cos 2t, sin 2t).
    plus, minus = complex(gram[1, 1] + gram[2, 2]), complex(gram[0, 0] + gram[3, 3])
    near = (plus + minus.conjugate()) / 4
    squares = gram * gram
    both = complex(squares[1:3, 1:3].sum()) + complex(squares[::3, ::3].sum()).conjugate()
    far = both / 8 - near * near / 2
    level = 0.5 + float(squares[1:3, ::3].sum().real) / 4 - abs(near) ** 2 / 2
    # One entangler, if ever, is where the sines vanish; else x + y is least on a grid.
    t = np.linspace(0, math.pi, 512)
    sines = level + (far * np.exp(-2j * t)).real
    cosine = np.abs((near * np.exp(-1j * t)).real) - np.sqrt(np.maximum(sines, 0))
    return [cmath.phase(near), cmath.phase(-far) / 2, float(t[cosine.argmax()])]


def _cost(angles: Angles) -> tuple[int, float]:
    """Returns what counts: the number of entanglers, then the sum of their angles."""
    # Within half the tolerance, so that rounding of numbers cannot undo the count later.
    rounded = _rounded(angles, TOLERANCE / 2)
    return sum(angle != 0 for angle in rounded), sum(map(abs, rounded))


def _product(pair: Pair) -> ComplexArray:
    """Returns the Kronecker product of two matrices."""
    product: ComplexArray = pair[0][:, None, :, None] * pair[1][None, :, None, :]
    return product.reshape(4, 4)


def _identities() -> Pair:
    return PAULIS["I"].copy(), PAULIS["I"].copy()


def _check_array(
    value: ArrayLike, shape: tuple[int, ...], what: str, stacked: bool = False
) -> ComplexArray:
    """Returns finite complex numbers of this shape, or stacks of them."""
    try:
        numbers = np.asarray(value, dtype=np.complex128)
    except (TypeError, ValueError):
        raise CircuitError(describe(f"{what} is not numeric", received=value)) from None
    if (numbers.shape[-len(shape) :] if stacked else numbers.shape) != shape:
        raise CircuitError(
            describe(f"{what} has a wrong shape", expected=f"{shape}", received=numbers.shape)
        )
    if not np.isfinite(numbers).all():
        raise CircuitError(describe(f"{what} contains NaN or infinity"))
    return numbers


def _check_unitary(matrix: ArrayLike, size: int, stacked: bool = False) -> ComplexArray:
    """Returns the nearest unitary matrices."""
    unitary = _check_array(matrix, (size, size), "A matrix", stacked)
    excess = np.swapaxes(unitary.conj(), -1, -2) @ unitary - np.eye(size)
    deviation = float(np.abs(excess).max(initial=0.0))
    if not deviation <= UNITARY_TOLERANCE:
        raise CircuitError(
            describe(
                "A matrix is not unitary",
                expected=f"U^dagger U = 1 to {UNITARY_TOLERANCE}",
                received=deviation,
            )
        )
    # The polar factor U (U^dagger U)^(-1/2), without the third order, which is below 1e-16.
    nearest: ComplexArray = unitary - unitary @ (excess / 2 - 0.375 * (excess @ excess))
    return nearest
