"""What each member of a pool has done."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence

from qstore_tf.routing.carrying import Carried
from qstore_tf.routing.members import Member

_log = logging.getLogger("qstore_tf")
_KEYS = ("circuits", "shares", "failures", "seconds")


class WorkDone:
    """Counts by member. Safe for threads.

    Args:
        names: Of the members.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._counts = {name: dict[str, float](dict.fromkeys(_KEYS, 0)) for name in names}
        self._batches = self._moved = 0
        self._warned: set[str] = set()

    def ran(self, name: str, rows: int, seconds: float) -> None:
        """A member has run rows."""
        with self._lock:
            self._add(name, circuits=rows, shares=1, seconds=seconds)

    def failed(self, name: str, seconds: float, error: Exception) -> None:
        """A member has failed; said once until it is well again."""
        with self._lock:
            self._add(name, failures=1, shares=1, seconds=seconds)
            if name in self._warned:
                return
            self._warned.add(name)
        _log.warning(
            "Backend %r of a pool has failed, and what it has not done goes to the others: %s",
            name,
            str(error) or type(error).__name__,
        )

    def moved(self, carried: Carried) -> None:
        """A batch has come to its end."""
        with self._lock:
            self._batches += 1
            self._moved += carried.moved
            self._warned -= {share.member for share in carried.shares} - set(carried.errors)

    def by_member(self, members: Iterable[Member]) -> dict[str, dict[str, float]]:
        """Returns the counts of each, and what follows from them; see `Pool.statistics`."""
        with self._lock:
            total = sum(counts["circuits"] for counts in self._counts.values())
            found: dict[str, dict[str, float]] = {}
            for member in members:
                counts = self._counts[member.name]
                circuits, seconds = counts["circuits"], counts["seconds"]
                found[member.name] = {
                    **counts,
                    "circuits_per_second": circuits / seconds if seconds else 0.0,
                    "share": circuits / total if total else 0.0,
                    "trips": member.breaker.trips,
                }
            return found

    def as_dict(self, members: Iterable[Member]) -> dict[str, float]:
        """Returns all of it by names such as "share_native"."""
        found: dict[str, float] = {"batches": float(self._batches), "moved": float(self._moved)}
        for name, counts in self.by_member(members).items():
            found |= {f"{key}_{name}": float(value) for key, value in counts.items()}
        return found

    def _add(self, name: str, **numbers: float) -> None:
        for key, number in numbers.items():
            self._counts[name][key] += number
