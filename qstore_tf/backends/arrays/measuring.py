"""One state vector in NumPy: observables' values, the bra that starts an adjoint sweep, shots."""

from __future__ import annotations

import numpy as np

from qstore_tf.backends.arrays.base import Array
from qstore_tf.caching import remember
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.errors import InputError, describe

# The signs of all diagonal terms are kept where they are no more numbers than this.
_MOST_SIGNS = 2**20


class Measuring:
    """K observables, prepared for states of n qubits.

    Args:
        observables: Sums of Pauli strings.
        n_qubits: Number of qubits.
    """

    def __init__(self, observables: tuple[PauliSum, ...], n_qubits: int) -> None:
        """Sorts the terms: diagonal ones share |state|^2, the others move amplitudes."""
        self.n_qubits = n_qubits
        diagonal: dict[int, Array] = {}
        moving: dict[tuple[int, int, int], Array] = {}
        for k, observable in enumerate(observables):
            for term in observable.terms:
                x, z = term.masks(n_qubits)
                n_y = sum(pauli == "Y" for _, pauli in term.paulis)
                nothing = np.zeros(len(observables))
                weights = (
                    moving.setdefault((x, z, n_y % 4), nothing)
                    if x
                    else (diagonal.setdefault(z, nothing))
                )
                weights[k] += term.coefficient
        self._masks = list(diagonal)
        self._weights = np.array([*diagonal.values()]).reshape(-1, len(observables))
        self._moving = list(moving.items())
        kept = len(self._masks) * 2**n_qubits <= _MOST_SIGNS
        self._signs = np.array([_signs(mask, n_qubits) for mask in diagonal]) if kept else None

    def values(self, state: Array) -> Array:
        """Returns the expectation values [K] of a state [2^n]."""
        result = np.zeros(self._weights.shape[1])
        if self._masks:
            chances = state.real**2 + state.imag**2
            if self._signs is not None:
                by_mask = self._signs @ chances
            else:
                by_mask = _walsh(chances)[self._masks]
            result = by_mask @ self._weights
        for (x, z, n_y), weights in self._moving:
            result = result + weights * np.vdot(state, self._applied(state, x, z, n_y)).real
        return result

    def bra(self, state: Array, gradient: Array) -> Array:
        """Returns the gradient by the state, 2 * sum of gradient[k] * O_k state."""
        gradient = 2 * gradient.astype(np.float64)
        result = np.zeros_like(state)
        if self._masks:
            weights = self._weights @ gradient
            if self._signs is not None:
                result += (weights @ self._signs) * state
            else:
                by_index = np.zeros(2**self.n_qubits)
                by_index[self._masks] = weights
                result += _walsh(by_index) * state
        for (x, z, n_y), by_observable in self._moving:
            result += (by_observable @ gradient) * self._applied(state, x, z, n_y)
        return result

    def _applied(self, state: Array, x: int, z: int, n_y: int) -> Array:
        signed = (_signs(z, self.n_qubits) * state).reshape((2,) * self.n_qubits)
        axes = tuple(q for q in range(self.n_qubits) if x >> (self.n_qubits - 1 - q) & 1)
        return 1j**n_y * np.flip(signed, axes).reshape(-1)


@remember(lambda made, observables, n_qubits: 8 * len(observables) * 2**n_qubits, most=16)
def measuring(observables: tuple[PauliSum, ...], n_qubits: int) -> Measuring:
    """Returns the observables prepared, the same object for the same arguments."""
    return Measuring(observables, n_qubits)


def draw(state: Array, shots: int, seed: int) -> Array:
    """Draws basis-state indices [shots] from a state [2^n], which need not be normalized.

    Raises:
        InputError: The state has length zero, or one that is not finite.
    """
    below = np.cumsum(state.real.astype(np.float64) ** 2 + state.imag.astype(np.float64) ** 2)
    if not 0 < below[-1] < np.inf:
        raise InputError(
            describe(
                "Cannot draw from this state",
                expected="a state whose length is positive and finite",
                received=f"squared length {below[-1]}",
                hint="Are there zeros, NaNs or infinities in the initial state?",
            )
        )
    draws = np.random.default_rng(seed).random(shots) * below[-1]
    return np.minimum(np.searchsorted(below, draws, side="right"), len(below) - 1)


def _signs(z: int, n_qubits: int) -> Array:
    """Returns (-1)^(number of bits that an index and z share) for all indices."""
    signs = np.ones(1)
    for bit in range(n_qubits):
        signs = np.concatenate([signs, -signs if z >> bit & 1 else signs])
    return signs


def _walsh(values: Array) -> Array:
    """Returns the sums of (-1)^(number of bits that i and j share) * values[i] for all j."""
    half = len(values) // 2
    while half:
        pairs = values.reshape(-1, 2, half)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        half //= 2
    return values.reshape(-1)
