"""Starts the workers of a training on this machine, and restarts those that fail.

The launcher does what Kubernetes does elsewhere: it provides the environment of each worker, the
restarts and the logs. The script is the same in both. Imports no TensorFlow.
"""

from __future__ import annotations

import datetime
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from qstore_tf.distribute.launch.exit_codes import GROUP_CODES, ExitCode, explain, shell_code
from qstore_tf.distribute.launch.incidents import Failure, Incident, Incidents
from qstore_tf.distribute.launch.ports import held_ports
from qstore_tf.distribute.launch.setup import (
    check,
    check_addresses,
    environment_of,
    open_log,
    share_cores,
)
from qstore_tf.distribute.launch.worker_process import Console, Guard, WorkerProcess
from qstore_tf.errors import ConfigurationError, describe

_POLL_SECONDS = 0.02
_MAX_BACKOFF_SECONDS = 30.0
# How long a killed process may take to disappear; one that takes longer hangs in the kernel.
_KILL_SECONDS = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def launch(
    command: Sequence[str],
    workers: int = 2,
    *,
    restarts: int = 3,
    log_dir: str | os.PathLike[str] | None = None,
    grace: float = 30.0,
    backoff: float = 1.0,
    cores_per_worker: int | None = None,
    addresses: Sequence[str] | None = None,
    index: int | None = None,
) -> int:
    """Runs a training script as several workers and waits for them.

    Each worker is a process in a process group of its own, with `TF_CONFIG` set and its output
    unbuffered (`PYTHONUNBUFFERED`). A worker that exits with 0 is done. `ExitCode.PERMANENT`
    stops all workers. After any other code the worker is restarted, and so are the others when
    they exit with `ExitCode.PEER_LOST`; together that is one incident. SIGTERM, SIGINT and SIGHUP
    are passed on as SIGTERM; a second SIGINT kills at once. No worker outlives the launcher,
    however that ends.

    Args:
        command: The program and its arguments.
        workers: The number of workers; each gets a free port of 127.0.0.1.
        restarts: Incidents after which workers are restarted; the next one ends the run.
        log_dir: The folder for `worker-0.log` and so on, one attempt after the other.
        grace: Seconds between SIGTERM and SIGKILL.
        backoff: Seconds before the first restart; doubled with each incident, up to 30.
        cores_per_worker: Processor cores to pin each worker to, which also sets
            `OMP_NUM_THREADS` and `TF_NUM_INTRAOP_THREADS`. By default all workers share all cores.
        addresses: `"host:port"` of all workers of a cluster of several machines. Only worker
            `index` is started, and `workers` is not used.
        index: The index of the worker to start; only with `addresses`.

    Returns:
        0 if all workers are done; 78 if one exited with `PERMANENT`; the code of the failure that
        caused the last incident if no restarts are left; after a signal 75 if all workers have
        saved their state, else 128 + the number of the signal.

    Raises:
        ConfigurationError: A wrong argument, a command that is not found, or a log directory
            that is not writable. No worker has been started then.

    Example:
        >>> launch([sys.executable, "-c", "print('trained')"], workers=1)
        [worker 0] trained
        [launch] worker 0 is done.
        [launch] All workers are done.
        0
    """
    check(command, workers, restarts, grace, backoff)
    with ExitStack() as stack:
        if addresses is None:
            if index is not None:
                raise ConfigurationError(
                    describe(
                        "An index needs the addresses of all workers",
                        expected="addresses together with index",
                        received=index,
                    )
                )
            ports = stack.enter_context(held_ports(workers))
            addresses, mine = [f"127.0.0.1:{port}" for port in ports], range(workers)
        else:
            mine = check_addresses(addresses, index)
        cores = share_cores(len(mine), cores_per_worker)
        seats = [
            _Seat(
                number,
                environment_of(addresses, number, cores_per_worker),
                cores[place],
                open_log(stack, log_dir, number),
            )
            for place, number in enumerate(mine)
        ]
        guard = stack.enter_context(Guard())
        signals = stack.enter_context(_received_signals())
        run = _Run(list(command), seats, Console(sys.stdout), guard, signals)
        stack.callback(run.kill)
        return run.until_done(restarts, grace, backoff)


@dataclass
class _Seat:
    """A worker of the cluster, and the process that runs as it at the moment."""

    index: int
    environment: Mapping[str, str]
    cores: Sequence[int]
    log: BinaryIO | None
    attempt: int = 0
    process: WorkerProcess | None = None
    start_at: float | None = 0.0  # None: running, done, or not to be restarted
    last_code: int | None = None

    @property
    def label(self) -> str:
        return f"worker {self.index}"


