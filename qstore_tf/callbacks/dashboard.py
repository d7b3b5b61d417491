"""`qstore dashboard RUN`: opens TensorBoard on the logs of a run.

Nothing is imported that takes long before the arguments have been checked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from qstore_tf.errors import ConfigurationError, LibraryError, describe

_FIRST_PORT = 6006
# The first TensorBoard that does without pkg_resources, which setuptools 82 removed.
_WITHOUT_PKG_RESOURCES = (2, 21)


def check_run(run: str) -> Path:
    """Returns the directory of a run, or of several.

    Raises:
        ConfigurationError: there is no such directory, or no TensorBoard logs are in it.
    """
    path = Path(run)
    if not path.is_dir():
        raise ConfigurationError(
            describe(
                "The run does not exist" if not path.exists() else "A run must be a directory",
                expected="a directory that QuantumTensorBoard or `qstore train` has written",
                received=run,
            )
        )
    for _, _, files in os.walk(path, followlinks=True):
        if any("tfevents" in name for name in files):
            return path
    raise ConfigurationError(
        describe(
            "The directory holds no TensorBoard logs",
            expected="files with 'tfevents' in their names, at any depth",
            received=run,
            hint="Give the log_dir of QuantumTensorBoard, or wait until training has begun",
        )
    )


def check_port(port: int | None) -> None:
    """Raises ConfigurationError unless it is a port; 0 is any free one."""
    if port is not None and not 0 <= port <= 65535:
        raise ConfigurationError(
            describe("--port is out of range", expected="0 to 65535", received=port)
        )


def check_tensorboard() -> None:
    """Raises LibraryError where the installed TensorBoard cannot start.

    TensorBoard before 2.21 imports `pkg_resources`, which setuptools has no more since 82.
    """
    installed = version("tensorboard")
    numbers = tuple(int(part) for part in installed.split(".")[:2])
    if numbers < _WITHOUT_PKG_RESOURCES and find_spec("pkg_resources") is None:
        raise LibraryError(
            describe(
                f"TensorBoard {installed} needs pkg_resources, which is not in setuptools "
                f"{version('setuptools') if find_spec('setuptools') else '(not installed)'}",
                expected="setuptools older than 82, or TensorBoard 2.21",
                hint="Run: pip install 'setuptools<82'",
            )
        )


def serve(
    run: str,
    port: int | None = None,
    host: str = "127.0.0.1",
    say: Callable[[str], None] = print,
    until: threading.Event | None = None,
) -> None:
    """Shows a run in TensorBoard until the process is stopped.

    Args:
        run: directory with TensorBoard logs, of one run or of several.
        port: where to listen; `None` takes the first free one from 6006 up, 0 any free one.
        host: the address to listen on. Anyone who reaches it can read the logs.
        say: takes the lines for the user, the address of the page among them.
        until: returns when this is set; `None` waits forever.

    Raises:
        ConfigurationError: the run has no logs, or the port is wrong or taken.
        LibraryError: the installed TensorBoard cannot start.
    """
    path = check_run(run)
    check_port(port)
    check_tensorboard()
    from tensorboard import default, program

    board = program.TensorBoard(plugins=default.get_plugins())
    chosen = () if port is None else ("--port", str(port))
    board.configure(
        argv=[
            "tensorboard", "--logdir", str(path), "--host", host, *chosen,
            "--reload_interval", "5", "--reload_multifile", "true", "--load_fast", "false",
        ]
    )  # fmt: skip
    try:
        url = board.launch()
    except program.TensorBoardServerException as error:
        raise ConfigurationError(
            describe(
                f"TensorBoard cannot listen there ({str(error).strip()})",
                expected="a free port and an address of this machine",
                received=f"{host}:{port or _FIRST_PORT}",
                hint="Leave --port out for a free one",
            )
        ) from error
    say(f"TensorBoard shows {path} at {url}")
    say("Press Ctrl-C to stop.")
    (until or threading.Event()).wait()
