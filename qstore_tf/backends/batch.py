"""Whole batches on simulators that take one circuit at a time: one call, threads, rows in order."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf import limits
from qstore_tf.errors import (
    BackendError,
    ConfigurationError,
    InputError,
    MemoryLimitError,
    QstoreError,
    describe,
)

Array = np.ndarray[Any, Any]


@tf.autograph.experimental.do_not_convert
def run_batch(
    function: Callable[..., Array],
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
    out_dtype: tf.DType,
    width: int,
    *,
    seed: tf.Tensor | None = None,
    extra: tf.Tensor | None = None,
) -> tf.Tensor:
    """Runs `function` on a whole batch in one `tf.numpy_function` call.

    The result has no gradient of its own: wrap the call in `own_gradient` where the
    simulator can differentiate, else leave it to a gradient method that shifts. As with every
    `tf.numpy_function`, a graph with it runs in the process that traced it: XLA does not compile
    it, and an exported SavedModel does not hold it. `.keras` files do not mind.

    Args:
        function: Takes the NumPy arrays `(inputs, theta, initial, seed, extra)`, None for those
            not given, and returns [B, width]. For work row by row there are `for_each`,
            `finite_only` and `row_seed`.
        inputs: [B, F], the result of `prepare`, as are the next two.
        theta: [P].
        initial: Complex [B, 2^n], or None.
        out_dtype: Dtype of the result.
        width: Numbers a row; static.
        seed: Two integers; None for functions that draw nothing.
        extra: [B, ...], one more tensor that the function wants, such as the gradient that comes
            back to each row; or None.

    Returns:
        [B, width]; row b belongs to row b of `inputs`.

    Raises:
        QstoreError: `function` raised it, or the arguments differ in their rows. Inside a
            `tf.function` TensorFlow raises its own type of error, with the same message.
    """
    tensors = [inputs, theta]
    has = (initial is not None, seed is not None, extra is not None)
    tensors.extend(tensor for tensor in (initial, seed, extra) if tensor is not None)

    def batch(inputs: Array, theta: Array, *others: Array) -> Array:
        rest = iter(others)
        start, key, more = (next(rest) if given else None for given in has)
        _check_rows(inputs, start, more)
        return function(inputs, theta, start, key, more)

    result = tf.numpy_function(batch, tensors, out_dtype, stateful=False)
    return tf.ensure_shape(result, [inputs.shape[0] if inputs.shape.rank else None, width])


def finite_only(
    function: Callable[[int], None], out: Array, inputs: Array, theta: Array, start: Array | None
) -> Callable[[int], None]:
    """Returns `function` without the rows whose numbers are NaN or infinite.

    Those become NaN in `out`, or where it holds integers an InputError.
    """
    usable = np.full(len(inputs), bool(np.isfinite(theta).all()))
    for given in (inputs, start):
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


def check_threads(num_threads: Any, name: str = "num_threads") -> int:
    """Returns `num_threads`; raises ConfigurationError unless it is an integer >= 0."""
    if not isinstance(num_threads, int) or isinstance(num_threads, bool) or num_threads < 0:
        raise ConfigurationError(
            describe(
                f"`{name}` is not a number of threads",
                expected="an integer >= 0; 0 means all cores",
                received=num_threads,
            )
        )
    limits.THREADS.check(num_threads, f"`{name}`")
    return num_threads


def row_seed(seed: Any, row: int) -> int:
    """Returns a 31-bit seed for one row, the same for the same two integers and row."""
    words = [int(part) & 0xFFFFFFFFFFFFFFFF for part in seed]
    return int(np.random.SeedSequence([*words, row]).generate_state(1)[0] >> 1)


def _check_rows(inputs: Array, *others: Array | None) -> None:
    for other in others:
        if other is not None and len(other) != len(inputs):
            raise InputError(
                describe(
                    "The arguments of a run have different numbers of rows",
                    expected=f"{len(inputs)}, as many as `inputs` has",
                    received=len(other),
                )
            )


def _named(error: Exception, number: int, count: int, what: str) -> Exception:
    message = describe(f"The {what} in row {number} of a batch of {count} failed ({error})")
    if isinstance(error, QstoreError):
        return type(error)(message)
    if isinstance(error, MemoryError):
        return MemoryLimitError(message)
    return BackendError(message)


_pools = threading.Lock()


@lru_cache(maxsize=8)
def _make_pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="qstore_tf")


def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    # By process, because threads do not live on in a child that was forked.
    with _pools:
        return _make_pool(threads, process)
