"""Peak memory of one gradient at 24 qubits, in state vectors.

Goal: at most 2.5 state vectors (complex64, 8 bytes an amplitude) above what the process held
before. Measured in a fresh process: resident memory before the gradient, after a small circuit
has started all threads and pools, against the process's peak afterwards.

    python benchmarks/memory.py
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine

GOAL_STATES = 2.5


def main() -> int:
    """Prints the peak of a fresh process; returns 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Peak memory of one gradient.")
    parser.add_argument("--qubits", type=int, default=24)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(gradient_peak(arguments.qubits, arguments.depth))
        return 0

    print(machine.headline())
    # A small parent on purpose: a child's peak starts at its parent's memory.
    command = [sys.executable, __file__, "--child"]
    command += ["--qubits", str(arguments.qubits), "--depth", str(arguments.depth)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        print(finished.stderr[-4000:], file=sys.stderr)
        return 1
    extra = int(finished.stdout.split()[-1])
    state = 8 * 2**arguments.qubits
    print(
        f"n={arguments.qubits}, depth={arguments.depth}, B=1: {extra / 2**20:.0f} MiB above the "
        f"baseline; a state vector is {state / 2**20:.0f} MiB"
    )
    what = "peak memory of a gradient"
    return int(not machine.verdict(what, extra / state, GOAL_STATES, "state vectors"))


def gradient_peak(n_qubits: int, depth: int) -> int:
    """Bytes by which one gradient raises this process's peak above its resident memory."""
    _gradient(4, depth)
    before = resident()
    _gradient(n_qubits, depth)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) - before


def _gradient(n_qubits: int, depth: int) -> None:
    import tensorflow as tf

    from qstore_tf.layers import QuantumLayer

    layer = QuantumLayer(n_qubits=n_qubits, depth=depth, encoding="angle")
    inputs = tf.fill([1, n_qubits], 0.3)
    layer.build(inputs.shape)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(inputs)))
    for gradient in tape.gradient(loss, list(layer.trainable_variables)):
        gradient.numpy()


def resident() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        # Elsewhere the peak so far is the nearest thing to be had.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)
    return pages * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
