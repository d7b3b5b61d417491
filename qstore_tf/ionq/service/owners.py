"""Which processes are in charge of something in a shared file, and which of them are dead.

Each process has a number, and holds a lock on the byte of that number in a file beside for as long
as it lives: the system takes the lock away when a process ends, however it ends, and says so to
every other one on the machine, in whatever container. Where there are no such locks, and in
temporary files, every owner counts as alive.
"""

from __future__ import annotations

import os
import socket
import threading

from qstore_tf.ionq.money.files import SharedFile

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Linux
    fcntl = None  # type: ignore[assignment]


class Owners:
    """The owners of a file.

    Args:
        file: The file, whose table `owners` has the columns id, host, process and time.
    """

    def __init__(self, file: SharedFile) -> None:
        self._file, self._path = file, f"{file.path}.owners"

    def me(self, now: float) -> int:
        """Returns the number of this process, which it gets at the first call."""
        key = (self._path, os.getpid())
        with _lock:
            if key in _numbers:
                return _numbers[key]
        # Written by itself: a number that is taken back with something else could be given twice.
        with self._file.writing() as sql:
            done = sql.execute(
                "INSERT INTO owners (host, process, time) VALUES (?, ?, ?)",
                (socket.gethostname(), os.getpid(), now),
            )
            number = int(done.lastrowid or 0)
            with _lock:
                if fcntl is not None and not self._file.is_temporary:
                    fcntl.lockf(self._descriptor(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
                return _numbers.setdefault(key, number)

    def is_alive(self, number: int, me: int) -> bool:
        """Returns whether an owner lives; `me` is the number of this process."""
        if number == me or fcntl is None or self._file.is_temporary:
            return True
        with _lock:
            descriptor = self._descriptor()
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                return True
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, number)
            return False

    def _descriptor(self) -> int:
        # Never closed: closing any descriptor of the file would let go of all locks on it. A
        # forked process has the descriptor too, but not the locks.
        if self._path not in _descriptors:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            _descriptors[self._path] = os.open(self._path, flags, 0o600)
        return _descriptors[self._path]


_lock = threading.Lock()
_descriptors: dict[str, int] = {}
_numbers: dict[tuple[str, int], int] = {}
if hasattr(os, "register_at_fork"):
    # A thread may hold the lock while another one forks.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release)
    os.register_at_fork(after_in_child=_lock.release)
