"""The queue: when each job of a machine starts and ends, by the order of their coming."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from qstore_tf.ionq.emulator.records import Job


def plan(
    jobs: Sequence[Job], slots: int | None, now: float, delay_s: float = 0.0
) -> list[tuple[str, float, float]]:
    """Plans the jobs of one machine anew; what has started stays as it is.

    Args:
        jobs: All that are not over, in the order of their coming.
        slots: How many run at the same time; None: any number.
        now: The time.
        delay_s: How long each of them waits at least.

    Returns:
        `(id, start, end)` of the jobs whose times change.

    Example:
        >>> plan([], 1, 0.0)
        []
    """
    if slots is None:
        return []
    busy = sorted(job.ends for job in jobs if job.starts <= now)
    free = [now] * max(0, slots - len(busy)) + busy
    heapq.heapify(free)
    changed = []
    for job in jobs:
        if job.starts <= now:
            continue
        starts = max(heapq.heappop(free), job.submitted + delay_s)
        ends = starts + (job.ends - job.starts)
        heapq.heappush(free, ends)
        if (starts, ends) != (job.starts, job.ends):
            changed.append((job.id, starts, ends))
    return changed
