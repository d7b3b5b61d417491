"""What a cache has done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CacheStats:
    """What a cache has done since it was opened.

    Attributes:
        hits: Values that were asked for and there.
        misses: Others that were asked for.
        failures: Calls that failed.
        skipped: Calls that were left out while it was down, and values that were too large.
        held_bytes: What it holds, about; 0 where others hold it.
    """

    hits: int = 0
    misses: int = 0
    failures: int = 0
    skipped: int = 0
    held_bytes: int = 0

    @property
    def hit_rate(self) -> float:
        """The share of hits; 0 where nothing was asked for."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0
