"""Real workers in processes of their own, for tests; none outlives the test."""

import contextlib
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.distribute.rendezvous import free_ports

ROOT = Path(__file__).parents[2]
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class Server:
    """The fork server of one Keras, which starts workers and tells how they ended."""

    def __init__(self, legacy: str) -> None:
        self.codes: dict[int, int] = {}
        self._started: queue.Queue[int] = queue.Queue()
        self._ended = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **QUIET, "PYTHONPATH": str(ROOT), "TF_USE_LEGACY_KERAS": legacy},
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def start(self, **request: Any) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._started.get(timeout=300)

    def wait(self, pid: int, timeout: float | None) -> int | None:
        """The exit code as of `subprocess`; None if it has not ended in time."""
        with self._ended:
            self._ended.wait_for(lambda: pid in self.codes, timeout)
            return self.codes.get(pid)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "started" in said:
                self._started.put(said["started"])
            else:
                with self._ended:
                    self.codes[said["pid"]] = said["code"]
                    self._ended.notify_all()


@functools.cache
def server(legacy: str) -> Server:
    """The server of Keras 3 ("0") or tf_keras ("1"); it ends with this process."""
    return Server(legacy)


@dataclass
class Worker:
    """A worker's process and where its output goes."""

    pid: int
    log: Path
    server: Server

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def ends(self, timeout: float = 600.0) -> int:
        """Waits for the end and returns the exit code."""
        code = self.server.wait(self.pid, timeout)
        assert code is not None, f"no end within {timeout:g} s:\n{self.text()[-3000:]}"
        return code

    def kill(self) -> None:
        """Kills it and what it has started, unless it has ended."""
        if self.server.wait(self.pid, 0) is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def says(self, words: str, timeout: float = 120.0) -> None:
        """Waits until the output contains words."""
        deadline = time.monotonic() + timeout
        while words not in self.text():
            assert self.server.wait(self.pid, 0.02) is None, self.text()[-3000:]
            assert time.monotonic() < deadline, self.text()[-3000:]


def environment(index: int, addresses: list[str], more: Mapping[str, str]) -> dict[str, str]:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    return {
        **{name: value for name, value in os.environ.items() if name != "TF_CONFIG"},
        "TF_CONFIG": json.dumps(config),
        **QUIET,
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
            fork = server(variables.get("TF_USE_LEGACY_KERAS", "0"))
            log.touch()
            pid = fork.start(
                script=str(script),
                arguments=arguments,
                env=variables,
                log=str(log),
                directory=str(ROOT),
            )
            started[index] = Worker(pid, log, fork)
        yield started
    finally:
        for worker in started.values():
            worker.kill()
            worker.ends()


def finish(started: Mapping[int, Worker], code: int = 0) -> None:
    """Waits for all of them and holds them to an exit code."""
    for index, worker in started.items():
        assert worker.ends() == code, f"worker {index}:\n{worker.text()[-4000:]}"
