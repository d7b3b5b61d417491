"""A process is killed at every step; the next one ends its work, and nothing is paid twice."""

import pytest
from conftest import bills, some_work

from qstore_tf.ionq.service.journal import Journal
from qstore_tf.ionq.service.planning import fingerprint
from qstore_tf.ionq.service.versions import Options


def is_delivered(journal):
    with Journal(journal)._file.reading() as sql:
        return [run for (run,) in sql.execute("SELECT id FROM runs WHERE NOT is_open")]


def check(emulator, journal, first):
    entries = Journal(journal).entries()
    completed = [entry for entry in entries if entry.state == "completed"]
    billed = bills(emulator)
    assert sum(entry.circuits for entry in completed) == 6
    for entry in completed:
        assert billed.pop(entry.token) == [entry.job]
    assert not set(billed) - first, "a job was billed that the journal does not have"
    return {entry.token for entry in completed}


@pytest.mark.slow
def test_a_process_killed_at_any_step_is_followed_by_one_that_ends_its_work(
    processes, start_ionq_emulator, tmp_path
):
    emulator = start_ionq_emulator(run_s=0.05)
    whole = processes(emulator, tmp_path / "whole")
    assert whole["sizes"] == [3, 3]
    known = check(emulator, tmp_path / "whole", set())
    # Once outcomes are marked as delivered, in the last steps, the same work is new work.
    for step in range(1, whole["steps"]):
        journal = tmp_path / f"journal-{step}"
        died = processes(emulator, journal, step)
        if not died["killed"] or is_delivered(journal):
            continue  # looks at jobs are not as many each time
        lived = processes(emulator, journal)
        assert lived["sizes"] == [3, 3], f"step {step}"
        known |= check(emulator, journal, known)


@pytest.mark.slow
def test_a_run_that_somebody_alive_is_in_charge_of_is_left_alone(
    processes, start_ionq_emulator, tmp_path
):
    emulator = start_ionq_emulator()
    journal = tmp_path / "journal"
    mine = Journal(journal)
    work = some_work()
    print_ = fingerprint(emulator.url, Options(target="qpu.forte-1", shots=100), work)
    mine.open(print_, emulator.url, "qpu.forte-1", [3, 3], 100, 1e10, 1e10)
    assert processes(emulator, journal)["sizes"] == [3, 3]
    assert len(mine.entries()) == 4  # two runs
