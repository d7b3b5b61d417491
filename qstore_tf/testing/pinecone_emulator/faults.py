"""What can go wrong between a client and the service, one row each.

    name               at which calls   parameters        what happens
    too_many_requests  any              retry_after       nothing is done; 429
    server_error       any              status, text      nothing is done; 500, 503, ...
    dropped            any              -                 nothing is done; the connection closes
    lost_answer        any              -                 all is done; the connection closes
    late               writes           seconds           the connection closes; it is done later
    duplicate          writes           seconds           all is done, and once more later
    half               upsert           -                 the first half is done; 500
    slow               any              seconds           the answer comes late
    restart            any              seconds           the server is gone for a while

The calls are upsert, update, delete (writes), query, fetch, list, stats, namespaces and indexes.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean

WRITES = ("upsert", "update", "delete")
CALLS = (*WRITES, "query", "fetch", "list", "stats", "namespaces", "indexes")

# name: (calls, parameters with their defaults)
TABLE: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "too_many_requests": (CALLS, {"retry_after": None}),
    "server_error": (CALLS, {"status": 500, "text": "Internal error"}),
    "dropped": (CALLS, {}),
    "lost_answer": (CALLS, {}),
    "late": (WRITES, {"seconds": 0.1}),
    "duplicate": (WRITES, {"seconds": 0.1}),
    "half": (("upsert",), {}),
    "slow": (CALLS, {"seconds": 1.0}),
    "restart": (CALLS, {"seconds": 0.0}),
}


@dataclass(frozen=True)
class Fault:
    """A fault that is to happen.

    Attributes:
        name: Of the table.
        where: The calls at which it happens; (): all that the table has.
        times: How often; None: for ever.
        probability: Of happening at each of these calls.
        parameters: As in the table.

    Raises:
        ConfigurationError: There is no such fault, call or parameter.

    Example:
        >>> Fault("server_error", ("query",), 3, parameters={"status": 503}).parameters["status"]
        503
    """

    name: str
    where: tuple[str, ...] = ()
    times: int | None = 1
    probability: float = 1.0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in TABLE:
            raise ConfigurationError(
                describe("There is no such fault", hint=did_you_mean(self.name, TABLE))
            )
        calls, defaults = TABLE[self.name]
        for given, known in ((self.where, calls), (self.parameters, defaults)):
            if unknown := sorted(set(given) - set(known)):
                raise ConfigurationError(
                    describe(
                        f"The fault {self.name!r} does not have this",
                        expected=", ".join(known) or "nothing",
                        received=unknown,
                    )
                )
        object.__setattr__(self, "where", tuple(self.where) or calls)
        object.__setattr__(self, "parameters", {**defaults, **self.parameters})


class Faults:
    """The faults that wait to happen.

    Args:
        seed: Of what is random.
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock, self._random = threading.Lock(), random.Random(seed)
        self._waiting: list[tuple[Fault, list[float]]] = []

    def put(self, faults: Iterable[Fault]) -> None:
        """Lets these happen, and no others."""
        with self._lock:
            self._waiting = [(fault, [fault.times or float("inf")]) for fault in faults]

    def take(self, call: str) -> Fault | None:
        """The fault that this call meets: the first that is due."""
        with self._lock:
            for fault, left in self._waiting:
                due = call in fault.where and left[0] > 0
                if due and self._random.random() < fault.probability:
                    left[0] -= 1
                    return fault
        return None
