"""Time, and how long somebody is ready to wait; tests put another clock in."""

from __future__ import annotations

import math
import threading
import time


class Clock:
    """The clock of this machine."""

    def time(self) -> float:
        """Seconds since 1970, for what is written down."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment, for durations."""
        return time.monotonic()

    def wait(self, seconds: float, event: threading.Event) -> bool:
        """Waits until the time is over or the event is set; returns whether it is."""
        return event.wait(min(max(0.0, seconds), threading.TIMEOUT_MAX))


class Over(Exception):
    """The time somebody was ready to wait is over, or he was asked to stop."""


class Patience:
    """How long calls may wait: until a moment, or until somebody says stop.

    Args:
        clock: The clock.
        seconds: From now; None: without end.
        stop: Ends all waiting once it is set; None: nobody will.
    """

    def __init__(
        self, clock: Clock, seconds: float | None = None, stop: threading.Event | None = None
    ) -> None:
        self.clock, self.stop = clock, stop or threading.Event()
        self.end = math.inf if seconds is None else clock.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, perhaps infinitely many; at least 0."""
        return max(0.0, self.end - self.clock.monotonic())

    def check(self) -> None:
        """Raises `Over` where it is."""
        if self.stop.is_set() or not self.left:
            raise Over

    def wait(self, seconds: float) -> None:
        """Waits so long.

        Raises:
            Over: It ended before.
        """
        if self.clock.wait(min(seconds, self.left), self.stop):
            raise Over
        self.check()
