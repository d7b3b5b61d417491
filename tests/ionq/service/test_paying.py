"""What a job costs: set aside before, committed by its bill, told to trackers."""

from decimal import Decimal

import numpy as np
import pytest
from simulated import SimulatedClock, work

from qstore_tf.errors import BudgetExceededError, PriceError, UnreachableError
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.prices import PriceTable
from qstore_tf.ionq.service.clock import Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.jobs import Job
from qstore_tf.ionq.service.journal import Entry
from qstore_tf.ionq.service.paying import Payer
from qstore_tf.ionq.service.planning import parts
from qstore_tf.ionq.service.versions import Options

TABLE = PriceTable(provider="x", targets=("forte-1",), per_circuit=Decimal(3))
CLOCK = SimulatedClock()
FIVE = {"dry_run": False, "cost": {"unit": "usd", "value": Decimal(5)}}
ZERO = {"dry_run": False, "cost": {"unit": "usd", "value": 0}}
CREDITS = {"dry_run": False, "cost": {"unit": "credit", "value": 5}}
NO_BILL_YET = {"dry_run": False, "estimated_cost": {"unit": "usd", "value": 5}}


class Service:
    """Says what jobs cost, or raises it."""

    def __init__(self, cost=FIVE, estimate=None):
        self.answers, self.asked = {"cost": cost, "estimate": estimate}, []

    def cost(self, job_id, patience):
        return self._answer("cost")

    def estimate(self, question, patience):
        self.asked.append(dict(question))
        return self._answer("estimate")

    def _answer(self, name):
        if isinstance(self.answers[name], Exception):
            raise self.answers[name]
        return self.answers[name]


def payer(service, budget=None, prices=TABLE, labels=None, tracker=None, **options):
    given = Options(**{"target": "qpu.forte-1", "shots": 100, **options})
    return Payer(service, given, budget, tracker, prices, Counts(), labels or {})


def entry(token="t", circuits=4):
    return Entry(token, "r", 0, "planned", circuits, 100, 0, None, None, "", 0.0)


def part(n=4):
    (made,) = parts([work(0, n)], [n])
    return made


def patience(seconds=1000.0):
    return Patience(CLOCK, seconds)


def reserved(service, budget, **options):
    made = payer(service, budget, **options)
    made.reserve(entry(), part(), 1, False, patience())
    return made


def state(budget):
    (found,) = budget.entries()
    return found.state, found.billed and found.billed.money, found.is_guess


@pytest.mark.parametrize(
    ("ended", "ran", "cost", "wanted"),
    [
        ("completed", True, FIVE, ("spent", 5, False)),
        ("completed", True, ZERO, ("spent", 0, False)),
        ("completed", True, CREDITS, ("spent", 12, True)),
        ("completed", True, NO_BILL_YET, ("spent", 12, True)),
        ("completed", True, {}, ("spent", 12, True)),
        ("completed", True, UnreachableError("down"), ("spent", 12, True)),
        ("failed", False, {}, ("released", None, False)),
        ("failed", True, {}, ("spent", 12, True)),
        ("failed", True, ZERO, ("released", None, False)),
        ("failed", True, FIVE, ("spent", 5, False)),
        ("canceled", False, ZERO, ("released", None, False)),
        ("canceled", False, FIVE, ("spent", 5, False)),
    ],
)
def test_the_table_of_bills(ended, ran, cost, wanted):
    budget = Budget(usd=100)
    reserved(Service(cost), budget).settle(entry(), Job("7", ended, ran=ran), patience())
    assert state(budget) == wanted


def test_settled_twice_is_once_and_a_later_bill_corrects_a_guess():
    budget, job = Budget(usd=100, shots=1000), Job("7", "canceled", ran=True)
    service = Service({})
    made = reserved(service, budget)
    made.settle(entry(), job, patience())
    assert state(budget) == ("spent", 12, True)
    for answer, billed in ((FIVE, 5), (FIVE, 5), (ZERO, 0), (ZERO, 0)):
        service.answers["cost"] = answer
        made.settle(entry(), job, patience())
        assert state(budget) == ("spent", billed, False)
    assert budget.balance.left == (100, 1000)


def test_a_bill_is_waited_for_no_longer_than_there_is_time():
    budget = Budget(usd=100)
    made = reserved(Service(Over()), budget)
    made.settle(entry(), Job("7", "completed", ran=True), patience())
    assert state(budget) == ("spent", 12, True)
    with pytest.raises(Over):  # there is no time for anything
        made.settle(entry(), Job("7", "completed", ran=True), patience(0.0))


def test_only_what_this_budget_has_reserved_is_settled_late():
    budget, job = Budget(usd=100, shots=1000), Job("7", "completed", ran=True)
    tracker = CostTracker()
    made = payer(Service(), budget, tracker=tracker)
    made.settle_late(entry(), job, patience())
    assert not budget.entries() and not tracker.jobs()
    made.settle_left(entry(), job, patience())
    assert not budget.entries() and [each.billed for each in tracker.jobs()] == [5]
    made.copy_left(entry(), job, patience())
    assert not budget.entries()
    budget.reserve("t", usd=50, shots=7)  # by other options than those of this payer
    made.copy_left(entry(), Job("8", "completed", ran=True), patience())
    made.settle_left(entry(), job, patience())
    assert budget.spent == (10, 407) and budget.reserved == (0, 0)


