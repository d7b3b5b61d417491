"""What jobs cost: reserved before they are sent, committed as billed, and told to trackers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qstore_tf.errors import AccountUnreachableError, LedgerError, PriceError, ServiceError
from qstore_tf.ionq.money.amounts import Money, add, plain
from qstore_tf.ionq.money.balance import RESERVED, Amount
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.estimating import estimate_batch
from qstore_tf.ionq.money.rates import billed, question, read_estimate
from qstore_tf.ionq.money.tracker import CostTracker, record
from qstore_tf.ionq.prices import PriceTable, price_table
from qstore_tf.ionq.service.client import Transport
from qstore_tf.ionq.service.clock import Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.jobs import Job
from qstore_tf.ionq.service.journal import Entry
from qstore_tf.ionq.service.planning import Part
from qstore_tf.ionq.service.versions import Options

_log = logging.getLogger("qstore_tf")
_NOTHING = Decimal(0)
_IN = {"train": "training", "validation": "validation", "predict": "prediction"}  # words of phases
_BILL_S = 60.0  # for a bill; without one, what was set aside counts


class Payer:
    """The money of one run.

    Args:
        transport: Asks the service for prices and bills.
        options: Of the jobs.
        budget: What is reserved from; None: nothing is limited.
        tracker: What is told, beside the trackers that are entered.
        prices: The prices of the target; None: the service's own estimate.
        counts: Where what was billed is counted.
        labels: `phase` and `layer`, for trackers.
    """

    def __init__(
        self,
        transport: Transport,
        options: Options,
        budget: Budget | None,
        tracker: CostTracker | None,
        prices: PriceTable | None,
        counts: Counts,
        labels: Mapping[str, str | None],
    ) -> None:
        self._transport, self._options = transport, options
        self._budget, self._trackers, self._counts = budget, (tracker,), counts
        self._prices = price_table("ionq", "simulator") if options.is_simulator else prices
        self._labels = labels
        self._lock = threading.Lock()
        self._at_most: dict[str, Money | None] = {}
        self._spent: dict[str, Decimal] = {}
        self._shots = 0
        self.in_vain: set[str] = set()  # jobs that cost something for which nothing is got

    @property
    def spent(self) -> str:
        """What the run has cost so far, in words."""
        with self._lock:
            amounts = [f"{plain(amount)} {unit}" for unit, amount in self._spent.items() if amount]
            shots = [f"{self._shots} shots"] if self._shots else []
        return " and ".join(amounts + shots) or "nothing"

    def shots(self, entry: Entry) -> int:
        """The shots of all circuits of a job; exact probabilities take none."""
        return 0 if self._options.is_exact else entry.circuits * entry.shots

    def reserve(
        self, entry: Entry, part: Part, n_parts: int, again: bool, patience: Patience
    ) -> None:
        """Sets aside what a job can cost at most.

        Args:
            entry: The job, which is not sent yet.
            part: Its circuits.
            n_parts: How many jobs the run has.
            again: Whether it may be reserved already, by an earlier run with other prices.
            patience: For asking the service.

        Raises:
            BudgetExceededError: There is not so much left.
            PriceError: The budget limits money, and the price is not known.
        """
        if self._options.dry_run:
            return
        at_most = self._price(part, patience)
        self._at_most[entry.token] = at_most
        if self._budget is not None:
            if again:
                self._budget.release(entry.token)
            self._budget.reserve(
                entry.token,
                shots=self.shots(entry),
                amount=None if at_most is None else at_most.amount,
                currency=None if at_most is None else at_most.currency,
                what=self._words(part, n_parts),
            )
        self._tell(entry, part)

    def release(self, entry: Entry) -> None:
        """Frees what was set aside for a job that was not run and will not be."""
        if self._budget is not None and not self._options.dry_run:
            try:
                self._budget.release(entry.token)
            except AccountUnreachableError as error:  # a later run frees it, see `reconciling`
                _log.warning("%s", error)

    def settle(self, entry: Entry, job: Job, patience: Patience) -> None:
        """Commits what the service billed for a job that is over; releases what was not run.

        What nobody knows counts as what was set aside.
        """
        self._settle(entry, job, patience, self._budget, self.shots(entry))

    def settle_late(self, entry: Entry, job: Job, patience: Patience) -> None:
        """Commits what a job cost that somebody else has seen end, without this budget.

        Nothing happens where this budget has set nothing aside for it: then it is not its money.
        """
        reserved = self._reservation(entry.token)
        if reserved is not None:
            shots = self.shots(entry) if reserved.shots is None else reserved.shots
            self._settle(entry, job, patience, self._budget, shots)

    def settle_left(self, entry: Entry, job: Job, patience: Patience) -> None:
        """As `settle_late`, of a job that nobody waited for: trackers are told in any case."""
        if self._reservation(entry.token) is None:
            self._settle(entry, job, patience, None, self.shots(entry))
        else:
            self.settle_late(entry, job, patience)

    def _settle(
        self, entry: Entry, job: Job, patience: Patience, budget: Budget | None, shots: int
    ) -> None:
        if self._options.dry_run:
            return
        bill, is_known = self._bill(job, patience)
        ran = job.state == "completed" or (job.ran and not is_known)
        if not ran and (bill is None or not bill.amount):
            try:
                if budget is not None:
                    budget.release(entry.token)
            except AccountUnreachableError as error:
                _log.warning("%s", error)
            except LedgerError:  # it was committed before, when nobody knew the bill
                self._commit(budget, entry.token, bill, 0, is_known)
            return
        if job.state != "completed":
            self.in_vain.add(entry.token)
        self._count(bill, shots)
        self._commit(budget, entry.token, bill, shots, is_known)
        amounts = {} if bill is None else {"billed": bill.amount, "currency": bill.currency}
        times = {"queue_s": job.queue_s, "run_s": job.run_s}
        self._record(entry.token, job_id=job.id, **amounts, **times)

    def copy(self, entry: Entry, job: Job, patience: Patience) -> None:
        """Counts a second copy of a job that was run; without a bill, as what was set aside."""
        if self._options.dry_run:
            return
        self.in_vain.add(entry.token)
        key, shots = f"{entry.token}/{job.id}"[:200], self.shots(entry)
        price = self._bill(job, patience)[0] or self._reserved(entry.token)
        self._count(price, shots)
        self._commit(self._budget, key, price, shots, True)
        amounts = {"billed": price.amount, "currency": price.currency}
        self._record(key, job_id=job.id, target=self._options.target, **amounts)

    def copy_left(self, entry: Entry, job: Job, patience: Patience) -> None:
        """As `copy`, of a job that nobody waits for: whoever has reserved for it pays."""
        if self._budget is None or self._reservation(entry.token) is not None:
            self.copy(entry, job, patience)

    def _reservation(self, token: str) -> Amount | None:
        """What this budget has set aside for a job; None: nothing."""
        if self._budget is None:
            return None
        found = self._budget.entry(token)
        return found.reserved if found is not None and found.state == RESERVED else None

    def _reserved(self, token: str) -> Money:
        at_most = self._at_most.get(token)
        if at_most is None and self._budget is not None:
            found = self._budget.entry(token)
            if found is not None and found.reserved.money is not None:
                at_most = Money(found.reserved.money, self._budget.currency)
        return at_most or Money(_NOTHING, "USD")

    def _words(self, part: Part, n_parts: int) -> str:
        """A job as its user knows it."""
        phase, layer = (self._labels.get(name) for name in ("phase", "layer"))
        which = "The job" if n_parts == 1 else f"Job {part.index + 1} of {n_parts}"
        circuits = "1 circuit" if part.n_circuits == 1 else f"{part.n_circuits} circuits"
        return (
            which
            + (f" of layer {layer!r}" if layer else "")
            + f" on {self._options.target}"
            + (f" in {_IN[phase]}" if phase in _IN else "")
            + f" ({circuits} of {self._options.shots} shots)"
        )

    def _record(self, token: str, **known: Any) -> None:
        try:
            record(token, self._trackers, **known)
        except Exception as error:  # a record is no reason to lose outcomes
            _log.warning("The cost of job %s was not recorded: %s", token, error)

    def _price(self, part: Part, patience: Patience) -> Money | None:
        """The most that a part can cost; None: not known."""
        mitigation, shots = self._options.debiasing, self._options.shots
        if self._prices is not None:
            total, currency = _NOTHING, self._prices.currency
            for work, begin, end in part.pieces:
                one = estimate_batch(
                    work.n_1q, work.n_2q, end - begin, shots, self._prices, mitigation
                )
                assert one.price is not None
                total = add(total, one.price.amount)
            return Money(total, currency)
        if self._budget is None or self._budget.limit.money is None:
            return None
        for work, _, _ in part.pieces:
            work.check_quoted()
        n_1q = sum(work.n_1q * (end - begin) for work, begin, end in part.pieces)
        n_2q = sum(work.n_2q * (end - begin) for work, begin, end in part.pieces)
        asked = question(
            self._options.target,
            n_1q=n_1q,
            n_2q=n_2q,
            n_qubits=max(part.n_wires),
            n_circuits=part.n_circuits,
            shots=shots,
            mitigation=mitigation,
        )
        quote = read_estimate(self._transport.estimate(asked, patience))
        return quote.at_most(part.n_circuits)

    def _bill(self, job: Job, patience: Patience) -> tuple[Money | None, bool]:
        """What was billed, and whether that is known: a machine may not have priced a job yet."""
        if self._options.is_simulator:
            return Money(_NOTHING, "USD"), True
        try:
            short = Patience(patience.clock, min(patience.left, _BILL_S), patience.stop)
            bill = billed(self._transport.cost(job.id, short) or None)
            return bill, bill is not None
        except Over:
            patience.check()  # there is time for other things only
            why: object = f"there was no answer within {_BILL_S:g} s"
        except (PriceError, ServiceError) as error:
            why = error
        # No reason to lose outcomes.
        _log.warning("What job %s was billed is not known: %s", job.id, why)
        return None, False

    @staticmethod
    def _commit(
        budget: Budget | None, key: str, bill: Money | None, shots: int, is_known: bool
    ) -> None:
        if budget is None:
            return
        try:
            if bill is None or (not bill.amount and bill.currency != budget.currency):
                nothing = _NOTHING if is_known else None
                budget.commit(key, amount=nothing, shots=shots)
            else:
                budget.commit(key, amount=bill.amount, currency=bill.currency, shots=shots)
        except (PriceError, LedgerError) as error:
            # Another currency, or nothing was set aside here: no reason to lose the outcomes.
            _log.warning("%s", error)

    def _count(self, bill: Money | None, shots: int) -> None:
        with self._lock:
            self._shots += shots
            if bill is not None:
                before = self._spent.get(bill.currency, _NOTHING)
                self._spent[bill.currency] = add(before, bill.amount)
        if bill is not None:
            self._counts.add("billed", float(bill.amount))

    def _tell(self, entry: Entry, part: Part) -> None:
        price = self._at_most[entry.token]
        amounts: dict[str, Any] = {}
        if price is not None:
            amounts = {"estimated": price.amount, "currency": price.currency}
        self._record(
            entry.token,
            target=self._options.target,
            circuits=part.n_circuits,
            shots=self.shots(entry),
            gates_1q=sum(work.n_1q * (end - begin) for work, begin, end in part.pieces),
            gates_2q=sum(work.n_2q * (end - begin) for work, begin, end in part.pieces),
            **amounts,
            **self._labels,
        )
