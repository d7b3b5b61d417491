"""The same layers under tf_keras: one process of its own, as TensorFlow picks one Keras."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import copy, sys, pathlib, numpy as np, cirq
import qstore_tf as qs
import tensorflow as tf
from tensorflow import keras
from qstore_tf.layers import AmplitudeEncoding, AngleEncoding, ExpectationValue, QuantumLayer
from qstore_tf.layers import Probabilities, Sample, StateVector, Unitary
from qstore_tf.errors import ConfigurationError, InputError

assert not hasattr(keras, "KerasTensor"), "this is not tf_keras"
folder = pathlib.Path(sys.argv[1])
rng = np.random.default_rng(0)
x, y = rng.normal(size=(16, 4)), rng.normal(size=(16, 2)) / 4


def chain():
    return [AmplitudeEncoding(2), QuantumLayer(depth=1), QuantumLayer(2), ExpectationValue("Z")]


def sequential(*front):
    return keras.Sequential([*front, *chain()])


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.parts = chain()

    def call(self, state):
        for part in self.parts:
            state = part(state)
        return state


# Every style computes the same and trains, the Dense in front included.
reference = sequential()
expected = reference(x.astype("float32"))
for model in (sequential(keras.Input((4,))), Subclassed()):
    model(x)
    model.set_weights(reference.get_weights())
    np.testing.assert_allclose(model(x), expected, atol=1e-6)
one = QuantumLayer(2, 2, "amplitude")
one(x)
two = QuantumLayer(2, 2)
two.build((None, 4))
two.set_weights(one.get_weights())
np.testing.assert_allclose(ExpectationValue("Z")(two(AmplitudeEncoding(2)(x))), one(x), atol=1e-6)

model = sequential(keras.layers.Dense(4))
model.compile(keras.optimizers.Adam(0.05), "mse")
model(x)
kernel = model.layers[0].kernel.numpy()
losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
assert losses[-1] < losses[0] and np.any(model.layers[0].kernel.numpy() != kernel)

# A functional model with two branches, saved in every format.
circuit = qs.UnifiedCircuit(2).add_gate("RX", 0, "a").add_gate("RY", 1, "b").add_gate("CX", [0, 1])
inputs = keras.Input((4,))
hidden = keras.layers.Dense(2)(inputs)
own = QuantumLayer(circuit=circuit, inputs=["b"], observables=["ZZ"])(hidden[:, :1])
angles = ExpectationValue([cirq.X] * 2)(QuantumLayer(2)(AngleEncoding(2, "y")(hidden)))
outputs = keras.layers.Dense(1)(keras.layers.Concatenate()([own, angles]))
model = keras.Model(inputs, outputs)
assert model.layers[-1].kernel.shape == (3, 1)
expected = model.predict(x, verbose=0)
for name in ("model.keras", "model.h5", "saved_model"):
    model.save(folder / name)
    loaded = keras.models.load_model(folder / name)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-5)
model.save_weights(folder / "model.weights.h5")
clone = keras.models.clone_model(model)
clone.load_weights(folder / "model.weights.h5")
np.testing.assert_allclose(clone.predict(x, verbose=0), expected, atol=1e-5)

# A layer is made again, built or not: every public one, and what wraps one.
pairs = x[:, :2].astype("float32")
state = AngleEncoding(2)(pairs)
cases = {
    "AmplitudeEncoding": ({"n_qubits": 2}, pairs), "AngleEncoding": ({"n_qubits": 2}, pairs),
    "ExpectationValue": ({}, state), "Probabilities": ({}, state), "QuantumLayer": ({}, pairs),
    "Sample": ({"shots": 3}, state), "StateVector": ({}, state), "Unitary": ({}, state),
}
assert set(cases) == set(qs.layers.__all__)


def check_made_again(make, way, data):
    for built in (False, True):
        made = make()
        if built:
            made(data)
        again = way(made)
        again(data), made(data)
        again.set_weights(made.get_weights())
        np.testing.assert_allclose(again(data), made(data), atol=1e-6)


def from_serialized(layer):
    return keras.layers.deserialize(keras.layers.serialize(layer))


def from_config(model):
    # tf_keras reads the layer of a wrapper in its old format, without what is registered.
    return keras.Sequential.from_config(model.get_config(), {"QuantumLayer": QuantumLayer})


for name, (options, data) in cases.items():
    for way in (copy.deepcopy, from_serialized):
        check_made_again(lambda: getattr(qs.layers, name)(**options), way, data)
check_made_again(lambda: keras.Sequential([QuantumLayer()]), from_config, pairs)
check_made_again(
    lambda: keras.Sequential([keras.layers.TimeDistributed(QuantumLayer())]),
    from_config,
    np.stack([pairs, pairs], axis=1),
)

layer = QuantumLayer(2, 1, "amplitude")
distributed = keras.Sequential([keras.Input((3, 4)), keras.layers.TimeDistributed(layer)])
series = rng.normal(size=(5, 3, 4)).astype("float32")
np.testing.assert_allclose(distributed(series)[:, 1], layer(series[:, 1]), atol=1e-6)

# What reads a state, behind one chain; shots, saved and going on where they were.
inputs = keras.Input((4,))
state = QuantumLayer(2, 1, shots=50, seed=3)(AmplitudeEncoding(2)(inputs))
shown = QuantumLayer(2, 1)(AmplitudeEncoding(2)(inputs))
model = keras.Model(inputs, [ExpectationValue("Z")(state), Sample(7, seed=1)(state)])
exact = keras.Model(inputs, [Probabilities()(shown), StateVector()(shown), Unitary()(shown)])
chances, states, matrices = exact(x)
np.testing.assert_allclose(chances, abs(states.numpy()) ** 2, atol=1e-6)
np.testing.assert_allclose(
    np.einsum("bjk,blk->bjl", matrices, np.conj(matrices)), [np.eye(4)] * 16, atol=1e-5
)
values, bits = model(x)
assert values.shape == (16, 2) and bits.shape == (16, 7, 2) and bits.dtype == tf.int8
assert np.any(model(x)[0] != values)
for name in ("shots.keras", "shots.h5", "shots_saved"):
    model.save(folder / name)
    loaded = keras.models.load_model(folder / name)
    for one, other in zip(model(x), loaded(x)):
        np.testing.assert_array_equal(one, other)
model = keras.Sequential([keras.layers.Dense(2), QuantumLayer(2, 1, shots=50, seed=3)])
model.compile(keras.optimizers.Adam(0.05), "mse")
losses = model.fit(x, y, epochs=10, verbose=0).history["loss"]
assert losses[-1] < losses[0]

for wrong, error in (
    (lambda: QuantumLayer(4)(np.zeros((2, 5), "float32")), InputError),
    (lambda: ExpectationValue("Z")(np.zeros((2, 4), "float32")), InputError),
    (lambda: QuantumLayer(4, entanglement="liner"), ConfigurationError),
    (lambda: QuantumLayer.from_config({"n_qubits": 2, "version": 9}), ConfigurationError),
):
    try:
        wrong()
    except error:
        pass
    else:
        raise AssertionError(f"no {error.__name__}")

for policy, dtype, theta in (
    ("mixed_float16", tf.float16, tf.float32),
    ("float64", tf.float64, tf.float64),
):
    keras.mixed_precision.set_global_policy(policy)
    model = sequential(keras.layers.Dense(4))
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert model(x).dtype == dtype
    assert model.layers[2].theta.dtype == theta
print("tf_keras works")
"""


@pytest.mark.slow
def test_the_layers_work_under_tf_keras(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TF_USE_LEGACY_KERAS": "1"},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert "tf_keras works" in run.stdout
