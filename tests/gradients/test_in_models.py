"""Every gradient method trains a layer with plain fit, with and without shots, and is saved."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import gradients
from qstore_tf.gradients import SPSA, Adaptive, FiniteDifference
from qstore_tf.layers import QuantumLayer
from qstore_tf.layers.seeds import Seeds
from qstore_tf.testing.counting import Counting

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (24, 2)).astype(np.float32)
Y = np.cos(X.sum(axis=1, keepdims=True)).astype(np.float32)

METHODS = [
    "parameter_shift",
    FiniteDifference(0.2, "forward"),
    SPSA(directions=4),
    "hadamard_test",
    Adaptive(SPSA(2), window=4, threshold=1.0),
]


def model_with(**options):
    keras.utils.set_random_seed(1)
    layer = QuantumLayer(2, 2, observables=["ZI", "IZ"], seed=3, **options)
    dense = keras.layers.Dense(2, activation="tanh")
    model = keras.Sequential([keras.Input((2,)), dense, layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("shots", [None, 200])
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m if isinstance(m, str) else m.name)
def test_it_learns(method, shots):
    model = model_with(backend="tensorflow", gradient=method, shots=shots)
    losses = model.fit(X, Y, batch_size=8, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_it_learns_on_hardware_that_has_no_states():
    model = model_with(backend=Counting(), gradient="spsa")
    losses = model.fit(X, Y, batch_size=8, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", gradients.METHODS)
def test_saved_models_keep_their_method(name, tmp_path):
    model = model_with(backend="tensorflow", gradient=name)
    model.fit(X, Y, batch_size=8, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)
    one, other = (m.layers[1].get_config()["gradient"] for m in (model, again))
    assert one == other
    if name in ("spsa", "adaptive"):
        again.fit(X, Y, batch_size=8, epochs=1, verbose=0)
        model.export(tmp_path / "exported", verbose=False)
        loaded = tf.saved_model.load(tmp_path / "exported")
        np.testing.assert_allclose(loaded.serve(X), model.predict(X, verbose=0), atol=1e-6)


def test_layers_that_ask_for_adaptive_by_name_change_by_themselves():
    methods = []
    for _ in range(2):
        model = model_with(backend="tensorflow", gradient="adaptive")
        methods.append(model.layers[1].run_options.gradient)
    assert methods[0] is not methods[1]
    assert not model.layers[1].supports_jit
    assert model_with(backend="tensorflow", gradient="spsa").layers[1].supports_jit


def test_the_step_of_spsa_shrinks_with_the_calls_of_the_layer():
    steps = []

    class Watching(Counting):
        def expectation(self, program, observables, inputs, theta, initial=None, *, seed=None):
            if program.n_theta == 0:
                steps.append(float(np.ptp(inputs.numpy()[:, -1])) / 2)
            return super().expectation(program, observables, inputs, theta, initial, seed=seed)

    method = SPSA(step=0.4, decay=1.0)
    backend = Watching()
    layer = QuantumLayer(2, 1, backend=backend, gradient=method, seed=0)
    for _ in range(3):
        with tf.GradientTape() as tape:
            values = layer(X[:4])
        tape.gradient(values, layer.theta)
    np.testing.assert_allclose(steps, [0.4, 0.2, 0.4 / 3], rtol=1e-5)


def test_all_seeds_of_one_call_say_which_call_it_is():
    seeds = Seeds(tf.constant([5, 7], tf.int64))
    given = [seeds.next().numpy().tolist() for _ in range(3)]
    assert [seed[1] for seed in given] == [7, 7, 7]
    assert len({seed[0] for seed in given}) == 3
