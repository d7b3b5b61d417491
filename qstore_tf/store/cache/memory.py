"""A cache in this process: the values that were used last, up to so many bytes."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.store.cache.stats import CacheStats
from qstore_tf.store.cache.values import Value

_OBJECT_BYTES = 64  # of Python's, beside what it holds


class MemoryCache:
    """Values by key; those used longest ago go first. Threads share one object.

    Args:
        most_bytes: What all values together may take, about.

    Example:
        >>> cache = MemoryCache(1000)
        >>> cache.put_many({"a": {"ids": ["x"]}, "b": {"ids": ["y"]}})
        >>> cache.get_many(["a", "c"])
        [{'ids': ['x']}, None]
    """

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._values: OrderedDict[str, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = self._hits = self._misses = self._skipped = 0
        _all.add(self)

    def get_many(self, keys: Sequence[str]) -> list[Value | None]:
        """Returns values in the order of their keys, not to be changed; None for the others."""
        found: list[Value | None] = []
        with self._lock:
            for key in keys:
                held = self._values.get(key)
                if held is not None:
                    self._values.move_to_end(key)
                    self._hits += 1
                found.append(None if held is None else held[0])
            self._misses += found.count(None)
        return found

    def put_many(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps values, which nobody changes afterwards."""
        weighed = {key: (dict(value), len(key) + weight(value)) for key, value in values.items()}
        with self._lock:
            for key, entry in weighed.items():
                if entry[1] > self._most:
                    self._skipped += 1
                    continue
                self._bytes += entry[1] - self._values.pop(key, (None, 0))[1]
                self._values[key] = entry
                while self._bytes > self._most:
                    self._bytes -= self._values.popitem(last=False)[1][1]

    @property
    def stats(self) -> CacheStats:
        """What it has done so far."""
        with self._lock:
            return CacheStats(
                self._hits, self._misses, skipped=self._skipped, held_bytes=self._bytes
            )

    def close(self) -> None:
        """Drops all values."""
        with self._lock:
            self._values.clear()
            self._bytes = 0

    def leave_behind(self) -> None:
        """Begins anew in a forked child, where no thread is left that would release the lock."""
        self._lock = threading.Lock()
        self.close()


_all: weakref.WeakSet[MemoryCache] = weakref.WeakSet()


def _in_child() -> None:
    for cache in _all:
        cache.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def weight(value: Any) -> int:
    """About how many bytes a value takes.

    Example:
        >>> weight({"ids": ["a", "b"], "scores": np.zeros(2)})
        475
    """
    if isinstance(value, np.ndarray):
        return _OBJECT_BYTES + value.nbytes
    if isinstance(value, Mapping):
        return _OBJECT_BYTES + sum(weight(name) + weight(held) for name, held in value.items())
    if isinstance(value, (list, tuple)):
        return _OBJECT_BYTES + sum(map(weight, value))
    return _OBJECT_BYTES + (len(value) if isinstance(value, str) else 0)
