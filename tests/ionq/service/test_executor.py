"""Runs against a local IonQ: order, limits, deadlines, Ctrl-C, what is taken up, and money."""

import contextlib
import json
import os
import signal
import threading
import time
from decimal import Decimal

import numpy as np
import pytest
from conftest import KEY, LINE, PAIR, bills, some_work
from turns import Still, Turns, until

from qstore_tf.errors import (
    BudgetExceededError,
    ConfigurationError,
    ConversionError,
    DeadlineError,
    DryRunError,
    JobCanceledError,
    JobFailedError,
    PriceError,
    RefusedError,
    RunInterrupted,
    UnreachableError,
)
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.prices import price_table
from qstore_tf.ionq.service import Executor, Server, Work, running
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.network import Answer
from qstore_tf.ionq.service.pacing import Pace
from qstore_tf.ionq.service.planning import parts, sizes
from qstore_tf.ionq.service.results import decode
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.versions import Options
from qstore_tf.ionq.writing import MAX_BYTES, MAX_GATES, NativeTemplate
from qstore_tf.testing.daily import daily_seed


def exact(work):
    """The probabilities, by matrices."""
    from qstore_tf.circuits import Circuit
    from qstore_tf.circuits.reference import unitary

    found = []
    for each in work:
        rows = []
        for row in each.values:
            circuit = Circuit(each.n_qubits)
            for (gate, qubits), number in zip(each.template.gates, row, strict=True):
                circuit = circuit.add_gate(gate, list(qubits), float(number))
            rows.append(np.abs(unitary(circuit)[:, 0]) ** 2)
        found.append(np.array(rows).reshape(len(each), 1 << each.n_qubits))
    return found


