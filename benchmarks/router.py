"""What a Router adds to a training step.

The same step, expectations and gradients with a loss in one traced function, runs on `native` and
on Routers over it, in turn, many times. What is printed is the time that a tenth of the steps stay
below: on a machine with other work the median is mostly that of waiting for a core. A batch of a
Router leaves TensorFlow for Python and comes back, twice a step: that is what is seen here.

    python benchmarks/router.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine

SIZES = ((4, 2, 32), (6, 4, 256), (10, 4, 32), (14, 4, 16))  # qubits, depth, batch
NAMES = ("native", "Router([native])", "Router([native, tensorflow, lightning])")


def main() -> None:
    """Prints milliseconds of a step and what a Router adds."""
    parser = argparse.ArgumentParser(description="Time training steps with and without a Router.")
    parser.add_argument("--seconds", type=float, default=4.0, help="for each size and backend")
    seconds = parser.parse_args().seconds
    print(machine.headline())
    print(f"{'qubits depth batch':<20}{'':10}" + "".join(f"{name:>42}" for name in NAMES))
    for size in SIZES:
        steps = [a_step(name, *size) for name in NAMES]
        times = in_turn(steps, seconds * len(steps))
        base = times[0]
        cells = [f"{base:.3f} ms"]
        cells += [f"{t:.3f} ms (+{t - base:.3f} ms, {t / base:.2f} x)" for t in times[1:]]
        print(f"{size!s:<30}" + "".join(f"{cell:>42}" for cell in cells), flush=True)


def a_step(name: str, n_qubits: int, depth: int, batch: int) -> Callable[[], object]:
    """Returns a function that takes a training step."""
    import numpy as np
    import tensorflow as tf

    from qstore_tf.execution import build_expectation
    from qstore_tf.routing import Router
    from qstore_tf.training.speed import benchmark_circuit

    members = {NAMES[1]: ["native"], NAMES[2]: ["native", "tensorflow", "lightning"]}
    backend = Router(members[name]) if name in members else name
    program, observables = benchmark_circuit(n_qubits, depth)
    expectation = build_expectation(program, observables, backend)
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.uniform(-1, 1, (batch, program.n_inputs)), tf.float32)
    theta = tf.Variable(rng.uniform(-3, 3, program.n_theta), dtype=tf.float32)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(expectation(inputs, theta) ** 2)
        theta.assign_sub(0.01 * tape.gradient(loss, theta))
        return loss

    return lambda: step().numpy()


def in_turn(steps: list[Callable[[], object]], seconds: float) -> list[float]:
    """Returns the first decile of each in milliseconds, run in turn again and again."""
    for step in steps:
        for _ in range(5):
            step()
    taken: list[list[float]] = [[] for _ in steps]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for step, times in zip(steps, taken, strict=True):
            begun = time.perf_counter()
            step()
            times.append(1000 * (time.perf_counter() - begun))
    return [statistics.quantiles(times, n=10)[0] for times in taken]


if __name__ == "__main__":
    main()
