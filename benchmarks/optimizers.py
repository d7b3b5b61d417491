"""Steps and wall time to a given loss: Adam, natural gradient, SPSA, QNSPSA and Rotosolve.

Two tasks, both through `model.compile` and `model.fit`:

* `ising`: the ground state of the transverse-field Ising model on an open chain of 6 qubits,
  H = -J sum Z_i Z_(i+1) - h sum X_i with J = h = 1, by the hardware-efficient ansatz of depth 4
  (48 angles, RY-RZ and CX in a row) from |0...0>. The loss is the energy; the goal is to be
  within 1 % of the exact ground state energy, from diagonalization.
* `digits`: scikit-learn's digits, 6 principal components scaled to [-pi/2, pi/2], a QuantumLayer
  of 6 qubits and depth 3 (36 angles) and Dense(10); 1,437 images, batches of 64. The goal is a
  cross-entropy on the training images, evaluated after each epoch.

Each optimizer runs with each of three learning rates from several starts; the table shows the
rate that reaches the goal most often and then in the fewest steps (median). So every optimizer
gets the same care, and none of the times includes the search. A step of SPSA is 2 evaluations of
the loss, of QNSPSA 2 and 4 overlaps, of Rotosolve 2 P + 1; of the others one gradient. Times
leave the first step out, in which TensorFlow traces the graph. Nothing here has a goal to meet.

    python benchmarks/optimizers.py            # both, under 3 minutes
    python benchmarks/optimizers.py ising
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import machine

QUBITS, J, H = 6, 1.0, 1.0
ISING_DEPTH, ISING_STARTS, ISING_WITHIN = 4, 3, 0.01
DIGITS_DEPTH, DIGITS_STARTS, DIGITS_EPOCHS, DIGITS_GOAL, BATCH = 3, 2, 6, 1.0, 64


@dataclass(frozen=True)
class Contestant:
    """An optimizer, made from a learning rate, and the most steps it gets in each task."""

    name: str
    make: Callable[[float], Any]
    rates: tuple[float, ...]
    ising_steps: int = 150
    digits_epochs: int = DIGITS_EPOCHS


@dataclass(frozen=True)
class Result:
    """Of one optimizer at one learning rate: steps and seconds to the goal, None if missed."""

    rate: float
    steps: tuple[int | None, ...]
    seconds: tuple[float | None, ...]
    per_step: float
    final: float

    @property
    def reached(self) -> int:
        return sum(step is not None for step in self.steps)

    def median(self, values: Sequence[float | None]) -> float:
        found = [value for value in values if value is not None]
        return float(np.median(found)) if found else float("inf")


def contestants() -> list[Contestant]:
    from tensorflow import keras

    from qstore_tf import optimizers as qo

    qng = qo.QuantumNaturalGradient
    return [
        Contestant("Adam", lambda r: keras.optimizers.Adam(r), (0.02, 0.05, 0.15)),
        Contestant("gradient descent", lambda r: keras.optimizers.SGD(r), (0.05, 0.15, 0.5)),
        Contestant("QNG", lambda r: qng(r, classical=_adam()), (0.03, 0.1, 0.3)),
        Contestant(
            "QNG, metric every 8 steps",
            lambda r: qng(r, reuse_steps=8, classical=_adam()),
            (0.03, 0.1, 0.3),
        ),
        Contestant(
            "QNG, block-diagonal",
            lambda r: qng(r, approximation="block_diagonal", classical=_adam()),
            (0.03, 0.1, 0.3),
        ),
        Contestant(
            "QNG, diagonal",
            lambda r: qng(r, approximation="diagonal", classical=_adam()),
            (0.03, 0.1, 0.3),
        ),
        Contestant("SPSA", lambda r: qo.SPSA(r), (0.01, 0.03, 0.1), ising_steps=600),
        Contestant(
            "QNSPSA",
            lambda r: qo.QNSPSA(r, classical=_adam()),
            (0.003, 0.01, 0.03),
            ising_steps=600,
        ),
        Contestant(
            "Rotosolve",
            lambda r: qo.Rotosolve(r, classical=_adam()),
            (0.3, 0.6, 1.0),
            ising_steps=12,
            digits_epochs=1,
        ),
    ]


def _adam() -> Any:
    """For weights that are not angles; the same for all, at the rate that suits Adam alone."""
    from tensorflow import keras

    return keras.optimizers.Adam(0.15)


def ising_matrix() -> np.ndarray:
    """H as a matrix, qubit 0 the most significant bit."""
    pauli_x, pauli_z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])

    def on(operators: dict[int, np.ndarray]) -> np.ndarray:
        total = np.eye(1)
        for q in range(QUBITS):
            total = np.kron(total, operators.get(q, np.eye(2)))
        return total

    pairs = sum(on({q: pauli_z, q + 1: pauli_z}) for q in range(QUBITS - 1))
    return -J * pairs - H * sum(on({q: pauli_x}) for q in range(QUBITS))


def ising_text() -> str:
    pairs = [f"{J} Z{q} Z{q + 1}" for q in range(QUBITS - 1)]
    return "-" + " - ".join(pairs + [f"{H} X{q}" for q in range(QUBITS)])


class Watch:
    """Keras callback: the weights after each batch and when that was, from the second on."""

    def __new__(cls) -> Any:
        from tensorflow import keras

        class Callback(keras.callbacks.Callback):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.thetas: list[np.ndarray] = []
                self.times: list[float] = []

            def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
                self.thetas.append(self.model.trainable_variables[0].numpy())
                self.times.append(time.perf_counter())

        return Callback()


def ising(entry: Contestant, rate: float) -> Result:
    import tensorflow as tf
    from tensorflow import keras

    from qstore_tf import optimizers as qo
    from qstore_tf.layers import ExpectationValue, QuantumLayer

    exact = float(np.linalg.eigvalsh(ising_matrix())[0])
    goal = exact + ISING_WITHIN * abs(exact)
    model = qo.Sequential(
        [
            keras.Input((2**QUBITS,), dtype="complex64"),
            QuantumLayer(QUBITS, ISING_DEPTH),
            ExpectationValue(ising_text()),
        ]
    )
    start = np.zeros((1, 2**QUBITS), np.complex64)
    start[0, 0] = 1
    feed = tf.data.Dataset.from_tensors((start, np.zeros((1, 1), np.float32))).repeat()
    matrix = ising_matrix()
    model.compile(entry.make(rate), loss=lambda _, energy: tf.reduce_mean(energy))
    blank = optimizer_start(model, lambda: model.fit(feed, steps_per_epoch=2, verbose=0))
    steps, seconds, finals, per_step = [], [], [], []
    for seed in range(ISING_STARTS):
        restart(model, blank, seed)
        watch = Watch()
        began = time.perf_counter()
        model.fit(feed, steps_per_epoch=entry.ising_steps, verbose=0, callbacks=[watch])
        states = model.layers[0]
        energies = _energies(states, watch.thetas, start, matrix)
        reached = np.flatnonzero(energies <= goal)
        first = int(reached[0]) + 1 if len(reached) else None
        steps.append(first)
        seconds.append(None if first is None else watch.times[first - 1] - began)
        per_step.append((watch.times[-1] - watch.times[0]) / (len(watch.times) - 1))
        finals.append((energies[-1] - exact) / abs(exact))
    return Result(
        rate, tuple(steps), tuple(seconds), float(np.median(per_step)), float(np.median(finals))
    )


def _energies(
    layer: Any, thetas: Sequence[np.ndarray], start: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """The energy at each theta, all in one run with the angles as inputs."""
    from qstore_tf.circuits.compiling import compile_circuit
    from qstore_tf.ops import native

    program = compile_circuit(layer.circuit, inputs=layer.circuit.parameters)
    states = native.state_vector(program, np.array(thetas, np.float64), np.zeros(0)).numpy()
    return np.einsum("bi,ij,bj->b", states.conj(), matrix, states).real


def digits_data() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA

    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[:1437]
    parts = PCA(QUBITS, random_state=0).fit_transform(x[order] / 16)
    return (parts / abs(parts).max(axis=0) * np.pi / 2).astype(np.float32), y[order]


def digits(entry: Contestant, rate: float) -> Result:
    from tensorflow import keras

    from qstore_tf import optimizers as qo
    from qstore_tf.layers import QuantumLayer

    x, y = digits_data()
    per_epoch = -(-len(x) // BATCH)
    model = qo.Sequential(
        [keras.Input((QUBITS,)), QuantumLayer(QUBITS, DIGITS_DEPTH), keras.layers.Dense(10)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(entry.make(rate), loss)
    blank = optimizer_start(model, lambda: model.fit(x, y, batch_size=BATCH, verbose=0))
    model.evaluate(x, y, batch_size=512, verbose=0)
    steps, seconds, finals, per_step = [], [], [], []
    for seed in range(DIGITS_STARTS):
        restart(model, blank, seed)
        keras.utils.set_random_seed(seed)
        spent, found, value = 0.0, None, float("nan")
        for epoch in range(entry.digits_epochs):
            began = time.perf_counter()
            model.fit(x, y, batch_size=BATCH, verbose=0)
            spent += time.perf_counter() - began
            value = model.evaluate(x, y, batch_size=512, verbose=0)
            if value <= DIGITS_GOAL:
                found = epoch + 1
                break
        steps.append(None if found is None else found * per_epoch)
        seconds.append(None if found is None else spent)
        per_step.append(spent / ((found or entry.digits_epochs) * per_epoch))
        finals.append(value)
    return Result(
        rate, tuple(steps), tuple(seconds), float(np.median(per_step)), float(np.median(finals))
    )


def optimizer_start(model: Any, trace: Callable[[], Any]) -> list[np.ndarray]:
    """Has the step traced; returns the optimizer's variables as they were before."""
    model.optimizer.build(model.trainable_variables)
    blank = [np.array(v.numpy()) for v in model.optimizer.variables]
    trace()
    return blank


