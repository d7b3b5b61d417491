"""Submitting: the service has a job once, whatever happens to the answer."""

import json
import threading
from decimal import Decimal

import pytest
from conftest import KEY
from simulated import (
    TARGET,
    Deaf,
    SimulatedClock,
    SimulatedService,
    outcome,
    simulated_run,
    work,
)

from qstore_tf.errors import AuthenticationError, RefusedError, SubmissionUncertainError
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.prices import PriceTable
from qstore_tf.ionq.service import Server
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.clock import Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.journal import Journal
from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.ionq.service.submitting import Submitter
from qstore_tf.ionq.service.versions import Options, body

PRICES = PriceTable(provider="x", targets=("forte-1",), per_circuit=Decimal(3))
CIRCUIT = '{"circuit":[{"gate":"gpi2","target":0,"phase":0.0}]}'


class Desk:
    """A submitter for a local IonQ whose pauses take no time, and what it needs."""

    def __init__(self, emulator, folder, key=KEY, target=TARGET, **options):
        self.emulator, self.clock, self.counts = emulator, SimulatedClock(), Counts()
        self.clock.now = emulator.service.jobs.now
        self.target, self.copies = target, []
        self.journal = Journal(folder / "journal")
        retries = Retries(first_s=1.0, most_s=8.0, total_s=100.0)
        self.client = Client(Server(emulator.url, key), self.clock, retries, counts=self.counts)
        self.submitter = Submitter(
            self.client, self.journal, self.clock, target, retries=retries, counts=self.counts,
            on_copy=lambda entry, job, patience: self.copies.append(job), **options,
        )  # fmt: skip
        run = self.journal.open("f", emulator.url, target, [1], 100, self.clock.now, 1e9)
        (self.entry,) = run.entries

    def submit(self, entry=None, patience=None):
        patience = patience or Patience(self.clock, 1000.0)
        self.entry = self.submitter.submit(entry or self.entry, self.made, patience)
        return self.entry

    def made(self, token):
        return body("v0.4", Options(target=self.target, shots=100), token, CIRCUIT, 1, 1)

    def count(self, name):
        return self.counts.as_dict()[name]

    @property
    def now(self):
        return self.journal.entry(self.entry.token)


@pytest.fixture
def desk(tmp_path, ionq_emulator):
    return Desk(ionq_emulator, tmp_path)


def test_a_job_is_written_down_before_it_is_sent_and_its_id_after(desk):
    before = desk.entry
    after = desk.submit()
    (job,) = desk.emulator.jobs()
    assert (before.state, after.state, after.job) == ("planned", "accepted", job.id)
    assert after.sent is not None and after.unclear == 0 and after == desk.now
    assert json.loads(job.metadata)["qs_token"] == after.token
    assert desk.submit() == after and len(desk.emulator.jobs()) == 1  # it is there


@pytest.mark.parametrize(
    ("fault", "parameters", "unclear", "waited"),
    [
        ("too_many_requests", {"retry_after": 7.0}, 0, 7.0),
        ("too_many_requests", {"retry_after": None}, 0, 0.5),
        ("server_error", {"status": 500, "html": True}, 1, 30.0),
        ("server_error", {"status": 502, "html": False}, 1, 30.0),
        ("dropped", {}, 1, 30.0),
        ("lost_answer", {"part": False}, 1, 0.0),
        ("lost_answer", {"part": True}, 1, 0.0),
        ("wrong_json", {}, 1, 0.0),
    ],
)
def test_what_real_servers_do(desk, fault, parameters, unclear, waited):
    begin = desk.clock.now
    desk.emulator.set_faults({"name": fault, "where": "submit", "parameters": parameters})
    assert desk.submit().state == "accepted"
    (job,) = desk.emulator.jobs()
    assert job.id == desk.now.job and desk.count("jobs") == 1
    assert desk.count("ambiguous") == unclear
    # What had not arrived is sent again, once lists were read for as long as they may lag.
    arrived = fault in ("lost_answer", "wrong_json")
    assert len(desk.emulator.requests("submit")) == (1 if arrived else 2)
    assert desk.count("sent_again") == (1 if unclear and not arrived else 0)
    assert waited <= desk.clock.now - begin <= waited + 10


