"""What others have left behind: jobs get their ends, and budgets what was reserved in vain."""

import random
import threading
import time
from collections import Counter
from decimal import Decimal

import pytest
from conftest import bills, some_work
from simulated import Deaf, SimulatedClock, simulated_run, work

from qstore_tf.errors import DeadlineError, LedgerError, SubmissionUncertainError
from qstore_tf.ionq.emulator.states import is_billed
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.prices import price_table
from qstore_tf.ionq.service.journal import Journal
from qstore_tf.ionq.service.reconciling import EVERY_S
from qstore_tf.testing.daily import daily_seed

TABLE = price_table("azure", "forte-1")


def write(journal, statement, *values):
    with journal._file.writing() as sql:
        sql.execute(statement, values)


def left_by(executor, state, **fields):
    """Leaves the only run of an executor as a process that died would; returns its job."""
    (entry,) = executor.journal.entries()
    changes = ", ".join(f"{name} = ?" for name in ("state", *fields))
    write(executor.journal, f"UPDATE jobs SET {changes}", state, *fields.values())
    write(executor.journal, "UPDATE runs SET is_open = 1, owner = NULL")
    return executor.journal.entry(entry.token)


def another(executor, seed=1):
    """Runs other work, at whose start it is looked after what was left."""
    return executor.run(some_work(2, seed))


def price(emulator, entry):
    (job,) = [job for job in emulator.jobs() if job.id == entry.job]
    return Decimal(job.price)


@pytest.mark.parametrize("state", ["completed", "failed", "canceled", "accepted"])
def test_what_was_reserved_for_a_job_is_settled_by_its_bill(ionq_emulator, quick, state):
    executor = quick(ionq_emulator)  # without a budget: it has seen the job end
    executor.run(some_work())
    entry = left_by(executor, state)
    budget = Budget(usd=1000, shots=10_000)
    budget.reserve(entry.token, usd=900, shots=600)
    another(quick(ionq_emulator, budget=budget, prices=TABLE))
    found = {each.key: each for each in budget.entries()}
    settled = found.pop(entry.token)
    assert (settled.state, settled.billed) == ("spent", (price(ionq_emulator, entry), 600))
    assert budget.reserved == (0, 0) and len(found) == 1
    assert executor.journal.entry(entry.token).state == (
        "completed" if state == "accepted" else state
    )


@pytest.mark.parametrize("state", ["planned", "refused"])
def test_what_was_reserved_for_a_job_that_was_never_accepted_is_free(ionq_emulator, quick, state):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    entry = left_by(executor, state, job=None, sent=None)
    budget = Budget(usd=1000)
    budget.reserve(entry.token, usd=900)
    another(quick(ionq_emulator, budget=budget, prices=TABLE))
    states = {each.key: each.state for each in budget.entries()}
    assert states.pop(entry.token) == "released" and list(states.values()) == ["spent"]


def test_a_failed_job_that_cost_nothing_is_free(ionq_emulator, quick):
    executor = quick(ionq_emulator)
    ionq_emulator.set_faults({"name": "failed_job", "where": "submit", "times": 1})
    with pytest.raises(Exception, match="could not be run"):
        executor.run(some_work())
    (entry,) = executor.journal.entries()
    assert entry.state == "failed"
    budget = Budget(usd=1000)
    budget.reserve(entry.token, usd=900)
    another(quick(ionq_emulator, budget=budget, prices=TABLE))
    assert {e.key: e.state for e in budget.entries()}[entry.token] == "released"


@pytest.mark.parametrize("state", ["planned", "accepted"])
def test_what_somebody_is_in_charge_of_is_left_alone(ionq_emulator, quick, state):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    entry = left_by(executor, state)
    mine = executor.journal._owners.me(0.0)
    write(executor.journal, "UPDATE runs SET owner = ? WHERE id = ?", mine, entry.run)
    budget = Budget(usd=1000)
    budget.reserve(entry.token, usd=900)
    another(quick(ionq_emulator, budget=budget, prices=TABLE))
    assert budget.reserved.money == 900 and executor.journal.entry(entry.token).state == state
    journal = executor.journal
    with pytest.raises(LedgerError, match="taken up"):
        journal.change(entry, {"planned": "sending"}.get(state, "completed"), 1.0, if_left=True)
    assert not journal.while_left(entry, 1.0, lambda: pytest.fail("it is somebody's"))


def test_a_job_that_is_in_no_list_stays_as_it_is_and_so_does_its_money(ionq_emulator, quick):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    left_by(executor, "sending", job=None, sent=time.time())
    write(executor.journal, "UPDATE jobs SET token = 'nowhere'")
    budget = Budget(usd=1000)
    budget.reserve("nowhere", usd=400)
    later = quick(ionq_emulator, budget=budget, prices=TABLE)
    another(later)
    assert budget.reserved.money == 400 and later.journal.entry("nowhere").state == "sending"


