"""A cache that several processes and machines share: Redis, Valkey, and what speaks like them.

It can be slow, full, emptied or gone at any moment: then there is less in it, and nothing else
happens. Calls wait a fraction of a second at most, and are left out for a while when it is down.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf.errors import AuthenticationError, ConfigurationError, describe
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.retrying import CircuitBreaker
from qstore_tf.store.cache.stats import CacheStats
from qstore_tf.store.cache.values import Value, pack, unpack
from qstore_tf.store.vectors.base import require

_log = logging.getLogger(__name__)


class RedisCache:
    """A cache in a Redis or Valkey server.

    Args:
        url: Where it is, such as "redis://localhost:6379/0", "rediss://..." or "unix:///path".
        client: A client of yours instead.
        prefix: What the names of its keys begin with.
        ttl_s: How long a value stays unless it is pushed out before, in s.
        timeout_s: How long one call may take, in s.
        max_bytes: The largest value that is kept.
        clock: The clock of the pauses while it is down.

    Raises:
        LibraryError: The client's library is missing.
        AuthenticationError: The server does not know the user or the password. Where it forgets
            them later, that is a failure like any other.
        ConfigurationError: An address that cannot be read, or options that make no sense.

    Example:
        >>> cache = RedisCache("redis://localhost:1/0")  # nobody is there
        >>> cache.put("key", {"ids": ["a"]})
        >>> cache.get("key") is None
        True
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        client: Any = None,
        prefix: str = "qstore",
        ttl_s: float = 3600.0,
        timeout_s: float = 0.25,
        max_bytes: int = 8 << 20,
        clock: Clock | None = None,
    ) -> None:
        for name, value in (("ttl_s", ttl_s), ("timeout_s", timeout_s), ("max_bytes", max_bytes)):
            if not value > 0:
                raise ConfigurationError(
                    describe(f"{name} of a cache makes no sense", expected="> 0", received=value)
                )
        library = require("redis", "redis", "redis")
        self._failures: tuple[type[Exception], ...] = (library.RedisError, OSError)
        self._refusal = library.AuthenticationError
        self._prefix, self._ttl_ms, self._most = prefix, max(1, int(1000 * ttl_s)), max_bytes
        self._owns = client is None
        self._breaker = CircuitBreaker(clock or Clock(), failures=3, first_s=1.0)
        self._lock = threading.Lock()
        self._counts = {"hits": 0, "misses": 0, "failures": 0, "skipped": 0}
        if client is None:
            try:
                client = library.Redis.from_url(
                    url,
                    socket_timeout=timeout_s,
                    socket_connect_timeout=timeout_s,
                    retry=None,
                    decode_responses=False,
                )
            except (ValueError, TypeError):  # whose words may show a part of a password
                raise ConfigurationError(
                    describe(
                        "The address of a cache cannot be read",
                        expected='such as "redis://localhost:6379/0"',
                        hint="A password with / or @ in it is written with %2F and %40.",
                    )
                ) from None
        self._client = client
        self._call(self._log_in)

    def get(self, key: str) -> Value | None:
        """Returns a value; None where it is not there, or the cache is not."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[str]) -> list[Value | None]:
        """Returns values in the order of their keys, with one call."""
        if not keys:
            return []
        names = [self._name(key) for key in keys]
        answer = self._call(lambda: self._client.mget(names))
        found = [None if data is None else unpack(data) for data in answer or [None] * len(names)]
        hits = sum(value is not None for value in found)
        self._count(hits=hits, misses=len(found) - hits)
        return found

    def put(self, key: str, value: Mapping[str, Any]) -> None:
        """Keeps a value: arrays of numbers, and what JSON holds, by name.

        Raises:
            TypeError: It holds something else.
        """
        self.put_many({key: value})

    def put_many(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps values by their keys, with one call; see `put`."""
        packed = {self._name(key): pack(value) for key, value in values.items()}
        small = {name: data for name, data in packed.items() if len(data) <= self._most}
        self._count(skipped=len(packed) - len(small))
        if not small:
            return

        def send() -> None:
            with self._client.pipeline(transaction=False) as pipe:
                for name, data in small.items():
                    pipe.set(name, data, px=self._ttl_ms)
                pipe.execute()

        self._call(send)

    def clear(self) -> None:
        """Drops all values whose names have this cache's prefix."""

        def drop() -> None:
            pattern = "".join(f"[{c}]" if c in "*?[]^\\" else c for c in self._prefix)
            names = list(self._client.scan_iter(match=f"{pattern}:*", count=1000))
            for start in range(0, len(names), 1000):
                self._client.unlink(*names[start : start + 1000])

        self._call(drop)

    @property
    def stats(self) -> CacheStats:
        """What it has done so far."""
        with self._lock:
            return CacheStats(**self._counts)

    @property
    def is_reachable(self) -> bool:
        """Whether its last answers were not all failures."""
        return not self._breaker.is_open

    def close(self) -> None:
        """Closes the connections, unless the client is yours; the values stay."""
        if self._owns:
            self._client.close()

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def _log_in(self) -> None:
        try:
            self._client.ping()
        except self._refusal as error:
            raise AuthenticationError(
                describe(f"The cache does not let us in ({error})", hint="See its URL.")
            ) from error

    def _call(self, function: Any) -> Any:
        """Calls the server; None where it cannot be had."""
        if self._breaker.admit() > 0:
            self._count(skipped=1)
            return None
        try:
            answer = function()
        except self._failures as error:
            was_open = self._breaker.is_open
            self._breaker.failed()
            self._count(failures=1)
            if self._breaker.is_open and not was_open:
                _log.warning("The cache cannot be reached, and is left out: %s", error)
            return None
        self._breaker.succeeded()
        return answer

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number
