"""How one framework is measured on one workload, the same way for all of them.

A peer module hands `measure` a function that builds a `Peer`. It runs in a process of its own,
prints one JSON object as its last line, and the parent makes the table of it.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.workload import Workload

LOOP_STEPS = 100
# Seconds that 100 steps in the graph may take before a peer gets fewer.
LOOP_LIMIT = 60.0
# Seconds of measuring to aim at, per column.
BUDGET = 10.0
MIN_REPEATS, MAX_REPEATS = 3, 25


@dataclass
class Peer:
    """One framework, ready to run one workload.

    Args:
        precision: dtype of the amplitudes' real and imaginary parts.
        versions: versions of whatever determines the speed.
        step: theta [P] -> (loss, gradient [P]); one call from Python for the whole batch.
        loop: steps -> loss after that many gradient steps inside one compiled graph, theta moving
            a little each step; None where the framework has no such thing.
        detail: what else the reader of the table should know.
    """

    precision: str
    versions: dict[str, str]
    step: Callable[[Any], tuple[float, Any]]
    loop: Callable[[int], float] | None = None
    detail: str = ""


def main(framework: str, build: Callable[[Workload, int], Peer]) -> None:
    """Entry point of a peer module: reads the workload, measures, prints JSON.

    Args:
        framework: name of the row.
        build: (workload, threads) -> peer; imports the framework itself, so that thread limits
            and the processor set are in place before it starts its thread pools.
    """
    parser = argparse.ArgumentParser(description=f"Measure {framework} on one workload.")
    parser.add_argument("--workload", type=Workload.parse, default=Workload(6, 4, 256))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    result = {"framework": framework, "workload": arguments.workload.key}
    result |= measure(build(arguments.workload, arguments.threads), arguments.workload)
    print(json.dumps(result))


def limit_threads(threads: int) -> None:
    """Confines this process to `threads` processors and tells every known thread pool."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "QSTORE_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def measure(peer: Peer, workload: Workload) -> dict[str, Any]:
    """Times a peer's single calls and its loop; seconds are per gradient step of the batch."""
    _, theta = workload.data()
    started = time.perf_counter()
    loss, gradient = peer.step(theta)
    first_call = time.perf_counter() - started

    calls = max(1, min(200, int(0.2 / _timed(lambda: peer.step(theta)))))
    single, cpu = _repeat(lambda: [peer.step(theta) for _ in range(calls)], calls)

    loop: list[float] = []
    steps = 0
    if peer.loop is not None:
        run = peer.loop
        run(1)  # Traces and compiles; the number of steps is an argument of the graph.
        steps = steps_for(_timed(lambda: run(2)) / 2)
        loop, cpu = _repeat(lambda: run(steps), steps)
    return {
        "precision": peer.precision,
        "versions": peer.versions,
        "detail": peer.detail,
        "loss": float(loss),
        "gradient": [float(value) for value in gradient],
        "first_call": first_call,
        "cpu": cpu,
        "single": single,
        "loop": loop,
        "loop_steps": steps,
    }


def steps_for(seconds_per_step: float) -> int:
    """100 steps, or what fits a third of the limit where 100 would exceed it."""
    if seconds_per_step * LOOP_STEPS <= LOOP_LIMIT:
        return LOOP_STEPS
    return max(3, min(LOOP_STEPS, int(LOOP_LIMIT / 3 / seconds_per_step)))


def _repeat(function: Callable[[], object], steps: int) -> tuple[list[float], float]:
    """Seconds per step of each repeat, and processor seconds of all threads per step."""
    cpu = time.process_time()
    times = [_timed(function)]
    repeats = max(MIN_REPEATS, min(MAX_REPEATS, int(BUDGET / times[0])))
    while len(times) < repeats:
        times.append(_timed(function))
    cpu = time.process_time() - cpu
    return [seconds / steps for seconds in times], cpu / steps / repeats


def _timed(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started