def test_a_copy_without_a_bill_costs_what_was_set_aside():
    budget = Budget(usd=100)
    made = reserved(Service({}), budget)
    made.copy(entry(), Job("8", "completed", ran=True), patience())
    assert budget.spent.money == 12 and budget.reserved.money == 12
    other = payer(Service({}), budget)  # of another process
    other.copy(entry(), Job("9", "completed", ran=True), patience())
    assert budget.spent.money == 24


ESTIMATE = {
    "input_values": {"backend": "qpu.forte-1", "shots": 100, "1q_gates": 4, "2q_gates": 0},
    "cost_unit": "usd",
    "estimated_cost": Decimal(2),
    "rate_information": {
        "job_cost_minimum": Decimal(2),
        "cost_1q_gate": Decimal("0.001"),
        "cost_2q_gate": Decimal("0.01"),
    },
}


def test_the_service_is_asked_where_there_is_no_table():
    budget, service = Budget(usd=100), Service(estimate=ESTIMATE)
    reserved(service, budget, prices=None)
    (asked,) = service.asked
    assert (asked["backend"], asked["shots"]) == ("qpu.forte-1", "100")
    assert budget.reserved.money >= 2 * 4  # the minimum for each circuit
    money = Service(estimate=ESTIMATE)
    reserved(money, Budget(shots=1000), prices=None)
    assert not money.asked  # nobody needs to know


def test_what_is_not_known_is_refused_and_nothing_is_set_aside():
    budget = Budget(usd=100)
    for answer in ({}, {"estimated_unit": "credit"}):
        with pytest.raises(PriceError):
            reserved(Service(estimate=answer), budget, prices=None)
    assert not budget.entries()


@pytest.mark.parametrize(
    ("labels", "n_parts", "n_circuits", "words"),
    [
        ({}, 1, 4, "The job on qpu.forte-1 (4 circuits of 100 shots)"),
        ({"layer": "q", "phase": "train"}, 3, 1,
         "Job 1 of 3 of layer 'q' on qpu.forte-1 in training (1 circuit of 100 shots)"),
        ({"phase": "predict"}, 1, 4,
         "The job on qpu.forte-1 in prediction (4 circuits of 100 shots)"),
    ],
)  # fmt: skip
def test_what_a_budget_cannot_pay_is_said_in_words(labels, n_parts, n_circuits, words):
    budget = Budget(usd="2.5", shots=1000)
    made = payer(Service(), budget, labels=labels)
    given = entry("0123456789abcdef" * 2, n_circuits)
    with pytest.raises(BudgetExceededError) as caught:
        made.reserve(given, part(n_circuits), n_parts, False, patience())
    text = str(caught.value)
    assert text.startswith(words + " would cost more than the budget has left. Expected: at most ")
    asked = f"{3 * n_circuits} USD and {100 * n_circuits} shots"
    assert f"at most 2.5 USD and 1000 shots. Received: {asked}. Of 2.5 USD, 0 are" in text
    assert given.token not in text and not budget.entries()


def test_a_reservation_of_an_earlier_run_is_made_again_with_today_s_price():
    budget = Budget(usd=100)
    budget.reserve("t", usd=90)
    payer(Service(), budget).reserve(entry(), part(), 1, True, patience())
    assert budget.reserved.money == 12


def test_what_a_run_has_cost_is_said_in_words_and_told_to_trackers():
    tracker = CostTracker()
    made = reserved(Service(), None, tracker=tracker, labels={"phase": "train", "layer": "q"})
    assert made.spent == "nothing"
    job = Job("7", "completed", ran=True, queue_s=1.5, run_s=2.5)
    made.settle(entry(), job, patience())
    assert made.spent == "5 USD and 400 shots"
    (told,) = tracker.jobs()
    assert (told.phase, told.layer, told.job_id) == ("train", "q", "7")
    assert (told.estimated, told.billed, told.queue_s, told.run_s) == (12, 5, 1.5, 2.5)
    assert (told.circuits, told.shots, told.gates_1q, told.gates_2q) == (4, 400, 4, 0)


def test_dry_runs_and_simulators_cost_nothing():
    budget = Budget(usd=0, shots=0)
    dry = reserved(Service(), budget, dry_run=True)
    dry.settle(entry(), Job("7", "completed"), patience())
    assert not budget.entries()
    free = reserved(Service(PriceError("not asked")), budget, target="simulator")
    free.settle(entry(), Job("7", "completed"), patience())
    assert budget.spent == (0, 0) and state(budget) == ("spent", 0, False)


def test_amounts_are_exact():
    rng = np.random.default_rng(0)
    budget, total = Budget(usd=10_000), Decimal(0)
    for number in range(50):
        bill = Decimal(int(rng.integers(0, 10**9))).scaleb(-7)
        total += bill
        made = payer(Service({"dry_run": False, "cost": {"unit": "usd", "value": bill}}), budget)
        made.reserve(entry(str(number)), part(), 1, False, patience())
        made.settle(entry(str(number)), Job("7", "completed", ran=True), patience())
    assert budget.spent.money == total and budget.reserved.money == 0
