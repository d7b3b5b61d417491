"""What Kubernetes does with a failed pod, and JobSet with a failed Job: the rules alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Why a Job failed, as its conditions name it.
POD_FAILURE_POLICY = "PodFailurePolicy"
BACKOFF_LIMIT = "BackoffLimitExceeded"
DEADLINE = "DeadlineExceeded"


@dataclass(frozen=True)
class Failure:
    """A pod that ended with an exit code other than 0.

    Args:
        pod: Its name.
        container: Name of its container.
        code: The exit code; 128 + signal where a signal ended it.
        disrupted: Whether it was evicted (condition DisruptionTarget).
    """

    pod: str
    container: str
    code: int
    disrupted: bool = False


def pod_action(job: Mapping[str, Any], failure: Failure) -> tuple[str, str]:
    """What the Job does about a failed pod.

    Args:
        job: The Job's specification.
        failure: The failed pod.

    Returns:
        `Count`, `Ignore` or `FailJob`, and the message that Kubernetes gives with it.
    """
    for number, rule in enumerate(job.get("podFailurePolicy", {}).get("rules", [])):
        found = _matches(rule, failure)
        if found:
            return rule["action"], f"{found} matching {rule['action']} rule at index {number}"
    return "Count", f"Pod {failure.pod} failed with exit code {failure.code}"


def _matches(rule: Mapping[str, Any], failure: Failure) -> str | None:
    codes = rule.get("onExitCodes")
    if codes and codes.get("containerName", failure.container) == failure.container:
        inside = failure.code in codes["values"]
        if inside == (codes["operator"] == "In"):
            return (
                f"Container {failure.container} for pod default/{failure.pod} "
                f"failed with exit code {failure.code}"
            )
    for condition in rule.get("onPodConditions") or []:
        wanted = condition["type"], condition.get("status", "True")
        if failure.disrupted and wanted == ("DisruptionTarget", "True"):
            return f"Pod default/{failure.pod} has condition DisruptionTarget"
    return None


def pause(failures: int, first: float = 10.0, longest: float = 360.0) -> float:
    """Seconds that a Job waits before it starts a pod again after so many counted failures.

    Example:
        >>> [pause(failures) for failures in (0, 1, 2, 3, 10)]
        [0.0, 10.0, 20.0, 40.0, 360.0]
    """
    return min(first * 2.0 ** (failures - 1), longest) if failures else 0.0


def jobset_action(policy: Mapping[str, Any], reason: str, message: str) -> str:
    """What a JobSet does about a failed Job: the action of the first rule that matches.

    Args:
        policy: `spec.failurePolicy`.
        reason: Why the Job failed.
        message: What the Job's condition says.
    """
    for rule in policy.get("rules") or []:
        reasons = rule.get("onJobFailureReasons")
        patterns = rule.get("onJobFailureMessagePatterns")
        if reasons and reason not in reasons:
            continue
        if patterns and not any(re.search(pattern, message) for pattern in patterns):
            continue
        return str(rule["action"])
    return "RestartJobSet"
