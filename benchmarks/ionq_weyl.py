"""Two-qubit unitaries as local gates around exp(i (x XX + y YY + z ZZ))."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complex128]

PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=np.complex128)
# Columns: Bell states with the phases that make local gates real in this basis.
_MAGIC = np.array([[1, 0, 0, 1j], [0, 1j, 1, 0], [0, 1j, -1, 0], [1, 0, 0, -1j]]) / np.sqrt(2)
# Eigenvalues of 1, XX, YY, ZZ on those columns.
_SIGNS = np.array(
    [np.ones(4)]
    + [np.diag(_MAGIC.conj().T @ np.kron(pauli, pauli) @ _MAGIC).real for pauli in PAULIS]
).round()


@dataclass(frozen=True)
class Weyl:
    """before, then exp(i (x XX + y YY + z ZZ)), then after; up to a global phase.

    Attributes:
        before: the two local gates that act first.
        coordinates: x, y, z in [-pi/4, pi/4]; their absolute values and how many are not zero
            are the same for all ways to write the gate.
        after: the two local gates that act last.
    """

    before: tuple[Matrix, Matrix]
    coordinates: tuple[float, float, float]
    after: tuple[Matrix, Matrix]


def decompose(unitary: Matrix) -> Weyl:
    """Splits a 4 x 4 unitary; the first qubit is the more significant one."""
    special = unitary / np.linalg.det(unitary) ** 0.25
    real = _MAGIC.conj().T @ special @ _MAGIC
    gram = real.T @ real
    rotation = _real_eigenvectors(gram)
    halves = np.angle(np.diag(rotation.T @ gram @ rotation)) / 2
    left = real @ rotation * np.exp(-1j * halves)
    if np.linalg.det(left).real < 0:
        halves[0] += np.pi
        left[:, 0] *= -1
    _, x, y, z = _SIGNS @ halves / 4
    after = _factors(_MAGIC @ left @ _MAGIC.conj().T)
    before = _factors(_MAGIC @ rotation.T @ _MAGIC.conj().T)
    coordinates = []
    for axis, value in enumerate((x, y, z)):
        # exp(i pi/2 PP) is PP up to a phase, which is local.
        turns = round(value / (np.pi / 2))
        coordinates.append(float(value - turns * np.pi / 2))
        if turns % 2:
            before = (PAULIS[axis] @ before[0], PAULIS[axis] @ before[1])
    return Weyl(before, (coordinates[0], coordinates[1], coordinates[2]), after)


def compose(weyl: Weyl) -> Matrix:
    """The unitary of a decomposition, up to a global phase."""
    phases = np.exp(1j * (np.array(weyl.coordinates) @ _SIGNS[1:]))
    core = _MAGIC * phases @ _MAGIC.conj().T
    return np.kron(*weyl.after) @ core @ np.kron(*weyl.before)


def _real_eigenvectors(gram: Matrix) -> NDArray[np.float64]:
    """A rotation that makes a symmetric unitary diagonal."""
    best, error = np.eye(4), np.inf
    # Real and imaginary part commute; a combination that splits what both split is nearly any.
    for angle in (0.3, 1.1, 1.9, 2.7, 0.7, 1.5):
        _, vectors = np.linalg.eigh(np.cos(angle) * gram.real + np.sin(angle) * gram.imag)
        inside = vectors.T @ gram @ vectors
        off = float(np.abs(inside - np.diag(np.diag(inside))).max())
        if off < error:
            best, error = vectors, off
        if error < 1e-13:
            break
    if np.linalg.det(best) < 0:
        best = best * np.array([-1, 1, 1, 1])
    return best


def _factors(product: Matrix) -> tuple[Matrix, Matrix]:
    """a and b of a Kronecker product of unitaries, up to a phase."""
    blocks = product.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    u, s, v = np.linalg.svd(blocks)
    root = np.sqrt(s[0])
    a, b = u[:, 0].reshape(2, 2) * root, v[0].reshape(2, 2) * root
    return a * np.sqrt(2) / np.linalg.norm(a), b * np.sqrt(2) / np.linalg.norm(b)
