"""One process of one worker: started so that it ends with its launcher, and read line by line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import BinaryIO, TextIO

_TAIL = 10
_LONGEST_PIECE = 1 << 16

# Runs between fork and the worker's program. A launcher that is killed cannot clean up; the
# kernel then kills the worker (PR_SET_PDEATHSIG = 1). This is a program of its own because the
# launcher has threads, after which Python code between fork and exec (preexec_fn) may hang.
_START = """
import os, signal, sys
parent, cores = int(sys.argv[1]), sys.argv[2]
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != parent:
    sys.exit(1)
if cores:
    os.sched_setaffinity(0, map(int, cores.split(",")))
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
try:
    os.execvp(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[3]}: {error.strerror}")
"""

# The kernel kills only the worker itself; this one kills its children too. It reads which groups
# live until its standard input ends, which is when the launcher does.
_GUARD = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    sign, group = line[0], int(line[1:])
    (groups.add if sign == "+" else groups.discard)(group)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


def _python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


class Console:
    """Lines of several sources on one stream, each with its source in front.

    Args:
        stream: Where to. Sources are coloured if it is a terminal and NO_COLOR is not set.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.Lock()
        self._open = True

    def write(self, source: str, text: str, colour: int | None = None) -> None:
        """Writes one line."""
        prefix = f"[{source}]"
        if self._coloured and colour is not None:
            prefix = f"\x1b[3{1 + colour % 6}m{prefix}\x1b[0m"
        encoding = self._stream.encoding or "utf-8"
        line = f"{prefix} {text}\n".encode(encoding, "replace").decode(encoding)
        with self._lock:
            if self._open:
                try:
                    self._stream.write(line)
                    self._stream.flush()
                except OSError:
                    # Whoever read it (a terminal, `head`) has gone; the training goes on, and
                    # its logs are kept. Python must not trip over the rest of it at its exit.
                    self._open = False
                    with open(os.devnull, "wb") as nowhere:
                        os.dup2(nowhere.fileno(), self._stream.fileno())


class Guard:
    """Kills process groups when this process is gone, however it went."""

    def __enter__(self) -> Guard:
        self._process = subprocess.Popen(
            _python(_GUARD), stdin=subprocess.PIPE, start_new_session=True
        )
        return self

    def add(self, group: int) -> None:
        """Adds a process group."""
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Removes one that has ended, before its number can be another's."""
        self._write(f"-{group}\n")

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode())
        except BrokenPipeError:
            # Somebody killed it. The workers themselves still end with us: see _START.
            return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class WorkerProcess:
    """A running program in a process group of its own, whose output is passed on.

    Args:
        command: The program and its arguments.
        environment: All its environment variables.
        label: What stands in front of its lines.
        index: Decides the colour of the label.
        console: Where its output goes.
        guard: Who kills it and its children if this process is killed.
        log: Where its output is kept, byte by byte; `None` for nowhere.
        cores: The processor cores that it may use; none for all.

    Attributes:
        tail: The last lines of its output.
        started: When it was started, in seconds of `time.monotonic`.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        label: str,
        index: int,
        console: Console,
        guard: Guard,
        log: BinaryIO | None = None,
        cores: Collection[int] = (),
    ) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL)
        self.started = time.monotonic()
        self._label, self._index = label, index
        self._console, self._guard, self._log = console, guard, log
        self._process = subprocess.Popen(
            _python(_START, str(os.getpid()), ",".join(map(str, cores)), *command),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        guard.add(self._process.pid)
        self._reader = threading.Thread(target=self._pass_on, daemon=True)
        self._reader.start()

    def ended(self) -> int | None:
        """The return code, as of `subprocess`, or `None` while it runs.

        What it leaves of its process group is killed.
        """
        pid = self._process.pid
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # Not yet waited for, so the number of its group cannot be another's.
        self.send(signal.SIGKILL)
        self._guard.remove(pid)
        code = self._process.wait()
        # A child that has left the group may hold the pipe open for ever.
        self._reader.join(timeout=2.0)
        if self._reader.is_alive():
            self._log = None
        return code

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the whole process group."""
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it has just ended; macOS says EPERM of a group of zombies

    def _pass_on(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            while piece := lines.readline(_LONGEST_PIECE):
                self._keep(piece)
                # Of a line drawn over and over, as by a progress bar, the last state.
                text = piece.decode("utf-8", "replace").rstrip("\r\n").rpartition("\r")[2]
                self.tail.append(text)
                self._console.write(self._label, text, self._index)

    def _keep(self, piece: bytes) -> None:
        if self._log is None:
            return
        try:
            self._log.write(piece)
        except OSError as error:
            self._log = None
            self._console.write("launch", f"{self._label}'s log cannot be written: {error}")
