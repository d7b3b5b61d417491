"""Under MirroredStrategy with two logical CPUs, and under tf_keras: one process each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tensorflow import keras
import qstore_tf as qs

folder = sys.argv[1]
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 4)).astype("float32"), rng.normal(size=(64, 2)).astype("float32")


def fit(strategy, where):
    with strategy.scope():
        layer = qs.layers.QuantumLayer(2, encoding="amplitude", name="circuit")
        norm = keras.layers.BatchNormalization()
        model = keras.Sequential([keras.Input((4,)), layer, norm, keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        board = qs.callbacks.QuantumTensorBoard(f"{folder}/{where}", every=2)
        model.fit(x, y, batch_size=16, epochs=2, verbose=0, callbacks=[board])


def tags(where):
    found = set()
    for path in tf.io.gfile.glob(f"{folder}/{where}/train/*tfevents*"):
        for record in tf.data.TFRecordDataset(path):
            event = tf.compat.v1.Event.FromString(record.numpy())
            found |= {value.tag for value in event.summary.value}
    return found


strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
fit(strategy, "chief")
found = tags("chief")
wanted = {"gradient_norm", "entanglement", "observable_gradient_variance", "time_share", "circuit"}
assert {f"circuit/{name}" for name in wanted} <= found, found
assert "quantum/fallbacks" not in found

type(strategy.extended).should_checkpoint = property(lambda self: False)
fit(strategy, "other")
assert not tf.io.gfile.exists(f"{folder}/other")
print("replicas work")
"""


@pytest.mark.slow
@pytest.mark.parametrize("legacy", ["0", "1"], ids=["keras", "tf_keras"])
def test_the_chief_writes_and_no_one_else(tmp_path: Path, legacy: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_USE_LEGACY_KERAS": legacy},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "replicas work" in done.stdout
