"""The journal: its table of states, and runs that are taken up."""

import threading
from itertools import product

import pytest
from simulated import TARGET

from qstore_tf.errors import LedgerError
from qstore_tf.ionq.service import journal as states
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
