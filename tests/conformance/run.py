"""Runs unmodified clients against local services, and prints who can do what.

Clients of IonQ's service meet the local IonQ, those of Pinecone the emulator of `testing`.

    python tests/conformance/run.py                       # all; makes their environments at first
    python tests/conformance/run.py --only cirq-ionq-1.7,ionq-core
    python tests/conformance/run.py --url http://127.0.0.1:8042     # one that runs already

Each client has an environment of its own, with pinned releases, under .bench-venvs. Exit code 1:
something did not work.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import environments
from qstore_tf.testing.pinecone_emulator import PineconeEmulator

ROOT = environments.ROOT
HERE = Path(__file__).resolve().parent
LIMIT_S = 600  # for all works of a client
# A job waits a little, so that there is something to cancel.
SETTINGS = ("--delay", "0.3", "--run-time", "0.05")


@dataclass(frozen=True)
class Client:
    """A release of a client.

    Attributes:
        environment: Its name in `benchmarks.environments`.
        script: What it does, a file of this folder.
    """

    environment: str
    script: str


PINECONE = "pinecone_works.py"
CLIENTS = {
    "cirq-ionq-1.5": Client("ionq_cirq_15", "cirq_ionq_works.py"),
    "cirq-ionq-1.6": Client("ionq_cirq_16", "cirq_ionq_works.py"),
    "cirq-ionq-1.7": Client("ionq_cirq", "cirq_ionq_works.py"),
    "qiskit-ionq-1.1": Client("ionq_qiskit_ionq", "qiskit_ionq_works.py"),
    "pennylane-ionq-0.45": Client("ionq_pennylane", "pennylane_ionq_works.py"),
    "ionq-core-0.2": Client("ionq_core", "ionq_core_works.py"),
    "pinecone-8.1": Client("pinecone81", PINECONE),
    "pinecone-10.2": Client("pinecone102", PINECONE),
}

Found = dict[str, str | None]  # work to what went wrong


def main() -> int:
    """Runs what the command line asks for; returns 1 if something did not work."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", help=f"clients, of {', '.join(CLIENTS)}")
    parser.add_argument("--url", help="a local IonQ that runs, without version")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(CLIENTS)
    if unknown := [name for name in names if name not in CLIENTS]:
        parser.error(f"unknown clients: {', '.join(unknown)}; there are {', '.join(CLIENTS)}")
    found = {}
    with _running(arguments.url) as ionq:
        for name in names:
            client = CLIENTS[name]
            try:
                python = environments.ensure(client.environment)
            except RuntimeError as error:
                found[name] = {"environment": str(error)}
                continue
            if client.script == PINECONE:
                with PineconeEmulator(delay_s=(0.0, 0.01)) as emulator:
                    found[name] = run(python, client.script, emulator.url)
            else:
                found[name] = run(python, client.script, ionq)
            wrong = sum(problem is not None for problem in found[name].values())
            print(f"{name}: {len(found[name])} works, {wrong} of them wrong", flush=True)
    print(table(found))
    return int(any(problem for works in found.values() for problem in works.values()))


def run(python: Path | str, script: str, host: str, *without: str) -> Found:
    """Runs a client's script.

    Args:
        python: The interpreter.
        script: A file of this folder.
        host: The address of the server, without version.
        *without: Works that are left out.

    Returns:
        What went wrong with each work; None where nothing did.
    """
    environment = {key: value for key, value in os.environ.items() if not _is_setting(key)}
    environment |= {
        "IONQ_API_KEY": "conformance",
        "IONQ_REMOTE_HOST": host,
        "IONQ_API_URL": f"{host}/v0.4",
        "PINECONE_API_KEY": "conformance",
        "PINECONE_CONTROLLER_HOST": host,
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [str(python), str(HERE / script), *without],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=HERE,
    )
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += f"\nstopped after {LIMIT_S} s"
    lines = [json.loads(line) for line in out.splitlines() if line.startswith('{"work"')]
    found: Found = {line["work"]: line["problem"] for line in lines}
    if process.returncode != 0:
        found["script"] = (err.strip().splitlines() or ["it ended"])[-1]
    return found


def table(found: Mapping[str, Found]) -> str:
    """Returns who can do what as text; what went wrong is listed below it."""
    works = list(dict.fromkeys(work for works in found.values() for work in works))
    width = max(map(len, works), default=0)
    lines = ["", " " * width + "  " + "  ".join(found)]
    problems = []
    for work in works:
        cells = []
        for name, client in found.items():
            text = "-"
            if work in client:
                text = "ok" if client[work] is None else "WRONG"
            if text == "WRONG":
                problems.append(f"{name}, {work}: {client[work]}")
            cells.append(text.ljust(len(name)))
        lines.append(f"{work:<{width}}  " + "  ".join(cells).rstrip())
    return "\n".join([*lines, *([""] if problems else []), *problems])


def _is_setting(variable: str) -> bool:
    """Whether a variable could lead a client to another server or key."""
    named = "IONQ" in variable or "PINECONE" in variable
    return named or variable.lower() in ("http_proxy", "https_proxy", "all_proxy")


@contextmanager
def _running(host: str | None) -> Iterator[str]:
    """The address of a local IonQ: that given, or one that runs meanwhile."""
    if host is not None:
        yield host.rstrip("/")
        return
    command = [sys.executable, "-m", "qstore_tf", "ionq-emulator", "--port", "0", *SETTINGS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the local IonQ did not start: {said}")
            said += line
        match = re.search(r"IONQ_REMOTE_HOST=(\S+)", said)
        assert match is not None
        yield match[1]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
