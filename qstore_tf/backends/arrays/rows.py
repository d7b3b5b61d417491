"""The rows of a batch on simulators that take one circuit at a time: threads, order, seeds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np

from qstore_tf.backends.arrays.base import Array
from qstore_tf.backends.base import Batch
from qstore_tf.errors import BackendError, InputError, MemoryLimitError, QstoreError, describe


def finite_only(function: Callable[[int], None], out: Array, batch: Batch) -> Callable[[int], None]:
    """Returns `function` without the rows of the batch whose numbers are NaN or infinite.

    Those become NaN in `out`, or where it holds integers an InputError.
    """
    usable = np.full(len(batch.inputs), bool(np.isfinite(batch.theta).all()))
    for given in (batch.inputs, batch.initial):
        if given is not None:
            usable &= np.all(np.isfinite(given), axis=1)
    if usable.all():
        return function

    def checked(number: int) -> None:
        if usable[number]:
            function(number)
        elif out.dtype.kind in "fc":
            out[number] = np.nan
        else:
            raise InputError("its numbers must be finite to draw samples from them")

    return checked


def for_each(function: Callable[[int], None], count: int, threads: int, what: str) -> None:
    """Calls `function(0)` to `function(count - 1)` from up to `threads` threads.

    Each thread takes neighbouring rows and stops at its first failure, so what is raised does not
    depend on timing.

    Args:
        function: Does one row. Called from several threads at once unless `threads` is 1.
        count: How many rows there are.
        threads: Threads that share the rows, see `thread_count`. Worth it only where the
            simulator releases the GIL and a row takes some 20 us or more.
        what: Names a row in messages, such as "qsim circuit".

    Raises:
        BackendError: `function` failed; the message names the lowest row in which it did. Errors
            of qstore_tf keep their type.
    """
    threads = max(1, min(threads, count))
    edges = [count * part // threads for part in range(threads + 1)]

    def part(start: int, stop: int) -> None:
        for number in range(start, stop):
            try:
                function(number)
            except Exception as error:
                raise _named(error, number, count, what) from error

    if threads == 1:
        return part(0, count)
    spans = list(zip(edges[:-1], edges[1:], strict=True))
    # This thread works too: it would only wait for the others.
    waiting = [_pool(threads - 1, os.getpid()).submit(part, *span) for span in spans[1:]]
    failures: list[Exception] = []
    try:
        part(*spans[0])
    except Exception as error:
        failures.append(error)
    for future in waiting:
        try:
            future.result()
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]


def thread_count(num_threads: int = 0) -> int:
    """Returns the threads to use: `num_threads`, or where it is 0 all that the process may use.

    Like the native op, 0 reads the environment variable QSTORE_NUM_THREADS first.
    """
    if num_threads > 0:
        return num_threads
    wanted = os.environ.get("QSTORE_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


def row_seed(seed: Any, row: int) -> int:
    """Returns a 31-bit seed for one row, the same for the same two integers and row."""
    words = [int(part) & 0xFFFFFFFFFFFFFFFF for part in seed]
    return int(np.random.SeedSequence([*words, row]).generate_state(1)[0] >> 1)


class PartSeed(tuple[int, int]):
    """The seed of some rows of a batch, for backends that can draw for each row by itself.

    Such a row gets the same draws whichever others are with it. To backends that cannot it is a
    seed like any other.

    Attributes:
        rows: The numbers of the rows in the whole batch, int64 [B].

    Example:
        >>> part = PartSeed((5, 7), np.array([3, 4]))
        >>> list(part), part.rows.tolist()
        ([5, 7], [3, 4])
    """

    rows: Array

    def __new__(cls, seed: Any, rows: Array) -> PartSeed:
        """Makes it of two integers and the numbers of the rows."""
        first, second = (int(word) for word in seed)
        made = super().__new__(cls, (first, second))
        made.rows = rows
        return made


def _named(error: Exception, number: int, count: int, what: str) -> Exception:
    message = describe(f"The {what} in row {number} of a batch of {count} failed ({error})")
    if isinstance(error, QstoreError):
        return type(error)(message)
    if isinstance(error, MemoryError):
        return MemoryLimitError(message)
    return BackendError(message)


_pools_lock = threading.Lock()


@lru_cache(maxsize=8)
def _make_pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="qstore_tf")


def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    # By process, because threads do not live on in a child that was forked.
    with _pools_lock:
        return _make_pool(threads, process)