class _Run:
    def __init__(
        self,
        command: Sequence[str],
        seats: Sequence[_Seat],
        console: Console,
        guard: Guard,
        signals: list[signal.Signals],
    ) -> None:
        self.command, self.seats = command, seats
        self.console, self.guard, self.signals = console, guard, signals
        self.incidents = Incidents()
        self.tails: dict[Failure, list[str]] = {}

    def say(self, text: str) -> None:
        self.console.write("launch", text)

    def until_done(self, restarts: int, grace: float, backoff: float) -> int:
        """Starts workers that are due and acts on those that have ended, until none is left."""
        if len(self.seats) > 1:
            self.say(f"Starting {len(self.seats)} workers.")
        while True:
            if self.signals:
                return self._interrupted(grace)
            self._start_what_is_due()
            failed = self._failures()
            for seat, failure in failed:
                self.say(f"{seat.label} failed: {explain(failure.returncode)}.")
                if failure.returncode == ExitCode.PERMANENT:
                    self._stop(grace)
                    self._show_tail(failure)
                    return int(ExitCode.PERMANENT)
                self.incidents.add(failure)
            count = len(self.incidents.all)
            if count > restarts:
                self.say(f"No restarts are left of {restarts}.")
                return self._give_up(self.incidents.all[-1], grace)
            for seat, _ in failed:
                delay = min(backoff * 2 ** min(count - 1, 20), _MAX_BACKOFF_SECONDS)
                seat.start_at = time.monotonic() + delay
                self.say(
                    f"Starting {seat.label} again in {delay:g} s (restart {count}/{restarts})."
                )
            if all(seat.process is None and seat.start_at is None for seat in self.seats):
                self.say("All workers are done.")
                return 0
            time.sleep(_POLL_SECONDS)

    def kill(self) -> None:
        """Kills all workers that still run, however `launch` was left."""
        for seat in self._running():
            self._process_of(seat).send(signal.SIGKILL)
        deadline = time.monotonic() + _KILL_SECONDS
        while list(self._ended()) or self._running():
            if time.monotonic() > deadline:
                self.say(f"{', '.join(s.label for s in self._running())} cannot be killed.")
                return
            time.sleep(_POLL_SECONDS)

    def _running(self) -> list[_Seat]:
        return [seat for seat in self.seats if seat.process is not None]

    @staticmethod
    def _process_of(seat: _Seat) -> WorkerProcess:
        assert seat.process is not None
        return seat.process

    def _start_what_is_due(self) -> None:
        for seat in self.seats:
            if seat.start_at is None or time.monotonic() < seat.start_at:
                continue
            seat.start_at = None
            seat.attempt += 1
            if seat.attempt > 1:
                self.incidents.all[-1].restarted = True
            if seat.log is not None:
                now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
                seat.log.write(f"=== {seat.label}, attempt {seat.attempt}, {now}\n".encode())
            seat.process = WorkerProcess(
                self.command,
                seat.environment,
                seat.label,
                seat.index,
                self.console,
                self.guard,
                seat.log,
                seat.cores,
            )

    def _ended(self) -> Iterator[tuple[_Seat, WorkerProcess, int]]:
        for seat in self._running():
            process = self._process_of(seat)
            code = process.ended()
            if code is not None:
                seat.process, seat.last_code = None, code
                yield seat, process, code

    def _failures(self) -> list[tuple[_Seat, Failure]]:
        """The workers that have failed since the last call, causes before their consequences."""
        failures = []
        for seat, process, code in self._ended():
            if code == ExitCode.FINISHED:
                self.say(f"{seat.label} is done.")
                continue
            failure = Failure(seat.index, code, seat.attempt, process.started, time.monotonic())
            self.tails[failure] = list(process.tail)
            failures.append((seat, failure))
        return sorted(failures, key=lambda pair: _rank(pair[1].returncode))

    def _stop(self, grace: float, ignored_signals: int = 0) -> list[tuple[_Seat, Failure]]:
        """Stops all workers and returns those that failed."""
        failures: list[tuple[_Seat, Failure]] = []
        for seat in self.seats:
            seat.start_at = None
        running = self._running()
        if running:
            self.say(f"Stopping {', '.join(seat.label for seat in running)}.")
        for seat in running:
            self._process_of(seat).send(signal.SIGTERM)
        deadline = time.monotonic() + grace
        while True:
            failures += self._failures()
            left = ", ".join(seat.label for seat in self._running())
            if not left:
                return failures
            if signal.SIGINT in self.signals[ignored_signals:]:
                self.say(f"Killing {left} at once.")
            elif time.monotonic() > deadline:
                self.say(f"Killing {left}, which did not end within {grace:g} s.")
            else:
                time.sleep(_POLL_SECONDS)
                continue
            self.kill()
            return failures

    def _interrupted(self, grace: float) -> int:
        number = self.signals[0]
        self.say(f"{number.name} received.")
        self._stop(grace, ignored_signals=1)
        codes = {seat.last_code for seat in self.seats}
        if codes == {int(ExitCode.FINISHED)}:
            self.say("All workers are done.")
            return 0
        if codes <= {int(ExitCode.FINISHED), int(ExitCode.STOPPED)}:
            self.say("All workers have saved their state.")
            return int(ExitCode.STOPPED)
        for seat in self.seats:
            if seat.last_code is not None:
                self.say(f"{seat.label} ended with {explain(seat.last_code)}.")
        return shell_code(-number)

    def _give_up(self, incident: Incident, grace: float) -> int:
        # The worker that caused the incident may have ended only now; others were stopped by us.
        stopped_by_us = (-signal.SIGTERM, -signal.SIGKILL)
        for _, failure in self._stop(grace):
            reported = incident.cause.returncode in GROUP_CODES
            if reported and failure.returncode not in stopped_by_us:
                incident.failures.append(failure)
        for number, each in enumerate(self.incidents.all, start=1):
            for failure in each.failures:
                self.say(
                    f"Incident {number}: worker {failure.worker}, attempt {failure.attempt}: "
                    f"{explain(failure.returncode)}."
                )
        self._show_tail(incident.cause)
        return shell_code(incident.cause.returncode)

    def _show_tail(self, failure: Failure) -> None:
        lines = self.tails[failure]
        if lines:
            self.say(f"The last lines of worker {failure.worker}:")
        for line in lines:
            self.say(f"    {line}")


def _rank(returncode: int) -> int:
    if returncode == ExitCode.PERMANENT:
        return 0
    return 2 if returncode in GROUP_CODES else 1


@contextmanager
def _received_signals() -> Iterator[list[signal.Signals]]:
    """Collects signals instead of dying from them; ignored signals stay ignored."""
    received: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # Python lets only the main thread handle signals
        return

    def handle(number: int, frame: object) -> None:
        received.append(signal.Signals(number))

    before = {
        number: signal.signal(number, handle)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
