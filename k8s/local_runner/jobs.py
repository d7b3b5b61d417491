"""The controllers of Job and JobSet: which pods to start, to replace and to end, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from k8s.local_runner import policy
from k8s.local_runner.pods import Pod
from k8s.objects import ManifestError, Training

Start = Callable[[int], Pod]
_TICK = 0.02


@dataclass
class Fault:
    """Something that happens to a pod, once.

    Args:
        index: Which worker it happens to.
        when: Asked again and again with the running pod; true when it is time.
        what: `kill` (kill -9), `evict` (SIGTERM and condition DisruptionTarget) or `delete`
            (SIGTERM alone).
    """

    index: int
    when: Callable[[Pod], bool]
    what: str = "kill"
    done: bool = False


@dataclass
class Outcome:
    """How a Job or a JobSet ended.

    Args:
        reason: `Complete`, or why it failed.
        message: What the condition says.
        failures: How many failed pods counted.
        restarts: How often the JobSet was restarted.
        exits: Index and exit code of all pods in the order they ended.
    """

    reason: str = ""
    message: str = ""
    failures: int = 0
    restarts: int = 0
    exits: list[tuple[int, int]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether it did what it was to do."""
        return self.reason == "Complete"


class JobController:
    """Runs one Indexed Job to its end.

    Args:
        training: The Job.
        start: Starts the pod of an index.
        remove: Called with each pod that has ended.
        faults: What happens to pods meanwhile.
        say: Told what happens.
        first_pause: Seconds before the first replacement; Kubernetes waits 10.
    """

    def __init__(
        self,
        training: Training,
        start: Start,
        remove: Callable[[Pod], None],
        faults: Iterable[Fault] = (),
        say: Callable[[str], None] = lambda text: None,
        first_pause: float = 10.0,
    ):
        self.job = training.job
        if self.job.get("completionMode") != "Indexed":
            raise ManifestError("Expected an Indexed Job")
        if training.pod["spec"].get("restartPolicy") != "Never":
            raise ManifestError("Expected restartPolicy Never")
        self.host = training.host
        self.grace = float(training.pod["spec"].get("terminationGracePeriodSeconds", 30))
        self.faults = list(faults)
        self._start, self._remove, self._say = start, remove, say
        self._first_pause = first_pause
        self._running: dict[int, list[Pod]] = {}
        self._disrupted: set[Pod] = set()
        self._complete: set[int] = set()
        self._next_start = 0.0
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Starts pods and replaces them until the Job is complete or has failed.

        No pod runs any more when it returns or raises.
        """
        deadline = time.monotonic() + self.job.get("activeDeadlineSeconds", float("inf"))
        try:
            while not self.outcome.reason:
                self._start_missing()
                self._inflict()
                self._collect()
                self._conclude(deadline)
                time.sleep(_TICK)
        except BaseException:
            self.grace = 0.0
            raise
        finally:
            self._end_all()
        self._say(f"{self.host}: {self.outcome.reason} {self.outcome.message}")
        return self.outcome

    def _start_missing(self) -> None:
        if time.monotonic() < self._next_start:
            return
        wait_for_end = self.job.get("podReplacementPolicy", "TerminatingOrFailed") == "Failed"
        active = sum(len(self._counted(index, wait_for_end)) for index in self._running)
        for index in range(self.job["completions"]):
            free = index not in self._complete and not self._counted(index, wait_for_end)
            if free and active < self.job["parallelism"]:
                self._running.setdefault(index, []).append(self._start(index))
                self._say(f"{self.host}-{index} started")
                active += 1

    def _counted(self, index: int, terminating_too: bool) -> list[Pod]:
        pods = self._running.get(index, [])
        return [pod for pod in pods if terminating_too or not pod.terminating]

    def _inflict(self) -> None:
        for fault in self.faults:
            for pod in list(self._running.get(fault.index, [])):
                if fault.done or not fault.when(pod):
                    continue
                fault.done = True
                self._say(f"{pod.name}: {fault.what}")
                if fault.what == "kill":
                    pod.kill()
                    continue
                if fault.what == "evict":
                    self._disrupted.add(pod)
                pod.terminate(self.grace)

    def _collect(self) -> None:
        for index, pods in self._running.items():
            for pod in list(pods):
                code = pod.poll()
                if code is None:
                    continue
                pods.remove(pod)
                self._remove(pod)
                self.outcome.exits.append((index, code))
                self._say(f"{pod.name} ended with exit code {code}")
                if code == 0:
                    self._complete.add(index)
                elif not self.outcome.reason:
                    self._judge(pod, code)

    def _judge(self, pod: Pod, code: int) -> None:
        failure = policy.Failure(pod.name, pod.container, code, pod in self._disrupted)
        action, message = policy.pod_action(self.job, failure)
        if action == "FailJob":
            self._fail(policy.POD_FAILURE_POLICY, message)
        elif action == "Count":
            self.outcome.failures += 1
            self._next_start = time.monotonic() + policy.pause(
                self.outcome.failures, self._first_pause
            )
            if self.outcome.failures > self.job.get("backoffLimit", 6):
                self._fail(policy.BACKOFF_LIMIT, "Job has reached the specified backoff limit")
        elif action != "Ignore":
            raise ManifestError(f"podFailurePolicy action {action} is not supported here")

    def _conclude(self, deadline: float) -> None:
        if self.outcome.reason:
            return
        enough = [set(range(self.job["completions"]))]
        for rule in self.job.get("successPolicy", {}).get("rules", []):
            enough.append({int(index) for index in rule["succeededIndexes"].split(",")})
        if any(indexes <= self._complete for indexes in enough):
            self.outcome.reason = "Complete"
        elif time.monotonic() > deadline:
            self._fail(policy.DEADLINE, "Job was active longer than specified deadline")

    def _fail(self, reason: str, message: str) -> None:
        if not self.outcome.reason:
            self.outcome.reason, self.outcome.message = reason, message

    def _end_all(self) -> None:
        """What is left gets SIGTERM, and SIGKILL after its grace period."""
        for pods in self._running.values():
            for pod in pods:
                pod.terminate(self.grace)
        while any(self._running.values()):
            self._collect()
            time.sleep(_TICK)


def run(
    training: Training,
    start: Start,
    remove: Callable[[Pod], None] = lambda pod: None,
    faults: Iterable[Fault] = (),
    say: Callable[[str], None] = lambda text: None,
    first_pause: float = 10.0,
) -> Outcome:
    """Runs a Job, or a JobSet with all its restarts.

    Args:
        training: The Job, alone or in a JobSet.
        start: Starts the pod of an index.
        remove: Called with each pod that has ended.
        faults: What happens to pods meanwhile.
        say: Told what happens.
        first_pause: Seconds before a Job's first replacement of a pod.

    Returns:
        How it ended.
    """
    faults = list(faults)
    rules = training.failure_policy
    if rules is not None and rules.get("restartStrategy") != "BlockingRecreate":
        raise ManifestError("Expected restartStrategy BlockingRecreate")
    exits: list[tuple[int, int]] = []
    restarts = counted = 0
    while True:
        outcome = JobController(training, start, remove, faults, say, first_pause).run()
        exits += outcome.exits
        outcome.restarts, outcome.exits = restarts, exits
        if rules is None or outcome.complete:
            return outcome
        action = policy.jobset_action(rules, outcome.reason, outcome.message)
        say(f"{training.name}: {action}")
        if action == "RestartJobSet":
            counted += 1
        elif action != "RestartJobSetAndIgnoreMaxRestarts":
            return outcome
        if counted > rules.get("maxRestarts", 0):
            outcome.message = f"maxRestarts is reached; {outcome.message}"
            return outcome
        restarts += 1