def test_a_dead_owner_s_jobs_are_settled_by_the_next_executor(ionq_emulator, quick):
    budget = Budget(shots=10_000)
    executor = quick(ionq_emulator, budget=budget, shots=100)
    executor.run(some_work(2))
    (entry,) = executor.journal.entries()
    # As if the process had died before it knew of the end, and before the bill.
    with executor.journal._file.writing() as sql:
        sql.execute("UPDATE jobs SET state = 'accepted'")
        sql.execute("UPDATE runs SET is_open = 1, owner = 999999")
    second = Budget(shots=10_000)
    second.reserve(entry.token, shots=200)
    again = quick(ionq_emulator, budget=second, shots=100)
    again.run(some_work(2, 9))
    assert again.journal.entry(entry.token).state == "completed"
    assert (second.spent.shots, second.reserved.shots) == (400, 0)
    assert again.run(some_work(2)) and len(ionq_emulator.jobs()) == 2  # taken up, not sent


def test_what_is_set_aside_for_a_job_in_no_list_is_not_freed_by_others(tmp_path):
    budget = Budget(shots=10_000)
    service, executor = simulated_run(tmp_path, Deaf, budget=budget, most_unclear=1)
    with pytest.raises(SubmissionUncertainError):
        executor.run([work(0, 2)])
    assert budget.reserved.shots == 2000  # it may be there
    for hours in (0.5, 30.0):  # other keys and sessions see other lists
        other, again = simulated_run(tmp_path, Deaf, budget=budget)
        again._clock.now = service.clock.now + 3600 * hours
        assert again._opened()[2].now_and_then()
        assert again.journal.entries()[0].state == "uncertain"
        assert budget.reserved.shots == 2000


def test_money_of_others_is_not_settled_with_this_budget(ionq_emulator, quick, caplog):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    entry = left_by(executor, "accepted")
    budget, tracker = Budget(usd=1000), CostTracker()
    another(quick(ionq_emulator, budget=budget, prices=TABLE, tracker=tracker))
    assert entry.token not in [each.key for each in budget.entries()]
    told = {job.token: job.billed for job in tracker.jobs()}
    assert told[entry.token] == price(ionq_emulator, entry)  # but it is recorded


def test_it_is_looked_once_a_minute(ionq_emulator, quick):
    clock = SimulatedClock()
    executor = quick(ionq_emulator, clock=clock)
    looks = []
    _, _, reconciler = executor._opened()
    reconciler._jobs = lambda patience: looks.append(clock.now)
    begin = clock.now
    for _ in range(20):
        another(executor)
        clock.wait(EVERY_S / 4, threading.Event())
    assert len(looks) == pytest.approx((clock.now - begin) / EVERY_S, abs=2) and len(looks) >= 4
    assert min(b - a for a, b in zip(looks, looks[1:], strict=False)) >= EVERY_S


def test_a_look_costs_a_run_no_more_than_a_part_of_its_deadline(ionq_emulator, quick):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    left_by(executor, "accepted")
    ionq_emulator.set_faults({"name": "server_error", "where": "poll", "times": None})
    clock = SimulatedClock()
    budget = Budget(usd=1000)
    late = quick(ionq_emulator, clock=clock, budget=budget, prices=TABLE, deadline_s=16.0)
    begin = clock.now
    assert late._opened()[2].now_and_then(16.0) and clock.now - begin <= 4.0 + 1e-6
    clock.wait(EVERY_S, threading.Event())
    begin = clock.now
    with pytest.raises(DeadlineError, match="16 s"):
        another(late)
    assert clock.now - begin < 16 + 31  # and what is canceled then


@pytest.mark.parametrize("state", ["accepted", "completed"])
def test_what_the_service_has_forgotten_is_asked_about_once(ionq_emulator, quick, caplog, state):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    entry = left_by(executor, state, job="forgotten", time=time.time() - 3600)
    budget, clock = Budget(usd=1000), SimulatedClock()
    clock.now = time.time()
    budget.reserve(entry.token, usd=400)
    later = quick(ionq_emulator, budget=budget, prices=TABLE, clock=clock)
    before = len(ionq_emulator.requests("poll"))
    for _ in range(3):
        assert later._opened()[2].now_and_then()
        clock.wait(EVERY_S, threading.Event())
    assert len(ionq_emulator.requests("poll")) == before + 1
    assert caplog.text.count(entry.token) == 1
    assert budget.reserved.money == 400 and later.journal.entry(entry.token).state == state


def test_where_time_is_short_looks_take_turns(ionq_emulator, quick):
    clock, seen = SimulatedClock(), []
    executor = quick(ionq_emulator, clock=clock)
    for seed in range(3):
        executor.run(some_work(seed=seed))
    write(executor.journal, "UPDATE jobs SET state = 'accepted'")
    write(executor.journal, "UPDATE runs SET is_open = 1, owner = NULL")
    reconciler = quick(ionq_emulator, clock=clock)._opened()[2]

    def job(entry, patience):
        seen.append(entry.token)
        patience.wait(12.0)  # there is time for one and a half

    reconciler._job = job
    for _ in range(3):
        reconciler.now_and_then()
        clock.wait(EVERY_S, threading.Event())
    assert sorted(Counter(seen).values()) == [2, 2, 2]


