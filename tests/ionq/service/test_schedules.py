"""Random schedules of faults and crashes: each circuit is run and billed once, or an error says."""

import contextlib
import logging
import random
import sys
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from qstore_tf.errors import JobError, QstoreError, RunFacts
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.prices import PriceTable
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.retrying import CircuitBreaker
from qstore_tf.testing.daily import daily_seed

sys.path.insert(0, str(Path(__file__).parent))

from simulated import (  # noqa: E402
    SERVER,
    TARGET,
    Crash,
    Deaf,
    Life,
    MortalJournal,
    SimulatedClock,
    SimulatedService,
    outcome,
    work,
)

PRICES = PriceTable(provider="x", targets=("forte-1",), per_circuit=Decimal(3))
SCHEDULES, GROUPS, QUICK = 1000, 10, 5


class Schedule:
    """One schedule: a service with its faults, and processes that run the same work until it is."""

    def __init__(self, seed):
        rng = self.rng = random.Random(seed)
        self.clock = SimulatedClock()
        self.journal = MortalJournal()
        self.service = SimulatedService(
            seed,
            self.clock,
            trouble=rng.choice([0.2, 0.7, 1.0]),
            endings=rng.choice([0, 0, 10]),
            lag_s=rng.choice([0, 3, 8]),
            late_s=rng.choice([0, 5, 15]),
            run_s=rng.uniform(8, 40),
        )
        self.n_circuits = rng.randint(1, 9)
        cut = rng.randint(0, self.n_circuits)
        self.work = [work(0, cut), work(cut, self.n_circuits)]
        self.options = {
            "max_circuits": rng.choice([None, 1, 2, 4]),
            "max_in_flight": rng.choice([1, 1, 2, 3]),
            "settle_s": 30.0,
            "deadline_s": rng.choice([None, None, 60.0, 300.0]),
            "shots": 100,
            "poll_s": 2.0,
        }
        self.deaths = [rng.randint(1, 70) for _ in range(rng.choice([0, 0, 1, 2, 4]))]
        self.budget = Budget(usd=10_000, shots=10**6) if rng.random() < 0.25 else None
        self.errors = []

    def executor(self, life):
        self.journal.next_life(life)
        self.service.life = life
        return Executor(
            SERVER,
            TARGET,
            journal=self.journal,
            prices=PRICES,
            budget=self.budget,
            clock=self.clock,
            seed=self.rng.randrange(2**32),
            connect=lambda server, clock, counts: Client(
                server, clock, breaker=CircuitBreaker(clock), counts=counts, wire=self.service
            ),
            **self.options,
        )

    def run(self):
        """Returns the outcomes, or None where the last try ended with an error, which is kept."""
        for number in range(12):
            life = Life(self.deaths[number] if number < len(self.deaths) else None)
            if number > len(self.deaths) + 2:
                self.options["deadline_s"] = None
            try:
                return self.executor(life).run(self.work)
            except Crash:
                if self.journal.is_delivered:
                    return None  # with the outcomes in its hands
            except QstoreError as error:
                self.errors.append(error)
                self.clock.wait(100, threading.Event())
        return None

    def check(self, found):
        """Holds what happened to what is promised."""
        # Everything that waits somewhere runs.
        self.clock.wait(1e6, threading.Event())
        # Nothing was sent again that had arrived: no answer and no list comes later than is waited.
        tokens = Counter(job.token for job in self.service.jobs.values() if not job.is_twin)
        assert max(tokens.values(), default=1) == 1, tokens
        billed = Counter()
        for job in self.service.jobs.values():
            assert job.debiasing is False  # always said
            billed.update(dict.fromkeys(job.circuits, 0))
            if job.is_billed:
                billed.update(job.circuits)
        reported = Counter()
        by_id = self.service.jobs
        copies = {job for _, job, state in self.journal.copies()}
        # What was canceled while it ran may be billed; an error has told so.
        ended = {entry.job for entry in self.journal.entries() if entry.state == "canceled"}
        # The job of an entry is no copy: neither canceled as one, nor reported as spent in vain.
        own = {entry.job for entry in self.journal.entries()}
        assert not own & copies, own & copies
        for job in copies | ended:
            if by_id[job].is_billed:
                reported.update(by_id[job].circuits)
        twice = {c: n for c, n in billed.items() if n - reported[c] > 1}
        assert not twice, f"run more than once, and not reported: {twice}"
        if self.journal.is_delivered:
            assert all(billed[k] - reported[k] == 1 for k in range(self.n_circuits))
        if found is None and not self.journal.is_delivered:
            error = self.errors[-1]
            assert isinstance(error, RunFacts), error
            missing = set(error.circuits)
            assert missing and error.completed == self.n_circuits - len(missing)
        if found is not None:
            states = [int(row.argmax()) for part in found for row in part.dense()]
            assert states == [outcome(k) for k in range(self.n_circuits)]
        if self.budget is not None:
            due = sum(self.service.price(job) for job in by_id.values() if job.is_billed)
            balance = self.budget.balance
            # Of a copy whose bill is not known yet the whole price counts.
            most = due + len(copies) * self.n_circuits * 3
            assert due <= balance.spent.money + balance.reserved.money <= most or found is None
            if found is not None and not copies and not self.errors:
                assert (balance.spent.money, balance.reserved.money) == (due, 0)
                assert balance.spent.shots == 100 * sum(billed.values())


