"""Layers that draw, under MirroredStrategy; one process of its own, for devices of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy as np
import tensorflow as tf

devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    devices[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from tensorflow import keras
from qstore_tf.layers import AngleEncoding, ExpectationValue, QuantumLayer

x = np.zeros((64, 2), "float32")
y = np.zeros((64, 2), "float32")


def trained():
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        layer = QuantumLayer(2, 1, shots=30, seed=4, theta_initializer="ones")
        model = keras.Sequential([keras.Input((2,)), layer])
        model.compile("sgd", "mse")
    losses = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
    draws = [w for w in layer.weights if tf.as_dtype(w.dtype).is_integer]
    return strategy, layer, np.asarray(draws[0]), losses


strategy, layer, draws, losses = trained()
assert draws.tolist() == [4, 8], draws  # 2 epochs of 4 steps
assert np.all(np.isfinite(losses))
np.testing.assert_array_equal(losses, trained()[3])

# Every replica draws for itself.
values = strategy.run(tf.function(lambda: layer(tf.zeros([8, 2]))))
one, two = strategy.experimental_local_results(values)
assert np.any(one.numpy() != two.numpy())
print("replicas work")
"""


@pytest.mark.slow
@pytest.mark.parametrize("legacy", ["0", "1"], ids=["keras", "tf_keras"])
def test_replicas_draw_different_shots_and_count_together(legacy: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_USE_LEGACY_KERAS": legacy},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "replicas work" in run.stdout