def settled(emulator, journal, budget, may_be_lost):
    """Checks a budget against what the service billed, once all jobs are over."""
    states = {entry.token: entry.state for entry in Journal(journal).entries()}
    billed = bills(emulator)
    prices = {job.id: Decimal(job.price) for job in emulator.jobs()}
    total = Decimal(0)
    for entry in budget.entries():
        due = sum((prices[job] for job in billed.get(entry.key, [])), Decimal(0))
        if entry.state == "reserved":
            assert may_be_lost and states[entry.key] == "sending" and not due, entry
        elif entry.state == "released":
            assert not due, f"{entry.key} was run and is not paid"
        else:
            assert entry.billed.money == due, entry
            total += due
    assert budget.spent.money == total > 0
    return Counter(entry.state for entry in budget.entries())


def all_over(emulator):
    """Waits until what was sent has run."""
    service = emulator.service
    end = time.monotonic() + 10
    while not all(is_billed(job, service.jobs.now) for job in emulator.jobs()):
        assert time.monotonic() < end
        time.sleep(0.01)


def budget_at(path):
    return Budget(usd=100_000, shots=100_000, path=path)


def first_step():
    """Every other step is tried: even ones on some days, odd ones on others."""
    return 1 + daily_seed() % 2


def two_share_a_budget(processes, emulator, folder, step):
    """The first is killed; the second has other work, and settles what the first one left."""
    folder.mkdir()
    journal, path = folder / "journal", folder / "budget"
    first = processes(emulator, journal, step, budget=path)
    all_over(emulator)
    assert processes(emulator, journal, budget=path, seed=1)["sizes"] == [3, 3]
    settled(emulator, journal, budget_at(path), may_be_lost=True)
    return first


def one_has_no_budget(processes, emulator, folder, step, later_step=0):
    """The first is killed, a second one without the budget ends its work, others settle it."""
    folder.mkdir()
    journal, path = folder / "journal", folder / "budget"
    budget_at(path)
    processes(emulator, journal, step, budget=path)
    assert processes(emulator, journal)["sizes"] == [3, 3]
    third = processes(emulator, journal, later_step, budget=path, seed=1)
    if later_step:
        all_over(emulator)
        assert processes(emulator, journal, budget=path, seed=2)["sizes"] == [3, 3]
    settled(emulator, journal, budget_at(path), may_be_lost=third["killed"])
    return third


def test_processes_killed_at_some_steps_leave_nothing_reserved(
    processes, start_ionq_emulator, tmp_path
):
    emulator = start_ionq_emulator(run_s=0.02)
    whole = processes(emulator, tmp_path / "whole", budget=tmp_path / "whole-budget")["steps"]
    rng = random.Random(daily_seed())
    for number in range(2):
        two_share_a_budget(processes, emulator, tmp_path / f"a{number}", rng.randint(1, whole))
        step, later = rng.randint(1, whole), rng.randint(1, whole)
        one_has_no_budget(processes, emulator, tmp_path / f"b{number}", step)
        one_has_no_budget(processes, emulator, tmp_path / f"c{number}", step, later)


@pytest.mark.slow
def test_a_process_killed_at_any_step_is_settled_by_another_with_its_budget(
    processes, start_ionq_emulator, tmp_path
):
    emulator = start_ionq_emulator(run_s=0.02)
    step, killed = first_step() - 2, True
    while killed:
        step += 2
        killed = two_share_a_budget(processes, emulator, tmp_path / f"{step}", step)["killed"]
    assert step > 30


@pytest.mark.slow
def test_a_process_killed_at_any_step_is_settled_after_one_without_its_budget(
    processes, start_ionq_emulator, tmp_path
):
    emulator = start_ionq_emulator(run_s=0.02)
    whole = processes(emulator, tmp_path / "whole", budget=tmp_path / "whole-budget")["steps"]
    for step in range(first_step(), whole + 1, 2):
        one_has_no_budget(processes, emulator, tmp_path / f"{step}", step)


@pytest.mark.slow
def test_who_settles_may_be_killed_at_any_step_too(processes, start_ionq_emulator, tmp_path):
    emulator = start_ionq_emulator(run_s=0.02)
    whole = processes(emulator, tmp_path / "whole", budget=tmp_path / "whole-budget")["steps"]
    rng = random.Random(daily_seed())
    later, killed = first_step() - 2, True
    while killed:
        later += 2
        step = rng.randint(1, whole)
        folder = tmp_path / f"{step}-{later}"
        killed = one_has_no_budget(processes, emulator, folder, step, later)["killed"]
    assert later > 30
