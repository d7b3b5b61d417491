"""A store of vectors behind a bad network, in simulated time: the same faults for the same seed.

Requests are lost, arrive late, twice or in part; answers are lost; the store is busy; searches lag
behind writes. Late means at most `late_s` after the request was sent.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qstore_tf.errors import UnreachableError
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.store.arguments.filters import Tree
from qstore_tf.store.vectors.base import Commit, Found, IdPage, Metadata, Record, Stats
from qstore_tf.store.vectors.memory import MemoryVectors


class SimulatedClock(Clock):
    """A clock that stands still unless it is moved; waiting moves it."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def time(self) -> float:
        """Seconds since 1970."""
        return self.now

    def monotonic(self) -> float:
        """Seconds."""
        return self.now

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """Moves on, unless the event is set."""
        if not event.is_set():
            self.now += max(0.0, seconds)
        return event.is_set()


WRITE_FAULTS = ("lost", "late", "unanswered", "doubled", "busy", "half")


class FaultyStore:
    """See the module.

    Args:
        clock: The time.
        rng: Decides what happens.
        rate: The chance of a fault in each call.
        late_s: How much later than it was sent a request may arrive, in s.
        lag_s: How far searches lag behind writes at most, in s; 0: not at all.
        meanwhile: Called inside of calls, before and after they take effect.
    """

    name = "faulty"

    def __init__(
        self,
        clock: SimulatedClock,
        rng: np.random.Generator,
        *,
        rate: float = 0.3,
        late_s: float = 50.0,
        lag_s: float = 0.0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self.capabilities = replace(MemoryVectors.capabilities, immediate=lag_s == 0)
        self.rate, self.meanwhile = rate, meanwhile
        self.seen: dict[str, int] = {}  # how often each fault happened
        self._clock, self._rng, self._late_s, self._lag_s = clock, rng, late_s, lag_s
        self.written, self._found = MemoryVectors(), MemoryVectors()
        self._events: list[tuple[float, int, bool, Callable[[MemoryVectors], Any]]] = []
        self._order = itertools.count()
        self._visible_at = 0.0

    # Time.

    def arrive(self) -> None:
        """Lets all happen that has become due."""
        while self._events and self._events[0][0] <= self._clock.now:
            when, _, is_write, effect = heapq.heappop(self._events)
            if not is_write:
                effect(self._found)
                continue
            effect(self.written)
            # Searches see writes in the order in which they arrived.
            self._visible_at = max(self._visible_at, when + self._rng.uniform(0, self._lag_s))
            self._at(self._visible_at if self._lag_s else when, False, effect)

    def _at(self, when: float, is_write: bool, effect: Callable[[MemoryVectors], Any]) -> None:
        heapq.heappush(self._events, (when, next(self._order), is_write, effect))

    def _write(
        self, effect: Callable[[MemoryVectors], Any], half: Callable[[MemoryVectors], Any]
    ) -> Commit:
        sent = self._clock.now
        self.meanwhile()
        self._clock.now += self._rng.uniform(0, 2)
        fault = self._fault(WRITE_FAULTS)
        now, late = self._clock.now, sent + self._rng.uniform(0, self._late_s)
        if fault in ("late", "doubled"):
            self._at(max(now, late), True, effect)
        if fault == "half":
            self._at(now, True, half)
        if fault in ("", "unanswered", "doubled"):
            self._at(now, True, effect)
        self.arrive()
        self.meanwhile()
        self._clock.now += self._rng.uniform(0, 2)
        if fault not in ("", "doubled"):
            error = UnreachableError(f"simulated: {fault}")
            if fault == "busy":
                error.retry_after_s = 3.0  # type: ignore[attr-defined]
            raise error
        return Commit(repr(max(self._visible_at, now)) if self._lag_s else None)

    def _fault(self, kinds: Sequence[str]) -> str:
        if self._rng.random() >= self.rate:
            return ""
        kind = str(self._rng.choice(kinds))
        self.seen[kind] = self.seen.get(kind, 0) + 1
        return kind

    # A store.

    def create(self, namespace: str, dimension: int, metric: str) -> None:
        """See `VectorBackend`."""
        if self._fault(["lost"]):
            raise UnreachableError("simulated: lost")
        self.written.create(namespace, dimension, metric)
        self._found.create(namespace, dimension, metric)

    def drop(self, namespace: str) -> None:
        """See `VectorBackend`."""
        self.written.drop(namespace)
        self._found.drop(namespace)

    def namespaces(self) -> list[str]:
        """See `VectorBackend`."""
        return self.written.namespaces()

    def upsert(
        self,
        namespace: str,
        ids: Sequence[str],
        vectors: ArrayLike,
        metadata: Sequence[Metadata | None] | None = None,
    ) -> Commit:
        """See `VectorBackend`."""
        rows, count = np.array(vectors), len(ids) // 2
        texts = list(metadata) if metadata is not None else [None] * len(ids)
        return self._write(
            lambda store: store.upsert(namespace, ids, rows, texts),
            lambda store: store.upsert(namespace, ids[:count], rows[:count], texts[:count]),
        )

    def fetch(self, namespace: str, ids: Sequence[str]) -> dict[str, Record]:
        """See `VectorBackend`."""
        return self.written.fetch(namespace, ids)

    def delete(
        self, namespace: str, ids: Sequence[str] | None = None, *, filter: Tree | None = None
    ) -> Commit:
        """See `VectorBackend`."""
        wanted = list(ids or ())
        return self._write(
            lambda store: store.delete(namespace, wanted),
            lambda store: store.delete(namespace, wanted[: len(wanted) // 2]),
        )

    def search(
        self, namespace: str, queries: ArrayLike, k: int, *, filter: Tree | None = None
    ) -> list[Found]:
        """See `VectorBackend`."""
        self.meanwhile()
        self.arrive()
        if self._fault(["lost", "busy"]):
            raise UnreachableError("simulated: lost")
        found = self._found.search(namespace, queries, k, filter=filter)
        self.meanwhile()
        return found

    def list(
        self, namespace: str, prefix: str = "", token: str | None = None, limit: int = 100
    ) -> IdPage:
        """See `VectorBackend`."""
        return self.written.list(namespace, prefix, token, limit)

    def stats(self, namespace: str) -> Stats:
        """See `VectorBackend`."""
        return self.written.stats(namespace)

    def flush(self, namespace: str) -> None:
        """Waits until searches see all that was written."""
        self.arrive()
        self._clock.now = max(self._clock.now, self._visible_at)
        self.arrive()

    def reconciled(self, namespace: str, commit: Commit) -> bool:
        """See `VectorBackend`."""
        self.arrive()
        return commit.token is None or float(commit.token) <= self._clock.now

    def close(self) -> None:
        """Nothing."""
