"""How a worker's process ends: with the exit code that tells its supervisor what to do next."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any, NoReturn

import tensorflow as tf
from tensorflow.python.eager import context  # to end collectives that wait for a lost worker

from qstore_tf.distribute.group.group import Group
from qstore_tf.distribute.launch.exit_codes import ExitCode
from qstore_tf.errors import (
    CheckpointError,
    ConfigurationError,
    InputError,
    StartTimeoutError,
    WorkerLostError,
    describe,
)

# How long the main thread has to come out of TensorFlow by itself, and a process to end.
_GRACE = 15.0
# A worker that dies takes TensorFlow's connections with it at the same time as ours.
_NEWS = 2.0

_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (WorkerLostError, ExitCode.PEER_LOST),
    (StartTimeoutError, ExitCode.START_TIMEOUT),
    (ConfigurationError, ExitCode.PERMANENT),
    (CheckpointError, ExitCode.PERMANENT),
    (InputError, ExitCode.PERMANENT),
)

_group: Group | None = None
_in_charge = False
_hooks: list[Any] = []


def take_charge() -> None:
    """Has uncaught errors end the process with the exit code that fits them."""
    global _in_charge
    if not _in_charge:
        _in_charge = True
        _hooks.append(sys.excepthook)
        sys.excepthook = _uncaught


def belongs_to(group: Group) -> None:
    """Tells which group this process leaves when it ends."""
    global _group
    _group = group


def finish() -> None:
    """Waits until all workers have come to their end; ends with `PEER_LOST` where one is lost.

    A worker that were gone already could not be started again with one that dies after it.
    """
    try:
        if _group is not None:
            _group.finish()
    except WorkerLostError as error:
        leave_at_once(error)


def abandon(error: SystemExit) -> None:
    """Leaves the others without a word, so that to them this worker is lost; ends soon."""
    if _group is not None:
        _group.abandon()
        _end_within_grace(error.code if isinstance(error.code, int) else int(bool(error.code)))


def interrupt(error: WorkerLostError) -> None:
    """Brings the main thread out of the step in which it waits for a lost worker.

    It gets TensorFlow's error there; where that goes uncaught, the process ends with `PEER_LOST`.
    """
    context.context().abort_collective_ops(tf.errors.UNAVAILABLE, str(error))
    time.sleep(_GRACE)
    leave_at_once(error)


def leave_at_once(error: BaseException) -> NoReturn:
    """Ends the process from any thread, with the error's message and its exit code."""
    _say(error)
    _exit(_code(error))


def stop_here(code: ExitCode) -> NoReturn:
    """Ends the process by `SystemExit`, and by force where that takes too long.

    TensorFlow waits for all workers when a process ends; one that was killed never comes.
    """
    _end_within_grace(code)
    raise SystemExit(int(code))


def _end_within_grace(code: int) -> None:
    timer = threading.Timer(_GRACE, _exit, args=(code,))
    timer.daemon = True
    timer.start()


def never_connected() -> StartTimeoutError:
    """Returns the error of a process whose TensorFlow never got through to the others."""
    return StartTimeoutError(
        describe(
            "The workers met, but TensorFlow could not connect all of them in time",
            expected="every worker's port to be reachable from every other worker",
            hint="Check that no firewall or network policy stands between the workers",
        )
    )


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    group, code = _group, _code(error)
    if group is not None and isinstance(error, tf.errors.OpError):
        deadline = time.monotonic() + _NEWS
        while group.lost is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if group.lost is not None:
            code = ExitCode.PEER_LOST
    if group is not None and code == ExitCode.PEER_LOST and group.lost is not None:
        # Where TensorFlow was when it happened tells nothing.
        _say(group.lost)
    else:
        _hooks[0](kind, error, trace)
    if group is not None:
        group.abandon()
    if group is not None or code != 1:
        _exit(code)


def _code(error: BaseException) -> int:
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def _say(error: BaseException) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _exit(code: int) -> NoReturn:
    """Ends the process without TensorFlow's own end, which waits for the workers that are lost."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
