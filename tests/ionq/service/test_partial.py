"""What an error of a run keeps: outcomes that were fetched, and which circuits may be billed."""

import random
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import JobError, QstoreError, RunFacts
from qstore_tf.testing.daily import daily_seed

sys.path.insert(0, str(Path(__file__).parent))

from simulated import Crash, Life, outcome  # noqa: E402
from test_schedules import Schedule  # noqa: E402


def one_error(number):
    """The error of one run with random faults, and its schedule; None where it succeeds."""
    schedule = Schedule(f"partial {daily_seed()} {number}")
    schedule.service.endings = random.Random(number).choice([10, 30])
    try:
        schedule.executor(Life()).run(schedule.work)
    except QstoreError as error:
        return schedule, error
    except Crash:
        raise AssertionError from None
    return schedule, None


@pytest.mark.slow
def test_outcomes_of_completed_circuits_are_kept_and_what_may_be_billed_is_said():
    seen = Counter()
    for number in range(300):
        schedule, error = one_error(number)
        if error is None:
            continue
        assert isinstance(error, RunFacts)
        everything, missing = set(range(schedule.n_circuits)), set(error.circuits)
        assert set(error.unsettled) <= missing
        kept = everything - missing
        assert bool(kept) == bool(error.outcomes)
        if kept:
            found = np.concatenate([part.dense() for part in error.outcomes])
            for circuit in kept:
                assert found[circuit].argmax() == outcome(circuit)
        # What is neither kept nor unsettled is not billed, now or later; but for submissions that
        # the network delivered twice, of which the other job may be listed too late to be seen.
        schedule.clock.wait(1e6, threading.Event())
        jobs = schedule.service.jobs.values()
        doubled = {job.token for job in jobs if job.is_twin}
        billed = {
            circuit
            for job in jobs
            if job.is_billed and job.token not in doubled
            for circuit in job.circuits
        }
        assert not billed & (missing - set(error.unsettled)), error
        seen.update(kept=bool(kept), unsettled=bool(error.unsettled), errors=1)
    assert seen["kept"] > 5 and seen["unsettled"] > 5, seen


def test_the_same_work_again_needs_no_second_run_of_what_was_unsettled():
    for number in range(300):
        schedule, error = one_error(number)
        if error is None or not error.unsettled or schedule.service.endings > 10:
            continue
        schedule.service.endings, schedule.options["deadline_s"] = 0, None
        for _ in range(8):
            try:
                found = schedule.executor(Life()).run(schedule.work)
                break
            except JobError:
                continue
        schedule.check(found)
        return
    pytest.fail("no error left anything unsettled")
