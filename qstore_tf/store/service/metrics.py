"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from qstore_tf.store.cache.stats import CacheStats

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counters of one service; each has a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "qstore_db_requests_total",
            "Requests by verb and status.",
            ["verb", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "qstore_db_request_seconds",
            "How long requests took.",
            ["verb"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.rows = Counter(
            "qstore_db_rows_total",
            "Rows that were stored.",
            registry=self._registry,
        )
        self.running = Gauge(
            "qstore_db_requests_running",
            "Requests that are being answered.",
            registry=self._registry,
        )

    def watch_caches(self, stats: Callable[[], Mapping[str, CacheStats]]) -> None:
        """Shows what the caches of a database have done, as it is when it is asked for."""
        self._registry.register(_Caches(stats))

    def text(self) -> bytes:
        """All of them in Prometheus' format."""
        return generate_latest(self._registry)


_CACHES = {
    "hits": "Answers that a cache had.",
    "misses": "Answers that it had not.",
    "failures": "Calls of a cache that failed.",
    "skipped": "Calls that were left out while it was down, and values that were too large.",
}


class _Caches:
    """What Prometheus asks for the counts of caches."""

    def __init__(self, stats: Callable[[], Mapping[str, CacheStats]]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """All counts, by level."""
        found = self._stats()
        for name, text in _CACHES.items():
            counts = CounterMetricFamily(f"qstore_db_cache_{name}", text, labels=["level"])
            for level, stats in found.items():
                counts.add_metric([level], getattr(stats, name))
            yield counts
        held = GaugeMetricFamily(
            "qstore_db_cache_bytes", "What a cache in memory holds.", labels=["level"]
        )
        for level, stats in found.items():
            held.add_metric([level], stats.held_bytes)
        yield held
