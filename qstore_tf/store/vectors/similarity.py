"""From a namespace's metric to searches of a store: which vectors to send, which searches to make.

Stores know the cosine, the inner product and the distance of real vectors. For those metrics one
search answers a query. The fidelity |<q, v>|^2 of unit vectors takes two, since v and -v are the
same state, and four where vectors are complex: with x = (Re v, Im v), y = (Re q, Im q) and
y' = (-Im q, Re q), it is (x.y)^2 + (x.y')^2, so what none of the searches for y, -y, y' and -y'
has come to has a fidelity of at most the sum of the squares of where they stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.store.vectors.base import METRICS
from qstore_tf.store.vectors.memory import scores

Array = NDArray[Any]
Float = NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """How a store serves one namespace.

    Attributes:
        metric: The namespace's: "cosine", "dot", "l2" or "fidelity".
        is_complex: Whether its vectors are.
    """

    metric: str
    is_complex: bool = False

    def __post_init__(self) -> None:
        if self.metric not in (*METRICS, "fidelity") or (
            self.is_complex and self.metric != "fidelity"
        ):
            raise ConfigurationError(
                describe(
                    "No store of vectors serves this metric",
                    expected=f"one of {', '.join(METRICS)}, or fidelity for complex vectors",
                    received=f"{'complex ' * self.is_complex}{self.metric}",
                )
            )

    @property
    def store_metric(self) -> str:
        """The metric of the store's searches."""
        return "cosine" if self.metric == "fidelity" else self.metric

    @property
    def n_searches(self) -> int:
        """How many searches answer one query."""
        return 1 if self.metric != "fidelity" else 4 if self.is_complex else 2

    def store_dimension(self, dimension: int) -> int:
        """The dimension of the vectors in the store."""
        return dimension * (1 + self.is_complex)

    def vectors(self, vectors: Array) -> NDArray[np.float32]:
        """What the store is sent: [n, d] as [n, d'], float32."""
        return np.ascontiguousarray(self._real(vectors), np.float32)

    def queries(self, queries: Array) -> NDArray[np.float32]:
        """The store's searches for queries [B, d]: [B * n_searches, d'], query after query."""
        if self.metric != "fidelity":
            return self.vectors(queries)
        turned = [queries, -queries]
        if self.is_complex:
            turned += [1j * queries, -1j * queries]
        return self.vectors(np.stack(turned, axis=1).reshape(-1, queries.shape[1]))

    def scores(self, query: Array, vectors: Array) -> Float:
        """Similarities of a query [d] and vectors [n, d] in float64: what searches order by.

        Example:
            >>> Similarity("fidelity").scores(np.array([1.0, 0]), np.array([[-2.0, 0], [1, 1]]))
            array([1. , 0.5])
        """
        if self.metric != "fidelity":
            return scores(self.metric, query.astype(np.float64), vectors.astype(np.float64))
        wide = np.complex128 if self.is_complex else np.float64
        q, v = query.astype(wide), vectors.astype(wide)
        lengths = np.linalg.norm(v, axis=1) * np.linalg.norm(q)
        found: Float = (np.abs(v @ q.conj()) / lengths) ** 2
        return found

    def bound(self, stopped: list[float | None]) -> float:
        """The most that a vector can score that none of a query's searches has found.

        Args:
            stopped: The last score of each search; None for one that has found all there are.
        """
        if any(score is None for score in stopped):
            return -np.inf  # that search would have found it
        if self.metric != "fidelity":
            return float(stopped[0])  # type: ignore[arg-type]
        last = [max(0.0, float(score)) for score in stopped]  # type: ignore[arg-type]
        pairs = [max(last[i : i + 2]) for i in range(0, len(last), 2)]
        return float(sum(one**2 for one in pairs))

    def _real(self, vectors: Array) -> Array:
        if not self.is_complex:
            return vectors
        return np.concatenate([vectors.real, vectors.imag], axis=1)
