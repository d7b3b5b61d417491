"""Replicas and workers take the same decisions; in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distribute.processes import finish, workers

SCRIPT = Path(__file__).with_name("workers_script.py")
CODE = """
import numpy as np
import tensorflow as tf

devices = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(
    devices[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from tensorflow import keras
import qstore_tf as qs
from tests.callbacks.adaptive.helpers import Each

x = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype("float32")
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    layer = qs.layers.QuantumLayer(1, 2, encoding="amplitude", shots=30, seed=4)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.Adam(0.1) , "mse")
shots = qs.callbacks.AdaptiveShots(8, 16, 16, rule=RULE, every=2)
watch = Each(lambda: np.asarray(layer.theta))
callbacks = [shots, qs.callbacks.AdaptiveDepth(schedule="step"), watch]
history = model.fit(x, x[:, :1], batch_size=8, epochs=4, verbose=0, callbacks=callbacks).history
assert history["depth"] == [2, 2, 2, 1], history
np.testing.assert_array_equal(watch.seen[-1][2:], watch.seen[5][2:])
assert np.any(watch.seen[-1][:2] != watch.seen[5][:2])
if RULE == "snr":
    assert shots.state["variance"] > 0
else:
    assert len(shots.state["norms"]) == 8
for variable in layer.theta.value.values if hasattr(layer.theta, "path") else layer.theta.values:
    np.testing.assert_array_equal(variable.numpy(), np.asarray(layer.theta))
print("replicas agree")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("legacy", "rule"), [("0", "snr"), ("1", "progress")])
def test_replicas_agree(legacy: str, rule: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", f"RULE = {rule!r}\n{CODE}"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).parents[3],
        env={**os.environ, "TF_USE_LEGACY_KERAS": legacy},
    )
    assert run.returncode == 0, run.stderr[-3000:]


@pytest.mark.slow
def test_two_workers_take_the_same_decisions(tmp_path: Path) -> None:
    script = tmp_path / SCRIPT.name  # logs are written beside it
    shutil.copy(SCRIPT, script)
    with workers(2, script, str(tmp_path)) as started:
        finish(started)
    first, second = (json.loads((tmp_path / f"{k}.json").read_text()) for k in range(2))
    assert first == second
    assert first["depth"] == [2, 2, 2, 1] and len(set(first["shots"])) > 1
