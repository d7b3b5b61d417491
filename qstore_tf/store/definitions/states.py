"""`QuantumState`: one item over its contexts, as amplitudes and as a density matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf import memory
from qstore_tf.errors import InputError, describe
from qstore_tf.store.definitions import decoherence, measurement
from qstore_tf.store.definitions.measurement import Context, Outcome

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class QuantumState:
    """`eta psi psi^+ + (1 - eta) I / D`, psi = sum_c sqrt(p_c) |c>|v_c>.

    Context qubits come first, so they are the most significant.

    Attributes:
        contexts: The names of the contexts [m], `("",)` for an item without.
        weights: p_c [m], which sum to 1.
        vectors: Unit vectors v_c [m, d'], as `encoding.Metric.encode` returns them.
        coherence: eta.

    Example:
        >>> state = QuantumState.of(["a", "b"], [0.5, 0.5], [[1.0, 0.0], [0.6, 0.8]])
        >>> state.n_qubits, state.amplitudes.round(3).tolist()
        (2, [0.707, 0.0, 0.424, 0.566])
    """

    contexts: tuple[str, ...]
    weights: NDArray[np.float64]
    vectors: Array
    coherence: float = 1.0

    @classmethod
    def of(
        cls,
        contexts: Sequence[str],
        weights: ArrayLike,
        vectors: ArrayLike,
        coherence: float = 1.0,
    ) -> QuantumState:
        """Makes a state; vectors of any length but 0 are made unit vectors.

        Raises:
            InputError: Weights are no probabilities, a vector is zero, shapes do not fit, or the
                coherence is not in [0, 1].
        """
        rows = np.asarray(vectors)
        rows = rows.astype(np.result_type(rows.dtype, np.float64))
        names = tuple(contexts)
        if rows.ndim != 2 or len(rows) != len(names) or len(set(names)) < len(names):
            raise InputError(
                describe(
                    "The vectors of a state do not fit its contexts",
                    expected=f"shape [{len(names)}, d'], one for each context, all different",
                    received=f"shape {rows.shape} for {list(names)}",
                )
            )
        lengths = np.linalg.norm(rows, axis=1)
        if not np.all(lengths > 0) or not np.isfinite(lengths).all() or not 0 <= coherence <= 1:
            raise InputError(
                describe(
                    "These numbers make no state",
                    expected="finite vectors that are not zero, and a coherence in [0, 1]",
                    received=f"norms {lengths.tolist()}, coherence {coherence}",
                )
            )
        shares = measurement.normalized(weights, "a state's contexts")
        if shares.shape != (len(names),):
            raise InputError(
                describe("Each context has one weight", expected=len(names), received=shares.shape)
            )
        return cls(names, shares, rows / lengths[:, None], float(coherence))

    @property
    def context_qubits(self) -> int:
        """a = ceil(log2 m)."""
        return (len(self.contexts) - 1).bit_length()

    @property
    def data_qubits(self) -> int:
        """n = ceil(log2 d')."""
        return (self.vectors.shape[1] - 1).bit_length()

    @property
    def n_qubits(self) -> int:
        """a + n."""
        return self.context_qubits + self.data_qubits

    @cached_property
    def amplitudes(self) -> Array:
        """psi without decay: [2^(a + n)], float64 or complex128."""
        grid = np.zeros((2**self.context_qubits, 2**self.data_qubits), self.vectors.dtype)
        m, d = self.vectors.shape
        grid[:m, :d] = np.sqrt(self.weights)[:, None] * self.vectors
        return grid.reshape(-1)

    def density_matrix(self) -> Array:
        """The whole state [2^(a + n), 2^(a + n)].

        Raises:
            MemoryLimitError: It does not fit into memory.
        """
        size = 2**self.n_qubits
        memory.check(2 * 16 * size**2, f"The density matrix of {self.n_qubits} qubits")
        psi = self.amplitudes
        return decoherence.depolarize(np.outer(psi, np.conj(psi)), self.coherence)

    def reduced_density_matrix(self) -> Array:
        """The data register's state, the contexts left aside: [2^n, 2^n]."""
        size = 2**self.data_qubits
        memory.check(2 * 16 * size**2, f"The density matrix of {self.data_qubits} qubits")
        rows = self.amplitudes.reshape(-1, size)
        return decoherence.depolarize(rows.T @ np.conj(rows), self.coherence)

    def purity(self) -> float:
        """Tr rho^2 of the whole state, from 1/D to 1.

        Example:
            >>> QuantumState.of([""], [1.0], [[1.0, 0.0]], coherence=0.5).purity()
            0.625
        """
        return float(decoherence.purity(self.coherence, 2.0**self.n_qubits))

    def decayed(self, age: float, tau: float) -> QuantumState:
        """This state after some time: the coherence is multiplied by exp(-age / tau)."""
        eta = self.coherence * float(decoherence.coherence(age, tau))
        return QuantumState(self.contexts, self.weights, self.vectors, eta)

    def measure(
        self, query: ArrayLike, context: Context = None, rank_by: str = "score"
    ) -> Outcome | None:
        """Tests the state of the data register; see `measurement.measure`.

        Args:
            query: A unit vector [d'].
            context: None, one context, or weights of several.
            rank_by: "score" or "fidelity".

        Returns:
            The outcome; None where the state has no part in the contexts.
        """
        return measurement.measure(
            self.contexts,
            self.weights,
            self.vectors,
            query,
            context,
            rank_by=rank_by,
            eta=self.coherence,
            data_qubits=self.data_qubits,
            context_qubits=self.context_qubits,
        )

    def after(self, query: ArrayLike, relevant: bool = True) -> QuantumState:
        """The state whose contexts follow a test of `query`: Lueders' rule on their register.

        The vectors stay: what a test does to copies of the state is not done to what is stored.

        Args:
            query: A unit vector [d'].
            relevant: Whether the test was positive.

        Raises:
            InputError: The test could not have this outcome.

        Example:
            >>> state = QuantumState.of(["a", "b"], [0.5, 0.5], [[1.0, 0.0], [0.0, 1.0]])
            >>> state.after([1.0, 0.0]).weights.tolist()
            [1.0, 0.0]
        """
        fidelities = np.minimum(measurement.fidelity(query, self.vectors), 1)
        chances = fidelities if relevant else 1 - fidelities
        weights = measurement.lueders(self.weights, chances)
        return QuantumState(self.contexts, weights, self.vectors, self.coherence)
