"""The backend on IonQ's machines and their simulators, over the network."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qstore_tf.backends import registry
from qstore_tf.backends.arrays.base import Array, ArrayBackend
from qstore_tf.backends.arrays.ionq_options import check_count, check_options
from qstore_tf.backends.base import Backend, Batch, Capabilities
from qstore_tf.backends.extras import require
from qstore_tf.caching import Counts, counts_of
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import (
    CircuitError,
    ConfigurationError,
    InputError,
    describe,
)
from qstore_tf.ionq import measuring
from qstore_tf.ionq.measuring import CompileOptions, qubit_states
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.environment import budget_from_environment
from qstore_tf.ionq.prices import PriceTable, price_table
from qstore_tf.ionq.sending import Sender
from qstore_tf.ionq.targets import NOISE_MODELS, TARGETS, Target, check_noise, lookup

if TYPE_CHECKING:
    from qstore_tf.ionq.money.tracker import CostTracker

_SHOTS = 1000


class IonQ(ArrayBackend):
    """Runs on IonQ's machines and simulators, or on a local IonQ (`qstore ionq-emulator`).

    A circuit is compiled once to the target's native gates; a call binds the numbers of the batch
    and sends it, with all groups of observables, in as few jobs as the service's limits allow. A
    gradient is one such call with all shifted circuits. What is sent is written to a journal first,
    so that nothing is lost or paid twice when the network or this process fails.

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
        optimization_level: As in `qstore_tf.ionq.compile`.
        max_partial: As in `qstore_tf.ionq.compile`.
        approximation: As in `qstore_tf.ionq.compile`.
        budget: What may be spent, and what to do then. None: the one of the environment
            (IONQ_BUDGET_USD), if any.
        tracker: Where costs are recorded.
        label: What trackers call the layer, where each layer has a backend of its own.
        prices: A PriceTable, or the name of a provider with published prices, such as "azure";
            None: the service's own estimate.
        max_in_flight: Jobs that may be waiting or running at the same time.
        deadline_s: Seconds after which a call gives up and cancels what is queued.
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
        optimization_level: int = 3,
        max_partial: float = 0.25,
        approximation: float = 0.0,
        budget: Budget | Mapping[str, Any] | None = None,
        tracker: CostTracker | None = None,
        label: str | None = None,
        prices: PriceTable | str | None = None,
        max_in_flight: int = 4,
        deadline_s: float | None = None,
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
        )
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
            "optimization_level": self._compiling.optimization_level,
            "max_partial": self._compiling.max_partial,
            "approximation": self._compiling.approximation,
            "budget": self._given_budget and self._given_budget.get_config(),
            **self._options,
        }

    def __eq__(self, other: object) -> bool:
        """Whether it is the same object: two of one configuration may not share an account."""
        return self is other

    def __hash__(self) -> int:
        """Goes with equality."""
        return object.__hash__(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> IonQ:
        """The same object: an account is not copied."""
        return self

    def with_shots(self, shots: int) -> IonQ:
        """Returns this backend with another number of shots; jobs, caches and budget are shared."""
        other = copy.copy(self)
        other.shots = check_count(shots, bool(self._options["debiasing"]))
        other.capabilities = replace(self.capabilities, exact=False)
        return self._with_shots.setdefault(other.shots, other)

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
            measuring.runnable(program, (), plainly)
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
        found = np.full((len(usable), len(observables)), np.nan)
        found[usable] = planned.constants
        if usable.any() and planned.groups:
            bound = [g.runnable.bind(batch.inputs[usable], batch.theta) for g in planned.groups]
            outcomes = self.sender.run([part.work for part in bound], self.shots, seed)
            if outcomes is None:
                instead = self._fallback().expectation
                return np.asarray(instead(batch.program, observables, *batch.values, seed=seed))
            for group, part, counted in zip(planned.groups, bound, outcomes, strict=True):
                found[usable] += group.expectations(counted, part.flips)
        return found.astype(batch.inputs.dtype)

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`.

        Each row is in the order of the wires' outcomes: a machine returns counts, not draws.
        """
        if not _finite_rows(batch).all():
            raise InputError("its numbers must be finite to draw samples from them")
        made = measuring.runnable(batch.program, (), self._compiling)
        bound = made.bind(batch.inputs, batch.theta)
        outcomes = self.sender.run([bound.work], shots, seed)
        if outcomes is None:
            instead = self._fallback().sample
            return np.asarray(instead(batch.program, *batch.values, shots=shots, seed=seed))
        return qubit_states(outcomes[0].draws(shots), bound.flips, made.outcomes)

    def telemetry(self) -> dict[str, float]:
        """Returns what was sent, spent and kept so far; see `callbacks.ReportsTelemetry`."""
        return {
            **self.sender.telemetry(),
            "structure_cache_hit_rate": _rate(counts_of(measuring.plan)),
            "bound_cache_hit_rate": _rate(counts_of(measuring.bound)),
        }

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
