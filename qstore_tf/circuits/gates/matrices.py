"""Matrices of the gates, written out from their definitions.

They are independent of the primitives in the gate table, so that the two can check each other.
The first qubit of a gate is the most significant bit of the matrix index. Angles are radians
except for the IonQ gates GPi, GPi2, MS and ZZ, whose parameters are turns.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]

_HALF = math.sqrt(0.5)


def array(rows: object) -> ComplexArray:
    """Returns rows as a complex matrix."""
    return np.array(rows, dtype=np.complex128)


I = array([[1, 0], [0, 1]])  # noqa: E741 - the gate's name
X = array([[0, 1], [1, 0]])
Y = array([[0, -1j], [1j, 0]])
Z = array([[1, 0], [0, -1]])
H = _HALF * array([[1, 1], [1, -1]])
S = np.diag(array([1, 1j]))
T = np.diag(array([1, cmath.exp(0.25j * math.pi)]))
SX = 0.5 * array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]])
SWAP = array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
ISWAP = array([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]])
PAULIS = {"I": I, "X": X, "Y": Y, "Z": Z}


def constant(matrix: ComplexArray) -> Callable[..., ComplexArray]:
    """Returns the matrix function of a gate without parameters."""
    return lambda: matrix.copy()


def controlled(matrix: ComplexArray, n_controls: int = 1) -> ComplexArray:
    """Returns the matrix with control qubits before its own: identity unless all controls are 1."""
    result = np.eye(len(matrix) << n_controls, dtype=np.complex128)
    result[-len(matrix) :, -len(matrix) :] = matrix
    return result


def pauli_product(paulis: str) -> ComplexArray:
    """Returns the Kronecker product of Pauli matrices, such as "XY"."""
    result: ComplexArray = array([[1]])
    for pauli in paulis:
        result = array(np.kron(result, PAULIS[pauli]))
    return result


def rx(t: float) -> ComplexArray:
    """exp(-i t X / 2)."""
    c, s = math.cos(t / 2), math.sin(t / 2)
    return array([[c, -1j * s], [-1j * s, c]])


def ry(t: float) -> ComplexArray:
    """exp(-i t Y / 2)."""
    c, s = math.cos(t / 2), math.sin(t / 2)
    return array([[c, -s], [s, c]])


def rz(t: float) -> ComplexArray:
    """exp(-i t Z / 2)."""
    return np.diag(array([cmath.exp(-0.5j * t), cmath.exp(0.5j * t)]))


def phase_shift(t: float) -> ComplexArray:
    """diag(1, exp(i t))."""
    return np.diag(array([1, cmath.exp(1j * t)]))


def u3(theta: float, phi: float, lam: float) -> ComplexArray:
    """The general one-qubit gate of OpenQASM, with the upper left element real."""
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return array(
        [
            [c, -cmath.exp(1j * lam) * s],
            [cmath.exp(1j * phi) * s, cmath.exp(1j * (phi + lam)) * c],
        ]
    )


def pauli_power(pauli: str, t: float) -> ComplexArray:
    """P**t with eigenvalues 1 and exp(i pi t), as Cirq defines it."""
    up = cmath.exp(1j * math.pi * t)
    return (1 + up) / 2 * I + (1 - up) / 2 * PAULIS[pauli]


def rxx(t: float) -> ComplexArray:
    """exp(-i t XX / 2)."""
    c, s = math.cos(t / 2), -1j * math.sin(t / 2)
    return array([[c, 0, 0, s], [0, c, s, 0], [0, s, c, 0], [s, 0, 0, c]])


def ryy(t: float) -> ComplexArray:
    """exp(-i t YY / 2)."""
    c, s = math.cos(t / 2), -1j * math.sin(t / 2)
    return array([[c, 0, 0, -s], [0, c, s, 0], [0, s, c, 0], [-s, 0, 0, c]])


def rzz(t: float) -> ComplexArray:
    """exp(-i t ZZ / 2)."""
    same, other = cmath.exp(-0.5j * t), cmath.exp(0.5j * t)
    return np.diag(array([same, other, other, same]))


def fsim(theta: float, phi: float) -> ComplexArray:
    """Cirq's FSimGate: a partial swap by theta and a phase -phi on |11>."""
    c, s = math.cos(theta), -1j * math.sin(theta)
    end = cmath.exp(-1j * phi)
    return array([[1, 0, 0, 0], [0, c, s, 0], [0, s, c, 0], [0, 0, 0, end]])


def _turns(t: float) -> complex:
    return cmath.exp(2j * math.pi * t)


def gpi(f: float) -> ComplexArray:
    """IonQ's GPi: a half turn about the equatorial axis at `f` turns."""
    return array([[0, _turns(-f)], [_turns(f), 0]])


def gpi2(f: float) -> ComplexArray:
    """IonQ's GPi2: a quarter turn about the equatorial axis at `f` turns."""
    return _HALF * array([[1, -1j * _turns(-f)], [-1j * _turns(f), 1]])


def ms(f0: float, f1: float, t: float) -> ComplexArray:
    """IonQ's Molmer-Sorensen gate; t = 0.25 turns entangles fully."""
    c, s = math.cos(math.pi * t), -1j * math.sin(math.pi * t)
    return array(
        [
            [c, 0, 0, s * _turns(-f0 - f1)],
            [0, c, s * _turns(f1 - f0), 0],
            [0, s * _turns(f0 - f1), c, 0],
            [s * _turns(f0 + f1), 0, 0, c],
        ]
    )


def zz(t: float) -> ComplexArray:
    """IonQ's ZZ: exp(-i pi t ZZ)."""
    same, other = _turns(-t / 2), _turns(t / 2)
    return np.diag(array([same, other, other, same]))


def global_phase(t: float) -> ComplexArray:
    """The 1x1 matrix exp(i t)."""
    return array([[cmath.exp(1j * t)]])
