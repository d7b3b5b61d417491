"""The adaptive method changes when it should, once, says so, and is right before and after."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.backends import TensorFlow
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.gradients import SPSA, Adaptive, Adjoint, ParameterShift
from qstore_tf.gradients.adaptive import _Progress, signal_to_noise
from qstore_tf.testing.counting import Counting
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.gradient_agreement import gradients_of

OBSERVABLES = parse_observables("Z", 1)
INPUTS = np.array([[0.2], [0.5]])


def program(n_theta=3):
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "x")
    for k in range(n_theta):
        circuit.add_gate("RY" if k % 2 else "RZ", 0, f"a{k}").add_gate("H", 0)
    return compile_circuit(circuit, inputs=["x"])


THETA = np.array([0.3, -0.4, 0.9])


def gradients_at(function, step, theta=THETA):
    return gradients_of(lambda x, t: function(x, t, seed=[5, step]), [INPUTS, theta])


def test_the_ratio_has_the_documented_value():
    rng = np.random.default_rng(0)
    truth, noise = np.array([1.0, -2.0, 0.5]), np.array([1.0, 2.0, 0.5])
    want = (truth**2).sum() / (noise**2).sum()
    windows = truth + noise * rng.normal(size=(4000, 10, 3))
    signal = np.mean([(w.mean(0) ** 2).sum() - w.var(0, ddof=1).sum() / 10 for w in windows])
    np.testing.assert_allclose(signal, (truth**2).sum(), rtol=0.05)
    assert abs(np.median([signal_to_noise(w) for w in windows]) / want - 1) < 0.2
    pure = noise * rng.normal(size=(500, 10, 3))
    assert np.median([signal_to_noise(w) for w in pure]) < 0.02
    assert signal_to_noise(np.ones((4, 2))) == float("inf")
    assert signal_to_noise(np.zeros((4, 2))) == 0.0


def test_it_changes_after_the_window_in_which_the_ratio_falls_below(caplog):
    backend = Counting()
    method = Adaptive(SPSA(inputs=False), ParameterShift(), threshold=1e9, window=4)
    function = method.expectation(backend, program(), OBSERVABLES)
    exact = gradients_at(Adjoint().expectation(TensorFlow(), program(), OBSERVABLES), 0)
    with caplog.at_level(logging.INFO, "qstore_tf"):
        for step in range(7):
            assert method.is_precise == (step >= 4)
            found = gradients_at(function, step)
            if step >= 4:
                for one, other in zip(found, exact, strict=True):
                    np.testing.assert_allclose(one, other, atol=1e-12)
    assert backend.calls == [2, 4] * 4 + [2, 2 * 2 * 4] * 3
    (record,) = caplog.records
    assert record.name == "qstore_tf"
    said = record.getMessage()
    assert "from SPSA(" in said and "to ParameterShift(inputs=True) after 4 estimates" in said
    method.reset()
    assert not method.is_precise
    backend.calls.clear()
    gradients_at(function, 8)
    assert backend.calls == [2, 4]


def test_it_stays_cheap_while_there_is_a_signal():
    method = Adaptive("parameter_shift", "adjoint", threshold=10.0, window=3)
    function = method.expectation(TensorFlow(), program(), OBSERVABLES)
    for step in range(6):
        gradients_at(function, step)
    assert not method.is_precise
    # Gradients that point now here, now there, are noise.
    for step in range(3):
        gradients_at(function, step, THETA + 2.0 * step)
    assert method.is_precise


def test_the_change_comes_as_training_comes_to_its_end(caplog):
    """Far from the minimum SPSA on shots has a signal; at the minimum it has none."""
    circuit = UnifiedCircuit(2).add_gate("RY", 0, "a").add_gate("RY", 1, "b")
    two = compile_circuit(circuit)
    method = Adaptive(SPSA(directions=4, step=0.2), threshold=0.1, window=10)
    shots = Sampled(TensorFlow(), 200)
    function = method.expectation(shots, two, parse_observables(["ZI", "IZ"], 2))
    theta, none = tf.Variable([1.2, 0.9]), tf.zeros([1, 0])

    @tf.function
    def step(seed):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(function(none, theta, seed=seed))
        theta.assign_sub(0.05 * tape.gradient(loss, theta))
        return loss

    precise, losses = [], []
    with caplog.at_level(logging.WARNING, "qstore_tf"):
        for k in range(150):
            losses.append(float(step(tf.constant([0, k], tf.int64))))
            precise.append(method.is_precise)
    first = precise.index(True)
    assert 15 < first < 120
    assert losses[first] < -1.8 < 0.5 < losses[0]
    assert len(caplog.records) == 1


def test_each_program_changes_by_itself():
    method = Adaptive(threshold=1e9, window=2)
    one, other = (method.expectation(TensorFlow(), program(), OBSERVABLES) for _ in range(2))
    assert not method.is_precise
    for step in range(2):
        gradients_at(one, step)
    assert method.is_precise  # the other has not been used
    gradients_at(other, 0)
    assert not method.is_precise
    for step in range(2):
        gradients_at(other, step)
    assert method.is_precise


def test_estimates_that_are_not_finite_do_not_count():
    method = Adaptive(threshold=1e9, window=2)
    function = method.expectation(TensorFlow(), program(), OBSERVABLES)
    for step in range(4):
        gradients_at(function, step, np.array([np.nan, 0.0, 0.0]))
    assert not method.is_precise


def test_without_theta_it_is_precise_at_once():
    backend = Counting()
    method = Adaptive()
    gradients_at(method.expectation(backend, program(0), OBSERVABLES), 0, np.zeros(0))
    assert backend.calls == [2, 2 * 2]


class Measured(keras.layers.Layer):
    """A circuit as the smallest of layers."""

    def __init__(self, method):
        super().__init__()
        self.function = method.expectation(TensorFlow(), program(), OBSERVABLES)

    def build(self, shape):
        self.theta = self.add_weight(shape=(3,), initializer="ones")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, dtype="int64")

    def call(self, inputs):
        self.calls.assign_add(1)
        seed = tf.stack([tf.constant(0, tf.int64), tf.convert_to_tensor(self.calls)])
        return self.function(inputs, tf.convert_to_tensor(self.theta), seed=seed)


@pytest.mark.parametrize("eager", [False, True])
def test_it_changes_within_fit(eager, caplog):
    method = Adaptive(threshold=1e9, window=3)
    model = keras.Sequential([keras.Input((1,)), Measured(method)])
    model.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=eager)
    x, y = np.zeros((16, 1), np.float32), np.ones((16, 1), np.float32)
    with caplog.at_level(logging.WARNING, "qstore_tf"):
        model.fit(x, y, batch_size=8, epochs=1, verbose=0)
        assert not method.is_precise
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert method.is_precise
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("n_theta", "directions"), [(2, 1), (24, 1), (100, 1), (150, 3), (60, 40)])
def test_random_directions_alone_are_no_reason_to_change_and_a_lost_signal_is(n_theta, directions):
    rng = np.random.default_rng([daily_seed(), n_theta])
    gradient = rng.normal(size=n_theta)
    owner = Adaptive(SPSA(directions))
    steady, lost = _Progress(owner, n_theta), _Progress(owner, n_theta)
    assert 20 <= steady.window <= max(20, 10 * n_theta**0.5 + 1)
    for _ in range(2 * steady.window + 60):
        signs = rng.choice([-1.0, 1.0], size=(directions, n_theta))
        steady.record(np.mean((signs @ gradient)[:, None] * signs, axis=0))
    for _ in range(30 * lost.window):  # about half of the windows show it
        lost.record(rng.normal(size=n_theta))
    assert not steady.precise and lost.precise