def test_lists_that_fail_leave_it_open_and_the_next_call_looks_first(desk):
    desk.emulator.set_faults(
        {"name": "lost_answer", "where": "submit"},
        {"name": "server_error", "where": "list", "times": None},
    )
    with pytest.raises(SubmissionUncertainError) as caught:
        desk.submit()
    assert caught.value.token == desk.entry.token and desk.now.state == "sending"
    desk.emulator.set_faults()
    assert desk.submit(desk.now).state == "accepted" and len(desk.emulator.jobs()) == 1


def test_a_copy_that_the_network_made_is_canceled_or_reported(start_ionq_emulator, tmp_path):
    for delay, ran in ((60.0, False), (0.0, True)):
        emulator = start_ionq_emulator(delay_s=delay)
        desk = Desk(emulator, tmp_path / str(ran))
        emulator.set_faults({"name": "duplicate", "where": "submit"})
        entry = desk.submit()
        first = desk.submitter.find(entry, Patience(desk.clock, 100.0))
        assert first.id == entry.job and len(emulator.jobs()) == 2
        (copy,) = desk.journal.copies()
        assert copy[0] == entry.token and copy[1] != entry.job
        assert [job.id for job in desk.copies] == ([copy[1]] if ran else [])
        canceled = [job.id for job in emulator.jobs() if job.canceled is not None]
        assert canceled == ([] if ran else [copy[1]])
        desk.submitter.find(entry, Patience(desk.clock, 100.0))  # known by now
        assert desk.count("duplicates") == 1 and len(desk.copies) == ran


def test_what_the_service_refuses_is_not_sent_again(ionq_emulator, tmp_path):
    desk = Desk(ionq_emulator, tmp_path, target="qpu.none-such")
    with pytest.raises(RefusedError):
        desk.submit()
    assert desk.now.state == "refused" and desk.now.text
    assert len(ionq_emulator.requests("submit")) == 1


def test_a_wrong_key_is_said_at_once(start_ionq_emulator, tmp_path):
    desk = Desk(start_ionq_emulator(keys=["good"]), tmp_path, key="bad")
    with pytest.raises(AuthenticationError):
        desk.submit()
    assert desk.now.state == "refused"


def test_where_there_is_no_more_time_nothing_is_sent(desk):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Over):
        desk.submit(patience=Patience(desk.clock, None, stop))
    assert desk.now.state == "planned" and not desk.emulator.requests("submit")
    desk.emulator.set_faults({"name": "too_many_requests", "where": "submit", "times": None})
    with pytest.raises(Over):
        desk.submit(patience=Patience(desk.clock, 5.0))
    assert desk.now.state == "planned" and desk.now.unclear == 0


def test_a_job_that_nobody_knows_of_is_not_sent_for_ever(tmp_path):
    service, executor = simulated_run(tmp_path, Deaf, most_unclear=3)
    with pytest.raises(SubmissionUncertainError) as caught:
        executor.run([work(0, 2)])
    (entry,) = executor.journal.entries()
    error = caught.value
    assert error.token == entry.token and entry.token in str(error)
    assert (entry.state, entry.unclear, error.circuits) == ("uncertain", 3, (0, 1))
    posts = [line for line in service.log if line[1] == "POST"]
    assert len(posts) == 3 and all(
        b[0] - a[0] >= 30 for a, b in zip(posts, posts[1:], strict=False)
    )
    # Asked for again, it is looked for first, and then sent anew.
    service.accepts = True
    assert len(executor.run([work(0, 2)])) == 1
    assert len(service.jobs) == 1


