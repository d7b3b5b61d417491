"""The backend on IonQ's machines and their simulators, over the network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore_tf.backends import registry
from qstore_tf.backends.arrays.base import Array, ArrayBackend
from qstore_tf.backends.arrays.ionq_forecast import foresee
from qstore_tf.backends.arrays.ionq_options import check_count, check_gateset, check_options
from qstore_tf.backends.arrays.kept import kept
from qstore_tf.backends.arrays.rows import PartSeed
from qstore_tf.backends.base import Backend, Batch, Capabilities, WithAccount
from qstore_tf.backends.extras import require
from qstore_tf.backends.forecast import Forecast
from qstore_tf.caching import Counts, counts_of
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import (
    CircuitError,
    ConfigurationError,
    InputError,
    JobError,
    ServiceError,
    describe,
)
from qstore_tf.ionq import measuring
from qstore_tf.ionq.measuring import qubit_states
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.environment import budget_from_environment
from qstore_tf.ionq.money.one_budget import same_account
from qstore_tf.ionq.prices import PriceTable, price_table
from qstore_tf.ionq.runnable import CompileOptions, bound, runnable
from qstore_tf.ionq.sending import Sender
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.work import Work
from qstore_tf.ionq.targets import NOISE_MODELS, TARGETS, Target, check_noise, lookup

if TYPE_CHECKING:
    from qstore_tf.ionq.money.tracker import CostTracker

_SHOTS = 1000


class IonQ(WithAccount, ArrayBackend):
    """Runs on IonQ's machines and simulators, or on a local IonQ (`qstore ionq-emulator`).

    A circuit is compiled once to the target's native gates, or written in gates that the service
    compiles (`gateset="qis"`). A call binds the numbers of the batch and sends it, with all groups
    of observables, in as few jobs as the service's limits allow. A gradient is one such call with
    all shifted circuits. What is sent is written to a journal first, so that nothing is lost or
    paid twice when the network or this process fails.

    The ideal simulator answers with exact probabilities; with `shots`, these are drawn from here.
    Rows whose numbers are not finite are not sent; their expectations are NaN.

    Args:
        target: "simulator", "qpu.forte-1" and the like, or a `Target`.
        shots: Shots of each circuit. None: exact expectations on the ideal simulator, 1,000 shots
            elsewhere. `shots=` of a layer wins.
        noise: A noise model of the simulator, such as "aria-1", for whose gates circuits are then
            compiled; None: ideal.
        debiasing: Error mitigation of the machine; always said explicitly, as it is a matter of
            price.
        aggregation: How the machine's debiased results are put together, "average" or "voting".
        dry_run: Whether jobs are only checked and priced by the service, and not run: a call then
            raises DryRunError, which carries the price.
        gateset: "native" for gates of the machine, compiled here; "qis" for gates such as h, rx and
            cnot, which the service compiles.
        optimization_level: As in `qstore_tf.ionq.compile`; for native gates.
        max_partial: As in `qstore_tf.ionq.compile`; for native gates.
        approximation: As in `qstore_tf.ionq.compile`; for native gates.
        budget: What may be spent, and what to do then. None: the one of the environment
            (IONQ_BUDGET_USD), if any.
        tracker: Where costs are recorded.
        label: What trackers call the layer, where each layer has a backend of its own.
        prices: A PriceTable, or the name of a provider with published prices, such as "azure";
            None: the service's own estimate.
        max_in_flight: Jobs that may be waiting or running at the same time.
        deadline_s: Seconds after which a call gives up and cancels what is queued.
        unreachable_s: Seconds for which a request is tried again while the service does not answer
            as it should; then it is unreachable. None: ten minutes. In a Router or Pool, where
            others take over, a few seconds are better.
        transport: "http", or "cirq" for the client of cirq-ionq.
        journal: The file of the journal; None: the one of the user.
        url: Address of the service; None: IONQ_API_URL, IONQ_REMOTE_HOST, or IonQ's own.
        api_key: None: IONQ_API_KEY. It is not part of `get_config`, so that it is never saved.

    Raises:
        ConfigurationError: An option makes no sense.
        LibraryError: httpx is not installed.

    Example:
        >>> IonQ("simulator").capabilities.exact, IonQ("qpu.forte-1").shots
        (True, 1000)
    """

    name = "ionq"
    remote = True
    capabilities = Capabilities(
        state_vector=False, exact=False, adjoint=False, dtypes=("float32", "float64")
    )

    def __init__(
        self,
        target: str | Target | Mapping[str, Any] = "simulator",
        shots: int | None = None,
        *,
        noise: str | None = None,
        debiasing: bool = False,
        aggregation: str | None = None,
        dry_run: bool = False,
        gateset: str = "native",
        optimization_level: int = 3,
        max_partial: float = 0.25,
        approximation: float = 0.0,
        budget: Budget | Mapping[str, Any] | None = None,
        tracker: CostTracker | None = None,
        label: str | None = None,
        prices: PriceTable | str | None = None,
        max_in_flight: int = 4,
        deadline_s: float | None = None,
        unreachable_s: float | None = None,
        transport: str = "http",
        journal: str | Path | None = None,
        url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        """Checks the options; nothing is sent before the first run."""
        require("httpx", self.name, extra="ionq")
        check_options(shots, debiasing, aggregation, dry_run, budget, tracker)
        self.target = Target(**target) if isinstance(target, Mapping) else lookup(target)
        self.noise = check_noise(noise, self.target)
        is_ideal = self.target.name == "simulator" and noise in (None, "ideal")
        if shots is None and not is_ideal:
            shots = _SHOTS
        self.shots = None if shots is None else check_count(shots, debiasing)
        self.capabilities = replace(self.capabilities, exact=self.shots is None)
        self._compiling = CompileOptions(
            self.target,
            NOISE_MODELS.get(noise or "ideal"),
            optimization_level,
            max_partial,
            approximation,
            gateset,
        )
        check_gateset(self._compiling)
        self._given_budget = (
            budget if not isinstance(budget, Mapping) else Budget.from_config(budget)
        )
        self.budget = self._given_budget
        if self.budget is None and self.target.name != "simulator":
            self.budget = budget_from_environment()
        self._options: dict[str, Any] = {
            "debiasing": debiasing,
            "aggregation": aggregation,
            "dry_run": dry_run,
            "max_in_flight": max_in_flight,
            "deadline_s": deadline_s,
            "unreachable_s": unreachable_s,
            "transport": transport,
        }
        self._with_shots: dict[int, IonQ] = {}  # one of each, so that what is made for it is found
        if isinstance(prices, str):
            prices = price_table(prices, self.target)
        self.sender = Sender(
            self.target.api_name,
            {**self._options, "noise": noise, "journal": journal, "prices": prices},
            url=url,
            api_key=api_key,
            budget=self.budget,
            tracker=tracker,
            label=label,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same backend again.

        Without address, key, journal, tracker and prices: they belong to who uses a model, not to
        the model. A key is never saved.
        """
        return {
            "target": _plain(self.target),
            "shots": self.shots,
            "noise": self.noise,
            "gateset": self._compiling.gateset,
            "optimization_level": self._compiling.optimization_level,
            "max_partial": self._compiling.max_partial,
            "approximation": self._compiling.approximation,
            "budget": self._given_budget and self._given_budget.get_config(),
            **self._options,
        }

    @property
    def is_paid(self) -> bool:
        """Whether runs cost money: machines do, the simulator does not."""
        return self.target.name != "simulator"

    @property
    def results_from(self) -> tuple[Any, ...]:
        """What else than a program and its numbers results depend on, beside shots."""
        return self.sender.results_from

    @property
    def is_rehearsing(self) -> bool:
        """Whether work is only counted at the moment, for an estimate."""
        return self.sender.is_rehearsing

    def with_shots(self, shots: int) -> IonQ:
        """Returns this backend with another number of shots; jobs, caches and budget are shared."""
        other = copy.copy(self)
        other.shots = check_count(shots, bool(self._options["debiasing"]))
        other.capabilities = replace(self.capabilities, exact=False)
        return self._with_shots.setdefault(other.shots, other)

    def with_budget(self, budget: Budget) -> IonQ:
        """Returns this backend with a budget of somebody else, such as a Router's, to spend from.

        It raises BudgetExceededError where that cannot pay, whatever its `on_exceed` says: whoever
        gave the budget decides what then.

        Raises:
            ConfigurationError: This backend was given another budget of its own.
        """
        if not (self._given_budget is None or same_account(self._given_budget, budget)):
            raise ConfigurationError(
                describe(
                    f"Backend 'ionq' on {self.target.name} has a budget of its own, and is to "
                    "spend from another",
                    expected="one budget",
                    received=[self._given_budget, budget],
                    hint="Give the budget to one of them only",
                )
            )
        other = copy.copy(self)
        other.budget = budget
        other.sender = self.sender.with_budget(budget)
        other._with_shots = {}
        return other

    def forecast(
        self,
        program: Program,
        observables: Sequence[PauliSum] | None,
        rows: int,
        shots: int | None = None,
    ) -> Forecast:
        """Returns what a call would cost, how reliable it is, and how long it would wait.

        Args:
            program: What is run.
            observables: What is measured; None: samples are drawn.
            rows: Rows of the batch.
            shots: Of each circuit; None: those of this backend.
        """
        return foresee(
            self._compiling,
            self.noise,
            self.sender.foresight,
            program,
            observables,
            rows,
            self.shots if shots is None else shots,
        )

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where the program cannot be compiled for the target."""
        if program.has_initial:
            raise ConfigurationError(
                describe(
                    "IonQ's machines start in |0...0>, and this circuit starts from a given state",
                    hint="Use an encoding that is a circuit, such as encoding='amplitude'",
                )
            )
        # Without a search for the shortest form, which the measured bases get when they are run.
        plainly = replace(self._compiling, optimization_level=0)
        try:
            runnable(program, (), plainly)
        except CircuitError as error:
            raise ConfigurationError(
                f"Backend 'ionq' cannot run this circuit on {self.target.name}: {error}"
            ) from error

    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns expectations [B, K]; see `ArrayBackend.expectation`."""
        check_observables(observables, batch.program.n_qubits)
        planned = measuring.plan(batch.program, tuple(observables), self._compiling)
        usable = _finite_rows(batch)
        parts = []
        if usable.any():
            parts = [g.runnable.bind(batch.inputs[usable], batch.theta) for g in planned.groups]

        def read(outcomes: Sequence[Outcomes]) -> Array:
            found = np.full((len(usable), len(observables)), np.nan)
            found[usable] = planned.constants
            for group, part, counted in zip(planned.groups, parts, outcomes, strict=False):
                found[usable] += group.expectations(counted, part.flips)
            return found.astype(batch.inputs.dtype)

        if not parts:
            return read(())
        outcomes = self._outcomes([part.work for part in parts], self.shots, seed, usable, read)
        if outcomes is None:
            instead = self._fallback().expectation
            return np.asarray(instead(batch.program, observables, *batch.values, seed=seed))
        return read(outcomes)

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`.

        Each row is in the order of the wires' outcomes: a machine returns counts, not draws.
        """
        if not _finite_rows(batch).all():
            raise InputError("its numbers must be finite to draw samples from them")
        made = runnable(batch.program, (), self._compiling)
        circuits = made.bind(batch.inputs, batch.theta)

        def read(outcomes: Sequence[Outcomes]) -> Array:
            return qubit_states(outcomes[0].draws(shots), circuits.flips, made.outcomes)

        everything = np.ones(len(batch.inputs), bool)
        outcomes = self._outcomes([circuits.work], shots, seed, everything, read)
        if outcomes is None:
            instead = self._fallback().sample
            return np.asarray(instead(batch.program, *batch.values, shots=shots, seed=seed))
        return read(outcomes)

    def telemetry(self) -> dict[str, float]:
        """Returns what was sent, spent and kept so far; see `callbacks.ReportsTelemetry`."""
        return {
            **self.sender.telemetry(),
            "structure_cache_hit_rate": _rate(counts_of(measuring.plan)),
            "bound_cache_hit_rate": _rate(counts_of(bound)),
        }

    def _outcomes(
        self,
        work: list[Work],
        shots: int | None,
        seed: Sequence[int] | None,
        sent: Array,
        read: Callable[[Sequence[Outcomes]], Array],
    ) -> list[Outcomes] | None:
        """Runs a circuit for each row that is sent, of each work; an error keeps what is done."""
        rows = seed.rows[sent] if isinstance(seed, PartSeed) else None
        try:
            return self.sender.run(work, shots, seed, rows)
        except (JobError, ServiceError) as error:
            error.kept = kept(error, sent, read)
            raise

    def _fallback(self) -> Backend:
        """The backend that the budget names, in TensorFlow."""
        assert self.budget is not None
        fallback = self.budget.fallback
        if isinstance(fallback, Mapping):  # as a saved model has it
            return registry.get(fallback["name"], **fallback["options"])
        return registry.get(fallback)


def _plain(target: Target) -> str | dict[str, Any]:
    """A target as JSON can hold it: its name, or all about it where that says not enough."""
    return target.api_name if TARGETS.get(target.name) == target else asdict(target)


def _finite_rows(batch: Batch) -> Array:
    """Whether the numbers of each row are finite, [B]."""
    found: Array = np.isfinite(batch.inputs).all(axis=1) & np.isfinite(batch.theta).all()
    return found


def _rate(counts: Counts) -> float:
    total = counts.hits + counts.misses
    return counts.hits / total if total else 0.0
