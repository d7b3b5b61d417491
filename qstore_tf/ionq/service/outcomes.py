"""Outcomes of circuits: sparse probabilities of basis states, wire 0 the most significant bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import InputError, describe


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The outcomes of B circuits with the same number of wires.

    Entries of circuit k are those from `starts[k]` to `starts[k + 1]`, in ascending order of
    states; each circuit has at least one, and its probabilities add up to 1.

    Attributes:
        n_wires: Number of wires.
        starts: int64 [B + 1].
        states: int64 [entries], basis states; wire 0 is the most significant bit.
        probabilities: float64 [entries].
        shots: From how many shots they are; None: exact probabilities.

    Example:
        >>> bell = Outcomes(2, np.array([0, 2]), np.array([0, 3]), np.array([0.5, 0.5]), 10)
        >>> len(bell), bell.draws(4).tolist()
        (1, [[0, 0, 3, 3]])
    """

    n_wires: int
    starts: NDArray[np.int64]
    states: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    shots: int | None

    def __len__(self) -> int:
        """The number of circuits."""
        return len(self.starts) - 1

    def dense(self) -> NDArray[np.float64]:
        """Returns the probabilities of all states, [B, 2^n_wires].

        Example:
            >>> one = Outcomes(1, np.array([0, 1]), np.array([1]), np.array([1.0]), None)
            >>> one.dense().tolist()
            [[0.0, 1.0]]
        """
        table = np.zeros((len(self), 1 << self.n_wires))
        table[self._rows(), self.states] = self.probabilities
        return table

    def draws(self, shots: int) -> NDArray[np.int64]:
        """Returns outcomes shot by shot, int64 [B, shots], in ascending order in each row.

        Counts are the nearest whole numbers to `shots` times the probabilities, those with the
        largest remainders rounded up, so that each row has just `shots`. Where they come from as
        many shots, that is exactly what was counted.

        Raises:
            InputError: The number of shots is below 1.
        """
        if shots < 1:
            raise InputError(
                describe("There are no shots to list", expected="at least 1", received=shots)
            )
        rows = self._rows()
        wanted = self.probabilities * shots
        counts = np.floor(wanted + 1e-9).astype(np.int64)
        missing = shots - np.add.reduceat(counts, self.starts[:-1]) if len(self) else counts[:0]
        # Largest remainders first within each circuit: rank of each entry among its circuit's.
        order = np.lexsort((counts - wanted, rows))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order)) - self.starts[rows[order]]
        counts += rank < missing[rows]
        return np.repeat(self.states, counts).reshape(len(self), shots)

    def part(self, begin: int, end: int) -> Outcomes:
        """Returns circuits `begin` to `end - 1`.

        Example:
            >>> two = Outcomes(1, np.array([0, 1, 2]), np.array([1, 0]), np.ones(2), None)
            >>> two.part(1, 2).states.tolist()
            [0]
        """
        first, last = self.starts[begin], self.starts[end]
        return Outcomes(
            self.n_wires,
            self.starts[begin : end + 1] - first,
            self.states[first:last],
            self.probabilities[first:last],
            self.shots,
        )

    def _rows(self) -> NDArray[np.int64]:
        """The circuit of each entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """Returns the circuits of several, in order; all have as many wires and shots.

    Example:
        >>> one = Outcomes(1, np.array([0, 1]), np.array([1]), np.array([1.0]), None)
        >>> joined([one, one]).starts.tolist()
        [0, 1, 2]
    """
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([np.diff(part.starts) for part in parts])
    return Outcomes(
        parts[0].n_wires,
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.concatenate([part.states for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        parts[0].shots,
    )


def nothing(n_wires: int, shots: int | None) -> Outcomes:
    """Returns the outcomes of no circuit.

    Example:
        >>> len(nothing(2, 100))
        0
    """
    none = np.zeros(0, np.int64)
    return Outcomes(n_wires, np.zeros(1, np.int64), none, np.zeros(0), shots)


def anything(n_wires: int, count: int, shots: int | None) -> Outcomes:
    """Returns outcomes to stand in the places of circuits that have none.

    Example:
        >>> len(anything(2, 3, 100))
        3
    """
    none = np.zeros(count, np.int64)
    return Outcomes(n_wires, np.arange(count + 1, dtype=np.int64), none, np.ones(count), shots)
