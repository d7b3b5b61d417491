"""One process of one worker: it ends with its launcher, and its output is read line by line."""

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

_TAIL_LINES = 10
_MAX_PIECE_BYTES = 1 << 16

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

# The kernel kills only the worker itself; this program kills its children too. It reads which
# groups are alive until its standard input ends, which happens when the launcher ends.
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
    """Writes lines of several sources to one stream, each with the name of its source.

    Args:
        stream: The stream. Names are coloured if it is a terminal and NO_COLOR is not set.
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
                    # The reader (a terminal, `head`) is gone; the training goes on, and its logs
                    # are kept. Python must not fail when it flushes the stream at exit.
                    self._open = False
                    with open(os.devnull, "wb") as nowhere:
                        os.dup2(nowhere.fileno(), self._stream.fileno())


class Guard:
    """Kills process groups when this process has ended, however it ended."""

    def __enter__(self) -> Guard:
        self._process = subprocess.Popen(
            _python(_GUARD), stdin=subprocess.PIPE, start_new_session=True
        )
        return self

    def add(self, group: int) -> None:
        """Adds a process group."""
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Removes a group that has ended, before its number can be reused."""
        self._write(f"-{group}\n")

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode())
        except BrokenPipeError:
            # The guard was killed. The workers themselves still end with us: see _START.
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
    """A running program in a process group of its own, whose output is forwarded.

    Args:
        command: The program and its arguments.
        environment: All its environment variables.
        label: Its name, put before each of its lines.
        index: Determines the colour of the label.
        console: Where its output is shown.
        guard: Kills it and its children if this process is killed.
        log: Where its output is kept, byte by byte; `None` for no log.
        cores: The processor cores that it may use; empty for all.

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
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
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
        self._reader = threading.Thread(target=self._forward_output, daemon=True)
        self._reader.start()

    def ended(self) -> int | None:
        """Returns the return code, as `subprocess` gives it, or `None` while it runs.

        What is left of its process group is killed.
        """
        pid = self._process.pid
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        # Not yet waited for, so the number of its group cannot have been reused.
        self.send(signal.SIGKILL)
        self._guard.remove(pid)
        code = self._process.wait()
        # A child that has left the group may keep the pipe open.
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

    def _forward_output(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            while piece := lines.readline(_MAX_PIECE_BYTES):
                self._keep(piece)
                # Of a line that is redrawn, as by a progress bar, only the last state.
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
