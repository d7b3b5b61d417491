"""Groups of workers for the scaling benchmarks: started, asked, and always ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

WORKER = Path(__file__).with_name("scaling_worker.py")
# Seconds that workers get to end by themselves.
PATIENCE = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Group:
    """Workers that train together, one process each; a context that ends them.

    Args:
        cores: the processor of each worker; their number is that of the workers.
        addresses: `host:port` of each; free ports on loopback if None. A single worker needs none.
        prefixes: what to put before each worker's command, `ip netns exec NAME` for example.
    """

    def __init__(
        self,
        cores: Sequence[int],
        addresses: Sequence[str] | None = None,
        prefixes: Sequence[Sequence[str]] | None = None,
    ) -> None:
        self._cores = list(cores)
        self._addresses = list(addresses or free_addresses(len(cores)))
        self._prefixes = prefixes or [[]] * len(cores)
        self._processes: list[subprocess.Popen[str]] = []
        self._logs: list[Any] = []
        self.facts: dict[str, Any] = {}

    def __enter__(self) -> Group:
        try:
            for index in range(len(self._cores)):
                self._start(index)
            self.facts = self.answers()[0]
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            for process in self._processes:
                _write(process, "null")
        self._end()

    def ask(self, do: str, **request: Any) -> list[dict[str, Any]]:
        """Has every worker do something; returns their answers by index.

        Raises:
            RuntimeError: a worker ended instead.
        """
        self.begin(do, **request)
        return self.answers()

    def begin(self, do: str, **request: Any) -> None:
        """The first half of `ask`: several groups work at the same time."""
        for process in self._processes:
            _write(process, json.dumps({"do": do, **request}))

    def answers(self) -> list[dict[str, Any]]:
        """The second half of `ask`."""
        answers = []
        for index, process in enumerate(self._processes):
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                self._logs[index].seek(0)
                code = process.wait()
                log = self._logs[index].read()[-3000:]
                raise RuntimeError(f"worker {index} ended with exit code {code}:\n{log}")
            answers.append(json.loads(line))
        return answers

    def cpu(self) -> float:
        """Processor seconds that the workers have used so far."""
        return sum(_cpu_of(process.pid) for process in self._processes)

    def _start(self, index: int) -> None:
        environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
        environ.pop("TF_CONFIG", None)
        if len(self._cores) > 1:
            task = {"type": "worker", "index": index}
            environ["TF_CONFIG"] = json.dumps(
                {"cluster": {"worker": self._addresses}, "task": task}
            )
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._logs.append(log)
        command = [*self._prefixes[index], sys.executable, str(WORKER)]
        self._processes.append(
            subprocess.Popen(
                [*command, "--core", str(self._cores[index])],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        )

    def _end(self) -> None:
        for process in self._processes:
            try:
                process.wait(PATIENCE if process.poll() is None else 0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for log in self._logs:
            log.close()


def free_addresses(count: int) -> list[str]:
    """Addresses on loopback with ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


class Others:
    """What other programs took of the processors in a stretch of time.

    Args:
        groups: the workers, which are not others.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self.begin()

    def begin(self) -> None:
        """Starts a stretch."""
        self._started = time.perf_counter(), self._foreign()

    def share(self) -> float:
        """Their processor seconds since `begin`, per second and processor."""
        seconds = time.perf_counter() - self._started[0]
        return (self._foreign() - self._started[1]) / seconds / (os.cpu_count() or 1)

    def _foreign(self) -> float:
        own = sum(group.cpu() for group in self._groups) + time.process_time()
        # user nice system idle iowait irq softirq steal
        fields = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
        return (sum(fields) - fields[3] - fields[4]) / _TICKS - own


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
