"""What backends report about themselves, and what fell back to something else.

A backend that keeps count of something may have a method `telemetry`:

    class MyBackend(Backend):
        def telemetry(self) -> dict[str, float]:
            return {"cache_hits": 17, "cost_usd": 0.42, "queue_seconds": 31.0}

Each number becomes a chart named after it. Backends without the method get no charts.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from qstore_tf.backends import automatic
from qstore_tf.callbacks import local
from qstore_tf.errors import LedgerError
from qstore_tf.ionq.money.one_budget import backends_of, budgets_of
from qstore_tf.layers import QuantumLayer


@runtime_checkable
class ReportsTelemetry(Protocol):
    """A backend that reports numbers about itself.

    The method may be called at any time in the process that trains, and must be quick: it
    returns what is known, without asking a server.
    """

    def telemetry(self) -> Mapping[str, float]:
        """Returns numbers by name, each since the backend was made unless the name says otherwise.

        Usual names: `cache_hits`, `cache_misses`, `cost_usd`, `queue_seconds`, `jobs`, `shots`.
        """
        ...


def reported(layers: Iterable[QuantumLayer]) -> dict[str, dict[str, float]]:
    """The finite numbers that the layers' backends report, by name of the backend.

    Backends of one name that are not the same, as two of a service may have accounts of their own,
    are "ionq", "ionq_2" and so on, in the order of the layers.
    """
    found: dict[str, dict[str, float]] = {}
    known: dict[str, list[Any]] = {}
    for backend in backends_of(layer.run_options.resolved for layer in layers):
        if not isinstance(backend, ReportsTelemetry):
            continue
        name = str(getattr(backend, "name", "backend"))
        alike = known.setdefault(name, [])
        if backend not in alike:
            alike.append(backend)
        place = alike.index(backend)
        numbers = {key: float(value) for key, value in backend.telemetry().items()}
        found[f"{name}_{place + 1}" if place else name] = {
            k: v for k, v in numbers.items() if math.isfinite(v)
        }
    return found


def accounts(layers: Iterable[QuantumLayer]) -> dict[str, dict[str, float]]:
    """What is spent, reserved and left of each budget: "budget", "budget_2" and so on."""
    found: dict[str, dict[str, float]] = {}
    for place, budget in enumerate(budgets_of(layer.run_options.resolved for layer in layers)):
        with contextlib.suppress(LedgerError):  # who spends from it meets the same, and says so
            found[f"budget_{place + 1}" if place else "budget"] = budget.telemetry()
    return found


class Decisions:
    """Collects what routers decide: a backend that has a method `decisions_since`."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def pop_messages(self, layers: Iterable[QuantumLayer]) -> list[str]:
        """Returns the decisions that came since the last time, in words."""
        found: dict[int, list[str]] = {}
        for backend in backends_of(layer.run_options.resolved for layer in layers):
            since = getattr(backend, "decisions_since", None)
            owner = id(getattr(backend, "tally", backend))
            if since is not None and owner not in found:
                self._seen[owner], found[owner] = since(self._seen.get(owner, 0))
        return [words for messages in found.values() for words in messages]


def standing_fallbacks(layers: Iterable[QuantumLayer]) -> list[str]:
    """Why `backend="auto"` is not what one would expect, where that is so."""
    if not any(layer.run_options.backend == "auto" for layer in layers):
        return []
    choice = automatic.choose(device=automatic.accelerator())
    return [choice.reason] if choice.notable else []


def optimizer_fallbacks(model: Any) -> int | None:
    """The number of fallbacks of an optimizer that counts them (`QuantumNaturalGradient`)."""
    optimizer = getattr(model, "optimizer", None)
    counter = getattr(optimizer, "fallback_counter", None)
    return None if counter is None else int(local.value(counter).numpy())


class Fallbacks(logging.Handler):
    """Collects what the package logs as warnings: every fallback is logged once.

    Attributes:
        count: how many came.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0
        self._waiting: deque[str] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record, from any thread."""
        self.add(record.getMessage())

    def add(self, message: str) -> None:
        """Takes a message."""
        self.count += 1
        self._waiting.append(message)

    def pop_messages(self) -> list[str]:
        """Returns and forgets the messages that came since the last time."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def attach(self) -> None:
        """Listens from now on."""
        logging.getLogger("qstore_tf").addHandler(self)

    def detach(self) -> None:
        """Listens no more."""
        logging.getLogger("qstore_tf").removeHandler(self)
