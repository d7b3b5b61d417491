"""What the fixes do; and that Keras still needs each of them, or this fails and they can go."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each case runs Keras as it is, in a process of its own with two replicas, and must fail; then
# with the fixes, and must not. When the first half no longer fails under the newest Keras, the
# fix can go for that release and later ones.
PREPARE = """
import sys
import numpy as np
import tensorflow as tf
device = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
from tensorflow import keras
import qstore_tf as qs
from qstore_tf.distribute import keras_fixes
if "fixed" in sys.argv:
    keras_fixes.apply()
    keras_fixes.apply()  # a second time changes nothing
x = np.random.default_rng(0).normal(size=(21, 2)).astype("float32")
y = x[:, :1] - x[:, 1:]
def model(**options):
    quantum = qs.layers.QuantumLayer(2, 1, theta_initializer="ones")
    last = keras.layers.Dense(1, kernel_initializer="ones")
    built = keras.Sequential([keras.Input((2,)), quantum, last])
    built.compile(keras.optimizers.SGD(0.1), "mse", **options)
    return built
"""
TWO = 'strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])\n'

CASES = {
    "uneven shares": """
expected = model()
expected.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
with strategy.scope():
    found = model()
found.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
np.testing.assert_allclose(found.get_weights()[0], expected.get_weights()[0], rtol=1e-5)
""",
    "steps per execution": """
with strategy.scope():
    found = model(steps_per_execution=2)
found.fit(x, y, batch_size=8, epochs=2, verbose=0)
""",
    "the first batch is drawn and reduced": """
def data():
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(21, seed=4).batch(3)
keras.utils.set_random_seed(1)
expected = model()
expected.fit(data(), epochs=1, verbose=0)
keras.utils.set_random_seed(1)
with strategy.scope():
    found = model()
found.fit(data(), epochs=1, verbose=0)
np.testing.assert_allclose(found.get_weights()[0], expected.get_weights()[0], rtol=1e-4)
""",
}

MULTI = """
import contextlib
from unittest import mock
from tensorflow.python.distribute import collective_all_reduce_strategy as module

# One process stands for several workers: the code that Keras takes for them is what fails.
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with mock.patch.object(
    module.CollectiveAllReduceExtended, "_in_multi_worker_mode", lambda self: True
):
    with strategy.scope():
        found = model(metrics=["mae"])
    found.fit(x, y, batch_size=8, verbose=0)
"""


def run(code: str, fixed: bool, legacy: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code + "print('it works')", *(["fixed"] if fixed else [])],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_USE_LEGACY_KERAS": str(int(legacy)), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@pytest.mark.parametrize("name", [*CASES, "logs of several workers"])
def test_keras_needs_it_and_it_helps(name: str) -> None:
    code = PREPARE + (TWO + CASES[name] if name in CASES else MULTI)
    without = run(code, fixed=False)
    assert "it works" not in without.stdout, "Keras no longer needs this fix"
    fixed = run(code, fixed=True)
    assert "it works" in fixed.stdout, fixed.stderr[-3000:]


def test_tf_keras_weighs_uneven_shares_too() -> None:
    code = PREPARE + TWO + CASES["uneven shares"]
    assert "it works" not in run(code, fixed=False, legacy=True).stdout
    fixed = run(code, fixed=True, legacy=True)
    assert "it works" in fixed.stdout, fixed.stderr[-3000:]
