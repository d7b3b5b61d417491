"""What a pool of three local IonQs does with a batch, and what it loses when one is killed.

    python benchmarks/pool.py

Each server is a process (`qstore ionq-emulator`) whose machine runs one job at a time. Goal: at
least 2.7 times the throughput of one server. Then one of three is killed (-9) in the middle of a
batch, on targets that are free and on targets that are paid, and started again: each row arrives
once and in order, and no circuit is billed twice by the servers' own lists.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
import numpy as np

from benchmarks import machine
from qstore_tf.backends.arrays.base import as_batch
from qstore_tf.backends.arrays.ionq import IonQ
from qstore_tf.backends.base import Batch
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.errors import ShareError
from qstore_tf.routing.pool import Pool

SERVERS, ROWS, BATCHES, SHOTS, GOAL = 3, 24, 3, 100, 2.7
UNREACHABLE_S = 3.0
HEADERS = {"Authorization": "apiKey a-key"}
CIRCUIT = UnifiedCircuit(2).add_gate("RY", 0, "x").add_gate("CX", [0, 1]).add_gate("RX", 1, "a")
PROGRAM = compile_circuit(CIRCUIT, inputs=["x"])
OBSERVABLES = tuple(parse_observables(["Z", "Z"], 2))


class Server:
    """A local IonQ in a process of its own, on one port, with a file that outlives it."""

    def __init__(self, folder: Path, number: int, options: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._command = [sys.executable, "-m", "qstore_tf", "ionq-emulator", "--ideal", *options]
        self._command += ["--port", str(self.port), "--db", str(folder / f"jobs{number}.sqlite")]
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        begun = time.monotonic()
        while time.monotonic() - begun < 120:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"{self.url()}/backends", headers=HEADERS)
                return
            time.sleep(0.1)
        raise TimeoutError("a local IonQ did not start")

    def url(self, version: str = "v0.4") -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/{version}"

    def kill(self) -> None:
        """Ends it as a power cut does."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def jobs(self) -> list[dict[str, Any]]:
        """The jobs of its own list, each with `cost` in dollars."""
        with httpx.Client(base_url=self.url(), headers=HEADERS, timeout=60) as client:
            listed = client.get("/jobs", params={"limit": 100}).json()["jobs"]
            for job in listed:
                answer = client.get(f"/jobs/{job['id']}/cost").json()
                job["billed"] = float((answer.get("cost") or {}).get("value") or 0)
        return listed


