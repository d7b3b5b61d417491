"""Time of a plain `model.fit` over data of Fashion-MNIST's shape.

Goal: 3 epochs of 60,000 images, 784 -> Dense(64) -> 6 qubits, depth 4 -> 10 classes, batch 32, in
under 30 s on two cores. The images are random: only their shape matters for time.

    python benchmarks/fashion_fit.py
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine

GOAL_SECONDS = 30.0
IMAGES, EPOCHS, BATCH = 60_000, 3, 32


def main() -> int:
    """Fits once and prints the time; returns 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Time 3 epochs over 60,000 synthetic images.")
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--dense", action="store_true", help="Dense(6) in the quantum part's place")
    arguments = parser.parse_args()
    import numpy as np

    print(machine.headline())
    rng = np.random.default_rng(0)
    images = rng.random((arguments.images, 784), dtype=np.float32)
    labels = rng.integers(0, 10, arguments.images)
    model = build_model(dense=arguments.dense)
    started = time.perf_counter()
    model.fit(images, labels, batch_size=BATCH, epochs=arguments.epochs, verbose=0)
    seconds = time.perf_counter() - started
    steps = arguments.epochs * -(-arguments.images // BATCH)
    print(f"{steps} steps of batch {BATCH}, {seconds / steps * 1e3:.3f} ms a step")
    goal = GOAL_SECONDS * steps / (EPOCHS * IMAGES / BATCH)
    what = f"fit, {arguments.epochs} epochs of {arguments.images} images"
    return int(not machine.verdict(what, seconds, goal, "s"))


def build_model(*, dense: bool = False) -> Any:
    """784 -> 64 amplitudes -> 6 qubits, depth 4 -> 10 classes, compiled with Adam."""
    from tensorflow import keras

    from qstore_tf.layers import QuantumLayer

    middle = (
        keras.layers.Dense(6) if dense else QuantumLayer(n_qubits=6, depth=4, encoding="amplitude")
    )
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(64, activation="relu"),
            middle,
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model


if __name__ == "__main__":
    sys.exit(main())
