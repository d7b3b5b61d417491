"""Decay as a circuit: Pauli gates that come by chance.

The decayed state `eta rho + (1 - eta) I / D` is a mixture of D^2 pure ones: with probability eta
nothing happens, else one of all Pauli strings, the identity among them, each as probable as any.
The gates are in the circuit for good, as rotations by 0 or pi, so that all strings are rows of one
batch. The database itself decays scores by the formula, see `definitions.decoherence`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf import limits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, describe

Floats = NDArray[np.float64]


def depolarized(circuit: Circuit, prefix: str = "error") -> UnifiedCircuit:
    """Returns a circuit followed by X and Z on each qubit, switched by symbols that are 0 or 1.

    Args:
        circuit: What prepares the state.
        prefix: The symbols are `{prefix}_x_q` and `{prefix}_z_q` for qubit q, in this order.

    Example:
        >>> depolarized(UnifiedCircuit(1).add_gate("H", 0)).parameters
        ('error_x_0', 'error_z_0')
    """
    result = UnifiedCircuit.of(circuit)
    for qubit in range(circuit.n_qubits):
        for gate, letter in (("RX", "x"), ("RZ", "z")):
            switched = Affine(0.0, ((f"{prefix}_{letter}_{qubit}", math.pi),))
            result.add_gate(gate, qubit, switched)
    return result


def pauli_mixture(eta: float, n_qubits: int) -> tuple[Floats, Floats]:
    """Returns all Pauli strings as values of the symbols, and their probabilities.

    Args:
        eta: The coherence, from 0 to 1.
        n_qubits: n.

    Returns:
        Probabilities [4^n] and switches [4^n, 2 n].

    Raises:
        ConfigurationError: eta is out of range, or there are more strings than gates are allowed.

    Example:
        >>> chances, switches = pauli_mixture(0.2, 1)
        >>> chances.round(6).tolist(), switches.tolist()
        ([0.4, 0.2, 0.2, 0.2], [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    """
    _check(eta)
    strings = 4 ** min(n_qubits, 100)
    limits.GATES.check(strings, f"A mixture of Pauli strings on {n_qubits} qubits")
    switches = np.arange(strings)[:, None] >> np.arange(2 * n_qubits - 1, -1, -1) & 1
    chances = np.full(strings, (1 - eta) / strings)
    chances[0] += eta
    return chances, switches.astype(np.float64)


def pauli_draws(eta: float, n_qubits: int, count: int, seed: Any = None) -> Floats:
    """Draws Pauli strings as values of the symbols, [count, 2 n].

    Args:
        eta: The coherence, from 0 to 1.
        n_qubits: n.
        count: How many.
        seed: As `numpy.random.default_rng` takes it.

    Raises:
        ConfigurationError: eta is out of range.

    Example:
        >>> pauli_draws(1.0, 2, 1).tolist()
        [[0.0, 0.0, 0.0, 0.0]]
    """
    _check(eta)
    rng = np.random.default_rng(seed)
    happens = rng.random((count, 1)) >= eta
    drawn = rng.integers(0, 2, (count, 2 * n_qubits))
    return np.where(happens, drawn, 0).astype(np.float64)


def _check(eta: float) -> None:
    if not 0 <= eta <= 1:
        raise ConfigurationError(
            describe("A coherence is out of range", expected="from 0 to 1", received=eta)
        )
