"""Sends work for a backend: within its budget, with its shots, by a connection made when needed."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore_tf.errors import BudgetExceededError, ConfigurationError, UnreachableError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.phases import PHASES
from qstore_tf.ionq.money.rates import Quote, question, read_estimate
from qstore_tf.ionq.prices import PriceTable, price_table
from qstore_tf.ionq.rehearsal import Rehearsal
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Over, Patience
from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.interrupts import listen
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work

if TYPE_CHECKING:
    from qstore_tf.ionq.money.tracker import CostTracker

_log = logging.getLogger("qstore_tf")
_PATIENCE_S = 60.0  # for the answer to a question about prices
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
        label: What trackers call the layer.
    """

    def __init__(
        self,
        target: str,
        options: dict[str, Any],
        url: str | None = None,
        api_key: str | None = None,
        budget: Budget | None = None,
        tracker: CostTracker | None = None,
        label: str | None = None,
    ) -> None:
        self.target, self.budget, self.tracker = target, budget, tracker
        self._options, self._label = options, label
        # A closure shows the key to nobody; the environment may change.
        self._server = lambda: Server(url, api_key)
        self._lock = threading.Lock()
        self._executors: dict[str, Executor] = {}
        self._rehearsal: Rehearsal | None = None
        self._fallbacks = 0
        listen()  # only the main thread can, and runs wait in others
        self._connected()  # checks the options and opens nothing: without a key, models still load

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
        rehearsal = self._rehearsal
        if rehearsal is not None:
            return rehearsal.run(work, shots)
        rng = np.random.default_rng(None if seed is None else [int(s) % 2**63 for s in seed])
        number = None if seed is None else int(rng.integers(_LARGEST_SEED))
        try:
            found = self._connected().run(
                work, shots=shots, seed=number, phase=PHASES.current, layer=self._label
            )
        except BudgetExceededError as error:
            if self.budget is None or self.budget.on_exceed != "fallback":
                raise
            self._note_fallback(error)
            return None
        if shots is None:
            return found
        return [part if part.shots is not None else drawn(part, shots, rng) for part in found]

    @contextlib.contextmanager
    def rehearsing(self, prices: PriceTable | None = None) -> Iterator[Rehearsal]:
        """Sends nothing while it is entered, from any thread, and counts what would be sent.

        Args:
            prices: What it would cost; None: the backend's own prices, else the service is asked.
        """
        if self._rehearsal is not None:
            raise ConfigurationError(
                describe(
                    "The cost of this backend's work is being estimated already",
                    hint="Make one estimate after the other",
                )
            )
        debiasing = bool(self._options.get("debiasing"))
        table = prices or self._options.get("prices") or _table_of(self.target)
        self._rehearsal = Rehearsal(self._server().version, debiasing, table, self._ask)
        try:
            yield self._rehearsal
        finally:
            self._rehearsal = None

    def _ask(self, n_1q: int, n_2q: int, n_qubits: int, n_circuits: int, shots: int) -> Quote:
        asked = question(
            self.target,
            n_1q=n_1q,
            n_2q=n_2q,
            n_qubits=n_qubits,
            n_circuits=n_circuits,
            shots=shots,
            mitigation=bool(self._options.get("debiasing")),
        )
        with contextlib.closing(Client(self._server())) as client:
            try:
                answer = client.estimate(asked, Patience(client.clock, _PATIENCE_S))
            except Over:
                raise UnreachableError(
                    describe(
                        f"The service told no price within {_PATIENCE_S:g} s",
                        hint="Pass prices=, a PriceTable or the name of a provider",
                    )
                ) from None
        return read_estimate(answer)

    def telemetry(self) -> dict[str, float]:
        """Returns what was sent and spent so far."""
        sent: dict[str, float] = {}
        for executor in list(self._executors.values()):
            for name, number in executor.telemetry().items():
                sent[name] = sent.get(name, 0.0) + number
        return {**sent, "fallbacks": float(self._fallbacks)}

    def _connected(self) -> Executor:
        """The executor for the service that arguments and environment name now."""
        server = self._server()
        with self._lock:
            if server.url not in self._executors:
                self._executors[server.url] = Executor(
                    server,
                    self.target,
                    budget=self.budget,
                    tracker=self.tracker,
                    **self._options,
                )
            return self._executors[server.url]

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


def _table_of(target: str) -> PriceTable | None:
    """The simulator's, which is free."""
    return price_table("ionq", target) if target == "simulator" else None


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
