"""`qstore ionq-emulator`: the local IonQ as a process of its own."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import socket
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, LibraryError, describe

NEEDED = ("fastapi", "uvicorn")


def run(arguments: argparse.Namespace) -> int:
    """Runs `qstore ionq-emulator` until it is interrupted.

    Args:
        arguments: What the parser of the command line has read.

    Returns:
        The exit code.

    Raises:
        LibraryError: A package of the extra "ionq" is missing.
        ConfigurationError: A mistake in the command; the message names the option.
    """
    settings = settings_of(arguments)
    _check_installed()
    import uvicorn

    from qstore_tf.ionq.emulator.app import create_app
    from qstore_tf.ionq.emulator.settings import Settings

    app = create_app(Settings.of(**settings))
    listening = _listen(arguments.host, arguments.port)
    print(_welcome(arguments.host, listening.getsockname()[1], arguments.keys), flush=True)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
    )
    # The server stops at these signals and raises them again when it has, which is then nothing.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listening])
    print("stopped", flush=True)
    return 0


def settings_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings of the server that the options of the command line say.

    Raises:
        ConfigurationError: A file cannot be read or holds something else.

    Example:
        >>> import argparse
        >>> plain = argparse.Namespace(keys="a,b", delay=0.5, run_time=0.0, circuit_time=0.0,
        ...     latency=0.0, lag=0.0, slots=None, seed=1, db=None, ideal=False,
        ...     faults="dropped:0.1")
        >>> settings_of(plain)["keys"], settings_of(plain)["faults"]
        (['a', 'b'], [{'name': 'dropped', 'probability': 0.1, 'times': None}])
    """
    return {
        "keys": None if arguments.keys is None else _keys(arguments.keys),
        "delay_s": arguments.delay,
        "run_s": arguments.run_time,
        "per_circuit_s": arguments.circuit_time,
        "latency_s": arguments.latency,
        "lag_s": arguments.lag,
        "slots": arguments.slots,
        "seed": arguments.seed,
        "db": arguments.db,
        "machine_noise": not arguments.ideal,
        "faults": [] if arguments.faults is None else _faults(arguments.faults),
    }


def _keys(text: str) -> list[str]:
    """Reads keys, joined with ',' or one a line in the file that @ names."""
    lines = _read("--keys", text[1:]).splitlines() if text.startswith("@") else text.split(",")
    keys = [line.strip() for line in lines if line.strip()]
    if not keys:
        raise ConfigurationError(
            describe("--keys holds no key", expected="KEY,KEY, or @FILE with one a line")
        )
    return keys


def _faults(text: str) -> list[Mapping[str, Any]]:
    """Reads faults: JSON, a file of it, or names with how likely they are."""
    if text.startswith("@"):
        text = _read("--faults", text[1:])
    if text.lstrip()[:1] in ("[", "{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(
                describe(f"--faults is not valid JSON: {error}", expected="a list of faults")
            ) from None
        return found if isinstance(found, list) else [found]
    faults: list[Mapping[str, Any]] = []
    for word in text.split(","):
        name, colon, number = word.strip().partition(":")
        if not colon:
            faults.append({"name": name})
            continue
        try:
            faults.append({"name": name, "probability": float(number), "times": None})
        except ValueError:
            raise ConfigurationError(
                describe(
                    f"--faults: the probability of {name} is no number",
                    expected="NAME, which happens once, or NAME:PROBABILITY",
                    received=number,
                )
            ) from None
    return faults


def _read(option: str, name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            describe(f"{option}: the file cannot be read: {error}", received=name)
        ) from None


def _check_installed() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise LibraryError(
            describe(
                f"The local IonQ needs {' and '.join(missing)}",
                hint="Install it: pip install 'qstore-tf[ionq]'",
            )
        )


def _listen(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen()  # its address is told before the server runs
    except (OSError, OverflowError) as error:
        made.close()
        raise ConfigurationError(
            describe(
                f"--host and --port cannot be listened on: {error}",
                received=f"{host}:{port}",
                hint="Use --port 0 for one that is free",
            )
        ) from None
    return made


def _welcome(host: str, port: int, keys: str | None) -> str:
    """What can be pasted into a shell; keys themselves are not shown."""
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
    key = "export IONQ_API_KEY=any-key-is-good"
    said = ""
    if keys is not None and keys.startswith("@"):
        file = shlex.quote(str(Path(keys[1:]).resolve()))
        key = f"""export IONQ_API_KEY="$(awk 'NF {{print $1; exit}}' {file})\""""
    elif keys is not None:
        key = "read -rs IONQ_API_KEY && export IONQ_API_KEY"
        said = "; the last line waits for a key"
    return (
        f"A local IonQ is at {address}, its page too. For qstore_tf and qiskit-ionq, and for "
        f"cirq-ionq, paste this{said}:\n"
        f"  export IONQ_API_URL={address}/v0.4\n"
        f"  export IONQ_REMOTE_HOST={address}\n"
        f"  {key}\n"
        "Ctrl-C stops it."
    )
