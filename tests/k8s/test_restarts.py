"""The rules by which pods are replaced, with pods that only pretend."""

from collections.abc import Callable
from typing import Any

import pytest

from k8s.local_runner import jobs, policy
from k8s.objects import Objects, Training, training_of
from qstore_tf.distribute.launch.exit_codes import ExitCode


class Pretended:
    """A pod that ends with the next exit code of its script; `None` runs until it is ended."""

    def __init__(self, name: str, code: int | None, on_term: int = 75):
        self.name, self.container, self.code, self.on_term = name, "train", code, on_term
        self.terminating = False

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.code = 137

    def terminate(self, grace: float) -> None:
        self.terminating = True
        if self.code is None:
            self.code = self.on_term


def play(training: Training, script: dict[int, list[int | None]], **options: Any) -> jobs.Outcome:
    """Runs a training whose pods end as `script` says, one entry for each start of an index."""

    def start(index: int) -> Any:
        codes = script[index]
        return Pretended(f"{training.host}-{index}", codes.pop(0) if codes else None)

    return jobs.run(training, start, first_pause=0.0, **options)


@pytest.fixture
def job(rendered: Callable[[str], Objects]) -> Training:
    return training_of(rendered("base"))


@pytest.fixture
def jobset(rendered: Callable[[str], Objects]) -> Training:
    return training_of(rendered("overlays/jobset"))


def test_all_workers_finish(job: Training) -> None:
    outcome = play(job, {0: [0], 1: [0]})
    assert outcome.complete and outcome.failures == 0


def test_a_killed_worker_is_started_again_under_its_index(job: Training) -> None:
    outcome = play(job, {0: [76, 0], 1: [137, 0]})
    assert outcome.complete and outcome.failures == 2
    assert sorted(outcome.exits) == [(0, 0), (0, 76), (1, 0), (1, 137)]


@pytest.mark.parametrize("code", [1, ExitCode.PEER_LOST, ExitCode.START_TIMEOUT, 137])
def test_failures_that_a_restart_may_mend_are_tried_until_none_are_left(
    job: Training, code: int
) -> None:
    limit = job.job["backoffLimit"]
    outcome = play(job, {0: [code] * 99, 1: [None] * 99})
    assert outcome.reason == policy.BACKOFF_LIMIT
    assert outcome.failures == limit + 1 == job.workers * 5 + 1


def test_permanent_errors_end_the_job_at_once(job: Training) -> None:
    outcome = play(job, {0: [int(ExitCode.PERMANENT)], 1: [None]})
    assert outcome.reason == policy.POD_FAILURE_POLICY
    assert "failed with exit code 78 matching FailJob rule at index 0" in outcome.message
    assert outcome.failures == 0 and len(outcome.exits) == 2  # the other was ended too


def test_a_drained_node_does_not_count(job: Training) -> None:
    script: dict[int, list[int | None]] = {0: [75] * 30 + [0], 1: [None] + [75] * 29 + [0]}
    evicted = jobs.Fault(1, lambda pod: True, "evict")
    outcome = play(job, script, faults=[evicted])
    assert outcome.complete and outcome.failures == 0


def test_an_evicted_pod_that_was_killed_does_not_count(job: Training) -> None:
    failure = policy.Failure("train-1", "train", 137, disrupted=True)
    assert policy.pod_action(job.job, failure)[0] == "Ignore"
    assert policy.pod_action(job.job, policy.Failure("train-1", "train", 137))[0] == "Count"


def test_the_deadline_ends_the_job(job: Training) -> None:
    job.job["activeDeadlineSeconds"] = 0.2
    outcome = play(job, {0: [None], 1: [None]})
    assert outcome.reason == policy.DEADLINE


def test_the_job_is_done_when_worker_0_is(job: Training) -> None:
    outcome = play(job, {0: [0], 1: [None]})
    assert outcome.complete
    assert outcome.exits == [(0, 0), (1, 75)]


def test_no_two_pods_of_one_index_run_at_once(job: Training) -> None:
    running: dict[int, int] = {0: 0, 1: 0}
    starts = []

    class Slow(Pretended):
        polls = 0

        def poll(self) -> int | None:
            self.polls += self.terminating
            return 75 if self.polls > 5 else self.code

        def terminate(self, grace: float) -> None:
            self.terminating = True

    def start(index: int) -> Any:
        running[index] += 1
        starts.append(dict(running))
        return Slow(f"train-{index}", 0 if len(starts) > 2 else None)

    def remove(pod: Any) -> None:
        running[int(pod.name[-1])] -= 1

    evicted = [jobs.Fault(index, lambda pod: True, "evict") for index in (0, 1)]
    assert jobs.run(job, start, remove, evicted, first_pause=0.0).complete
    assert max(max(each.values()) for each in starts) == 1
    # The default of Kubernetes would start the new pod beside the old one.
    job.job["podReplacementPolicy"] = "TerminatingOrFailed"
    running.update({0: 0, 1: 0})
    starts.clear()
    evicted = [jobs.Fault(index, lambda pod: True, "evict") for index in (0, 1)]
    assert jobs.run(job, start, remove, evicted, first_pause=0.0).complete
    assert max(max(each.values()) for each in starts) == 2


def test_a_jobset_starts_all_workers_again_together(jobset: Training) -> None:
    outcome = play(jobset, {0: [None, 0], 1: [137, 0]})
    assert outcome.complete and outcome.restarts == 1
    assert outcome.exits == [(1, 137), (0, 75), (0, 0), (1, 0)]


def test_a_jobset_gives_up_after_its_restarts(jobset: Training) -> None:
    outcome = play(jobset, {0: [None] * 99, 1: [137] * 99})
    assert not outcome.complete and outcome.restarts == 5
    assert "maxRestarts" in outcome.message


def test_permanent_errors_end_a_jobset_at_once(jobset: Training) -> None:
    outcome = play(jobset, {0: [None], 1: [78]})
    assert not outcome.complete and outcome.restarts == 0


def test_disruptions_do_not_use_up_a_jobsets_restarts(jobset: Training) -> None:
    outcome = play(jobset, {0: [75] * 20 + [0], 1: [None] * 20 + [0]})
    assert outcome.complete and outcome.restarts == 20
    evicted = jobs.Fault(1, lambda pod: True, "evict")
    outcome = play(jobset, {0: [None, 0], 1: [None, 0]}, faults=[evicted])
    assert outcome.complete and outcome.restarts == 1


def test_pauses_between_restarts_double_up_to_six_minutes() -> None:
    assert [policy.pause(n) for n in (0, 1, 2, 6, 7, 20)] == [0, 10, 20, 320, 360, 360]