def test_a_job_whose_answer_is_lost_is_found_by_its_token(tmp_path):
    service, executor = simulated_run(tmp_path, Deaf)
    service.accepts = True
    executor.run([work(0, 2)])
    assert len(service.jobs) == 1 and executor.telemetry()["ambiguous"] == 1
    assert executor.telemetry()["sent_again"] == 0


def test_copies_that_wait_are_canceled_and_those_that_ran_are_reported(tmp_path, caplog):
    class Twice(SimulatedService):
        def _accept(self, document, rng, late):
            first = super()._accept(document, rng, late)
            second = super()._accept(document, rng, late)
            first.listed = second.listed = first.accepted
            first.starts, second.starts = first.accepted + 5, first.accepted + self.other
            second.ends = max(second.ends, second.starts + 1)
            return first

    for other, billed, state in ((15.0, 1, "canceled"), (0.0, 2, "running")):
        Twice.other = other
        service, executor = simulated_run(tmp_path / str(other), Twice)
        executor.run([work(0, 1)])
        service.clock.now += 1e6
        assert sum(job.is_billed for job in service.jobs.values()) == billed
        ((token, _, found),) = executor.journal.copies()
        assert found == state and token in caplog.text
        assert executor.telemetry()["duplicates"] == 1


@pytest.mark.parametrize("waits_s", [5.0, 0.0])
def test_a_job_that_two_pages_of_a_list_have_is_no_copy_of_itself(tmp_path, waits_s):
    class Moving(SimulatedService):
        """Others submit while its list is read: what one page has is on the next one again."""

        def _accept(self, document, rng, late):
            job = super()._accept(document, rng, late)
            job.listed, job.starts = job.accepted, job.accepted + waits_s
            return job

        def _list(self, params, moved=0):
            page = super()._list(params, moved)
            return page if "next" in params else {**page, "next": "0"}

    budget = Budget(usd=100, shots=10**6)
    service, executor = simulated_run(tmp_path, Moving, shots=100, prices=PRICES, budget=budget)
    found = executor.run([work(0, 3)])
    assert [int(row.argmax()) for row in found[0].dense()] == [outcome(k) for k in range(3)]
    (job,) = service.jobs.values()
    assert job.canceled is None and executor.journal.copies() == []
    assert executor.telemetry()["duplicates"] == 0
    # Its bill counts once.
    assert (budget.balance.spent.money, budget.balance.spent.shots) == (service.price(job), 300)


def test_a_copy_that_began_while_it_was_canceled_is_paid(tmp_path):
    class Stale(SimulatedService):
        """Has a job twice; the copy begins as it is canceled, and still seems to wait then."""

        copy, is_stale = None, False

        def _accept(self, document, rng, late):
            first, self.copy = (super(Stale, self)._accept(document, rng, late) for _ in range(2))
            first.listed = self.copy.listed = first.accepted
            first.starts = self.copy.starts = first.accepted + 30
            first.ends = self.copy.ends = first.accepted + 40
            return first

        def _handle(self, method, path, params, document, rng, fault):
            if method == "PUT":
                self.copy.starts, self.is_stale = self.clock.now, True
            return super()._handle(method, path, params, document, rng, fault)

        def _job(self, job, now):
            if job is self.copy and self.is_stale:
                now, self.is_stale = job.accepted, False
            return super()._job(job, now)

    budget = Budget(usd=100, shots=10**6)
    service, executor = simulated_run(tmp_path, Stale, shots=100, prices=PRICES, budget=budget)
    executor.run([work(0, 3)])
    assert [job.is_billed for job in service.jobs.values()] == [True, True]
    assert service.copy.canceled is not None
    ((_, copy, state),) = executor.journal.copies()
    assert (copy, state) == (service.copy.id, "canceled")
    assert executor.telemetry()["duplicates"] == 1
    due = 2 * service.price(service.copy)
    assert (budget.balance.spent.money, budget.balance.spent.shots) == (due, 600)
