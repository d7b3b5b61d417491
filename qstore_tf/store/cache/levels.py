"""The caches of a database, the nearest first: what a farther one finds, the nearer ones keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.store.cache.memory import MemoryCache
from qstore_tf.store.cache.redis import RedisCache
from qstore_tf.store.cache.stats import CacheStats
from qstore_tf.store.cache.values import Value

_SCHEMES = ("redis://", "rediss://", "unix://")


class Level(Protocol):
    """One cache. None of its calls raises because something is wrong with it."""

    @property
    def stats(self) -> CacheStats:
        """What it has done so far."""

    def get_many(self, keys: Sequence[str]) -> list[Value | None]:
        """Returns values in the order of their keys, not to be changed; None for the others."""

    def put_many(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps values: arrays of numbers, and what JSON holds, by name."""

    def close(self) -> None:
        """Frees what it holds."""


class Levels:
    """Several caches as one.

    Args:
        levels: By name, the nearest first.
        borrowed: Which of them are not closed with the others.

    Example:
        >>> near, far = MemoryCache(1000), MemoryCache(1000)
        >>> levels = Levels({"near": near, "far": far})
        >>> far.put_many({"a": {"x": 1}})
        >>> levels.get_many(["a"]), near.get_many(["a"])
        ([{'x': 1}], [{'x': 1}])
    """

    def __init__(self, levels: Mapping[str, Level], borrowed: Sequence[str] = ()) -> None:
        self._levels, self._borrowed = dict(levels), borrowed

    def get_many(self, keys: Sequence[str]) -> list[Value | None]:
        """Returns values in the order of their keys, not to be changed; None for the others."""
        found: dict[str, Value] = {}
        asked: list[tuple[Level, list[str]]] = []
        for level in self._levels.values():
            missing = [key for key in dict.fromkeys(keys) if key not in found]
            if not missing:
                break
            values = zip(missing, level.get_many(missing), strict=True)
            here = {key: value for key, value in values if value is not None}
            for nearer, wanted in asked:
                news = {key: here[key] for key in wanted if key in here}
                if news:
                    nearer.put_many(news)
            found |= here
            asked.append((level, missing))
        return [found.get(key) for key in keys]

    def put_many(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps values in all of them; nobody changes them afterwards."""
        for level in self._levels.values():
            level.put_many(values)

    def stats(self) -> dict[str, CacheStats]:
        """What each has done so far."""
        return {name: level.stats for name, level in self._levels.items()}

    def close(self) -> None:
        """Closes all of them but those that are borrowed."""
        for name, level in self._levels.items():
            if name not in self._borrowed:
                level.close()


def open_levels(cache: Any, most_bytes: int) -> Levels | None:
    """Opens the caches that a database's settings name.

    Args:
        cache: None for none; "memory"; the address of a Redis server, before which one in memory
            stands; or a `RedisCache`, which stays open when these are closed.
        most_bytes: Of the one in memory; 0 for none.

    Raises:
        ConfigurationError: Something else, which is not shown: addresses hold passwords.
        LibraryError: The library of Redis is missing.
        AuthenticationError: The server does not know the user or the password.
    """
    levels: dict[str, Level] = {}
    if cache is None:
        return None
    is_address = isinstance(cache, str) and cache.startswith(_SCHEMES)
    if not (cache == "memory" or is_address or isinstance(cache, RedisCache)):
        raise ConfigurationError(
            describe(
                "The cache of a database cannot be used",
                expected='"memory", an address such as "redis://localhost:6379/0" or '
                '"unix:///run/redis.sock", a RedisCache, or None',
                received=f"another {'text' if isinstance(cache, str) else type(cache).__name__}",
            )
        )
    if most_bytes:
        levels["memory"] = MemoryCache(most_bytes)
    if is_address:
        levels["redis"] = RedisCache(cache)
    elif isinstance(cache, RedisCache):
        levels["redis"] = cache
    return Levels(levels, borrowed=() if is_address else ("redis",))
