"""`qstore launch`: the launcher on the command line."""

from __future__ import annotations

import argparse

from qstore_tf.errors import ConfigurationError

SUMMARY = "run a training script as several workers of this machine; restart those that fail"
EXAMPLES = """\
examples:
  qstore launch --workers 2 --log-dir logs -- python train.py
  qstore launch --addresses host0:2222,host1:2222 --index 1 -- python train.py

A worker that exits with 0 is done; 78 (a configuration error) stops all workers; after any other
code it is restarted. Exit codes: 0 all are done, 75 stopped and saved, 78 as above, 2 a mistake in
the command, else that of the failure.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `qstore launch` to its parser."""
    parser.usage = "%(prog)s [options] -- COMMAND [ARGUMENT ...]"
    options: tuple[tuple[str, type, object, str, str], ...] = (
        ("--workers", int, None, "N", "workers to start (default: 2)"),
        ("--restarts", int, 3, "K", "incidents to restart after (default: %(default)s)"),
        ("--log-dir", str, None, "DIR", "folder for worker-0.log and so on (default: no logs)"),
        ("--grace", float, 30.0, "SECONDS", "from SIGTERM to SIGKILL (default: %(default)g)"),
        ("--backoff", float, 1.0, "SECONDS", "before the first restart, then doubled (default: 1)"),
        ("--cores-per-worker", int, None, "N", "pin each worker to N cores (default: no)"),
        ("--addresses", str, None, "HOST:PORT,...", "all workers of several machines"),
        ("--index", int, None, "I", "which of --addresses to start here"),
    )
    for name, kind, default, metavar, text in options:
        parser.add_argument(name, type=kind, default=default, metavar=metavar, help=text)
    parser.add_argument("program", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Runs `qstore launch` and returns its exit code."""
    from qstore_tf.distribute.launch.launcher import launch  # the other commands start without it

    addresses = arguments.addresses
    if addresses is not None and arguments.workers is not None:
        raise ConfigurationError(
            "--workers and --addresses exclude each other. Leave out one of them."
        )
    program = arguments.program
    return launch(
        program[1:] if program[:1] == ["--"] else program,
        2 if arguments.workers is None else arguments.workers,
        restarts=arguments.restarts,
        log_dir=arguments.log_dir,
        grace=arguments.grace,
        backoff=arguments.backoff,
        cores_per_worker=arguments.cores_per_worker,
        addresses=None if addresses is None else addresses.split(","),
        index=arguments.index,
    )
