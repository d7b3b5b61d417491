"""Databases and fork: no connection is open while a process forks.

SQLite keeps the locks of a process in its memory. A child would inherit what it believes to hold
and does not, and could lose commits; so transactions end and connections close before each fork,
and both processes open their own when they next need one.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol

from qstore_tf.errors import StoreError, describe

PATIENCE_S = 10.0  # how long a fork waits for transactions of other threads to end


class Forkable(Protocol):
    """What holds connections."""

    gate: Gate

    def close_idle(self) -> None:
        """Closes all connections that are not in a transaction."""

    def leave_behind(self) -> None:
        """In a child: drops connections of the parent without touching them."""


class Gate:
    """Counts transactions; while a process forks, new ones wait.

    Attributes:
        is_broken: Whether this process was forked while a transaction was under way.
    """

    def __init__(self) -> None:
        self._change = threading.Condition(threading.Lock())
        self._inside, self._is_stopped = 0, False
        self._mine = threading.local()
        self.is_broken = False

    def __enter__(self) -> None:
        """Around each transaction; transactions inside one another never wait."""
        own = getattr(self._mine, "count", 0)
        with self._change:
            while self._is_stopped and not own:
                self._change.wait()
            self._inside += 1
        self._mine.count = own + 1

    def __exit__(self, *_: object) -> None:
        own = getattr(self._mine, "count", 0)
        if not own:  # it was entered before a fork, in the parent
            return
        self._mine.count = own - 1
        with self._change:
            self._inside -= 1
            if self._is_stopped:
                self._change.notify_all()

    def stop(self, patience_s: float | None = None) -> None:
        """Waits until no other thread is in a transaction, and lets none start until `go_on`."""
        self._change.acquire()
        self._is_stopped = True
        own = getattr(self._mine, "count", 0)
        self._change.wait_for(lambda: self._inside <= own, patience_s)

    def go_on(self) -> None:
        """Ends `stop`."""
        self._is_stopped = False
        self._change.notify_all()
        self._change.release()

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """`stop` and `go_on`."""
        self.stop()
        try:
            yield
        finally:
            self.go_on()

    def renew(self) -> None:
        """Ends `stop` in a child: it has one thread, and transactions of the parent's only."""
        self.is_broken |= self._inside > 0
        self._change = threading.Condition(threading.Lock())
        self._inside, self._is_stopped = 0, False
        self._mine = threading.local()


_all: weakref.WeakSet[Forkable] = weakref.WeakSet()
_stopped: list[Forkable] = []


def register(holder: Forkable) -> None:
    """Makes forks safe for what holds connections, for as long as it lives."""
    _all.add(holder)


def error(name: str) -> StoreError:
    """What a child is told that was forked while a transaction was under way."""
    return StoreError(
        describe(
            "This process was forked while a transaction was under way, and cannot use the "
            "database of its parent",
            received=name,
            hint="Fork outside of transactions, or start processes by 'spawn'",
        )
    )


def _before() -> None:
    for holder in sorted(_all, key=id):
        holder.gate.stop(PATIENCE_S)
        _stopped.append(holder)
        holder.close_idle()


def _in_parent() -> None:
    while _stopped:
        _stopped.pop().gate.go_on()


def _in_child() -> None:
    while _stopped:
        holder = _stopped.pop()
        holder.gate.renew()
        holder.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
