"""How a worker's process exits: with the exit code that tells its supervisor what to do next."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import NoReturn

import tensorflow as tf
from tensorflow.python.eager import context  # to abort collectives that wait for a lost worker

from qstore_tf.distribute.launch import ExitCode
from qstore_tf.distribute.session import current_session
from qstore_tf.errors import (
    CheckpointError,
    ConfigurationError,
    InputError,
    StartTimeoutError,
    WorkerLostError,
    describe,
)

# How long the main thread may take to leave TensorFlow by itself, and the process to exit.
_GRACE_SECONDS = 15.0
# A worker that dies closes TensorFlow's connections and ours at the same time; the loss is known
# within this time.
_LOSS_SECONDS = 2.0

_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (WorkerLostError, ExitCode.PEER_LOST),
    (StartTimeoutError, ExitCode.START_TIMEOUT),
    (ConfigurationError, ExitCode.PERMANENT),
    (CheckpointError, ExitCode.PERMANENT),
    (InputError, ExitCode.PERMANENT),
)


def handle_uncaught_errors() -> None:
    """Makes uncaught errors exit with the code that fits them; later calls do nothing."""
    session = current_session()
    if session.excepthook is None:
        session.excepthook = sys.excepthook
        sys.excepthook = _uncaught


def finish() -> None:
    """Waits until all workers have finished; exits with `PEER_LOST` if one is lost.

    If a worker were gone already, one that dies after it could not be restarted: a step needs all.
    """
    group = current_session().group
    try:
        if group is not None:
            group.finish()
    except WorkerLostError as error:
        exit_now(error)


def leave_group(error: SystemExit) -> None:
    """Leaves the other workers without notice, so that they lose this one; exits soon after."""
    group = current_session().group
    if group is not None:
        group.abandon()
        _exit_after_grace(error.code if isinstance(error.code, int) else int(bool(error.code)))


def interrupt_step(error: WorkerLostError) -> None:
    """Aborts the step in which the main thread waits for a lost worker.

    The main thread gets TensorFlow's error there; if that is not caught, the process exits with
    `PEER_LOST`.
    """
    context.context().abort_collective_ops(tf.errors.UNAVAILABLE, str(error))
    time.sleep(_GRACE_SECONDS)
    exit_now(error)


def exit_now(error: BaseException) -> NoReturn:
    """Exits from any thread, with the error's message and its exit code."""
    _print_error(error)
    _exit(_code(error))


def exit_with(code: ExitCode) -> NoReturn:
    """Exits by `SystemExit`, and by force if that takes too long.

    TensorFlow waits for all workers when a process exits; one that was killed never comes.
    """
    _exit_after_grace(code)
    raise SystemExit(int(code))


def connection_timeout() -> StartTimeoutError:
    """Returns the error for a process whose TensorFlow could not connect to the others."""
    return StartTimeoutError(
        describe(
            "The workers met, but TensorFlow could not connect all of them in time",
            expected="every worker's port to be reachable from every other worker",
            hint="Check that no firewall or network policy blocks connections between the workers",
        )
    )


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    session = current_session()
    group, code = session.group, _code(error)
    if group is not None and isinstance(error, tf.errors.OpError):
        deadline = time.monotonic() + _LOSS_SECONDS
        while group.lost is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if group.lost is not None:
            code = ExitCode.PEER_LOST
    if group is not None and code == ExitCode.PEER_LOST and group.lost is not None:
        # The traceback only shows where TensorFlow happened to be.
        _print_error(group.lost)
    elif session.excepthook is not None:
        session.excepthook(kind, error, trace)
    if group is not None:
        group.abandon()
    if group is not None or code != 1:
        _exit(code)


def _code(error: BaseException) -> int:
    return next((code for kind, code in _CODES if isinstance(error, kind)), 1)


def _print_error(error: BaseException) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _exit_after_grace(code: int) -> None:
    timer = threading.Timer(_GRACE_SECONDS, _exit, args=(code,))
    timer.daemon = True
    timer.start()


def _exit(code: int) -> NoReturn:
    """Exits without TensorFlow's own shutdown, which waits for the workers that are lost."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