@pytest.mark.parametrize(
    "group",
    [pytest.param(k, marks=[pytest.mark.slow] if k >= QUICK else []) for k in range(GROUPS)],
)
def test_random_schedules_run_and_bill_each_circuit_once(group, caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    ends = Counter()
    for number in range(group, SCHEDULES, GROUPS):
        seed = f"{daily_seed()} {number}"
        schedule = Schedule(seed)
        try:
            found = schedule.run()
            schedule.check(found)
        except BaseException as error:
            raise AssertionError(f"Schedule {seed!r} fails: {error!r}") from error
        ends["none" if found is None else "found"] += 1
        ends.update(type(error).__name__ for error in schedule.errors)
        ends["jobs"] += len(schedule.service.jobs)
    # Most of them come to an end with outcomes, else nothing is tested.
    assert ends["found"] > 0.9 * SCHEDULES / GROUPS, ends


def test_an_error_of_a_job_is_typed_and_lists_what_is_missing():
    schedule = Schedule("0")
    schedule.service.trouble, schedule.service.endings = 0.0, 100
    schedule.deaths, schedule.options["deadline_s"] = [], None
    with pytest.raises(JobError) as caught:
        schedule.executor(Life()).run(schedule.work)
    error = caught.value
    assert "an ion was lost" in error.text and error.code == "QuantumComputerError"
    assert set(error.circuits) and error.job_ids[0] in schedule.service.jobs


class Twice(Deaf):
    """Accepts each job twice, and nobody hears of it; the second one, which is listed last, is over
    first."""

    accepts = True

    def _accept(self, document, rng, late):
        first, second = (super(Twice, self)._accept(document, rng, late) for _ in range(2))
        second.is_twin = True
        for job, run_s in ((first, 60), (second, 15)):
            job.listed = job.starts = job.accepted
            job.ends = job.accepted + run_s
        return first


@pytest.mark.parametrize("dies_at", range(1, 46))
def test_what_was_a_copy_stays_one_wherever_the_process_dies(dies_at):
    schedule = Schedule("0")
    schedule.service = Twice("0", schedule.clock, trouble=0.0)
    schedule.budget, schedule.options["deadline_s"] = Budget(usd=1000, shots=10**6), None
    schedule.options["max_circuits"] = None
    found = None
    with contextlib.suppress(Crash):
        found = schedule.executor(Life(dies_at)).run(schedule.work)
    if not schedule.journal.is_delivered:
        schedule.clock.now += 20  # by now the other one is over
        found = schedule.executor(Life()).run(schedule.work)
    schedule.check(found)
    assert len(schedule.service.jobs) == 2 and len(schedule.journal.copies()) == 1
    due = sum(map(schedule.service.price, schedule.service.jobs.values()))
    assert (schedule.budget.balance.spent.money, schedule.budget.balance.reserved.money) == (due, 0)
