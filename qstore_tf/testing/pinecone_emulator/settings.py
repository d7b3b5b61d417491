"""How the emulator behaves, its limits, and how it refuses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

VERSIONS = ("2025-10", "2026-07")  # of the API, as clients 8 and 10 send them

MAX_UPSERT_BYTES = 2 * 1024 * 1024
MAX_RESULT_BYTES = 4 * 1024 * 1024
MAX_METADATA_BYTES = 40 * 1024
MAX_VECTORS = 1000  # of an upsert
MAX_IDS = 1000  # of a fetch or a delete
MAX_PAGE = 100  # ids or namespaces
MAX_ID = 512  # characters
MAX_DIMENSION = 20_000
MAX_TOP_K = 10_000


@dataclass(frozen=True)
class Settings:
    """How the emulator behaves.

    Attributes:
        delay_s: How long reads lag behind a write, in s: a number, or the least and the most of
            random ones; `math.inf`: until `catch_up` is called.
        seed: Of what is random.
        api_key: What clients must send; None: anything.
        tells_lsn: Whether answers have log sequence numbers.
        ne_finds_missing: Whether `$ne` and `$nin` match records that lack the key. What the service
            does is documented nowhere; a client should be right with both.
        ready_after: How often a new index is listed or described before it is ready.
        clock: Seconds.
    """

    delay_s: float | tuple[float, float] = 0.0
    seed: int = 0
    api_key: str | None = None
    tells_lsn: bool = True
    ne_finds_missing: bool = True
    ready_after: int = 0
    clock: Callable[[], float] = time.monotonic


class Refused(Exception):
    """A request that is refused.

    Args:
        status: Of HTTP.
        message: What is told.
        is_control: Whether it was for indexes, whose errors look otherwise.
        headers: Further ones.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        is_control: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.is_control, self.headers = is_control, headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        number, word = _CODES.get(self.status, (2, "UNKNOWN"))
        if self.is_control:
            return {"error": {"code": word, "message": self.message}, "status": self.status}
        return {"code": number, "message": self.message, "details": []}


_CODES = {
    400: (3, "INVALID_ARGUMENT"),
    401: (16, "UNAUTHENTICATED"),
    403: (7, "FORBIDDEN"),
    404: (5, "NOT_FOUND"),
    409: (6, "ALREADY_EXISTS"),
    429: (8, "RESOURCE_EXHAUSTED"),
    500: (13, "INTERNAL"),
    503: (14, "UNAVAILABLE"),
}
