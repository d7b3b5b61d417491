"""The numbers in the charts: variance of gradients, purity, entanglement. NumPy only."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np


class GradientWindow:
    """The last gradients of one circuit, [P] each, and how much they vary.

    Args:
        size: how many gradients are kept.

    Example:
        >>> window = GradientWindow(size=2)
        >>> for gradient in ([9.0, 9.0], [1.0, 3.0], [1.0, 3.0]):
        ...     window.add(gradient)
        >>> window.variance, round(window.norm, 3)
        (1.0, 3.162)
    """

    def __init__(self, size: int) -> None:
        self._kept: deque[np.ndarray] = deque(maxlen=size)

    def add(self, gradient: Any) -> None:
        """Adds a gradient; where there are too many the oldest is dropped."""
        gradient = np.asarray(gradient, dtype=np.float64).ravel()
        if self._kept and self._kept[-1].shape != gradient.shape:
            self._kept.clear()
        self._kept.append(gradient)

    @property
    def full(self) -> bool:
        """Whether the window is full."""
        return len(self._kept) == self._kept.maxlen

    @property
    def norm(self) -> float:
        """Euclidean norm of the latest gradient."""
        return float(np.linalg.norm(self._kept[-1]))

    @property
    def variance(self) -> float:
        """Variance of the kept gradients, over all of them and all parameters."""
        return float(np.var(np.stack(self._kept)))


def single_qubit_purities(states: Any) -> np.ndarray:
    """Returns tr(rho_q^2) of every qubit's reduced state, [B, n], from states [B, 2^n].

    1 for a qubit that is entangled with nothing, 0.5 for one that is fully entangled. Qubit 0 is
    the most significant bit. States need not be normalized.

    Example:
        >>> bell = np.array([[1.0, 0.0, 0.0, 1.0]]) / np.sqrt(2)
        >>> single_qubit_purities(bell).round(6).tolist()
        [[0.5, 0.5]]
    """
    states = np.asarray(states)
    batch, width = states.shape
    n_qubits = width.bit_length() - 1
    purities = np.empty((batch, n_qubits))
    for qubit in range(n_qubits):
        halves = states.reshape(batch, 2**qubit, 2, -1)
        zero, one = halves[:, :, 0].reshape(batch, -1), halves[:, :, 1].reshape(batch, -1)
        p_zero, p_one = (np.sum(np.abs(half) ** 2, axis=1) for half in (zero, one))
        coherence = np.abs(np.sum(zero * one.conj(), axis=1)) ** 2
        purities[:, qubit] = (p_zero**2 + p_one**2 + 2 * coherence) / (p_zero + p_one) ** 2
    return purities


def meyer_wallach(purities: Any) -> float:
    """Returns the Meyer-Wallach entanglement, 2 (1 - mean purity): 0 for products, at most 1.

    D. A. Meyer and N. R. Wallach, J. Math. Phys. 43, 4273 (2002), in the form of
    G. K. Brennen, Quantum Inf. Comput. 3, 619 (2003).

    Example:
        >>> meyer_wallach([[0.5, 0.5]])
        1.0
    """
    return float(2.0 * (1.0 - np.mean(purities)))


def random_signs(shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Returns signs s / sqrt(N) of N entries, each +1 or -1 with the same probability.

    The gradient of sum(s * values) is then zero in the mean, and its square is in the mean that
    of the gradients of the values, averaged over the values: one backward pass for all of them.
    """
    signs = generator.integers(0, 2, size=shape) * 2.0 - 1.0
    return signs / np.sqrt(max(1, signs.size))
