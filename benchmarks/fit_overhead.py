"""What the quantum part adds to a `fit` step on digits.

Goal: with amplitude encoding, 6 qubits and depth 4, a step at batch 32 takes at most 1.25 times
the step of the same model with `Dense(6)` in the quantum part's place. The two models are fitted
in turn, many times, so that a busy machine slows both.

    python benchmarks/fit_overhead.py
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine

GOAL_RATIO = 1.25
BATCH = 32


def main() -> int:
    """Prints the two step times and their ratio; returns 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Compare fit steps with and without qubits.")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=5, help="epochs in each timed fit")
    arguments = parser.parse_args()
    print(machine.headline())
    images, labels = digits()
    models = {name: build_model(name) for name in ("Dense(6)", "one layer", "three layers")}
    times: dict[str, list[float]] = {name: [] for name in models}
    steps = arguments.epochs * -(-len(images) // BATCH)
    for repeat in range(arguments.repeats + 1):
        for name, model in models.items():
            started = time.perf_counter()
            model.fit(images, labels, batch_size=BATCH, epochs=arguments.epochs, verbose=0)
            if repeat > 0:  # The first fit traces and compiles.
                times[name].append((time.perf_counter() - started) / steps)
    met = True
    for name, values in times.items():
        print(f"{name}: {statistics.median(values) * 1e3:.3f} ms a step")
    for name in ("one layer", "three layers"):
        pairs = zip(times[name], times["Dense(6)"], strict=True)
        ratio = statistics.median(ours / dense for ours, dense in pairs)
        met &= machine.verdict(f"fit step, {name} against Dense(6)", ratio, GOAL_RATIO, "times")
    return int(not met)


def digits() -> tuple[Any, Any]:
    """scikit-learn's digits [1797, 64] if it is installed, else random images of that shape."""
    import numpy as np

    try:
        from sklearn.datasets import load_digits
    except ImportError:
        print("scikit-learn is not installed: random images of the same shape")
        rng = np.random.default_rng(0)
        return rng.random((1797, 64), dtype=np.float32), rng.integers(0, 10, 1797)
    data = load_digits()
    return (data.data / 16).astype(np.float32), data.target


def build_model(middle: str) -> Any:
    """64 features -> `middle` -> 10 classes; the quantum part as one layer or as three."""
    import cirq
    from tensorflow import keras

    from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer

    layers = {
        "Dense(6)": lambda: [keras.layers.Dense(6)],
        "one layer": lambda: [QuantumLayer(n_qubits=6, depth=4, encoding="amplitude")],
        "three layers": lambda: [
            AmplitudeEncoding(n_qubits=6),
            QuantumLayer(n_qubits=6, depth=4),
            ExpectationValue(observables=[cirq.Z] * 6),
        ],
    }[middle]()
    model = keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    return model


if __name__ == "__main__":
    sys.exit(main())
