"""When to try again: growing pauses, Retry-After, and a breaker for a service that is down."""

from __future__ import annotations

import email.utils
import math
import random
import threading
from dataclasses import dataclass

from qstore_tf.ionq.service.clock import Clock


@dataclass(frozen=True)
class Retries:
    """Pauses between tries: they double, and are spread so that many clients do not come at once.

    Attributes:
        first_s: The longest first pause.
        most_s: The longest of all, and of what Retry-After can ask for.
        total_s: For how long in all a call is tried before it is given up.
    """

    first_s: float = 0.5
    most_s: float = 60.0
    total_s: float = 600.0

    def pause(
        self, tries: int, asked: float | None = None, rng: random.Random | None = None
    ) -> float:
        """Returns seconds to wait after some tries.

        Args:
            tries: How many have failed, from 1.
            asked: What the service asked for, in seconds; the pause is not shorter, but not longer
                than `most_s` either.
            rng: Where the spread comes from.

        Example:
            >>> 2.0 <= Retries().pause(4) <= 4.0
            True
            >>> Retries().pause(1, asked=7.0) >= 7.0, Retries().pause(1, asked=1e9)
            (True, 60.0)
        """
        longest = min(self.most_s, self.first_s * 2.0 ** min(tries - 1, 60))
        spread = (rng or _rng).uniform(longest / 2, longest)
        if asked is None:
            return spread
        return min(self.most_s, asked + spread / 4)


def retry_after(value: str | None, now: float) -> float | None:
    """Reads the header Retry-After: seconds, or a date.

    Args:
        value: The header; None where there is none.
        now: Seconds since 1970.

    Returns:
        Seconds from now, at least 0; None where nothing usable is said.

    Example:
        >>> retry_after("120", 0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 10.0)
        (120.0, 50.0)
        >>> retry_after("soon", 0.0) is None
        True
    """
    text = (value or "").strip()
    if not text or len(text) > 100:
        return None
    if text.isascii() and text.isdecimal():
        return float(min(int(text), 10**9))
    try:
        seconds = email.utils.parsedate_to_datetime(text).timestamp() - now
    except (TypeError, ValueError, OverflowError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


class CircuitBreaker:
    """Keeps calls from a service that is down: after some failures in a row, one call asks for all.

    While it is open nobody calls. When the pause is over a single call goes through: if it
    succeeds the breaker closes, else the next pause is twice as long.

    Args:
        clock: The clock.
        failures: In a row, that open it.
        first_s: The first pause.
        most_s: The longest.
    """

    def __init__(
        self, clock: Clock, failures: int = 8, first_s: float = 2.0, most_s: float = 60.0
    ) -> None:
        self._clock, self._most = clock, failures
        self._first_s, self._most_s = first_s, most_s
        self._lock = threading.Lock()
        self._failures = 0
        self._until = -math.inf  # when the next call may go through

    @property
    def is_open(self) -> bool:
        """Whether calls are kept back."""
        return self._failures >= self._most

    @property
    def left_s(self) -> float:
        """How many seconds calls are kept back for yet; `admit` tells the same, and lets one go."""
        with self._lock:
            return max(0.0, self._until - self._clock.monotonic()) if self.is_open else 0.0

    def admit(self) -> float:
        """Returns how many seconds to wait before asking again; 0: call now."""
        with self._lock:
            if not self.is_open:
                return 0.0
            now = self._clock.monotonic()
            if now < self._until:
                return self._until - now
            self._until = now + self._pause()  # the others wait for this one
            return 0.0

    def succeeded(self) -> None:
        """The service answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The service did not answer, or could not."""
        with self._lock:
            self._failures += 1
            if self.is_open:
                self._until = self._clock.monotonic() + self._pause()

    def _pause(self) -> float:
        return min(self._most_s, self._first_s * 2.0 ** min(self._failures - self._most, 30))


_rng = random.Random()
