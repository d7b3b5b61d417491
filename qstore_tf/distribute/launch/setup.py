"""What a launcher prepares before it starts workers: arguments, environments, cores, logs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from qstore_tf import limits
from qstore_tf.errors import ConfigurationError, describe


def check(
    command: Sequence[str], workers: int, restarts: int, grace: float, backoff: float
) -> None:
    """Checks the command and the numbers.

    Raises:
        ConfigurationError: One of them cannot work.
    """
    if isinstance(command, str) or not command:
        raise ConfigurationError(
            describe(
                "There is no command to launch",
                expected="a program and its arguments, as in 'qstore launch -- python train.py'",
                received=command,
            )
        )
    if shutil.which(command[0]) is None:
        script = command[0].endswith(".py")
        raise ConfigurationError(
            describe(
                "The command was not found",
                expected="an executable program",
                received=command[0],
                hint="Put 'python' before the script." if script else "Check its spelling.",
            )
        )
    ranges: tuple[tuple[str, float, float, Callable[[Any], bool]], ...] = (
        ("workers", workers, 1, _is_integer),
        ("restarts", restarts, 0, _is_integer),
        ("grace", grace, 0, _is_number),
        ("backoff", backoff, 0, _is_number),
    )
    for name, value, least, fits in ranges:
        if not fits(value) or not least <= value < 1e9:
            kind = "an integer" if fits is _is_integer else "seconds"
            raise ConfigurationError(
                describe(f"--{name} is invalid", expected=f"{kind} >= {least}", received=value)
            )
    limits.WORKERS.check(workers, "A launch")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_integer(value) or isinstance(value, float)


def check_addresses(addresses: Sequence[str], index: int | None) -> range:
    """Returns the indices of the workers to start, which is the one given.

    Raises:
        ConfigurationError: The addresses or the index are wrong.
    """
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ConfigurationError(
                describe(
                    "The address of a worker is invalid", expected="host:port", received=address
                )
            )
    if len(set(addresses)) < len(addresses):
        raise ConfigurationError(
            describe(
                "Two workers have the same address",
                expected="a different address for each worker",
                received=list(addresses),
            )
        )
    if index is None or not _is_integer(index) or not 0 <= index < len(addresses):
        raise ConfigurationError(
            describe(
                "The addresses need the index of the worker to start",
                expected=f"an index from 0 to {len(addresses) - 1}",
                received=index,
            )
        )
    return range(index, index + 1)


def share_cores(workers: int, each: int | None) -> list[list[int]]:
    """Returns the processor cores of each worker; no cores mean that all workers share all.

    Raises:
        ConfigurationError: There are too few cores, or this system cannot pin processes.
    """
    if each is None:
        return [[] for _ in range(workers)]
    if not hasattr(os, "sched_getaffinity"):
        raise ConfigurationError(
            describe(
                "--cores-per-worker is not supported on this system",
                expected="a system that can pin processes to cores, such as Linux",
                received=each,
                hint="Leave it out: then all workers share all cores.",
            )
        )
    available = sorted(os.sched_getaffinity(0))
    if not _is_integer(each) or not 1 <= each <= len(available) // workers:
        raise ConfigurationError(
            describe(
                "--cores-per-worker is invalid",
                expected=f"an integer >= 1; {workers} workers share {len(available)} cores",
                received=each,
                hint="Start fewer workers, or leave it out: then all workers share all cores.",
            )
        )
    return [available[place * each : (place + 1) * each] for place in range(workers)]


def environment_of(addresses: Sequence[str], index: int, cores: int | None) -> dict[str, str]:
    """Returns all environment variables of one worker."""
    environment = {"PYTHONUNBUFFERED": "1", **os.environ}
    if cores is not None:
        environment |= {"OMP_NUM_THREADS": str(cores), "TF_NUM_INTRAOP_THREADS": str(cores)}
    task = {"type": "worker", "index": index}
    cluster = {"worker": list(addresses)}
    return environment | {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def open_log(
    stack: ExitStack, log_dir: str | os.PathLike[str] | None, index: int
) -> BinaryIO | None:
    """Opens the log of one worker for appending; the stack closes it.

    Raises:
        ConfigurationError: It cannot be written.
    """
    if log_dir is None:
        return None
    path = Path(log_dir) / f"worker-{index}.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return stack.enter_context(open(path, "ab", buffering=0))
    except OSError as error:
        raise ConfigurationError(
            describe(
                "The log of a worker cannot be written",
                expected="a writable directory",
                received=f"{path}: {error.strerror}",
                hint="Choose another --log-dir.",
            )
        ) from error
