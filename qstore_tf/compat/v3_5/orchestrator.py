"""`MultiBackendOrchestrator` of version 3.5: `qs.routing.Pool` for lists of circuits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf import backends as today
from qstore_tf.compat.circuits import AnyCircuit, run
from qstore_tf.compat.v3_5.backends import backend_of
from qstore_tf.routing import Pool


class MultiBackendOrchestrator:
    """Runs circuits on several backends at the same time, and returns the results in order.

    It is a `Pool`: circuits of one structure are dealt out by measured speed, a share that fails
    goes to another backend, and what costs money runs once. Circuits that are each of another
    structure are batches of one, which cannot be shared out: each goes to one backend.

    Args:
        backends: Entries of `backend_configs`, names, or backends.

    Example:
        >>> orchestrator = MultiBackendOrchestrator(["tensorflow", {"provider": "local"}])
        >>> turn = {"qubits": 1, "circuit": [{"gate": "x", "target": 0}]}
        >>> found = asyncio.run(orchestrator.execute_distributed([turn, turn], shots=10))
        >>> [each["counts"] for each in found]
        [{'1': 10}, {'1': 10}]
    """

    def __init__(self, backends: Sequence[Any]) -> None:
        self.pool = Pool([backend_of(b) if isinstance(b, Mapping) else b for b in backends])

    async def execute_distributed(
        self, circuits: Sequence[AnyCircuit], shots: int = 1000
    ) -> list[dict[str, Any]]:
        """Runs circuits in threads; see `compat.circuits.run` for what comes back.

        Args:
            circuits: IonQ's dicts, or circuits without symbols.
            shots: Of each.

        Raises:
            QstoreError: A circuit cannot be read, or all backends failed.
        """
        return await asyncio.to_thread(run, circuits, today.get(self.pool), shots)

    def get_backend_stats(self) -> dict[str, dict[str, float]]:
        """Returns what each backend has done, as measured: see `Pool.statistics`."""
        return self.pool.statistics()