@contextlib.contextmanager
def servers(count: int, *options: str) -> Iterator[list[Server]]:
    """Local IonQs, for as long as it is entered; journals are in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["QSTORE_IONQ_JOURNAL"] = str(Path(folder, "ionq.sqlite"))
        os.environ.setdefault("IONQ_API_KEY", "a-key")
        running: list[Server] = []
        try:
            for number in range(count):
                running.append(Server(Path(folder), number, ["--slots", "1", *options]))
            yield running
        finally:
            for server in running:
                server.kill()


def batch(rows: int = ROWS, seed: int = 0) -> Batch:
    """A batch whose rows are all different."""
    inputs = np.random.default_rng(seed).uniform(-3, 3, (rows, 1))
    return as_batch(PROGRAM, inputs, [0.3])


def right(given: Batch) -> Any:
    """Its exact expectations."""
    return reference.expectation(PROGRAM, OBSERVABLES, given.inputs, given.theta)


def throughput(version: str, *options: str) -> tuple[float, float]:
    """Returns the seconds of a batch on one server and on all of them, the first one included."""
    seconds = []
    for count in (1, SERVERS):
        with servers(count, *options) as running:
            backends = [
                IonQ("simulator", url=server.url(version), max_in_flight=16) for server in running
            ]
            runs_on: Any = backends[0] if count == 1 else Pool(backends)
            begun = time.perf_counter()
            for seed in range(BATCHES):
                given = batch(seed=seed)
                found = runs_on.expectation(given, OBSERVABLES)
                np.testing.assert_allclose(found, right(given), atol=1e-6)
            seconds.append((time.perf_counter() - begun) / BATCHES)
    return seconds[0], seconds[1]


def killed(target: str, others: list[str], circuit_s: float, after_s: float) -> dict[str, Any]:
    """Kills one of three servers in the middle of a batch; returns what became of it.

    Args:
        target: What the servers run, such as "simulator" or "qpu.forte-1".
        others: Backends that are in the pool as well.
        circuit_s: Seconds that a circuit runs.
        after_s: When the server is killed.
    """
    shots = None if target == "simulator" else SHOTS
    with servers(SERVERS, "--circuit-time", str(circuit_s)) as running:
        backends = [
            IonQ(target, shots, url=server.url(), unreachable_s=UNREACHABLE_S) for server in running
        ]
        pool: Any = Pool([*backends, *others])
        if others:
            pool = pool.with_shots(SHOTS)
            # The machines alone measure: the others are there for what may go nowhere else.
            for member in pool.members[SERVERS:]:
                member.speeds.circuits_per_second = _slow(member)
        given, errors = batch(), []
        pool.expectation(batch(3, seed=1), OBSERVABLES, seed=[0, 1])
        clean = time.perf_counter()
        pool.expectation(batch(seed=2), OBSERVABLES, seed=[0, 2])
        clean = time.perf_counter() - clean
        before = [len(server.jobs()) for server in running]
        timer = threading.Timer(after_s, running[1].kill)
        timer.start()
        begun = time.perf_counter()
        try:
            found = pool.expectation(given, OBSERVABLES, seed=[1, 2])
            seconds = time.perf_counter() - begun
        except ShareError as error:
            seconds = time.perf_counter() - begun
            errors.append(error)
            running[1].start()
            found = pool.expectation(given, OBSERVABLES, seed=[1, 3])
        else:
            running[1].start()
        time.sleep(ROWS / SERVERS * circuit_s)  # so that what it had accepted is billed
        jobs = [
            server.jobs()[: len(server.jobs()) - n]
            for server, n in zip(running, before, strict=True)
        ]
        tolerance = 1e-6 if shots is None else 6 / np.sqrt(SHOTS)
        np.testing.assert_allclose(found, right(given), atol=tolerance)
        return {
            "clean": clean,
            "seconds": seconds,
            "errors": errors,
            "statistics": pool.statistics(),
            "moved": pool.telemetry()["moved"],
            "circuits": [sum(map(circuits_of, each)) for each in jobs],
            "billed": billed_of(jobs),
            "jobs": [
                [(job["status"], circuits_of(job), job["billed"]) for job in each] for each in jobs
            ],
        }


def _slow(member: Any) -> Any:
    speeds = member.speeds.circuits_per_second
    name = member.name
    return lambda who, kind, size: 1e-9 if who == name else speeds(who, kind, size)


def circuits_of(job: dict[str, Any]) -> int:
    """Number of circuits of a job."""
    return int(job["stats"]["circuits"])


def billed_of(jobs: list[list[dict[str, Any]]]) -> int:
    """Number of circuits that were billed."""
    return sum(circuits_of(job) for each in jobs for job in each if job["billed"] > 0)


def main() -> None:
    """Prints all of it."""
    print(machine.headline())
    for name, version, options in (
        ("jobs of one circuit, 1 s each (v0.3)", "v0.3", ["--run-time", "1"]),
        ("jobs of many circuits, 1 s for each circuit (v0.4)", "v0.4", ["--circuit-time", "1"]),
        ("jobs of many circuits, 1 s for each job (v0.4)", "v0.4", ["--run-time", "1"]),
    ):
        alone, together = throughput(version, *options)
        print(f"{name}: {ROWS} circuits in {alone:.2f} s on one, {together:.2f} s on {SERVERS}")
        if "each job" not in name:
            machine.verdict("  times the throughput", alone / together, GOAL, "x", at_most=False)
    for target, others in (("simulator", []), ("qpu.forte-1", ["native"]), ("qpu.forte-1", [])):
        done = killed(target, others, 0.25, 1.0)
        print(f"killed after 1 s: {SERVERS} x {target}{' and '.join(['', *others])}")
        print(
            f"  without: {done['clean']:.2f} s; with: {done['seconds']:.2f} s, of which "
            f"{UNREACHABLE_S:g} s until the server counts as unreachable"
        )
        print(f"  errors: {[str(error) for error in done['errors']]}")
        print(f"  moved: {done['moved']:.0f} rows; jobs of each server: {done['jobs']}")
        print(f"  circuits billed: {done['billed']} of {ROWS}")


if __name__ == "__main__":
    main()
