"""Brings manifests to life on a machine: the training with its restarts, and what serves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from k8s.local_runner import jobs
from k8s.local_runner.network import RunnerError
from k8s.local_runner.pods import Machine, Pod
from k8s.objects import Object, containers, name_of, training_of

_INDEX = "batch.kubernetes.io/job-completion-index"


def train(
    machine: Machine,
    faults: Iterable[jobs.Fault] = (),
    say: Callable[[str], None] = lambda text: None,
    first_pause: float = 10.0,
) -> jobs.Outcome:
    """Runs the Job or the JobSet of the machine's manifests to its end.

    Args:
        machine: Where its pods run.
        faults: What happens to them.
        say: Told what happens.
        first_pause: Seconds before a Job's first replacement of a pod; Kubernetes waits 10.

    Returns:
        How it ended.

    Raises:
        ManifestError: The manifests ask for what is not supported here.
    """
    training = training_of(machine.objects)

    def start(index: int) -> Pod:
        host = f"{training.host}-{index}"
        return machine.start(
            training.pod,
            host,
            _dns_names(f"{host}.{training.subdomain}"),
            env={"JOB_COMPLETION_INDEX": str(index)},
            annotations={_INDEX: str(index)},
        )

    return jobs.run(training, start, machine.remove, faults, say, first_pause)


@contextmanager
def serve(machine: Machine, name: str, timeout: float = 120.0) -> Iterator[Pod]:
    """Runs one pod of a Deployment or StatefulSet, once it is ready, until the block ends.

    Other pods find it by the names of the Services that select it.

    Raises:
        RunnerError: It ended, or was not ready in time.
    """
    stateful = machine.objects.find("StatefulSet", name)
    found = stateful or machine.objects.get("Deployment", name)
    template = found["spec"]["template"]
    labels = template["metadata"]["labels"]
    services = [
        service
        for service in machine.objects.of("Service")
        if service["spec"]["selector"].items() <= labels.items()
    ]
    names = tuple(each for service in services for each in _dns_names(name_of(service)))
    pod = machine.start(template, f"{name}-0" if stateful else name, names)
    try:
        _wait_until_ready(pod, containers(template)[0], timeout)
        yield pod
    finally:
        pod.kill()
        while pod.poll() is None:
            time.sleep(0.02)
        machine.remove(pod)


def get(pod: Pod, url: str, timeout: float = 20.0) -> str:
    """What HTTP GET of `url` answers, asked from a pod's network.

    Raises:
        RunnerError: It answers with an error, or not at all.
    """
    code = (
        f"import urllib.request as u; print(u.urlopen({url!r}, timeout={timeout}).read().decode())"
    )
    command = ["ip", "netns", "exec", pod.namespace, sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunnerError(f"GET {url}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def _wait_until_ready(pod: Pod, container: Object, timeout: float) -> None:
    probe = container["readinessProbe"]["httpGet"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    url = f"http://127.0.0.1:{ports.get(probe['port'], probe['port'])}{probe['path']}"
    deadline = time.monotonic() + timeout
    while True:
        try:
            get(pod, url)
            return
        except RunnerError as error:
            if pod.poll() is not None:
                raise RunnerError(f"Pod {pod.name} ended: {pod.output()[-2000:]}") from error
            if time.monotonic() > deadline:
                raise RunnerError(f"Pod {pod.name} is not ready: {error}") from error
        time.sleep(0.2)


def _dns_names(name: str) -> tuple[str, ...]:
    return tuple(f"{name}{end}" for end in ("", ".default.svc", ".default.svc.cluster.local"))
