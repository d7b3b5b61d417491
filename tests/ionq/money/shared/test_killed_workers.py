"""Four workers on one account, any of them killed at any moment, the chief too: all adds up."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from qstore_tf.ionq.emulator.states import is_billed
from qstore_tf.testing.daily import daily_seed

SCRIPT = Path(__file__).with_name("killing.py")
ROOT = Path(__file__).parents[4]


def killed(seed, jobs, kills, *url):
    """What happened in a training of four workers; never more than the limit was used."""
    done = subprocess.run(
        [sys.executable, SCRIPT, f"{daily_seed()} {seed}", str(jobs), str(kills), *url],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["finished"] == [jobs] * 4 and found["late"] == [], found
    assert Decimal(found["reserved"]) == 0 and found["looks"] > 0
    assert Decimal(found["spent"]) <= Decimal(found["limit"])
    return found


def check_folder(seed, jobs, kills):
    found = killed(seed, jobs, kills)
    entries, bills = (
        {key: Decimal(bill) for key, bill in found[name].items()} for name in ("entries", "bills")
    )
    assert entries == bills  # each job that was run is billed, once, and nothing else
    assert Decimal(found["spent"]) == sum(bills.values())
    assert found["refused"] > 0  # the limit was met
    return found


def test_workers_and_the_chief_are_killed():
    found = check_folder("quick", jobs=12, kills=8)
    assert found["of the chief"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_workers_and_the_chief_are_killed_many_times(seed):
    found = check_folder(seed, jobs=20, kills=20)
    print(f"killed {found['kills']} times, the chief {found['of the chief']} times")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_workers_pay_each_job_of_a_local_ionq_once(seed, start_ionq_emulator):
    emulator = start_ionq_emulator(run_s=0.02)
    found = killed(seed, 2, 4, emulator.url)
    billed = {
        job.id: (json.loads(job.metadata)["qs_token"], Decimal(job.price))
        for job in emulator.jobs()
        if is_billed(job, emulator.service.jobs.now)
    }
    entries = {key: Decimal(bill) for key, bill in found["entries"].items()}
    # A second copy of a job, sent because nobody knew of the first, has an entry of its own.
    copies = {key.rpartition("/")[2]: bill for key, bill in entries.items() if "/" in key}
    jobs = {key: bill for key, bill in entries.items() if "/" not in key}
    paid = [
        entries[f"{token}/{id}"[:200]] if id in copies else jobs[token]
        for id, (token, _) in billed.items()
    ]
    assert paid == [price for _, price in billed.values()] and len(billed) == len(entries)
    assert Decimal(found["spent"]) == sum(paid) > 0
    print(f"{len(billed)} jobs, killed {found['kills']} times, {found['of the chief']} the chief")
