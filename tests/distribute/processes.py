"""Real workers in processes of their own, for tests; none outlives the test."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.distribute.rendezvous import free_ports

ROOT = Path(__file__).parents[2]


@dataclass
class Worker:
    """A worker's process and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ends(self, timeout: float = 180.0) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(timeout)

    def says(self, words: str, timeout: float = 120.0) -> None:
        """Waits until the output contains words."""
        deadline = time.monotonic() + timeout
        while words not in self.text():
            assert self.process.poll() is None, self.text()[-3000:]
            assert time.monotonic() < deadline, self.text()[-3000:]
            time.sleep(0.02)


def environment(index: int, addresses: list[str], more: Mapping[str, str]) -> dict[str, str]:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return {
        **{name: value for name, value in os.environ.items() if name != "TF_CONFIG"},
        "TF_CONFIG": json.dumps(config),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "2",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@contextlib.contextmanager
def workers(
    count: int,
    script: Path,
    *arguments: str,
    only: list[int] | None = None,
    env: Mapping[str, str] | None = None,
    each: Mapping[int, Mapping[str, str]] | None = None,
) -> Iterator[dict[int, Worker]]:
    """Starts the workers of a cluster, or only some of them, and kills them at the end.

    Args:
        count: How many workers the cluster has; 0 starts one process without a cluster.
        script: What they run, with the arguments.
        only: The indices that are started.
        env: Environment variables of all of them.
        each: Environment variables by index.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    started: dict[int, Worker] = {}
    try:
        for index in range(max(count, 1)) if only is None else only:
            variables = environment(
                index, addresses, {**(env or {}), **(each or {}).get(index, {})}
            )
            if not count:
                del variables["TF_CONFIG"]
            log = script.parent / f"worker-{count}-{index}-{time.monotonic_ns()}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, str(script), *arguments],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=ROOT,
                    env=variables,
                    start_new_session=True,
                )
            started[index] = Worker(process, log)
        yield started
    finally:
        for worker in started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)
            worker.process.wait()


def finish(started: Mapping[int, Worker], code: int = 0) -> None:
    """Waits for all of them and holds them to an exit code."""
    for index, worker in started.items():
        assert worker.ends() == code, f"worker {index}:\n{worker.text()[-4000:]}"
