"""What goes to a machine and what comes back: circuits of one structure, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qstore_tf.ionq.writing import NativeTemplate


@dataclass(frozen=True, eq=False)
class Work:
    """Circuits of one structure with a set of numbers each.

    Attributes:
        template: The gates.
        values: [B, n_values], turns.
        n_1q: One-qubit gates of each circuit.
        n_2q: Two-qubit gates of each circuit.
    """

    template: NativeTemplate
    values: NDArray[np.float64] = field(repr=False)
    n_1q: int
    n_2q: int

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """How often each outcome of B circuits came, those that came alone.

    Attributes:
        n_wires: Number of wires; wire 0 is the most significant bit of an outcome.
        starts: [B + 1] int64; circuit k has the entries from `starts[k]` to `starts[k + 1]`, at
            least one.
        states: [entries] int64, the outcomes, ascending for each circuit.
        probabilities: [entries], their shares; 1 for each circuit in all.
        shots: Shots of each circuit; None where the probabilities are exact.
    """

    n_wires: int
    starts: NDArray[np.int64] = field(repr=False)
    states: NDArray[np.int64] = field(repr=False)
    probabilities: NDArray[np.float64] = field(repr=False)
    shots: int | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def counts(self, shots: int) -> NDArray[np.int64]:
        """Returns the counts [entries] for a number of shots, which each circuit's add up to.

        Shares of shots are counts already, up to rounding; where they do not add up to `shots`,
        those with the largest remainders give way.
        """
        exact = self.probabilities * shots
        counts = np.floor(exact + 1e-9).astype(np.int64)
        missing = shots - np.add.reduceat(counts, self.starts[:-1])
        order = np.argsort(counts - exact, kind="stable")
        circuit = np.repeat(np.arange(len(self)), np.diff(self.starts))
        by_circuit = order[np.argsort(circuit[order], kind="stable")]
        rank = np.empty(len(counts), np.int64)
        rank[by_circuit] = np.arange(len(counts)) - np.repeat(
            self.starts[:-1], np.diff(self.starts)
        )
        counts += rank < missing[circuit]
        return counts

    def draws(self, shots: int) -> NDArray[np.int64]:
        """Returns the outcomes one by one, [B, shots], ascending for each circuit."""
        found: NDArray[np.int64] = np.repeat(self.states, self.counts(shots)).reshape(-1, shots)
        return found

    def drawn(self, shots: int, rng: np.random.Generator) -> Outcomes:
        """Returns what `shots` draws from these probabilities give."""
        entries = np.diff(self.starts)
        counts = np.concatenate(
            [
                rng.multinomial(shots, self._normalized(first, first + width))
                for first, width in zip(self.starts[:-1].tolist(), entries.tolist(), strict=True)
            ]
        )
        came = counts > 0
        starts = np.concatenate([[0], np.cumsum(np.add.reduceat(came, self.starts[:-1]))])
        return Outcomes(
            self.n_wires, starts.astype(np.int64), self.states[came], counts[came] / shots, shots
        )

    def _normalized(self, first: int, last: int) -> NDArray[np.float64]:
        part = self.probabilities[first:last]
        found: NDArray[np.float64] = part / part.sum()
        return found
