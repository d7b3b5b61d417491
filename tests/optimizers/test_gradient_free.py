"""SPSA, QNSPSA and Rotosolve: what a step is, in compile and fit, saved and refused."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.errors import ConfigurationError
from qstore_tf.gradients import fubini_study
from qstore_tf.layers import ExpectationValue, QuantumLayer
from qstore_tf.optimizers import QNSPSA, SPSA, LossEvaluations, Model, Rotosolve, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 2)).astype("float32")
Y = np.prod(np.sin(X), axis=1, keepdims=True).astype("float32")

OPTIMIZERS = {
    "spsa": lambda: SPSA(0.3, perturbation=0.1, directions=2),
    "spsa and adam": lambda: SPSA(0.3, classical=keras.optimizers.Adam(0.1)),
    "qnspsa": lambda: QNSPSA(0.1, regularization=0.05),
    "qnspsa and adam": lambda: QNSPSA(0.1, classical=keras.optimizers.Adam(0.1)),
    "rotosolve": lambda: Rotosolve(0.5, classical=keras.optimizers.Adam(0.1)),
}
EACH = pytest.mark.parametrize("name", OPTIMIZERS)


def make(kind=Sequential, **options):
    keras.utils.set_random_seed(0)
    layer = QuantumLayer(2, 2, observables="ZZ", **options)
    return kind([keras.Input((2,)), layer, keras.layers.Dense(1)])


@pytest.mark.slow
@EACH
def test_fit_lowers_the_loss_the_same_way_traced_and_eager(name):
    losses = []
    for eager in (False, True):
        model = make()
        model.compile(OPTIMIZERS[name](), "mse", metrics=["mae"], run_eagerly=eager)
        history = model.fit(X, Y, batch_size=8, epochs=8, verbose=0).history
        losses.append([*history["loss"], model.evaluate(X, Y, verbose=0)[0]])
        assert set(history) == {"loss", "mae"}
    np.testing.assert_allclose(*losses, rtol=1e-3, atol=1e-5)
    first = make()
    first.compile("adam", "mse")
    assert losses[0][-1] < first.evaluate(X, Y, verbose=0)


@pytest.mark.slow
@EACH
def test_models_are_saved_with_them_and_training_goes_on(name, tmp_path):
    model = make()
    model.compile(OPTIMIZERS[name](), "mse")
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again, Sequential)
    assert again.optimizer.get_config() == model.optimizer.get_config()
    losses = [
        m.fit(X, Y, batch_size=8, epochs=2, verbose=0).history["loss"] for m in (model, again)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_with_other_optimizers_the_models_train_as_those_of_keras():
    losses = []
    for kind in (Sequential, keras.Sequential):
        model = make(kind)
        model.compile("adam", "mse")
        losses.append(model.fit(X, Y, epochs=2, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_array_equal(*losses)


def test_functional_models_and_models_of_ones_own_train_too():
    class Own(LossEvaluations, keras.Model):
        def __init__(self):
            super().__init__()
            self.layer = QuantumLayer(2, observables="ZZ")

        def call(self, inputs):
            return self.layer(inputs)

    inputs = keras.Input((2,))
    for model in (Model(inputs, QuantumLayer(2, observables="ZZ")(inputs)), Own()):
        model.compile(SPSA(0.1), "mse")
        assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"][0])


def test_a_keras_model_is_refused_with_what_to_do():
    model = make(keras.Sequential)
    model.compile(SPSA(), "mse")
    with pytest.raises(ConfigurationError, match="qstore_tf.optimizers.Sequential"):
        model.fit(X, Y, verbose=0)


def test_spsa_moves_along_random_signs_by_the_slope():
    model = make()
    weights = model.trainable_variables
    before = [w.numpy() for w in weights]
    slopes = [RNG.normal(size=w.shape).astype("float32") for w in weights]

    def loss():
        return tf.add_n([tf.reduce_sum(w * s) for w, s in zip(weights, slopes, strict=True)])

    optimizer = SPSA(0.5, perturbation=0.2, learning_rate_decay=0.0)
    optimizer.step(lambda: (loss(), tf.zeros([1])), weights)
    moved = [w.numpy() - b for w, b in zip(weights, before, strict=True)]
    size = abs(moved[0].ravel()[0])
    for part in moved:
        np.testing.assert_allclose(abs(part), size, rtol=1e-3)
    along = sum(np.sum(np.sign(m) * s) for m, s in zip(moved, slopes, strict=True))
    assert along < 0
    np.testing.assert_allclose(size, 0.5 * abs(along), rtol=1e-3)


def test_spsa_is_right_on_average():
    model = make()
    theta = model.layers[0].theta
    slope = RNG.normal(size=theta.shape).astype("float32")
    optimizer = SPSA(1.0, directions=36, classical="adam")
    before = theta.numpy()
    optimizer.step(lambda: (tf.reduce_sum(theta * slope), tf.zeros([1])), [theta])
    # An entry's standard error is the norm of the slope / sqrt(36); five of these in 8 entries.
    bound = 5 * np.linalg.norm(slope) / 6
    np.testing.assert_allclose(before - theta.numpy(), slope, atol=bound)


def test_the_metric_of_qnspsa_tends_to_the_metric():
    layer = QuantumLayer(2, 1, observables="ZZ")
    model = Sequential([keras.Input((2,)), layer])
    optimizer = QNSPSA(1e-12, perturbation=0.05, perturbation_decay=0.0)
    model.compile(optimizer, "mse")
    steps = 300
    model.fit(tf.data.Dataset.from_tensors((X, Y)).repeat(steps), verbose=0)
    program = layer._evolution.on_features(2)
    want = fubini_study(program, X, layer.theta.numpy()).numpy()
    # The identity counts as one estimate more.
    got = (optimizer._metric.numpy() * (steps + 1) - np.eye(4)) / steps
    np.testing.assert_allclose(got, want, atol=5 * np.linalg.norm(want) / np.sqrt(steps))


def energy_model(circuit, observable):
    model = Sequential(
        [
            keras.Input((2**circuit.n_qubits,), dtype="complex64"),
            QuantumLayer(circuit=circuit),
            ExpectationValue(observable),
        ]
    )
    start = np.eye(1, 2**circuit.n_qubits, dtype="complex64")
    return model, start


@pytest.mark.parametrize("eager", [False, True])
def test_rotosolve_finds_the_minimum_of_one_angle_in_one_step(eager):
    circuit = qs.UnifiedCircuit(1).add_gate("RY", 0, "2*a + 0.3")
    model, start = energy_model(circuit, "0.6 X0 + 0.8 Z0 + 2")
    model.compile(Rotosolve(), lambda y, energy: tf.reduce_mean(energy), run_eagerly=eager)
    model.fit(start, np.zeros((1, 1)), verbose=0)
    np.testing.assert_allclose(model.predict(start, verbose=0), [[1.0]], atol=1e-5)


def test_rotosolve_never_raises_an_energy():
    circuit = qs.circuits.ansatz.hardware_efficient(3, 2)
    model, start = energy_model(circuit, "Z0 Z1 + Z1 Z2 + 0.5 X0 + 0.5 X1 + 0.5 X2")
    model.compile(Rotosolve(), lambda y, energy: tf.reduce_mean(energy))
    data = tf.data.Dataset.from_tensors((start, np.zeros((1, 1)))).repeat(6)
    energies = [model.fit(data, verbose=0, epochs=1) and float(model(start)[0, 0]) for _ in "123"]
    assert energies[0] >= energies[1] >= energies[2] - 1e-5
    assert energies[-1] < -2


def test_rotosolve_refuses_angles_that_are_no_sinusoid():
    shared = qs.UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "a")
    controlled = qs.UnifiedCircuit(2).add_gate("H", 0).add_gate("RY", 1, "a", controls=0)
    for circuit in (shared, controlled):
        model, start = energy_model(circuit, "Z0")
        model.compile(Rotosolve(), "mse")
        with pytest.raises(ConfigurationError, match="cannot move angle 0"):
            model.fit(start, np.zeros((1, 1)), verbose=0)


@pytest.mark.slow
def test_shots_work_without_gradients():
    model = make(shots=200, seed=1)
    for optimizer in (SPSA(0.1), QNSPSA(0.1, regularization=0.5)):
        model.compile(optimizer, "mse")
        assert np.isfinite(model.fit(X, Y, batch_size=8, verbose=0).history["loss"][0])


def test_wrong_options_are_refused():
    for make_one, said in (
        (lambda: SPSA(perturbation=0), "`perturbation`.*a positive number"),
        (lambda: SPSA(directions=0), "`directions`.*an integer >= 1"),
        (lambda: SPSA(directions=np.array([1, 2])), "`directions`.*an integer >= 1"),
        (lambda: QNSPSA(regularization=0), "`regularization`.*a positive number"),
        (lambda: QNSPSA(learning_rate_decay=-1), "`learning_rate_decay`.*a number >= 0"),
        (lambda: Rotosolve(classical=None), "classical"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            make_one()
    assert SPSA(directions=np.int64(3)).directions == 3


def test_a_batch_that_is_not_finite_leaves_the_metric_of_qnspsa_as_it_was():
    model = make()
    model.compile(QNSPSA(0.1), "mse", run_eagerly=True)
    model.fit(X, Y, batch_size=8, verbose=0)
    before = model.optimizer._metric.numpy()
    model.train_on_batch(np.full_like(X, np.nan), Y)
    np.testing.assert_allclose(model.optimizer._metric.numpy(), before)
