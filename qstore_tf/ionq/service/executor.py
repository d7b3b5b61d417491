"""Runs work on IonQ's service: as few jobs as possible, each exactly once, outcomes in order."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from qstore_tf.checks import check_shots
from qstore_tf.errors import ConfigurationError, JobError, ServiceError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.prices import PriceTable
from qstore_tf.ionq.service.client import Client, Transport
from qstore_tf.ionq.service.clock import Clock, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.dry_runs import priced
from qstore_tf.ionq.service.jobs import Job
from qstore_tf.ionq.service.journal import Entry, Journal
from qstore_tf.ionq.service.outcomes import Outcomes, nothing
from qstore_tf.ionq.service.pacing import Pace
from qstore_tf.ionq.service.paying import Payer
from qstore_tf.ionq.service.planning import by_work, filled, fingerprint, parts, sizes
from qstore_tf.ionq.service.reconciling import Reconciler
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.running import Running
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.sessions import Session
from qstore_tf.ionq.service.submitting import Submitter
from qstore_tf.ionq.service.versions import VERSIONS, Options
from qstore_tf.ionq.service.waiting import Waiter
from qstore_tf.ionq.service.work import Work

TRANSPORTS = ("http", "cirq")
_PRICE_S = 60.0  # for what a dry run's jobs would cost
_SEEDS = 2**31  # those of the service have 32 bits and a sign


class Executor:
    """Runs work on one target. Safe for threads.

    Args:
        server: The service; None: as the environment says, see `Server`.
        target: The machine, by its name in the API.
        shots: Shots of each circuit, 1 to 1,000,000; the ideal simulator ignores them.
        debiasing: Error mitigation of the machine, for 500 shots or more.
        aggregation: How debiased results are put together: "average" or "voting".
        noise: A noise model of the simulator; None: ideal.
        noise_seed: Of the simulator's noise and shots, where a run gives none.
        dry_run: Whether jobs are only checked and priced. A run then raises `DryRunError`, which
            carries the price.
        max_in_flight: Jobs that wait or run on the service at the same time.
        max_circuits: The most circuits of a job; None: as many as the service takes, or fewer where
            such jobs run for more than five minutes.
        deadline_s: For how long a run may take; then what waits is canceled.
        unreachable_s: For how long a request is tried again; None: as `retries` says.
        journal: The file of the journal, see `Journal`; ":memory:" for simulators alone.
        budget: What may be spent; reserved from before anything is sent.
        tracker: What is told what jobs cost.
        prices: Those of the target; None: the service's own estimate.
        session: A `Session`, or the id of one.
        transport: "http", or "cirq" for the client of cirq-ionq.
        stuck_s: For how long a job may run; None: for ever.
        settle_s: For how long lists are read before a job without a clear answer is sent again.
        most_unclear: After how many unclear answers a job is not sent again.
        adopt_s: How old what an earlier run has left behind may be to be taken up.
        retries: Pauses between tries.
        poll_s: The shortest pause between two looks at a job.
        clock: Another clock, for tests.
        connect: Makes another transport, for tests.
        seed: Of the spread of pauses, for tests.

    Raises:
        ConfigurationError: An option makes no sense.

    Example:
        >>> executor = Executor(Server("http://localhost:8000", "any"), journal=":memory:")
        >>> executor.telemetry()["jobs"]
        0.0
    """

    def __init__(
        self,
        server: Server | None = None,
        target: str = "simulator",
        *,
        shots: int = 1000,
        debiasing: bool = False,
        aggregation: str | None = None,
        noise: str | None = None,
        noise_seed: int | None = None,
        dry_run: bool = False,
        max_in_flight: int = 4,
        max_circuits: int | None = None,
        deadline_s: float | None = None,
        unreachable_s: float | None = None,
        journal: str | Path | Journal | None = None,
        budget: Budget | None = None,
        tracker: CostTracker | None = None,
        prices: PriceTable | None = None,
        session: Session | str | None = None,
        transport: str = "http",
        stuck_s: float | None = 3600.0,
        settle_s: float = 30.0,
        most_unclear: int = 3,
        adopt_s: float = 86400.0,
        retries: Retries | None = None,
        poll_s: float = 0.05,
        clock: Clock | None = None,
        connect: Callable[[Server, Clock, Counts], Transport] | None = None,
        seed: int | None = None,
    ) -> None:
        self.server = server or Server()
        self._shots = shots
        self._options = Options(
            target=target,
            debiasing=bool(debiasing),
            aggregation=aggregation,
            noise=noise,
            seed=_seed(noise_seed),
            dry_run=bool(dry_run),
            session=session.id if isinstance(session, Session) else session,
        )
        if noise is not None and not self._options.is_simulator:
            raise _wrong("Machines have their own noise", "noise=None", noise)
        for name, value in (("max_in_flight", max_in_flight), ("max_circuits", max_circuits)):
            if value is not None and (type(value) is not int or value < 1):
                raise _wrong(f"{name} makes no sense", "an integer of at least 1", value)
        times = {"deadline_s": deadline_s, "unreachable_s": unreachable_s, "stuck_s": stuck_s}
        for name, seconds in times.items():
            usable = isinstance(seconds, int | float) and not isinstance(seconds, bool)
            if seconds is not None and not (usable and seconds > 0):
                raise _wrong(f"{name} makes no sense", "seconds, or None", seconds)
        if transport not in TRANSPORTS:
            raise _wrong("There is no such transport", " or ".join(TRANSPORTS), transport)
        if session is not None and not VERSIONS[self.server.version].has_sessions:
            raise _wrong("This version of the API has no sessions", "v0.4", self.server.version)
        if str(journal) == ":memory:" and not self._options.is_simulator:
            raise _wrong(
                "A journal in memory is for the simulator: what costs money must outlive a crash",
                "a file, or None for that of the user",
                journal,
            )
        self._max_in_flight, self._max_circuits = max_in_flight, max_circuits
        self._deadline_s, self._stuck_s, self._adopt_s = deadline_s, stuck_s, adopt_s
        self._settle_s, self._most_unclear, self._poll_s = settle_s, most_unclear, poll_s
        self._budget, self._tracker, self._prices = budget, tracker, prices
        self._where, self._transport_name = journal, transport
        self._retries, self._clock, self._connect = retries or Retries(), clock or Clock(), connect
        if unreachable_s is not None:
            self._retries = replace(self._retries, total_s=unreachable_s)
        self._rng = random.Random(seed)
        self._counts, self._pace = Counts(), Pace()
        self._lock = threading.Lock()
        self._there: tuple[Journal, Transport, Reconciler] | None = None

    @property
    def journal(self) -> Journal:
        """The journal, which is opened here if it is not yet."""
        return self._opened()[0]

    def run(
        self,
        work: Sequence[Work],
        shots: int | None = None,
        seed: int | None = None,
        *,
        phase: str | None = None,
        layer: str | None = None,
    ) -> list[Outcomes]:
        """Runs circuits and returns their outcomes.

        Args:
            work: Circuits of some structures; all of them go into as few jobs as possible.
            shots: Of each circuit; None: those of the executor.
            seed: Of the simulator's noise and shots.
            phase: "train", "validation" or "predict", for trackers.
            layer: The name of a layer, for trackers.

        Returns:
            The outcomes of each work, in order.

        Raises:
            JobError: Jobs failed, were canceled, are stuck, or there was no more time. The error
                says which circuits are missing, and has the outcomes of the others; the same call
                again sends only those that are missing.
            ServiceError: The service refused or cannot be reached.
            BudgetExceededError: The budget cannot pay; nothing was sent.
            PriceError: The budget limits money, and the price is not known.
            RunInterrupted: Ctrl-C; what waited was canceled.
        """
        number = self._options.seed if seed is None else _seed(seed)
        count = self._shots if shots is None else shots
        if self._options.is_exact or not self._options.is_simulator:
            number = None  # nothing is drawn by it, and the same work must have one fingerprint
        options = replace(self._options, shots=check_shots(count), seed=number)
        if not sum(map(len, work)):
            return [nothing(each.n_qubits, options.given_shots) for each in work]
        if options.debiasing and options.shots < 500:
            raise _wrong("Debiasing needs more shots", "at least 500", options.shots)
        self.server.key()  # no run without one
        journal, transport, reconciler = self._opened()
        begun = self._clock.monotonic()
        reconciler.now_and_then(self._deadline_s)
        payer = self._payer(transport, options, {"phase": phase, "layer": layer})
        version = self.server.version
        limit = VERSIONS[version].max_circuits
        most = self._max_circuits or self._pace.circuits_per_job(limit)
        run = journal.open(
            fingerprint(self.server.url, options, work),
            self.server.url,
            options.target,
            sizes(work, version, most),
            options.shots,
            self._clock.time(),
            self._adopt_s,
        )
        planned = parts(work, run.sizes)
        running = Running(
            transport,
            version,
            options,
            journal,
            self._submitter(journal, transport, payer.copy),
            self._waiter(transport),
            payer,
            self._clock,
            self._counts,
            self._deadline_s,
            begun,
            self._max_in_flight,
            checks_copies=not options.is_simulator,
        )
        try:
            found = running.run(run, planned)
        except (JobError, ServiceError) as error:
            if running.outcomes and not options.dry_run:
                fetched = filled(running.outcomes, planned, options.given_shots)
                error.outcomes = tuple(by_work(fetched, work, options.given_shots))
            raise
        if options.dry_run:
            raise priced(transport, journal.entries(run.id), Patience(self._clock, _PRICE_S))
        return by_work(found, work, options.given_shots)

    def telemetry(self) -> dict[str, float]:
        """Returns what was done so far; `counting.COUNTS` says what each number is."""
        return self._counts.as_dict()

    def close(self) -> None:
        """Closes connections; a later run opens them again."""
        if self._there is not None:
            self._there[1].close()

    def _opened(self) -> tuple[Journal, Transport, Reconciler]:
        with self._lock:
            if self._there is None:
                given = self._where
                journal = given if isinstance(given, Journal) else Journal(given)
                transport = self._connected()
                payer = self._payer(transport, self._options, {})
                reconciler = Reconciler(
                    self.server.url,
                    self._options,
                    transport,
                    journal,
                    self._submitter(journal, transport, payer.copy_left),
                    payer,
                    self._budget,
                    self._clock,
                )
                self._there = journal, transport, reconciler
            return self._there

    def _payer(
        self, transport: Transport, options: Options, labels: Mapping[str, str | None]
    ) -> Payer:
        return Payer(
            transport, options, self._budget, self._tracker, self._prices, self._counts, labels
        )

    def _connected(self) -> Transport:
        if self._connect is not None:
            return self._connect(self.server, self._clock, self._counts)
        if self._transport_name == "cirq":
            from qstore_tf.ionq.service.cirq_transport import CirqTransport

            return CirqTransport(self.server, self._clock, self._retries, self._counts)
        return Client(self.server, self._clock, self._retries, counts=self._counts, rng=self._rng)

    def _submitter(
        self,
        journal: Journal,
        transport: Transport,
        on_copy: Callable[[Entry, Job, Patience], None],
    ) -> Submitter:
        return Submitter(
            transport,
            journal,
            self._clock,
            self._options.target,
            self._options.session,
            self._settle_s,
            self._most_unclear,
            self._retries,
            self._counts,
            on_copy,
            self._rng,
        )

    def _waiter(self, transport: Transport) -> Waiter:
        return Waiter(
            transport,
            self._clock,
            self._pace,
            poll_s=self._poll_s,
            stuck_s=self._stuck_s,
            rng=self._rng,
        )


def _seed(seed: int | None) -> int | None:
    return None if seed is None else int(seed) % _SEEDS


def _wrong(what: str, expected: str, received: object) -> ConfigurationError:
    return ConfigurationError(describe(what, expected=expected, received=received))
