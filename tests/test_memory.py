"""Memory: bounded over many different circuits, level over many steps, given back by Keras."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.circuits import Program, UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.execution import build_expectation
from qstore_tf.layers import QuantumLayer
from qstore_tf.testing.daily import daily_seed

OTHERS = ("qsim", "qulacs", "lightning")
BACKENDS = ("native", "tensorflow", OTHERS[daily_seed() % len(OTHERS)])


def resident() -> int:
    """Bytes that are in use, what the allocator holds back for later not counted."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def growth(run: Callable[[], object], warm: int, times: int) -> float:
    """Bytes by which each call adds to memory, after some to warm up.

    The least of three counts: what leaks does so in each of them, while other threads, which tests
    before have left behind, take some megabytes now and then.
    """
    for _ in range(warm):
        run()
    counts = []
    for _ in range(3):
        before = resident()
        for _ in range(times // 3):
            run()
        counts.append((resident() - before) / (times // 3))
    return min(counts)


def another_circuit(rng: np.random.Generator) -> UnifiedCircuit:
    circuit = UnifiedCircuit(3).add_gate("RX", 0, f"{rng.random()}*x")
    for k in range(5):
        circuit.add_gate(rng.choice(["RX", "RY", "RZ"]), k % 3, f"t{k} + {rng.random()}")
        circuit.add_gate("CX", rng.permutation(3)[:2].tolist())
    return circuit


def step_of(program: Program, backend: str) -> Callable[[], object]:
    function = build_expectation(program, parse_observables("Z", 3), backend)
    inputs, theta = tf.zeros([2, 1]), tf.zeros([program.n_theta])

    def step() -> object:
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = tf.reduce_sum(function(inputs, theta))
        return tape.gradient(loss, theta)

    return step


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_search_over_circuits_stays_within_bounds(backend: str) -> None:
    """Each program that was run eagerly left 80 KB; now only our caches fill, up to a limit."""
    rng = np.random.default_rng(daily_seed())

    def run() -> None:
        step_of(compile_circuit(another_circuit(rng), inputs=["x"]), backend)()

    assert growth(run, warm=30, times=90) < 20_000


@pytest.mark.slow
@pytest.mark.parametrize("op", ["state_vector", "sample", "probabilities"])
def test_states_and_samples_of_many_circuits_too(op: str) -> None:
    rng = np.random.default_rng(daily_seed())
    more = {"shots": 3, "seed": [1, 2]} if op == "sample" else {}
    function = getattr(backends.get("native"), op)

    def run() -> None:
        program = compile_circuit(another_circuit(rng), inputs=["x"])
        function(program, [[0.5]], [0.5] * program.n_theta, **more)

    assert growth(run, warm=30, times=120) < 20_000


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "steps"), [("native", 10_000), ("tensorflow", 500)])
def test_training_steps_leave_memory_as_it_is(backend: str, steps: int) -> None:
    rng = np.random.default_rng(daily_seed())
    step = step_of(compile_circuit(another_circuit(rng), inputs=["x"]), backend)
    assert growth(tf.function(step), warm=300, times=steps) * steps < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_eager_training_steps_leave_memory_as_it_is(backend: str) -> None:
    rng = np.random.default_rng(daily_seed())
    step = step_of(compile_circuit(another_circuit(rng), inputs=["x"]), backend)
    assert growth(step, warm=20, times=80) * 80 < 500_000


@pytest.mark.slow
def test_clear_session_gives_back_what_tensorflow_keeps_of_layers() -> None:
    """36 KB a weight, as with any layer of Keras: a kernel by the weight's name."""
    rng = np.random.default_rng(daily_seed())

    def run() -> None:
        layer = QuantumLayer(circuit=another_circuit(rng), inputs=["x"], backend="native")
        layer(tf.zeros([2, 1]))

    taken, left = [], []
    for _ in range(7):
        keras.utils.clear_session()
        before = resident()
        for _ in range(150):
            run()
        taken.append(resident() - before)
        keras.utils.clear_session()
        left.append(resident() - before)
    # The first ones also fill our caches.
    assert 100_000 < np.median(taken[2:]) > 3 * np.median(left[2:]), (taken, left)


@pytest.mark.slow
def test_states_that_wait_for_a_gradient_have_a_limit_in_all() -> None:
    """A forward pass behind a gradient keeps up to 64 MiB; many circuits may not all do so."""
    rng = np.random.default_rng(daily_seed())
    inputs = tf.zeros([1 << 17, 1])
    observables = parse_observables("Z", 3)
    native = backends.get("native")

    def run() -> None:
        program = compile_circuit(another_circuit(rng), inputs=["x"])
        theta = tf.zeros([program.n_theta])
        with tf.GradientTape() as tape:
            tape.watch(theta)
            values = native.expectation(program, observables, inputs, theta)
        tape.gradient(values, theta)
        native.expectation(program, observables, inputs, theta)

    before = resident()
    for _ in range(26):
        run()
    assert resident() - before < 330 << 20
