"""Which runs are recorded and noted, and for whom."""

import copy
import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.layers import ExpectationValue, QuantumLayer, recording
from qstore_tf.optimizers import QuantumNaturalGradient

X = np.ones((4, 2), "float32")


def test_forward_passes_are_recorded_only_inside_record_runs():
    layer = QuantumLayer(2)
    with recording.recording_runs() as seen:
        layer(X)
    layer(X)
    (run,) = seen
    assert run.values.weights == (layer.theta,) and run.program.n_theta == 4
    assert run.values.inputs.shape == (4, 2) and run.values.initial is None


@pytest.fixture
def noting():
    return recording.request_notes()


def test_only_runs_that_get_a_gradient_are_noted_once(noting):
    layer, other = QuantumLayer(2), QuantumLayer(2)
    for each in (layer, other):
        each(X)
    with tf.GradientTape() as tape:
        used = tf.reduce_sum(layer(X))
        layer(X)
        other(X)
    tape.gradient(used, [layer.theta.value, other.theta.value])
    assert len(recording.pop_noted_runs([layer.theta, other.theta])) == 1
    assert recording.pop_noted_runs([layer.theta]) == []


def test_fused_layers_give_one_run_of_all_their_weights(noting):
    one, two = QuantumLayer(2), QuantumLayer(2)
    state = tf.complex([[1.0, 0, 0, 0]], 0.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ExpectationValue("Z")(two(one(state))))
    tape.gradient(loss, [one.theta.value, two.theta.value])
    (run,) = recording.pop_noted_runs([one.theta])
    assert run.values.weights == (one.theta, two.theta)


def test_states_between_layers_are_no_runs_of_their_own():
    state = tf.complex([[1.0, 0, 0, 0]], 0.0)
    layer, measure = QuantumLayer(2), ExpectationValue("Z")
    with recording.recording_runs() as seen:
        measure(layer(state))
    assert len(seen) == 1
    with recording.recording_runs() as seen:  # what stands in between breaks the circuit in two
        measure(layer(layer(state) * 1.0))
    assert [run.program.n_theta for run in seen] == [4, 4]


def test_weights_of_circuits_are_told_from_others():
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2), keras.layers.Dense(1)])
    assert [recording.holds_angles(w) for w in model.trainable_variables] == [True, False, False]


def test_noted_models_are_exported_and_differentiated(noting, tmp_path):
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2)])
    tf.saved_model.save(model, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    x = tf.constant(X)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        want, got = model(x), loaded.signatures["serving_default"](x)["output_0"]
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(got, x), tape.gradient(want, x), atol=1e-5)


def is_noted(layer):
    """Whether the run of a gradient by the angles of a layer is noted."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(X))
    tape.gradient(loss, layer.theta.value)
    return bool(recording.pop_noted_runs([layer.theta]))


@pytest.mark.slow
def test_runs_are_noted_for_the_weights_of_optimizers_that_exist():
    gc.collect()
    layer, other = QuantumLayer(2), QuantumLayer(2)
    for each in (layer, other):
        each(X)
    assert not is_noted(layer)
    optimizer = QuantumNaturalGradient()
    assert is_noted(layer) and is_noted(other)
    optimizer.build([layer.theta])
    assert is_noted(layer) and not is_noted(other)
    again = QuantumNaturalGradient.from_config(optimizer.get_config())
    again.build([layer.theta, other.theta])
    assert is_noted(layer) and is_noted(other)
    del optimizer, again
    gc.collect()
    assert not is_noted(layer)
    copied = copy.deepcopy(recording.request_notes())
    assert is_noted(layer)
    del copied
    assert not is_noted(layer)


def eager_batches_alive(model, steps=5):
    alive = []
    for _ in range(steps):
        x = tf.constant(X)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)
        alive.append(weakref.ref(x))
        del x, tape, loss, gradients
    gc.collect()
    return sum(x() is not None for x in alive)


@pytest.mark.slow
def test_eager_training_with_another_optimizer_keeps_no_batches():
    gc.collect()
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2)])
    model.compile(QuantumNaturalGradient(), "mse", run_eagerly=True)
    model.fit(X, np.zeros((4, 2)), verbose=0)
    model.compile("sgd", "mse", run_eagerly=True)
    gc.collect()
    assert eager_batches_alive(model) == 0


@pytest.mark.slow
def test_eager_training_of_another_model_keeps_no_batches():
    models = [keras.Sequential([keras.Input((2,)), QuantumLayer(2)]) for _ in range(2)]
    models[0].compile(QuantumNaturalGradient(), "mse")
    models[0].fit(X, np.zeros((4, 2)), verbose=0)
    models[1].compile("sgd", "mse", run_eagerly=True)
    gc.collect()
    assert eager_batches_alive(models[1]) == 0