def test_exact_probabilities_come_in_the_order_of_the_work(ionq_emulator, quick):
    work = [*some_work(7, daily_seed()), Work(PAIR, np.zeros((0, 4)), 3, 1), *some_work(2)]
    for most in (None, 1, 2, 4):
        executor = quick(ionq_emulator, "simulator", max_circuits=most)
        found = executor.run(work)
        for outcomes, wanted in zip(found, exact(work), strict=True):
            np.testing.assert_allclose(outcomes.dense(), wanted, atol=1e-9)
            assert outcomes.shots is None
        assert executor.telemetry()["circuits"] == 9
        assert executor.telemetry()["jobs"] == (1 if most is None else -(-9 // most))
    assert [len(outcomes) for outcomes in executor.run([])] == []


def test_the_client_of_cirq_ionq_brings_the_same(ionq_emulator, quick):
    for work in (some_work(5), some_work(5)[:1], [Work(LINE, np.zeros((1, 2)), 2, 0)]):
        for options in ({}, {"noise": "aria-1", "noise_seed": 3}):
            ours, theirs = (
                quick(ionq_emulator, "simulator", transport=transport, connect=None, **options)
                for transport in ("http", "cirq")
            )
            for one, other in zip(ours.run(work), theirs.run(work), strict=True):
                np.testing.assert_array_equal(one.states, other.states)
                np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-12)
                assert one.shots == other.shots == (100 if options else None)
    agents = {r.user_agent.split("/")[0] for r in ionq_emulator.requests("submit")}
    assert agents == {"qstore-tf", "cirq"}


@pytest.mark.parametrize("fault", ["failed_job", "lost_answer", "server_error", "wrong_json"])
def test_the_client_of_cirq_ionq_sends_nothing_twice(ionq_emulator, quick, fault):
    executor = quick(ionq_emulator, transport="cirq", connect=None)
    ionq_emulator.set_faults({"name": fault, "where": "submit", "times": 1})
    if fault == "failed_job":
        with pytest.raises(JobFailedError, match="could not be run"):
            executor.run(some_work())
    else:
        executor.run(some_work())
        assert [len(jobs) for jobs in bills(ionq_emulator).values()] == [1]


def test_what_is_sent(ionq_emulator, quick):
    quick(ionq_emulator, shots=700, debiasing=True).run(some_work(1))
    quick(ionq_emulator, "simulator", noise="forte-1").run(some_work(3), seed=2**40 + 5)
    one, many = (json.loads(r.body) for r in ionq_emulator.requests("submit"))
    assert one["settings"] == {"error_mitigation": {"debiasing": True}}
    assert (one["type"], one["backend"], one["shots"]) == ("ionq.circuit.v1", "qpu.forte-1", 700)
    assert one["name"] == "qs-" + one["metadata"]["qs_token"] and "noise" not in one
    assert many["settings"] == {"error_mitigation": {"debiasing": False}}
    assert many["type"] == "ionq.multi-circuit.v1" and len(many["input"]["circuits"]) == 3
    assert many["noise"] == {"model": "forte-1", "seed": 2**40 % 2**31 + 5}
    assert many["input"]["qubits"] == 3


def test_the_older_version_of_the_api(ionq_emulator, tmp_path):
    server = Server(ionq_emulator.host + "/v0.3", KEY)
    executor = Executor(server, journal=tmp_path / "j", poll_s=0.01)
    work = some_work(3)
    for outcomes, wanted in zip(executor.run(work), exact(work), strict=True):
        np.testing.assert_allclose(outcomes.dense(), wanted, atol=1e-9)
    sent = [json.loads(r.body) for r in ionq_emulator.requests("submit")]
    assert len(sent) == 3 and all(s["error_mitigation"] == {"debias": False} for s in sent)


def test_jobs_keep_within_the_limits_of_the_service():
    rng = np.random.default_rng(daily_seed())
    for _ in range(4):
        work = []
        for _ in range(rng.integers(1, 5)):
            n_gates = int(rng.choice([1, 30, 400]))
            template = NativeTemplate(2, (("ZZ", (0, 1)),) * n_gates)
            longest = np.full((1, n_gates), 1.2345678901234567e-105)
            values = np.repeat(longest, rng.integers(0, 600), axis=0)
            work.append(Work(template, values, 0, n_gates))
        most = rng.choice([None, 7, 100])
        counts = sizes(work, "v0.4", most)
        made = parts(work, counts)
        assert sum(counts) == sum(map(len, work)) and min(counts, default=1) >= 1
        position = 0
        for part in made:
            assert part.first == position and part.n_circuits <= (most or 5000)
            position += part.n_circuits
            gates = sum(w.n_gates * (end - begin) for w, begin, end in part.pieces)
            assert gates <= MAX_GATES
            assert len(part.body("v0.4", Options(), "t").text("v0.4")) <= MAX_BYTES
    huge = NativeTemplate(2, (("ZZ", (0, 1)),) * (MAX_GATES + 1))
    with pytest.raises(ConversionError, match="too many gates"):
        sizes([Work(huge, np.zeros((1, MAX_GATES + 1)), 0, 1)], "v0.4", None)


def test_jobs_that_run_for_long_get_fewer_circuits():
    pace = Pace(job_s=10.0)
    for _ in range(30):
        pace.observe(100.0, 50, queue_s=0.0, run_s=100.0)
    assert pace.circuits_per_job(5000) == 5
    for _ in range(60):
        pace.observe(500.0, 50, queue_s=400.0, run_s=100.0)
    assert 190 <= pace.circuits_per_job(5000) <= 200  # as long as they wait


@contextlib.contextmanager
def out_of_time(executor, emulator, clock, monkeypatch):
    """Lets the deadline pass when one job is done, the second runs and the third waits."""
    failed, fetched = [], threading.Event()

    def decoded(*arguments):
        found = decode(*arguments)
        fetched.set()
        return found

    monkeypatch.setattr(running, "decode", decoded)

    def watch():
        try:
            until(lambda: len(emulator.jobs()) == 3)
            clock.now += 0.9
            until(fetched.is_set)
            executor._clock.late = True
        except BaseException as error:  # told by the test
            failed.append(error)
            executor._clock.late = True

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    thread.join()
    assert not failed, failed
    clock.now += 10  # the second job is over


class Deadline(Clock):
    """The clock of who waits for jobs: no time is over, and then more than there is."""

    late = False

    def monotonic(self):
        return 1e6 * self.late

    def wait(self, seconds, event):
        return event.wait(min(seconds, 0.005))


def test_a_deadline_cancels_what_waits_and_the_rest_is_taken_up(
    start_ionq_emulator, quick, monkeypatch
):
    clock = Still()
    emulator = start_ionq_emulator(run_s=0.8, slots=1, clock=clock.time)
    executor = quick(emulator, max_circuits=2, max_in_flight=3, deadline_s=1e3, clock=Deadline())
    with out_of_time(executor, emulator, clock, monkeypatch):
        with pytest.raises(DeadlineError, match="took? up|takes up") as caught:
            executor.run(some_work())
        states = sorted(entry.state for entry in executor.journal.entries())
        # The second still runs: nobody waits for it.
        assert states == ["accepted", "canceled", "completed"]
    error = caught.value
    assert error.completed == 2 and len(error.circuits) == 4
    assert "USD" in error.spent
    again = quick(emulator)
    assert len(run_to_the_end(again, clock)) == 2
    assert again.telemetry()["adopted"] == 2  # what was done, and what ran
    # Each circuit once, though some were canceled and sent anew.
    assert len(bills(emulator)) == 3
    assert len(run_to_the_end(quick(emulator), clock)) == 2  # the same work again is new work
    assert len(bills(emulator)) > 3


def run_to_the_end(executor, clock, **options):
    """Runs work on a service whose clock goes on meanwhile."""
    over = threading.Event()

    def tick():
        while not over.wait(0.01):
            clock.now += 0.1

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        return executor.run(some_work(), **options)
    finally:
        over.set()
        ticking.join()


def test_ctrl_c_cancels_what_waits(start_ionq_emulator, quick):
    emulator = start_ionq_emulator(delay_s=30.0)
    executor = quick(emulator, max_circuits=2, max_in_flight=2)
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        executor.run(some_work())
    timer.join()
    assert isinstance(caught.value, RunInterrupted) and len(caught.value.circuits) == 6
    states = sorted(entry.state for entry in executor.journal.entries())
    assert states == ["canceled", "canceled", "planned"]
    assert all(job.canceled is not None for job in emulator.jobs())


def test_other_threads_go_on_and_runs_do_not_mix(start_ionq_emulator, quick):
    emulator = start_ionq_emulator(run_s=0.05)
    executor, found = quick(emulator, "simulator"), {}

    def run(seed):
        found[seed] = executor.run(some_work(4, seed))

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(5):
        for outcomes, wanted in zip(found[seed], exact(some_work(4, seed)), strict=True):
            np.testing.assert_allclose(outcomes.dense(), wanted, atol=1e-9)


def test_a_service_that_is_away_is_a_typed_error_and_costs_nothing(tmp_path):
    budget = Budget(usd=1000)
    executor = Executor(
        Server("http://127.0.0.1:1", KEY),
        "qpu.forte-1",
        journal=tmp_path / "j",
        retries=Retries(0.01, 0.02, 0.2),
        budget=budget,
        prices=price_table("azure", "forte-1"),
    )
    with pytest.raises(UnreachableError) as caught:
        executor.run(some_work())
    assert caught.value.circuits == tuple(range(6))
    assert [entry.state for entry in executor.journal.entries()] == ["planned"]
    assert budget.reserved.money == budget.spent.money == 0


def test_a_budget_is_reserved_from_and_pays_what_is_billed(ionq_emulator, quick):
    budget = Budget(usd=1000, shots=1000)
    with CostTracker() as tracker:
        executor = quick(ionq_emulator, budget=budget, max_circuits=2)  # prices: the service's
        executor.run(some_work(), phase="train", layer="q")
    service = ionq_emulator.service
    prices = [Decimal(job.price) for job in ionq_emulator.jobs()]
    assert budget.spent.money == sum(prices) > 0 and budget.spent.shots == 600
    assert budget.reserved.money == 0 and service is not None
    (total,) = tracker.totals("phase", "layer")
    assert (total.group, total.billed, total.shots) == (("train", "q"), sum(prices), 600)
    assert total.estimated >= total.billed and total.circuits == 6
    with pytest.raises(BudgetExceededError):
        executor.run(some_work(seed=1))
    assert len(ionq_emulator.jobs()) == 3 and budget.reserved.shots == 0


def test_an_unknown_price_is_refused_before_anything_is_sent(start_ionq_emulator, quick):
    emulator = start_ionq_emulator(prices={})
    with pytest.raises(PriceError):
        quick(emulator, budget=Budget(usd=1000)).run(some_work())
    assert not emulator.jobs()


def test_failed_jobs_are_free_unless_they_are_billed(ionq_emulator, quick):
    for billed in (False, True):
        budget = Budget(usd=1000)
        ionq_emulator.set_faults(
            {"name": "failed_job", "times": 1, "parameters": {"billed": billed, "message": "oh"}}
        )
        with pytest.raises(JobFailedError, match="oh") as caught:
            quick(ionq_emulator, budget=budget).run(some_work(6, int(billed)))
        assert (budget.spent.money > 0) == billed and budget.reserved.money == 0
        assert ("USD" in caught.value.spent) == billed


def test_a_refused_job_is_a_typed_error(ionq_emulator, quick):
    budget = Budget(shots=10**6)
    with pytest.raises(RefusedError) as caught:
        quick(ionq_emulator, "qpu.none-such", budget=budget).run(some_work())
    assert caught.value.status == 400 and caught.value.circuits == tuple(range(6))
    assert budget.reserved.shots == 0


def test_a_dry_run_brings_the_price_alone(ionq_emulator, quick):
    budget = Budget(usd=1)
    with pytest.raises(DryRunError) as caught:
        quick(ionq_emulator, dry_run=True, budget=budget).run(some_work())
    assert caught.value.price.endswith(" USD") and budget.spent.money == 0
    (job,) = ionq_emulator.jobs()
    assert job.dry_run and caught.value.price == f"{Decimal(job.price).normalize():f} USD"


@pytest.mark.parametrize(
    "options",
    [
        {"max_in_flight": 0}, {"max_in_flight": True}, {"max_circuits": 0}, {"deadline_s": 0},
        {"deadline_s": float("nan")}, {"transport": "smoke"}, {"noise": "aria-1"},
        {"journal": ":memory:"}, {"stuck_s": "1"},
    ],
)  # fmt: skip
def test_options_that_make_no_sense(options, tmp_path):
    given = {"journal": tmp_path / "j", **options}
    with pytest.raises(ConfigurationError):
        Executor(Server("http://localhost:1", KEY), "qpu.forte-1", **given)


def test_jobs_in_flight_are_as_many_as_may_be(start_ionq_emulator, quick):
    latency, run, clock = 0.2, 1.0, Turns()
    emulator = start_ionq_emulator(run_s=run, clock=clock.time)

    def connect(server, clock, counts):
        return Client(server, clock, counts=counts, wire=clock.sent(server, latency))

    executor = quick(
        emulator, "simulator", max_circuits=1, max_in_flight=8, clock=clock, connect=connect
    )
    clock.begin(8, jobs=8)
    executor.run(some_work(8, 1))  # how long jobs take is known from here on
    clock.begin(8, jobs=48)
    begin = clock.now
    executor.run(some_work(48, 2))
    took = clock.now - begin
    # In each place a job is sent, which takes a round trip, and runs; the last one is fetched.
    ideal = 48 / 8 * (latency + run) + latency
    print(f"{48 / took:.2f} jobs/s, {ideal / took:.1%} of what eight in flight allow")
    assert 0.99 * ideal - latency <= took < ideal / 0.9


def test_a_machine_s_work_is_taken_up_whatever_the_seed(start_ionq_emulator, quick, monkeypatch):
    clock = Still()
    emulator = start_ionq_emulator(run_s=0.8, slots=1, clock=clock.time)
    executor = quick(emulator, max_circuits=2, max_in_flight=3, deadline_s=1e3, clock=Deadline())
    with out_of_time(executor, emulator, clock, monkeypatch), pytest.raises(DeadlineError):
        executor.run(some_work(), seed=1)
    run_to_the_end(quick(emulator, max_circuits=2), clock, seed=2)
    assert len(bills(emulator)) == 3  # machines draw by themselves: nothing is run again


class Without(Client):
    """A client that some calls fail for."""

    without = ("", "")

    def _send(self, method, path, params, body):
        if method == self.without[0] and path.endswith(self.without[1]):
            self.clock.wait(0.01, threading.Event())
            return Answer(500, b"")
        return super()._send(method, path, params, body)


def without(method, end):
    def connect(server, clock, counts):
        client = Without(server, clock, Retries(0.01, 0.02, 0.1), counts=counts)
        client.without = method, end
        return client

    return connect


def test_a_bill_that_cannot_be_had_loses_no_outcomes(ionq_emulator, quick, caplog):
    budget = Budget(usd=1000)
    executor = quick(ionq_emulator, budget=budget, connect=without("GET", "/cost"))
    assert len(executor.run(some_work())) == 2
    assert "billed is not known" in caplog.text
    assert budget.reserved.money == 0 and budget.spent.money > 0  # what was set aside counts


def test_lists_that_cannot_be_read_lose_no_outcomes(ionq_emulator, quick, caplog):
    executor = quick(ionq_emulator, connect=without("GET", "/jobs"))
    assert len(executor.run(some_work())) == 2
    assert "twice is not known" in caplog.text


@pytest.mark.parametrize("state", ["accepted", "completed"])
def test_a_job_that_the_service_has_forgotten_is_an_error_once(ionq_emulator, quick, state):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    with executor.journal._file.writing() as sql:
        sql.execute("UPDATE jobs SET state = ?, job = 'forgotten', time = time - 100", (state,))
        sql.execute("UPDATE runs SET is_open = 1, owner = NULL")
    begin = time.monotonic()
    with pytest.raises(JobCanceledError, match="does not know it any more") as caught:
        executor.run(some_work())
    assert time.monotonic() - begin < 10 and caught.value.circuits == tuple(range(6))
    assert len(executor.run(some_work())) == 2 and len(ionq_emulator.jobs()) == 2


def test_what_others_have_settled_is_settled_with_this_budget(ionq_emulator, quick):
    executor = quick(ionq_emulator)
    executor.run(some_work())
    (entry,) = executor.journal.entries()
    with executor.journal._file.writing() as sql:
        sql.execute("UPDATE runs SET is_open = 1, owner = NULL")
    budget = Budget(usd=1000, shots=10_000)
    budget.reserve(entry.token, usd=900, shots=600)  # before somebody else, without it, came
    assert len(quick(ionq_emulator, budget=budget).run(some_work())) == 2
    (job,) = ionq_emulator.jobs()
    assert (budget.spent.money, budget.reserved.money) == (Decimal(job.price), 0)


def test_an_error_while_money_is_set_aside_leaves_nothing_reserved(
    ionq_emulator, quick, monkeypatch
):
    from qstore_tf.ionq.service.paying import Payer

    def tell(self, entry, part):
        raise RuntimeError("out of order")

    budget = Budget(usd=1000)
    with monkeypatch.context() as patch:
        patch.setattr(Payer, "_tell", tell)
        with pytest.raises(RuntimeError):
            quick(ionq_emulator, budget=budget, max_circuits=2).run(some_work())
    assert budget.reserved.money == 0 and not ionq_emulator.jobs()


def test_a_tracker_that_fails_loses_no_outcomes(ionq_emulator, quick, caplog):
    class Broken(CostTracker):
        def record(self, token, **known):
            raise OSError("the disk is full")

    executor = quick(ionq_emulator, tracker=Broken())
    assert len(executor.run(some_work())) == 2 and "the disk is full" in caplog.text


def test_an_address_without_the_service_is_named(ionq_emulator, tmp_path):
    server = Server(ionq_emulator.host + "/elsewhere/v0.4", KEY)
    with pytest.raises(RefusedError, match=r"/elsewhere/v0\.4[\s\S]*IONQ_API_URL"):
        Executor(server, journal=tmp_path / "j").run(some_work())
