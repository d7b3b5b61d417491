"""Every fault at every call: outcomes as without it and each job billed once, or a typed error."""

import numpy as np
import pytest
from conftest import bills, some_work

from qstore_tf.errors import (
    DeadlineError,
    JobCanceledError,
    JobFailedError,
    JobStuckError,
)
from qstore_tf.ionq.emulator.faults import TABLE
from qstore_tf.ionq.emulator.running import Emulator

SHORT = {
    "too_many_requests": {"retry_after": 0.05},
    "slow": {"seconds": 0.2},
    "lagging_list": {"seconds": 0.2},
    "stale_state": {"seconds": 0.1},
    "restart": {"seconds": 0.1},
}
ERRORS = {
    "failed_job": JobFailedError,
    "canceled_job": JobCanceledError,
    "stuck_job": DeadlineError,
}
CASES = [
    (name, call)
    for name, kind in TABLE.items()
    for call in kind.calls
    if call in ("submit", "poll", "list", "fetch", "other")
]


@pytest.fixture(scope="module")
def emulator():
    # Exact probabilities of a machine without noise would depend on shots; the simulator's do not.
    with Emulator(run_s=0.02) as running:
        yield running


@pytest.fixture(scope="module")
def expected(emulator):
    from qstore_tf.ionq.service import Executor, Server

    executor = Executor(Server(emulator.url, "k"), journal=":memory:")
    return [outcomes.dense() for outcomes in executor.run(some_work())]


def close(found, expected, shots):
    for outcomes, wanted in zip(found, expected, strict=True):
        # Machines have noise: what counts here is that no circuit is another one.
        assert np.abs(outcomes.dense() - wanted).max() < 0.06 + 5 * (0.25 / shots) ** 0.5


@pytest.mark.parametrize(("name", "call"), CASES, ids=lambda value: value)
def test_each_fault_at_each_call(emulator, expected, quick, name, call):
    deadline = 1.0 if name == "stuck_job" else 30.0
    executor = quick(emulator, max_circuits=2, max_in_flight=2, shots=500, deadline_s=deadline)
    known = {job.id for job in emulator.jobs()}
    emulator.set_faults(
        {"name": name, "where": call, "times": 2, "after": 1, "parameters": SHORT.get(name, {})}
    )
    try:
        found = executor.run(some_work())
    except ERRORS.get(name, ()) as error:
        assert error.circuits and error.completed == 6 - len(error.circuits)
        emulator.set_faults()
        if name == "stuck_job":
            return
        found = quick(emulator, shots=500).run(some_work())  # the rest, and no more
    close(found, expected, 500)
    copies = [job for _, job, _ in executor.journal.copies()]
    of_now = {
        token: [job for job in jobs if job not in known and job not in copies]
        for token, jobs in bills(emulator).items()
    }
    billed = {token: jobs for token, jobs in of_now.items() if jobs}
    completed = {e.token for e in executor.journal.entries() if e.state == "completed"}
    assert set(billed) == completed and all(len(jobs) == 1 for jobs in billed.values())
    assert name not in ERRORS or len(billed) == 3


@pytest.mark.parametrize(
    "fault", ["too_many_requests", "server_error", "dropped", "lost_answer", "wrong_json", "slow"]
)
def test_each_fault_when_a_job_is_canceled_at_the_deadline(emulator, quick, fault):
    executor = quick(emulator, deadline_s=3.0)
    emulator.set_faults(
        {"name": "stuck_job", "where": "submit", "parameters": {"status": "ready"}},
        {"name": fault, "where": "cancel", "times": 2, "parameters": SHORT.get(fault, {})},
    )
    with pytest.raises(DeadlineError) as caught:
        executor.run(some_work())
    emulator.set_faults()
    (entry,) = executor.journal.entries()
    assert entry.state == "canceled" and caught.value.job_ids == (entry.job,)
    assert caught.value.circuits == tuple(range(6)) and caught.value.spent == "nothing"
    job = next(job for job in emulator.jobs() if job.id == entry.job)
    assert job.canceled is not None and not bills(emulator).get(entry.token)


def test_a_job_that_runs_for_too_long_is_stuck(emulator, quick):
    executor = quick(emulator, stuck_s=0.3)
    emulator.set_faults(
        {"name": "stuck_job", "where": "submit", "parameters": {"status": "started"}}
    )
    with pytest.raises(JobStuckError, match="asked to stop") as caught:
        executor.run(some_work())
    emulator.set_faults()
    job = next(job for job in emulator.jobs() if job.id == caught.value.job_ids[0])
    assert job.canceled is not None
