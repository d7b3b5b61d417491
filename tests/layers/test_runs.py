"""Which runs are noted, and for whom."""

import numpy as np
import tensorflow as tf
from tensorflow import keras

from qstore_tf.layers import ExpectationValue, QuantumLayer, runs

X = np.ones((4, 2), "float32")


def test_forward_passes_are_recorded_only_inside_record():
    layer = QuantumLayer(2)
    with runs.record() as seen:
        layer(X)
    layer(X)
    (run,) = seen
    assert run.sources == (layer.theta,) and run.program.n_theta == 4
    assert run.inputs.shape == (4, 2) and run.initial is None


def test_only_runs_that_get_a_gradient_are_noted_once():
    runs.listen()
    layer, other = QuantumLayer(2), QuantumLayer(2)
    for each in (layer, other):
        each(X)
    with tf.GradientTape() as tape:
        used = tf.reduce_sum(layer(X))
        layer(X)
        other(X)
    tape.gradient(used, [layer.theta.value, other.theta.value])
    assert len(runs.take([layer.theta, other.theta])) == 1
    assert runs.take([layer.theta]) == []


def test_fused_layers_give_one_run_of_all_their_weights():
    runs.listen()
    one, two = QuantumLayer(2), QuantumLayer(2)
    state = tf.complex([[1.0, 0, 0, 0]], 0.0)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(ExpectationValue("Z")(two(one(state))))
    tape.gradient(loss, [one.theta.value, two.theta.value])
    (run,) = runs.take([one.theta])
    assert run.sources == (one.theta, two.theta)


def test_states_between_layers_are_no_runs_of_their_own():
    state = tf.complex([[1.0, 0, 0, 0]], 0.0)
    layer, measure = QuantumLayer(2), ExpectationValue("Z")
    with runs.record() as seen:
        measure(layer(state))
    assert len(seen) == 1
    with runs.record() as seen:  # what stands in between breaks the circuit in two
        measure(layer(layer(state) * 1.0))
    assert [run.program.n_theta for run in seen] == [4, 4]


def test_weights_of_circuits_are_told_from_others():
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2), keras.layers.Dense(1)])
    assert [runs.is_angles(w) for w in model.trainable_variables] == [True, False, False]


def test_noted_models_are_exported_and_differentiated(tmp_path):
    runs.listen()
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2)])
    tf.saved_model.save(model, str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    x = tf.constant(X)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        want, got = model(x), loaded.signatures["serving_default"](x)["output_0"]
    np.testing.assert_allclose(got, want, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(got, x), tape.gradient(want, x), atol=1e-5)
