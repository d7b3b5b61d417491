"""Batches of circuits on IonQ, as version 3.4 sent them: `qs.backends.IonQ` for IonQ's dicts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from qstore_tf import backends
from qstore_tf.backends import Backend
from qstore_tf.compat import saying
from qstore_tf.compat.circuits import AnyCircuit, run


class IonQBatchClient:
    """Runs lists of circuits on IonQ: those of one structure in one job.

    Args:
        api_key: None: IONQ_API_KEY.
        use_native_gates: Whether circuits are compiled here; else the service does it.
        url: Of the service; None: IONQ_API_URL, or IonQ's own.
    """

    def __init__(
        self, api_key: str | None = None, use_native_gates: bool = True, url: str | None = None
    ) -> None:
        self._options: dict[str, Any] = {
            "api_key": api_key,
            "url": url,
            "gateset": "native" if use_native_gates else "qis",
        }
        self._backends: dict[str, Any] = {}  # IonQ's, lifted

    async def __aenter__(self) -> IonQBatchClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def execute_batch(
        self, circuits: Sequence[AnyCircuit], target: str = "simulator", shots: int = 1000
    ) -> list[dict[str, Any]]:
        """Runs circuits in a thread; see `compat.circuits.run` for what comes back.

        Args:
            circuits: IonQ's dicts, or circuits without symbols.
            target: "simulator", "qpu.forte-1" and the like.
            shots: Of each.

        Raises:
            QstoreError: A circuit cannot be read, or the service failed.
        """
        return await asyncio.to_thread(run, circuits, self._backend(target), shots)

    def telemetry(self) -> dict[str, float]:
        """Returns what the backends of all targets have counted, together."""
        found: dict[str, float] = {}
        for backend in self._backends.values():
            for name, number in backend.telemetry().items():
                found[name] = found.get(name, 0.0) + number
        return found

    def _backend(self, target: str) -> Backend:
        if target not in self._backends:
            self._backends[target] = backends.get("ionq", target=target, **self._options)
        made: Backend = self._backends[target]
        return made


class CircuitBatchManagerV34:
    """Runs batches of circuits and measures how long they take.

    Args:
        api_key: None: IONQ_API_KEY.
        use_batch_api: A batch is always sent as one job, or few; False changes nothing.
        use_native_gates: As of `IonQBatchClient`.
        use_smart_caching: Circuits are always compiled once; False changes nothing.
        url: As of `IonQBatchClient`.
    """

    def __init__(
        self,
        api_key: str | None = None,
        use_batch_api: bool = True,
        use_native_gates: bool = True,
        use_smart_caching: bool = True,
        url: str | None = None,
    ) -> None:
        for name, given, why in (
            ("use_batch_api", use_batch_api, "a batch is sent as one job, or few"),
            ("use_smart_caching", use_smart_caching, "circuits are compiled once each"),
        ):
            if not given:
                saying.no_effect(f"{name}=False of CircuitBatchManagerV34", why)
        self.client = IonQBatchClient(api_key, use_native_gates, url)
        self._circuits = self._batches = 0
        self._seconds = 0.0

    async def __aenter__(self) -> CircuitBatchManagerV34:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def execute_batch(
        self, circuits: Sequence[AnyCircuit], target: str = "simulator", shots: int = 1000
    ) -> dict[str, Any]:
        """Runs circuits.

        Args:
            circuits: As of `IonQBatchClient.execute_batch`, as are the others.
            target: Likewise.
            shots: Likewise.

        Returns:
            `results`, one for each circuit in order, and as measured `circuits_executed`,
            `total_time_ms` and `throughput_circuits_per_sec`.

        Raises:
            QstoreError: A circuit cannot be read, or the service failed.
        """
        begun = time.perf_counter()
        results = await self.client.execute_batch(circuits, target, shots)
        seconds = time.perf_counter() - begun
        self._circuits += len(results)
        self._seconds += seconds
        self._batches += 1
        return {
            "results": results,
            "circuits_executed": len(results),
            "total_time_ms": 1000 * seconds,
            "throughput_circuits_per_sec": len(results) / seconds,
        }

    def get_performance_report(self) -> dict[str, float]:
        """Returns what was measured so far: batches, circuits, seconds, jobs, and rates."""
        seen = self.client.telemetry()
        return {
            "batches": float(self._batches),
            "circuits_executed": float(self._circuits),
            "total_time_ms": 1000 * self._seconds,
            "throughput_circuits_per_sec": (
                self._circuits / self._seconds if self._seconds else 0.0
            ),
            "jobs": seen.get("jobs", 0.0),
            "retries": seen.get("retries", 0.0),
        }

    def print_performance_report(self) -> None:
        """Prints what `get_performance_report` returns."""
        for name, number in self.get_performance_report().items():
            print(f"{name:<28} {number:,.2f}")