def restart(model: Any, blank: Sequence[np.ndarray], seed: int) -> None:
    """Puts the optimizer back and draws weights: angles as the layer does, the rest as Dense."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        width = 1.0 if variable.name == "theta" else (6 / sum(variable.shape)) ** 0.5
        scale = 0.0 if variable.name == "bias" else width
        variable.assign(rng.uniform(-scale, scale, variable.shape))
    for variable, value in zip(model.optimizer.variables, blank, strict=True):
        variable.assign(value)


def best(results: Sequence[Result]) -> Result:
    return min(results, key=lambda r: (-r.reached, r.median(r.steps), r.final))


def table(title: str, task: Callable[[Contestant, float], Result], final: str, runs: int) -> None:
    print(f"\n{title}\n")
    names = "optimizer", "learning rate", "reached", "steps (median)", "ms a step", "seconds", final
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for entry in contestants():
        result = best([task(entry, rate) for rate in entry.rates])
        steps, seconds = result.median(result.steps), result.median(result.seconds)
        reached = np.isfinite(steps)
        print(
            f"| {entry.name} | {result.rate:g} | {result.reached} of {runs} | "
            f"{f'{steps:.0f}' if reached else '-'} | {result.per_step * 1e3:.2f} | "
            f"{f'{seconds:.2f}' if reached else '-'} | {result.final:.2g} |",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare optimizers on two tasks.")
    parser.add_argument("tasks", nargs="*", help="ising, digits; default both")
    tasks = parser.parse_args().tasks or ["ising", "digits"]
    print(machine.headline())
    began = time.perf_counter()
    if "ising" in tasks:
        exact = float(np.linalg.eigvalsh(ising_matrix())[0])
        title = f"Ising, {QUBITS} qubits, depth {ISING_DEPTH}: E0 = {exact:.6f}, to within 1 %"
        table(title, ising, "(E - E0) / abs(E0) at the end", ISING_STARTS)
    if "digits" in tasks:
        title = f"Digits: training cross-entropy of {DIGITS_GOAL}"
        table(title, digits, "loss at the end", DIGITS_STARTS)
    print(f"\n{time.perf_counter() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
