"""Time of the very first gradient at 20 qubits: building, tracing, compiling and running it.

Goal: under 0.5 s, imports excluded. Each repeat is a fresh process, in which one trivial operation
starts TensorFlow's runtime before the clock does.

    python benchmarks/first_call.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine

GOAL_SECONDS = 0.5
REPEATS = 5


def main() -> int:
    """Prints the median first call of fresh processes; returns 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Time the first gradient at 20 qubits.")
    parser.add_argument("--qubits", type=int, default=20)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shape = (arguments.qubits, arguments.depth, arguments.batch)
    if arguments.child:
        print(json.dumps(first_and_second(*shape)))
        return 0

    print(machine.headline())
    runs = []
    for _ in range(REPEATS):
        command = [sys.executable, __file__, "--child", "--qubits", str(shape[0])]
        command += ["--depth", str(shape[1]), "--batch", str(shape[2])]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode != 0:
            print(finished.stderr[-4000:], file=sys.stderr)
            return 1
        runs.append(json.loads(finished.stdout.splitlines()[-1]))
    first = statistics.median(run[0] for run in runs)
    second = statistics.median(run[1] for run in runs)
    print(f"n={shape[0]}, depth={shape[1]}, B={shape[2]}: second call {second * 1e3:.1f} ms")
    return int(not machine.verdict("first call, all compilation", first, GOAL_SECONDS, "s"))


def first_and_second(n_qubits: int, depth: int, batch: int) -> tuple[float, float]:
    """Seconds of the first gradient, the layer's construction included, and of the second."""
    import numpy as np
    import tensorflow as tf

    from qstore_tf.layers import QuantumLayer

    tf.add(tf.ones(1), 1.0)
    inputs = tf.constant(np.random.default_rng(0).random((batch, n_qubits)), tf.float32)

    started = time.perf_counter()
    layer = QuantumLayer(n_qubits=n_qubits, depth=depth, encoding="angle")
    layer.build(inputs.shape)

    @tf.function
    def gradient_step(inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(layer(inputs)))
        return tape.gradient(loss, list(layer.trainable_variables))

    _wait(gradient_step(inputs))
    first = time.perf_counter() - started
    started = time.perf_counter()
    _wait(gradient_step(inputs))
    return first, time.perf_counter() - started


def _wait(gradients: Any) -> None:
    for gradient in gradients:
        gradient.numpy()


if __name__ == "__main__":
    sys.exit(main())
