"""Refuses work that cannot fit into memory before any of it is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from qstore_tf.errors import MemoryLimitError, describe


def available_bytes() -> int | None:
    """Returns the memory this process may still take, or None where the system does not tell."""
    found = [value for value in (_meminfo(), _cgroup()) if value is not None]
    return min(found) if found else None


def check(needed: int, what: str) -> None:
    """Raises MemoryLimitError where `needed` bytes exceed what is available.

    Args:
        needed: A lower bound on the bytes the work takes.
        what: Names the work in the message.
    """
    available = available_bytes()
    if available is None or needed <= available:
        return
    raise MemoryLimitError(
        describe(
            f"{what} does not fit into memory",
            expected=f"at most {written(available)}, which is what is available",
            received=f"needs at least {written(needed)}",
            hint="Use fewer qubits or a smaller batch",
        )
    )


def written(size: int) -> str:
    """Returns a number of bytes with a readable unit, such as '1.5 GiB'."""
    if size.bit_length() > 1000:  # beyond what a float holds
        return f"2^{size.bit_length() - 1} B"
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} PiB"


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _cgroup() -> int | None:
    root = Path("/sys/fs/cgroup")
    for folder, limit, usage, cache in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (
            root / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        try:
            most, used = int((folder / limit).read_text()), int((folder / usage).read_text())
            lines = (folder / "memory.stat").read_text().splitlines()
            fields = dict(line.split() for line in lines)
        except (OSError, ValueError):
            continue
        # Cached pages of files count as used but are given up when memory is short.
        return max(0, most - max(0, used - int(fields.get(cache, 0))))
    return None
