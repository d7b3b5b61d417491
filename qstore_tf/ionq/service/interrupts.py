"""Ctrl-C for runs that wait in another thread than the main one, as in `fit` and `predict`.

Python raises KeyboardInterrupt in the main thread only, and not before that is back from
TensorFlow, which waits for the run. But Python writes the number of every signal to a file at once
(`signal.set_wakeup_fd`); a thread reads it, and tells the runs that are under way. Whoever had set
such a file before, asyncio for one, is told all the same; whoever sets one later is left alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

_RAISING = (signal.default_int_handler, signal.SIG_DFL)
_lock = threading.Lock()
_told: list[Callable[[], None]] = []
_write = -1  # where Python writes the numbers of signals for us
_former = -1  # where it wrote them before


def listen() -> None:
    """Begins to listen; only the main thread can, and once is enough.

    Nothing happens elsewhere, or where the system has no such thing: Ctrl-C then reaches the runs
    of the main thread alone.
    """
    global _write, _former
    if threading.current_thread() is not threading.main_thread():
        return
    with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):
        if _write != -1:
            _listen_again()
            return
        read, write = os.pipe()
        try:
            os.set_blocking(write, False)
            before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        except BaseException:
            os.close(read)
            os.close(write)
            raise
        _write, _former = write, before
        given = (read, before, _identity(before))
        threading.Thread(target=_read, args=given, name="qstore-signals", daemon=True).start()


@contextlib.contextmanager
def told(stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` at Ctrl-C, from another thread, while it is entered."""
    listen()
    with _lock:
        _told.append(stop)
    try:
        yield
    finally:
        with _lock:
            _told.remove(stop)


def _listen_again() -> None:
    """Takes the place again that somebody has left empty, as asyncio does at its end."""
    now = signal.set_wakeup_fd(_write, warn_on_full_buffer=False)
    if now not in (-1, _write):
        signal.set_wakeup_fd(now, warn_on_full_buffer=False)


def _read(read: int, before: int, identity: tuple[int, int] | None) -> None:
    while numbers := os.read(read, 64):
        # The number of a file that was closed may be that of any other by now.
        if identity is not None and _identity(before) == identity:
            with contextlib.suppress(OSError):
                os.write(before, numbers)
        # Who handles Ctrl-C in another way has other plans.
        if signal.SIGINT in numbers and signal.getsignal(signal.SIGINT) in _RAISING:
            with _lock:
                stops = list(_told)
            for stop in stops:
                stop()


def _identity(file: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(file)
    except (OSError, OverflowError):
        return None
    return found.st_dev, found.st_ino


def _forked() -> None:
    """A forked process has no thread that reads, and must not tell the other its signals."""
    global _lock, _write, _former
    _lock = threading.Lock()
    _told.clear()
    if _write != -1:
        with contextlib.suppress(OSError, ValueError):
            now = signal.set_wakeup_fd(-1)
            signal.set_wakeup_fd(_former if now == _write else now, warn_on_full_buffer=False)
        with contextlib.suppress(OSError):
            os.close(_write)
    _write = _former = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
