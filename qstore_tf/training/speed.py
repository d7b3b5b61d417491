"""How many gradients a second this machine computes, by backend; used by `qstore bench`.

The circuit is the one of the project's benchmarks: RX encoding, `depth` layers of RY and RZ on
each qubit with a linear chain of CX, Z measured on every qubit; the loss is the sum of squares
of the expectations. The training loop runs inside one compiled graph, so that the cost of
calling from Python counts for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.encodings import angle_encoding
from qstore_tf.circuits.observables import PauliSum, parse_observables
from qstore_tf.circuits.program import Program
from qstore_tf.errors import QstoreError
from qstore_tf.execution import build_expectation

SIZES = ((4, 2, 32), (6, 4, 256), (10, 4, 32), (14, 4, 16))


@dataclass(frozen=True)
class Speed:
    """One row: circuits with gradient per second, `None` where a backend cannot run."""

    n_qubits: int
    depth: int
    batch_size: int
    circuits_per_second: dict[str, float | None]
    problems: dict[str, str]


def benchmark_circuit(n_qubits: int, depth: int) -> tuple[Program, tuple[PauliSum, ...]]:
    """Returns the program that is measured and its observables, Z on each qubit."""
    encoding = angle_encoding(n_qubits)
    circuit = encoding.compose(hardware_efficient(n_qubits, depth))
    program = compile_circuit(circuit, inputs=encoding.parameters)
    observables = parse_observables(
        ["I" * q + "Z" + "I" * (n_qubits - q - 1) for q in range(n_qubits)], n_qubits
    )
    return program, tuple(observables)


def gradient_loop(
    backend: str, n_qubits: int, depth: int, batch_size: int
) -> Callable[[int], None]:
    """Builds a function that takes a number of gradient steps and runs them in one graph.

    Args:
        backend: name of the backend.
        n_qubits: number of qubits.
        depth: layers of the ansatz.
        batch_size: circuits per step.

    Raises:
        QstoreError: if the backend cannot run here.
    """
    program, observables = benchmark_circuit(n_qubits, depth)
    expectation = build_expectation(program, observables, backend=backend)
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.uniform(-1, 1, (batch_size, program.n_inputs)), tf.float32)
    theta = tf.Variable(rng.uniform(-3, 3, program.n_theta), dtype=tf.float32)

    @tf.function
    def loop(steps: tf.Tensor) -> tf.Tensor:
        for _ in tf.range(steps):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(expectation(inputs, theta, None) ** 2)
            theta.assign_sub(0.01 * tape.gradient(loss, theta))
        return theta.read_value()

    def run(steps: int) -> None:
        loop(tf.constant(steps)).numpy()

    return run


def circuits_per_second(run: Callable[[int], None], batch_size: int, seconds: float) -> float:
    """Times a gradient loop: the best of three runs that together take about `seconds`.

    Args:
        run: takes a number of steps and runs them.
        batch_size: circuits per step.
        seconds: time to spend, the first call not counted.
    """
    run(1)
    steps, taken = 1, 0.0
    while taken < seconds / 8 and steps < 1_000_000:
        steps *= 2
        taken = _time(run, steps)
    best = min([taken] + [_time(run, steps) for _ in range(2)])
    return batch_size * steps / best


def _time(run: Callable[[int], None], steps: int) -> float:
    started = time.perf_counter()
    run(steps)
    return time.perf_counter() - started


def measure(
    backends: Sequence[str] = ("native", "tensorflow"),
    sizes: Sequence[tuple[int, int, int]] = SIZES,
    seconds: float = 1.0,
) -> Iterator[Speed]:
    """Measures every backend at every size, row by row.

    Args:
        backends: names of backends.
        sizes: (qubits, depth, batch size) of each row.
        seconds: time to spend on each figure, the first call not counted.
    """
    for n_qubits, depth, batch_size in sizes:
        rates: dict[str, float | None] = {}
        problems: dict[str, str] = {}
        for backend in backends:
            try:
                run = gradient_loop(backend, n_qubits, depth, batch_size)
                rates[backend] = circuits_per_second(run, batch_size, seconds)
            except QstoreError as error:
                rates[backend], problems[backend] = None, str(error)
        yield Speed(n_qubits, depth, batch_size, rates, problems)
