"""A backend that chooses among several for each batch that it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qstore_tf.backends import registry
from qstore_tf.backends.arrays.base import Array, ArrayBackend, Gradients
from qstore_tf.backends.base import Backend, Batch
from qstore_tf.circuits.observables import PauliSum, parse_observables
from qstore_tf.circuits.program import Program
from qstore_tf.errors import (
    BackendError,
    BudgetExceededError,
    ConfigurationError,
    LedgerError,
    PriceError,
    QstoreError,
    describe,
    did_you_mean,
)
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.service.delivering import NotAllSent
from qstore_tf.routing.advice import Recommended, recommended
from qstore_tf.routing.budgets import as_budget, check_one_training, sharing
from qstore_tf.routing.choosing import Chooser
from qstore_tf.routing.composed import Composed
from qstore_tf.routing.explaining import Explanation, excluded
from qstore_tf.routing.health import CALLER, WORK, blame
from qstore_tf.routing.members import Member, dearest, members_of
from qstore_tf.routing.payers import Payer
from qstore_tf.routing.requests import Reason, Request
from qstore_tf.routing.scores import WEIGHTS
from qstore_tf.routing.tally import Tally
from qstore_tf.routing.written import Written, fingerprint

_ABOUT_MONEY = (BudgetExceededError, PriceError, LedgerError)


class Router(Composed):
    """Runs each batch on the backend that is best for it now.

    Hard limits exclude first: dtype, capabilities, qubits, memory, gates, precision, budget and
    health. Of those that are left the highest score is chosen: speed, cost, precision and queue,
    each in [0, 1] (`qstore_tf.routing.scores` defines them), weighted by the priority. A program
    stays where it ran before unless another backend is better by more than the margin. Where a
    backend fails or its budget cannot pay, the batch goes to the next; after a failure of a
    machine that may have run circuits, only to one that costs nothing. docs/routing.md has more.

    It can do what all its backends can. So gradient="adjoint" needs gradients of their own in each
    of them; with a machine among them gradients are further circuits.

    Args:
        backends: Names, backends, or mappings with "name" and "options".
        priority: "balanced", "cost" or "speed".
        precision: The least precision, (1 - 1 / sqrt(shots)) x estimated fidelity, in [0, 1].
        budget: What may be spent by all of them together: a Budget, or an amount of US dollars.
            None: each has its own, if any.
        margin: By how much more another score must be for a program to move.
        journal: A file where it is written down which machine may be paid for a batch, before it is
            sent there. None: router.sqlite beside the journal of IonQ's jobs.

    Raises:
        ConfigurationError: There is no backend, an option makes no sense, or a backend has another
            budget of its own.
        LibraryError: What one of the backends needs is not installed.

    Example:
        >>> router = Router(["tensorflow", "qsim"], priority="speed")
        >>> router.capabilities.exact, router.capabilities.adjoint
        (True, False)
        >>> router.recommend("development").members
        ('tensorflow', 'qsim')
    """

    name = "router"

    def __init__(
        self,
        backends: Sequence[str | Backend | ArrayBackend | Mapping[str, Any]] = (),
        priority: str = "balanced",
        precision: float = 0.9,
        budget: Budget | Mapping[str, Any] | int | float | str | None = None,
        margin: float = 0.02,
        journal: str | Path | None = None,
    ) -> None:
        """Makes the members; nothing runs and nothing is asked before the first batch."""
        if not isinstance(priority, str) or priority not in WEIGHTS:
            raise ConfigurationError(
                describe(
                    f"There is no priority {priority!r}",
                    hint=did_you_mean(str(priority)[:100], WEIGHTS),
                )
            )
        self.priority = priority
        self.precision = _share("precision", precision)
        self.margin = _share("margin", margin)
        self.budget = as_budget(budget)
        members = members_of(sharing(backends, budget, self.budget))
        if self.budget is not None:
            members = tuple(member.with_budget(self.budget) for member in members)
        self.tally = Tally([member.name for member in members])
        self._chooser = Chooser(priority, self.precision, self.margin)
        self._written = Written(journal, "router")
        fallback = None if self.budget is None else self.budget.fallback
        self._fallback = None if fallback is None else members_of([fallback])[0]
        if self._fallback is not None and self._fallback.is_paid:
            raise ConfigurationError(
                describe(
                    "The fallback of a Router's budget costs money, which no budget would limit",
                    expected="a backend that costs nothing, such as 'native'",
                    received=self._fallback.name,
                )
            )
        super().__init__(members)

    def _use(self, members: tuple[Member, ...]) -> None:
        super()._use(members)
        if self._fallback is not None and self.shots is not None:
            self._fallback = self._fallback.with_shots(self.shots)

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same Router again.

        Without keys, journal, and what was measured.
        """
        return {
            "backends": [member.get_config() for member in self.members],
            "priority": self.priority,
            "precision": self.precision,
            "budget": self.budget and self.budget.get_config(),
            "margin": self.margin,
        }

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where no member can run the program, and says why for each.

        Also where another Router with another budget is part of the same function.
        """
        check_one_training(self.budget)
        request = Request(program, None, 0, dtype=None)
        if self._chooser.nowhere(self.members, request):
            raise self._nobody(self._chooser.explain(self.members, request))

    def row_bytes(self, program: Program, dtype: Any, samples: bool = False) -> int:
        """Returns 0: members look after their memory themselves."""
        return 0

    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns expectations [B, K] of the chosen member; see `ArrayBackend.expectation`."""
        request = self._request(batch, "forward", observables)
        found: Array = self._run(request, batch, lambda m: m.expectation(batch, observables, seed))
        return found

    def pull_expectation(
        self, batch: Batch, observables: Sequence[PauliSum], upstream: Array
    ) -> Gradients:
        """Returns gradients; see `ArrayBackend.pull_expectation`."""
        request = self._request(batch, "gradient", observables)
        found: Gradients = self._run(
            request, batch, lambda m: m.pull_expectation(batch, observables, upstream)
        )
        return found

    def state_vector(self, batch: Batch) -> Array:
        """Returns the final states [B, 2^n]."""
        found: Array = self._run(
            self._request(batch, "state"), batch, lambda m: m.state_vector(batch)
        )
        return found

    def pull_state(self, batch: Batch, upstream: Array) -> Gradients:
        """Returns gradients; see `ArrayBackend.pull_state`."""
        found: Gradients = self._run(
            self._request(batch, "gradient"), batch, lambda m: m.pull_state(batch, upstream)
        )
        return found

    def probabilities(self, batch: Batch) -> Array:
        """Returns the probabilities [B, 2^n] of the basis states."""
        found: Array = self._run(
            self._request(batch, "state"), batch, lambda m: m.probabilities(batch)
        )
        return found

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`."""
        request = replace(self._request(batch, "sample"), shots=shots)
        found: Array = self._run(request, batch, lambda m: m.sample(batch, shots, seed))
        return found

    def explain(
        self,
        program: Program,
        shots: int | None = None,
        *,
        observables: Sequence[PauliSum] | None = None,
        rows: int = 1,
        gradient: bool = False,
        dtype: str = "float32",
    ) -> Explanation:
        """Returns what would run a program now, and why; `print` shows a table and a sentence.

        Nothing is run. Prices that no table has are asked of the service.

        Args:
            program: What would be run.
            shots: As `shots=` of a layer.
            observables: What would be measured; None: Z on each qubit.
            rows: Rows of the batch.
            gradient: Whether gradients of a backend's own are meant.
            dtype: "float32" or "float64".
        """
        asked = self if shots is None else self.with_shots(shots)
        given = _all_z(program.n_qubits) if observables is None else tuple(observables)
        kind = "gradient" if gradient else "forward"
        request = Request(program, given, rows, kind, dtype)
        return self._chooser.explain(asked.members, request)

    def recommend(self, workload: str = "training") -> Recommended:
        """Returns which members go with a kind of work.

        Args:
            workload: "development", "training", "validation", "production" or "research".

        Raises:
            ConfigurationError: The workload is unknown.
        """
        return recommended(workload, [(member.name, member.kind) for member in self.members])

    def telemetry(self) -> dict[str, float]:
        """Returns shares, changes, fallbacks, cost and waits; see `callbacks.ReportsTelemetry`."""
        return self.tally.as_dict(self.members)

    @property
    def decisions(self) -> list[str]:
        """The newest decisions and changes in words, as they are in the log and in TensorBoard."""
        return self.tally.decisions()[1]

    def decisions_since(self, number: int) -> tuple[int, list[str]]:
        """Returns the number of decisions so far, and those after the first `number` in words."""
        return self.tally.decisions(number)

    def _request(
        self, batch: Batch, kind: str, observables: Sequence[PauliSum] | None = None
    ) -> Request:
        sums = None if observables is None else tuple(observables)
        return Request(batch.program, sums, len(batch.inputs), kind, batch.inputs.dtype.name)

    def _run(self, request: Request, batch: Batch, call: Callable[[Member], Any]) -> Any:
        check_one_training(self.budget, running=True)
        if any(member.is_rehearsing for member in self.members):
            return call(self._dearest(request))
        with Payer(self._written, lambda: self._key(request, batch), request.rows) as payer:
            return self._tried(request, call, payer)

    def _tried(self, request: Request, call: Callable[[Member], Any], payer: Payer) -> Any:
        """Returns what the first member returns that does not fail, the best ones first."""
        failed: dict[str, Reason] = {}
        last: Exception | None = None
        unsettled: Exception | None = None  # of the machine that may have run the batch
        while True:
            decision = self._chooser.explain(self.members, request, failed, payer.name)
            chosen = decision.chosen
            if self._may_cost and (chosen is None or chosen.member.is_paid):
                try:
                    if payer.look(pays=chosen is not None):
                        continue
                except LedgerError as error:
                    last = error
                    failed.update(self._unpayable(error))
                    continue
            if chosen is None:
                goes_on = self._fallback is not None and self._is_over_budget(decision)
                if unsettled is not None:
                    # It knows which circuits are done; the same call again takes them up.
                    raise unsettled
                if last is not None and len(self.members) == 1 and not goes_on:
                    raise last
                if self._fallback is None or not goes_on:
                    raise self._nobody(decision, payer.name) from last
                found = call(self._fallback)
                self._note(decision, self._fallback, bool(failed))
                return found
            member = chosen.member
            if not member.breaker.admit():
                failed[member.name] = Reason("health", "it failed, and another batch tries it")
                continue
            try:
                payer.sends(member)
            except LedgerError as error:
                last = error
                failed.update(self._unpayable(error))
                continue
            try:
                found = call(member)
            except Exception as error:
                if payer.failed(member, error):
                    unsettled = error
                if blame(error) == CALLER:
                    raise
                last = error
                failed[member.name] = self._reason(member, request, error)
                self.tally.failed(member.name, error)
                continue
            self._note(decision, member, bool(failed))
            return found

    def _unpayable(self, error: LedgerError) -> dict[str, Reason]:
        """Why no member that costs money can be chosen: nothing is sent that is not written."""
        reason = Reason("failed", f"it cannot be written down that it may be paid ({error})")
        return {member.name: reason for member in self.members if member.is_paid}

    @property
    def _may_cost(self) -> bool:
        return any(member.is_paid for member in self.members)

    def _key(self, request: Request, batch: Batch) -> str:
        # Whoever else is a member now: the machine that may have run it is known by its name.
        return fingerprint(batch, (request.kind, request.observables, request.shots, self.shots))

    def _reason(self, member: Member, request: Request, error: Exception) -> Reason:
        """What is said of a member that raised; what it would raise again is remembered."""
        words = str(error) or type(error).__name__
        if isinstance(error, _ABOUT_MONEY):
            return Reason("budget", words)
        # One that found that an earlier call has not sent everything may run the next batch.
        if blame(error) == WORK and not isinstance(error, NotAllSent):
            self._chooser.refused(member, request, f"it refused this program ({words})")
        return Reason("failed", f"it failed ({words})")

    def _note(self, decision: Explanation, member: Member, fell_back: bool) -> None:
        request = decision.request
        if self._chooser.moved(request, member.name):
            words = decision.sentence
            if member is self._fallback:
                words = f"{member.name!r} runs it, as the budget says. {words}"
            self.tally.changed(request, decision.current, words)
        self.tally.ran(request, member.name, decision.candidates, fell_back)

    def _dearest(self, request: Request) -> Member:
        """The member that costs most, for an estimate; nothing is run and no budget counts."""
        fixed = self._chooser.fixed(self.members, request)
        able = [member for member in self.members if member.name not in fixed]
        if not able:
            raise self._nobody(self._chooser.explain(self.members, request))
        return dearest(able, request.program, request.observables, request.rows, request.shots)

    @staticmethod
    def _is_over_budget(decision: Explanation) -> bool:
        """Whether some member could run it if there were more money."""
        return any(
            all(reason.limit == "budget" for reason in each.reasons) for each in decision.candidates
        )

    def _nobody(self, decision: Explanation, paid: str | None = None) -> QstoreError:
        """The error where no member can be chosen; `paid` may have run the batch for money."""
        program, reasons = decision.request.program, decision.candidates
        limits_met = {reason.limit for each in reasons for reason in each.reasons}
        kind: type[QstoreError] = ConfigurationError
        if self._is_over_budget(decision):
            kind = BudgetExceededError
        elif limits_met & {"health", "failed"}:
            kind = BackendError
        return kind(
            describe(
                f"No backend of the Router can run this program of {program.n_qubits} qubits and "
                f"{len(program.gates)} gates. {excluded(reasons)}".rstrip("."),
                hint="Add a backend that can, or change what excludes them: shots=, precision= "
                "or budget="
                if paid is None
                else f"Run the same again when {paid!r} answers, or with a backend that costs "
                f"nothing. To pay another machine all the same, delete {self._written.path}",
            )
        )


def _all_z(n_qubits: int) -> tuple[PauliSum, ...]:
    texts = ["I" * k + "Z" + "I" * (n_qubits - k - 1) for k in range(n_qubits)]
    return tuple(parse_observables(texts, n_qubits))


def _share(name: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:
        raise ConfigurationError(describe(f"`{name}` must be a number from 0 to 1", received=value))
    return float(value)


registry.register("router", Router)
