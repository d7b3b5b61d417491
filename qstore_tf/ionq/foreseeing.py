"""What a machine's work will cost and how long it will wait, asked seldom and remembered.

These questions are asked on the way of a training, before a batch is sent. So a service that does
not answer is left alone for a while, and what was known before holds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from qstore_tf.errors import ConfigurationError, PriceError, ServiceError
from qstore_tf.ionq.money.amounts import Money
from qstore_tf.ionq.pricing import Pricing
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.network import Http
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.server import Server

_FRESH_S = 60.0  # for how long an answer holds
_SILENT_S = 300.0  # for how long nothing is asked after no answer came
_PATIENCE_S = 5.0
_NEW = 0.3  # the share of a new measurement in the moving average
_MOST_S = 30 * 86400.0  # a longer wait is taken for an error


class Foresight:
    """Prices and waits of one machine. Safe for threads.

    Args:
        target: The machine, by its name in the API.
        pricing: The prices of its circuits.
        server: Returns the service.
        counts: Returns what was done so far, with `queue_s` and `jobs`.
        clock: The clock.
    """

    def __init__(
        self,
        target: str,
        pricing: Pricing,
        server: Callable[[], Server],
        counts: Callable[[], Mapping[str, float]],
        clock: Clock | None = None,
    ) -> None:
        self._target, self._pricing = target, pricing
        self._server, self._counts, self._clock = server, counts, clock or Clock()
        self._lock = threading.Lock()
        self._ask_from = 0.0  # when prices may be asked for again
        self._why = ""
        self._announced: float | None = None
        self._announce_from = 0.0
        self._measured: float | None = None
        self._seen = (0.0, 0.0)  # seconds waited and jobs, as they were last looked at

    def price(
        self,
        n_1q: int,
        n_2q: int,
        n_qubits: int,
        n_circuits: int,
        shots: int,
        has_known_gates: bool,
    ) -> tuple[Money | None, str]:
        """Returns the most that circuits cost, or None and why it is not known.

        Args:
            n_1q: As all of them, an argument of `Pricing.estimate`.
        """
        now = self._clock.monotonic()
        with self._lock:
            is_silent, why = now < self._ask_from, self._why
        if is_silent and not self._pricing.knows(n_1q, n_2q, n_qubits, n_circuits, shots):
            return None, why
        try:
            found = self._pricing.estimate(n_1q, n_2q, n_qubits, n_circuits, shots, has_known_gates)
        except (PriceError, ServiceError, ConfigurationError) as error:
            with self._lock:
                self._ask_from, self._why = self._clock.monotonic() + _FRESH_S, str(error)
            return None, str(error)
        if not found.is_bound:
            return found.price, "the price is no bound: the service compiles the circuits itself"
        return found.price, ""

    def wait_s(self) -> float:
        """Returns for how many seconds a job waits before it runs, as far as is known.

        What the service announces holds (`average_queue_time` of `GET /backends/...`, asked once a
        minute at most), else the moving average of what jobs of this process have waited, else 0.
        """
        now = self._clock.monotonic()
        with self._lock:
            due = now >= self._announce_from
            if due:
                self._announce_from = now + _FRESH_S  # the others use what there is
        if due:
            announced = self._asked()
            with self._lock:
                self._announced = announced
                if announced is None:
                    self._announce_from = self._clock.monotonic() + _SILENT_S
        with self._lock:
            self._measure()
            known = self._announced if self._announced is not None else self._measured
        return known or 0.0

    def _measure(self) -> None:
        counts = self._counts()
        waited, jobs = counts.get("queue_s", 0.0), counts.get("jobs", 0.0)
        before, jobs_before = self._seen
        if jobs > jobs_before:
            new = max(0.0, waited - before) / (jobs - jobs_before)
            old = self._measured
            self._measured = new if old is None else old + _NEW * (new - old)
            self._seen = waited, jobs

    def _asked(self) -> float | None:
        with contextlib.suppress(ServiceError, ConfigurationError, Over):
            server = self._server()
            wire = Http(server, silent_s=_PATIENCE_S, total_s=_PATIENCE_S)
            client = Client(server, self._clock, Retries(total_s=0.0), wire=wire)
            with contextlib.closing(client):
                answer = client.backend(self._target, Patience(self._clock, _PATIENCE_S))
            return _seconds(answer.get("average_queue_time"))
        return None


def _seconds(milliseconds: Any) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 <= milliseconds / 1000 <= _MOST_S else None
