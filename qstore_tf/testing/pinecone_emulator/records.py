"""What the emulated service holds: indexes, their namespaces, and records that show up late."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.testing.pinecone_emulator.settings import MAX_DIMENSION, Refused, Settings

METRICS = ("cosine", "dotproduct", "euclidean")


@dataclass
class Record:
    """A record.

    Attributes:
        values: float32 [d].
        metadata: As they are stored.
    """

    values: NDArray[np.float32]
    metadata: dict[str, Any] = field(default_factory=dict)


Effect = Callable[[dict[str, Record]], None]


class Namespace:
    """Records of one namespace. Writes are logged in order; reads see them after a delay.

    Args:
        delay: Draws the delay of a write, in s.
        clock: Seconds.
    """

    def __init__(self, delay: Callable[[], float], clock: Callable[[], float]) -> None:
        self.committed = self.indexed = 0  # log sequence numbers
        self._delay, self._clock = delay, clock
        self._records: dict[str, Record] = {}
        self._waiting: deque[tuple[float, int, Effect]] = deque()
        self._block: tuple[list[str], NDArray[np.float64]] | None = None

    def write(self, effect: Effect) -> int:
        """Logs a write; returns its number."""
        self.committed += 1
        due = self._clock() + self._delay()
        if self._waiting:  # in the order of the log
            due = max(due, self._waiting[-1][0])
        self._waiting.append((due, self.committed, effect))
        return self.committed

    def records(self) -> dict[str, Record]:
        """What reads see now."""
        return self.catch_up(self._clock())

    def catch_up(self, now: float = math.inf) -> dict[str, Record]:
        """Lets reads see all that is due."""
        while self._waiting and self._waiting[0][0] <= now:
            _, self.indexed, effect = self._waiting.popleft()
            effect(self._records)
            self._block = None
        return self._records

    def block(self) -> tuple[list[str], NDArray[np.float64]]:
        """Ids, and their vectors [n, d] in float64."""
        records = self.records()
        if self._block is None:
            vectors = [record.values for record in records.values()]
            stacked = np.stack(vectors).astype(np.float64) if vectors else np.empty((0, 0))
            self._block = list(records), stacked
        return self._block


class Index:
    """An index of dense vectors.

    Args:
        name: Its name.
        dimension: d.
        metric: Of `METRICS`.
        cloud: Where it is said to be.
        region: The same.
        tags: The user's.
        settings: Of the emulator.
    """

    def __init__(
        self,
        name: str,
        dimension: int,
        metric: str,
        cloud: str,
        region: str,
        tags: dict[str, str],
        settings: Settings,
    ) -> None:
        if not isinstance(dimension, int) or not 1 <= dimension <= MAX_DIMENSION:
            raise Refused(
                400,
                f"Dimension must be from 1 to {MAX_DIMENSION}, got {dimension}",
                is_control=True,
            )
        if metric not in METRICS:
            raise Refused(400, f"Metric must be one of {METRICS}, got {metric}", is_control=True)
        self.name, self.dimension, self.metric = name, dimension, metric
        self.cloud, self.region, self.tags = cloud, region, tags
        self.asked, self.settings = 0, settings
        self._random = random.Random(f"{settings.seed} {name}")
        self.namespaces: dict[str, Namespace] = {}

    def _delay(self) -> float:
        delay = self.settings.delay_s
        return self._random.uniform(*delay) if isinstance(delay, tuple) else delay

    @property
    def is_ready(self) -> bool:
        """Whether it takes requests."""
        return self.asked >= self.settings.ready_after

    def namespace(self, name: str) -> Namespace:
        """A namespace, which is made where there is none."""
        if name not in self.namespaces:
            self.namespaces[name] = Namespace(self._delay, self.settings.clock)
        return self.namespaces[name]

    def vector(self, values: Any, what: str) -> NDArray[np.float32]:
        """Reads a vector.

        Raises:
            Refused: A wrong dimension, something that is no float32, or all zeros.
        """
        try:
            with np.errstate(over="ignore"):
                vector = np.asarray(values, np.float32)
        except (TypeError, ValueError):
            raise Refused(400, f"{what} must be a list of numbers") from None
        if vector.shape != (self.dimension,):
            raise Refused(
                400,
                f"Vector dimension {vector.size} does not match the dimension of the index "
                f"{self.dimension}",
            )
        if not np.isfinite(vector).all():
            raise Refused(400, f"{what} must be finite")
        if not vector.any():
            raise Refused(400, "Dense vectors must contain at least one non-zero value")
        return vector

    def scores(self, query: NDArray[np.float32], vectors: NDArray[np.float64]) -> Any:
        """Scores of vectors [n, d], exact; of "euclidean" the squared distances."""
        wide = query.astype(np.float64)
        if not len(vectors):
            return np.empty(0)
        if self.metric == "euclidean":
            return ((vectors - wide) ** 2).sum(axis=1)
        inner = vectors @ wide
        if self.metric == "dotproduct":
            return inner
        # Long vectors of tiny numbers have a length too.
        return inner / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(wide))

    def order(self, scores: Any, ids: list[str], top_k: int) -> list[int]:
        """Positions of the best scores; equal ones in no promised order."""
        signed = scores if self.metric == "euclidean" else -scores
        return [int(i) for i in np.argsort(signed, kind="stable")[:top_k]]
