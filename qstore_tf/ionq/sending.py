"""Sends work for a backend: within its budget, with its shots, by a connection made when needed."""

from __future__ import annotations

import contextlib
import copy
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import (
    BudgetExceededError,
    ConfigurationError,
    JobError,
    ServiceError,
    UnreachableError,
    describe,
)
from qstore_tf.ionq.foreseeing import Foresight
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.phases import PHASES
from qstore_tf.ionq.money.rates import Quote, question, read_estimate
from qstore_tf.ionq.prices import PriceTable, price_table
from qstore_tf.ionq.pricing import Pricing
from qstore_tf.ionq.rehearsal import Rehearsal
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Over, Patience
from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.interrupts import listen
from qstore_tf.ionq.service.network import Http
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work

if TYPE_CHECKING:
    from qstore_tf.ionq.money.tracker import CostTracker

_log = logging.getLogger("qstore_tf")
_PATIENCE_S = 60.0  # for the answer to a question about prices
_BRIEFLY_S = 5.0  # the same, and for each try, where a training waits meanwhile
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
        falls_back: Whether it says to go elsewhere where the budget does; else it raises.
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
        falls_back: bool = True,
    ) -> None:
        self.target, self.budget, self.tracker = target, budget, tracker
        self._options, self._label, self._falls_back = options, label, falls_back
        # A closure shows the key to nobody; the environment may change.
        self._server = lambda: Server(url, api_key)
        self._lock = threading.Lock()
        self._executors: dict[str, Executor] = {}
        self._rehearsal: Rehearsal | None = None
        self._fallbacks = 0
        self.foresight = self._foresight()
        listen()  # only the main thread can, and runs wait in others
        self._connected()  # checks the options and opens nothing: without a key, models still load

    def run(
        self,
        work: Sequence[Work],
        shots: int | None,
        seed: Sequence[int] | None,
        rows: NDArray[np.int64] | None = None,
    ) -> list[Outcomes] | None:
        """Returns the outcomes of each piece of work, all sent together.

        Args:
            work: Circuits of some structures.
            shots: Shots of each circuit; None for exact probabilities.
            seed: Two integers, from which a simulator draws.
            rows: The numbers of the circuits of each piece of work in a larger batch. What is drawn
                here for a circuit then follows from the seed and its number alone.

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
        words = [] if seed is None else [int(word) % 2**63 for word in seed]
        rng = np.random.default_rng(words or None)
        number = None if seed is None else int(rng.integers(_LARGEST_SEED))
        if rows is not None and len(rows) and rows[0]:
            # Services draw by jobs: the parts of a batch must not get the same noise.
            number = int(np.random.default_rng([*words, int(rows[0])]).integers(_LARGEST_SEED))
        draws = Draws(shots, rng, words, rows)
        try:
            found = self._connected().run(
                work, shots=shots, seed=number, phase=PHASES.current, layer=self._label
            )
        except BudgetExceededError as error:
            on_exceed = "stop" if self.budget is None else self.budget.on_exceed
            if on_exceed != "fallback" or not self._falls_back:
                raise
            self._note_fallback(error)
            return None
        except (JobError, ServiceError) as error:
            error.outcomes = tuple(draws.of(error.outcomes))
            raise
        return draws.of(found)

    @property
    def results_from(self) -> tuple[Any, ...]:
        """Whose results these are: the service, the machine, and how its results are mitigated."""
        mitigation = self._options.get("debiasing"), self._options.get("aggregation")
        return (self._server().url, self.target, *mitigation)

    @property
    def is_rehearsing(self) -> bool:
        """Whether nothing is sent at the moment, and work is only counted."""
        return self._rehearsal is not None

    def with_budget(self, budget: Budget) -> Sender:
        """Returns one that spends from another budget, and raises where that cannot pay."""
        other = copy.copy(self)
        other.budget, other._falls_back = budget, False
        other._lock, other._executors = threading.Lock(), {}
        other.foresight = other._foresight()
        other._connected()
        return other

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
        table = prices or self._table()
        self._rehearsal = Rehearsal(self._server().version, debiasing, table, self._ask)
        try:
            yield self._rehearsal
        finally:
            self._rehearsal = None

    def _table(self) -> PriceTable | None:
        """The prices of the backend, where there is a table of them."""
        table: PriceTable | None = self._options.get("prices") or _table_of(self.target)
        return table

    def _foresight(self) -> Foresight:
        mitigation = bool(self._options.get("debiasing"))
        pricing = Pricing(mitigation, self._table(), self._ask_briefly)
        return Foresight(self.target, pricing, self._server, self.telemetry)

    def _ask_briefly(self, *numbers: int) -> Quote:
        """As `_ask`, on the way of a training, which must not wait for long."""
        server, times = self._server(), {"silent_s": _BRIEFLY_S, "total_s": _BRIEFLY_S}
        retries = Retries(first_s=0.2, total_s=_BRIEFLY_S)
        client = Client(server, retries=retries, wire=Http(server, **times))
        return self._ask(*numbers, client=client, patience_s=_BRIEFLY_S)

    def _ask(
        self,
        n_1q: int,
        n_2q: int,
        n_qubits: int,
        n_circuits: int,
        shots: int,
        *,
        client: Client | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> Quote:
        asked = question(
            self.target,
            n_1q=n_1q,
            n_2q=n_2q,
            n_qubits=n_qubits,
            n_circuits=n_circuits,
            shots=shots,
            mitigation=bool(self._options.get("debiasing")),
        )
        with contextlib.closing(client or Client(self._server())) as asks:
            try:
                answer = asks.estimate(asked, Patience(asks.clock, patience_s))
            except Over:
                raise UnreachableError(
                    describe(
                        f"The service told no price within {patience_s:g} s",
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


class Draws:
    """Draws shots from exact probabilities, where a number of shots is wanted.

    Args:
        shots: Of each circuit; None: nothing is drawn.
        rng: What all circuits are drawn from, one after the other.
        words: The seed.
        rows: The number of each circuit, where each is drawn from a seed of its own; else None.
    """

    def __init__(
        self,
        shots: int | None,
        rng: np.random.Generator,
        words: Sequence[int],
        rows: NDArray[np.int64] | None,
    ) -> None:
        self._shots, self._rng, self._words, self._rows = shots, rng, words, rows

    def of(self, found: Sequence[Outcomes]) -> list[Outcomes]:
        """Returns outcomes with those drawn that are exact."""
        shots = self._shots
        if shots is None:
            return list(found)
        return [
            part if part.shots is not None else drawn(part, shots, self._rngs(number, len(part)))
            for number, part in enumerate(found)
        ]

    def _rngs(self, number: int, count: int) -> Sequence[np.random.Generator]:
        if self._rows is None:
            return [self._rng] * count
        return [np.random.default_rng([*self._words, number, row]) for row in self._rows.tolist()]


def drawn(exact: Outcomes, shots: int, rngs: Sequence[np.random.Generator]) -> Outcomes:
    """Returns what a number of draws from exact probabilities gives, each circuit from its own.

    Example:
        >>> coin = Outcomes(1, np.array([0, 2]), np.array([0, 1]), np.array([0.5, 0.5]), None)
        >>> found = drawn(coin, 1000, [np.random.default_rng(0)])
        >>> found.shots, bool(abs(found.probabilities[0] - 0.5) < 0.1)
        (1000, True)
    """
    firsts, lasts = exact.starts[:-1].tolist(), exact.starts[1:].tolist()
    counts = np.concatenate(
        [
            rng.multinomial(shots, exact.probabilities[first:last])
            for rng, first, last in zip(rngs, firsts, lasts, strict=True)
        ]
    )
    came = counts > 0
    starts = np.concatenate([[0], np.cumsum(np.add.reduceat(came, exact.starts[:-1]))])
    return Outcomes(
        exact.n_wires, starts.astype(np.int64), exact.states[came], counts[came] / shots, shots
    )
