"""The journal: its table of states, runs that are taken up, and what submitting makes of it."""

import threading
from itertools import product

import pytest
from conftest import some_work
from simulated import SERVER, TARGET, SimulatedClock, SimulatedService, work

from qstore_tf.errors import LedgerError, SubmissionUncertainError
from qstore_tf.ionq.service import Executor
from qstore_tf.ionq.service import journal as states
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.journal import TRANSITIONS, Journal

ROUTES = {
    states.PLANNED: [],
    states.SENDING: [states.SENDING],
    states.UNCERTAIN: [states.SENDING, states.UNCERTAIN],
    states.ACCEPTED: [states.SENDING, states.ACCEPTED],
    states.REFUSED: [states.SENDING, states.REFUSED],
    states.COMPLETED: [states.SENDING, states.ACCEPTED, states.COMPLETED],
    states.FAILED: [states.SENDING, states.ACCEPTED, states.FAILED],
    states.CANCELED: [states.SENDING, states.ACCEPTED, states.CANCELED],
}


def opened(journal, sizes=(2,), now=100.0, adopt_s=50.0, name="f"):
    return journal.open(name, "http://s", TARGET, list(sizes), 10, now, adopt_s)


def test_every_pair_of_states_is_allowed_or_refused_as_the_table_says(tmp_path):
    journal = Journal(tmp_path / "j")
    for number, (state, following) in enumerate(product(TRANSITIONS, TRANSITIONS)):
        (entry,) = opened(journal, name=f"f{number}").entries
        for step in ROUTES[state]:
            entry = journal.change(entry, step, 101.0)
        if following in TRANSITIONS[state]:
            entry = journal.change(entry, following, 102.0, job="7", text="x")
            assert (entry.state, entry.job, entry.text) == (following, "7", "x")
        else:
            with pytest.raises(LedgerError, match="cannot become"):
                journal.change(entry, following, 102.0)
            assert journal.entry(entry.token) == entry


def test_who_has_an_old_view_of_a_job_changes_nothing(tmp_path):
    journal = Journal(tmp_path / "j")
    (old,) = opened(journal).entries
    journal.change(old, states.SENDING, 101.0)
    with pytest.raises(LedgerError):
        journal.change(old, states.SENDING, 102.0)


def test_runs_are_taken_up_once_and_only_when_left_behind(tmp_path):
    journal, other = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    first = opened(journal, (2, 1))
    assert not first.is_adopted and opened(other, (3,)).id != first.id  # somebody is in charge
    entry = journal.change(first.entries[0], states.SENDING, 101.0)
    entry = journal.change(entry, states.ACCEPTED, 101.0, job="7")
    journal.change(entry, states.FAILED, 102.0)
    journal.release(first.id)
    assert opened(other, (3,), now=151.0).id != first.id  # too old
    again = opened(other, (3,), now=149.0)
    assert again.id == first.id and again.is_adopted and again.sizes == (2, 1)
    # What failed is planned anew, with another token.
    assert [e.state for e in again.entries] == ["planned", "planned"]
    assert again.entries[0].token != entry.token
    assert opened(journal).id != first.id
    journal.release(first.id)
    journal.deliver(first.id)
    assert opened(journal).id != first.id


def test_many_threads_take_a_run_up_once(tmp_path):
    journals = [Journal(tmp_path / "j") for _ in range(8)]
    run = opened(journals[0])
    journals[0].release(run.id)
    found = []
    threads = [
        threading.Thread(target=lambda journal=journal: found.append(opened(journal).id))
        for journal in journals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(run.id) == 1 and len(set(found)) == 8


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("this is no journal, but long enough to be one " * 9)
    with pytest.raises(LedgerError):
        Journal(tmp_path / "text").entries()
    assert Journal(tmp_path / "folder" / "that" / "was" / "not" / "there").entries() == []


def test_the_journal_of_the_user_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QSTORE_IONQ_JOURNAL", raising=False)
    assert Journal().path == tmp_path / ".qstore" / "ionq.sqlite"
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "there"))
    assert Journal().path == tmp_path / "there"


class Deaf(SimulatedService):
    """Accepts jobs, or does not; nobody hears of it."""

    accepts = False

    def _handle(self, method, path, params, document, rng, fault):
        if method != "POST":
            return super()._handle(method, path, params, document, rng, fault)
        if self.accepts:
            super()._handle(method, path, params, document, rng, fault)
        return 500, {"error": "?"}


def simulated(tmp_path, service_class=Deaf, **options):
    clock = SimulatedClock()
    service = service_class(1, clock, trouble=0.0, lag_s=5.0)
    return service, Executor(
        SERVER,
        TARGET,
        journal=tmp_path / "j",
        clock=clock,
        connect=lambda server, clock, counts: Client(server, clock, counts=counts, wire=service),
        **options,
    )


def test_a_job_that_nobody_knows_of_is_not_sent_for_ever(tmp_path):
    service, executor = simulated(tmp_path, most_unclear=3)
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
    service, executor = simulated(tmp_path)
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
        service, executor = simulated(tmp_path / str(other), Twice)
        executor.run([work(0, 1)])
        service.clock.now += 1e6
        assert sum(job.is_billed for job in service.jobs.values()) == billed
        ((token, _, found),) = executor.journal.copies()
        assert found == state and token in caplog.text
        assert executor.telemetry()["duplicates"] == 1


def test_a_dead_owner_s_jobs_are_settled_by_the_next_executor(ionq_emulator, quick):
    from qstore_tf.ionq.money.budget import Budget

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


def test_what_is_long_over_is_forgotten_and_what_is_open_is_not(tmp_path):
    journal = Journal(tmp_path / "j")
    delivered, unsent, lost = (opened(journal, name=name) for name in "abc")
    journal.change(lost.entries[0], states.SENDING, 101.0, sent=101.0)
    journal.deliver(delivered.id)
    later = 101.0 + states.KEEP_S
    assert not opened(Journal(tmp_path / "j"), now=later - 2, adopt_s=1e9, name="d").is_adopted
    assert len(journal.entries()) == 4
    opened(Journal(tmp_path / "j"), now=later + 2, name="e")
    assert {entry.run for entry in journal.entries()} & {delivered.id, unsent.id, lost.id} == {
        lost.id
    }


def test_what_is_set_aside_for_a_job_in_no_list_is_not_freed_by_others(tmp_path):
    from qstore_tf.ionq.money.budget import Budget

    budget = Budget(shots=10_000)
    service, executor = simulated(tmp_path, budget=budget, most_unclear=1)
    with pytest.raises(SubmissionUncertainError):
        executor.run([work(0, 2)])
    assert budget.reserved.shots == 2000  # it may be there
    for hours in (0.5, 30.0):  # other keys and sessions see other lists
        other, again = simulated(tmp_path, budget=budget)
        again._clock.now = service.clock.now + 3600 * hours
        assert again.journal.entries()[0].state == "uncertain"
        assert budget.reserved.shots == 2000
