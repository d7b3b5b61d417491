"""What is seen of a model on a few rows: exact, and without a trace in the model."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.callbacks.probe import Probe, can_look, quantum_layers
from qstore_tf.callbacks.statistics import single_qubit_purities
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer, StateVector
from qstore_tf.layers.inspection import pop_noted_runs

sys.path.insert(0, str(Path(__file__).parent))
from event_files import X, Y, small_model


def look(model: keras.Model, data: object) -> list:
    return Probe(model, quantum_layers(model))(data)


def test_the_gradient_of_the_loss_is_keras_own() -> None:
    model = small_model()
    theta = model.get_layer("circuit").theta
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=X[:8], y=Y[:8], y_pred=model(X[:8]))
    expected = tape.gradient(loss, theta.value)
    found = look(model, (X[:8], Y[:8]))[0]
    np.testing.assert_allclose(found.loss_gradient, expected, atol=1e-6)
    np.testing.assert_array_equal(found.theta, theta)


@pytest.mark.slow
def test_the_gradient_of_the_expectation_values_has_their_mean_square() -> None:
    model = small_model()
    layer = model.get_layer("circuit")
    with tf.GradientTape() as tape:
        values = layer(X[:2])
    jacobian = tape.jacobian(values, layer.theta.value).numpy()
    probe = Probe(model, [layer])
    drawn = [probe((X[:2], Y[:2]))[0].observable_gradient ** 2 for _ in range(80)]
    np.testing.assert_allclose(np.mean(drawn), np.mean(jacobian**2), rtol=0.35)


def test_expectation_values_and_purities_are_those_of_the_layer() -> None:
    model = small_model()
    layer = model.get_layer("circuit")
    found = look(model, X[:8])[0]
    np.testing.assert_allclose(found.measurement.expectations, layer(X[:8]), atol=1e-6)
    state = keras.Sequential([AmplitudeEncoding(2), QuantumLayer(2, depth=2), StateVector()])
    state(X[:8])
    state.layers[1].theta.assign(layer.theta)
    np.testing.assert_allclose(found.purities, single_qubit_purities(state(X[:8])), atol=1e-5)
    assert found.loss_gradient is None  # no labels, no loss


def test_layers_in_a_row_are_told_apart() -> None:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            AmplitudeEncoding(2),
            QuantumLayer(2, name="first"),
            QuantumLayer(2, depth=2, name="second"),
            ExpectationValue("Z"),
        ]
    )
    model.compile("sgd", "mse")
    first, second = look(model, (X[:4], Y[:4]))
    assert first.measurement is None
    assert second.measurement is not None
    assert first.loss_gradient.shape == first.observable_gradient.shape == (4,)
    assert second.loss_gradient.shape == (8,)
    assert np.any(first.loss_gradient) and np.any(second.loss_gradient)


@pytest.mark.slow
def test_nothing_in_the_model_changes() -> None:
    layer = QuantumLayer(2, shots=20, seed=3, name="circuit")
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(2), keras.layers.BatchNormalization(), layer]
    )
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    held = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    before = [np.array(v.numpy()) for v in held]
    found = look(model, (X[:8], Y[:8]))[0]
    for variable, value in zip(held, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    assert found.purities is None  # shots show no state
    assert np.any(found.loss_gradient)


def test_weights_and_regularizers_count_as_in_training() -> None:
    model = small_model(theta_regularizer="l2")
    half = np.linspace(0, 1, 8, dtype="float32")
    found = [look(model, data)[0].loss_gradient for data in ((X[:8], Y[:8]), (X[:8], Y[:8], half))]
    theta = model.get_layer("circuit").theta
    with tf.GradientTape() as tape:
        predicted = model(X[:8])
        loss = model.compute_loss(x=X[:8], y=Y[:8], y_pred=predicted, sample_weight=half)
    np.testing.assert_allclose(found[1], tape.gradient(loss, theta.value), atol=1e-6)
    assert np.any(np.abs(found[0] - found[1]) > 1e-6)


def test_a_model_within_a_model_is_looked_into() -> None:
    inner = small_model()
    inputs = [keras.Input((4,)), keras.Input((4,))]
    model = keras.Model(inputs, keras.layers.Add()([inner(part) for part in inputs]))
    model.compile("sgd", "mse")
    assert quantum_layers(model) == [inner.get_layer("circuit")]
    found = look(model, ((X[:8], X[8:16]), Y[:8]))
    assert np.any(found[0].loss_gradient)


def test_natural_gradients_do_not_see_the_look() -> None:
    model = small_model()
    model.compile(qs.optimizers.QuantumNaturalGradient(0.1), "mse", run_eagerly=True)
    look(model, (X[:8], Y[:8]))
    assert pop_noted_runs([model.get_layer("circuit").theta]) == []


class NoStates(qs.backends.get("tensorflow").__class__):
    """A backend like hardware: numbers, but no states to read."""

    name = "no_states"
    capabilities = qs.backends.base.Capabilities(state_vector=False, exact=True, adjoint=False)


def test_nothing_is_run_where_runs_may_be_paid_for() -> None:
    assert can_look([QuantumLayer(2)])
    assert not can_look([QuantumLayer(2), QuantumLayer(2, backend=NoStates())])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_passed_on(value: float) -> None:
    data = X[:4].copy()
    data[0, 0] = value
    assert not np.isfinite(look(small_model(), data)[0].measurement.expectations.numpy()).all()
