"""Sends work for a backend: within its budget, with its shots, by a connection made when needed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore_tf.errors import BudgetExceededError
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work

if TYPE_CHECKING:
    from qstore_tf.ionq.money.tracker import CostTracker

_log = logging.getLogger("qstore_tf")
_LARGEST_SEED = 2**31 - 1  # of the service's noise models


class Sender:
    """What the copies of a backend share: one connection, one journal, one budget.

    Args:
        target: The machine's name in the API.
        options: Further arguments of `Executor`.
        url: Address of the service, as in `Server`.
        api_key: Key of the service, as in `Server`.
        budget: What may be spent.
        tracker: Where costs are recorded.
    """

    def __init__(
        self,
        target: str,
        options: dict[str, Any],
        url: str | None = None,
        api_key: str | None = None,
        budget: Budget | None = None,
        tracker: CostTracker | None = None,
    ) -> None:
        self.budget, self.tracker = budget, tracker
        self._target, self._options = target, options
        # The address is checked here; without a key, models can still be made and loaded.
        self._server = Server(url, api_key)
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._fallbacks = 0

    def run(
        self, work: Sequence[Work], shots: int | None, seed: Sequence[int] | None
    ) -> list[Outcomes] | None:
        """Returns the outcomes of each piece of work, all sent together.

        Args:
            work: Circuits of some structures.
            shots: Shots of each circuit; None for exact probabilities.
            seed: Two integers, from which a simulator draws.

        Returns:
            The outcomes in order; None where the budget cannot pay for them and names another
            backend.

        Raises:
            BudgetExceededError: The budget cannot pay for them, and they are to run nowhere else.
            JobError: Jobs failed; it says which circuits are missing.
            ServiceError: The service refused, or could not be reached.
        """
        rng = np.random.default_rng(None if seed is None else [int(s) % 2**63 for s in seed])
        number = None if seed is None else int(rng.integers(_LARGEST_SEED))
        try:
            found = self._connected().run(work, shots=shots, seed=number)
        except BudgetExceededError as error:
            if self.budget is None or self.budget.on_exceed != "fallback":
                raise
            self._note_fallback(error)
            return None
        if shots is None:
            return found
        return [part if part.shots is not None else drawn(part, shots, rng) for part in found]

    def telemetry(self) -> dict[str, float]:
        """Returns what was sent and spent so far."""
        sent = {} if self._executor is None else self._executor.telemetry()
        return {**sent, "fallbacks": float(self._fallbacks)}

    def _connected(self) -> Executor:
        with self._lock:
            if self._executor is None:
                self._executor = Executor(
                    self._server,
                    self._target,
                    budget=self.budget,
                    tracker=self.tracker,
                    **self._options,
                )
            return self._executor

    def _note_fallback(self, error: BudgetExceededError) -> None:
        assert self.budget is not None
        with self._lock:
            self._fallbacks += 1
            if self._fallbacks > 1:
                return
        _log.warning(
            "Work for IonQ runs on %r from now on, as the budget says: %s",
            getattr(self.budget.fallback, "name", self.budget.fallback),
            error,
        )


def drawn(exact: Outcomes, shots: int, rng: np.random.Generator) -> Outcomes:
    """Returns what a number of draws from exact probabilities gives.

    Example:
        >>> coin = Outcomes(1, np.array([0, 2]), np.array([0, 1]), np.array([0.5, 0.5]), None)
        >>> found = drawn(coin, 1000, np.random.default_rng(0))
        >>> found.shots, bool(abs(found.probabilities[0] - 0.5) < 0.1)
        (1000, True)
    """
    firsts, lasts = exact.starts[:-1].tolist(), exact.starts[1:].tolist()
    counts = np.concatenate(
        [
            rng.multinomial(shots, exact.probabilities[first:last])
            for first, last in zip(firsts, lasts, strict=True)
        ]
    )
    came = counts > 0
    starts = np.concatenate([[0], np.cumsum(np.add.reduceat(came, exact.starts[:-1]))])
    return Outcomes(
        exact.n_wires, starts.astype(np.int64), exact.states[came], counts[came] / shots, shots
    )
