"""What was received, for tests and for the page: the last requests, with keys masked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

MOST = 2_000
MOST_BYTES = 64 * 1024  # of a body; the start of a longer one is kept
_MASK = "***"
_SHORT_KEY = 8  # a shorter one may appear in any text, and is masked in the header alone


@dataclass
class Received:
    """A request and what it was answered.

    Attributes:
        number: Counts them.
        time: When it came, in seconds since 1970.
        method: Of HTTP.
        path: Of its address.
        query: Of its address.
        call: What it is for; see `faults`.
        user_agent: What the client calls itself.
        has_key: Whether it had a key.
        length: Of its body in bytes.
        body: The body, its start if it is long.
        fault: The name of the fault that it met, or None.
        status: Of the answer; None while there is none, or where the connection was closed.
    """

    number: int
    time: float
    method: str
    path: str
    query: str
    call: str
    user_agent: str
    has_key: bool
    length: int
    body: str
    fault: str | None = None
    status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it; `json` is the body where it was read whole and is JSON."""
        made = asdict(self)
        made["json"] = None
        if self.length <= MOST_BYTES:
            with contextlib.suppress(ValueError, RecursionError):
                made["json"] = json.loads(self.body) if self.body else None
        return made


class Requests:
    """The last requests; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Received] = deque(maxlen=MOST)
        self._count = 0

    def add(self, key: str, body: bytes, **values: Any) -> Received:
        """Notes a request.

        Args:
            key: The key, which is masked wherever it appears.
            body: The bytes of the body.
            **values: The other attributes of `Received`.
        """
        masked: dict[str, Any] = {
            name: _masked(value, key) if isinstance(value, str) else value
            for name, value in values.items()
        }
        text = _masked(body[:MOST_BYTES].decode(errors="replace"), key)
        with self._lock:
            self._count += 1
            received = Received(
                number=self._count, has_key=bool(key), length=len(body), body=text, **masked
            )
            self._kept.append(received)
        return received

    def all(self) -> list[Received]:
        """Those that are kept, the oldest first."""
        with self._lock:
            return list(self._kept)

    def clear(self) -> None:
        """Forgets them."""
        with self._lock:
            self._kept.clear()


def _masked(text: str, key: str) -> str:
    return text.replace(key, _MASK) if len(key) >= _SHORT_KEY else text
