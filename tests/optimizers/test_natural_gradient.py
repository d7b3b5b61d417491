"""QuantumNaturalGradient: its step is the formula, in every way Keras runs it."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.errors import ConfigurationError
from qstore_tf.gradients import fubini_study
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer
from qstore_tf.optimizers import QuantumNaturalGradient, natural_gradient
from qstore_tf.optimizers.solving import absolute, solve

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
Y = RNG.normal(size=(8, 1)).astype("float32")
RATE, DAMPING = 0.1, 1e-2


def make(**options):
    keras.utils.set_random_seed(0)
    layer = QuantumLayer(3, 2, **options)
    return keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(1)])


def small(**options):
    layer = QuantumLayer(1, 1, theta_initializer=keras.initializers.Constant(0.6), **options)
    return keras.Sequential([keras.Input((1,)), layer])


def gradients(model, x=X, y=Y):
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x) - y))
    return tape.gradient(loss, [w.value for w in weights])


def wanted_theta(model, metric, theta, gradient):
    natural = np.linalg.solve(metric + DAMPING * np.eye(len(theta)), gradient)
    return theta - RATE * natural


def fit_once(model, optimizer, x=X, y=Y, **options):
    model.compile(optimizer, "mse", **options)
    model.fit(x, y, batch_size=len(x), epochs=1, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("approximation", ["full", "block_diagonal", "diagonal"])
@pytest.mark.parametrize("eager", [False, True])
def test_a_step_of_fit_is_the_formula_for_angles_and_adam_for_the_rest(eager, approximation):
    model, twin = make(), make()
    layer = model.layers[0]
    program = layer._evolution.on_features(3)
    theta = layer.theta.numpy()
    metric = fubini_study(program, X, theta, approximation=approximation).numpy()
    want = wanted_theta(model, metric, theta, gradients(model)[0].numpy())
    optimizer = QuantumNaturalGradient(RATE, DAMPING, approximation=approximation)
    fit_once(model, optimizer, run_eagerly=eager)
    fit_once(twin, "adam")
    np.testing.assert_allclose(layer.theta.numpy(), want, atol=1e-5)
    np.testing.assert_allclose(model.layers[1].kernel, twin.layers[1].kernel, atol=1e-6)
    assert optimizer.fallbacks == 0 and int(optimizer.iterations.numpy()) == 1


def test_angles_of_layers_in_a_row_share_one_metric():
    keras.utils.set_random_seed(1)
    one, two = QuantumLayer(2, 1), QuantumLayer(2, 2)
    model = keras.Sequential(
        [keras.Input((4,)), AmplitudeEncoding(2), one, two, ExpectationValue("Z")]
    )
    x, y = RNG.normal(size=(5, 4)).astype("float32"), np.zeros((5, 2), "float32")
    states = AmplitudeEncoding(2)(x)
    program = compile_circuit(
        hardware_efficient(2, 1, name="a").compose(hardware_efficient(2, 2, name="b")),
        has_initial=True,
    )
    model(x)
    theta = np.concatenate([one.theta.numpy(), two.theta.numpy()])
    gradient = np.concatenate([g.numpy() for g in gradients(model, x, y)])
    metric = fubini_study(program, np.zeros((5, 0), "float32"), theta, states).numpy()
    assert np.abs(metric[:4, 4:]).max() > 0.01
    want = wanted_theta(model, metric, theta, gradient)
    fit_once(model, QuantumNaturalGradient(RATE, DAMPING), x, y)
    got = np.concatenate([one.theta.numpy(), two.theta.numpy()])
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_a_layer_used_twice_gets_the_mean_metric_of_both_uses():
    keras.utils.set_random_seed(2)
    layer = QuantumLayer(2, 1, observables="ZZ")
    first, second = keras.Input((2,)), keras.Input((2,))
    model = keras.Model([first, second], keras.layers.Subtract()([layer(first), layer(second)]))
    a, b = RNG.normal(size=(2, 4, 2)).astype("float32")
    program, theta = layer._evolution.on_features(2), layer.theta.numpy()
    metric = (fubini_study(program, a, theta) + fubini_study(program, b, theta)).numpy() / 2
    y = np.ones((4, 1), "float32")
    want = wanted_theta(model, metric, theta, gradients(model, [a, b], y)[0].numpy())
    model.compile(QuantumNaturalGradient(RATE, DAMPING), "mse")
    model.fit([a, b], y, batch_size=4, verbose=0)
    np.testing.assert_allclose(layer.theta.numpy(), want, atol=1e-5)


def test_steps_do_not_depend_on_how_angles_are_stretched():
    def after(scale):
        circuit = qs.UnifiedCircuit(2)
        circuit.add_gate("RX", 0, "x").add_gate("RY", 0, f"{scale}*a").add_gate("CX", [0, 1])
        circuit.add_gate("RX", 1, "b")
        layer = QuantumLayer(circuit=circuit, inputs=["x"], observables=["ZZ", "XI"])
        model = keras.Sequential([keras.Input((1,)), layer])
        layer.theta.assign([0.8 / scale, 0.3])
        model.compile(QuantumNaturalGradient(RATE, 0.0), "mse")
        model.fit(X[:, :1], np.zeros((8, 2), "float32"), epochs=3, batch_size=8, verbose=0)
        return model.predict(X[:, :1], verbose=0)

    np.testing.assert_allclose(after(3.0), after(1.0), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("eager", [False, True])
def test_a_metric_is_reused_for_as_many_steps_as_asked(eager, monkeypatch):
    calls = []
    real = natural_gradient.step_metric

    def counted(*arguments):
        tf.py_function(lambda: calls.append(1), [], [])
        return real(*arguments)

    monkeypatch.setattr(natural_gradient, "step_metric", counted)
    model = make()
    model.compile(QuantumNaturalGradient(RATE, reuse_steps=3), "mse", run_eagerly=eager)
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0)  # 8 steps: 0, 3 and 6 compute
    assert len(calls) == 3


@pytest.mark.slow
def test_reusing_a_metric_for_one_step_is_computing_it():
    thetas = []
    for reuse in (1, 2):
        model = make()
        fit_once(model, QuantumNaturalGradient(RATE, reuse_steps=reuse))
        thetas.append(model.layers[0].theta.numpy())
    np.testing.assert_allclose(*thetas, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"backend": "tensorflow"}, {"gradient": "parameter_shift"}, {"encoding": "basis"}]
)
def test_other_backends_gradients_and_encodings_take_the_same_step(options):
    thetas = []
    for change in ({"encoding": options.get("encoding")}, options):
        model = make(**change)
        fit_once(model, QuantumNaturalGradient(RATE), np.round(abs(X)).clip(0, 1))
        thetas.append(model.layers[0].theta.numpy())
    np.testing.assert_allclose(*thetas, atol=1e-4)


@pytest.mark.slow
def test_it_compiles_with_xla():
    thetas = []
    for backend, jit in (("tensorflow", True), ("native", False)):
        model = small(backend=backend)
        fit_once(model, QuantumNaturalGradient(RATE), X[:, :1], Y, jit_compile=jit)
        thetas.append(model.layers[0].theta.numpy())
    np.testing.assert_allclose(*thetas, atol=1e-4)


@pytest.mark.slow
def test_layers_with_shots_get_a_metric_from_counted_overlaps():
    thetas = []
    for options in ({"shots": 1000, "seed": 3}, {}):
        model = small(**options)
        fit_once(model, QuantumNaturalGradient(RATE, 0.3, approximation="diagonal"), X[:, :1], Y)
        thetas.append(model.layers[0].theta.numpy())
    np.testing.assert_allclose(*thetas, atol=0.05)


@pytest.mark.slow
def test_mixed_precision_with_loss_scaling_trains():
    model = make(dtype="mixed_float16")
    scaled = keras.optimizers.LossScaleOptimizer(QuantumNaturalGradient(RATE))
    before = model.layers[0].theta.numpy()
    fit_once(model, scaled)
    assert np.all(np.isfinite(model.layers[0].theta)) and np.any(model.layers[0].theta != before)


def test_frozen_layers_stay_and_clipping_holds_for_angles():
    keras.utils.set_random_seed(0)
    frozen = QuantumLayer(3, 1)
    frozen.trainable = False
    model = keras.Sequential([keras.Input((3,)), frozen, QuantumLayer(3, 1)])
    kept, moved = frozen.theta.numpy(), model.layers[1].theta.numpy()
    fit_once(model, QuantumNaturalGradient(1.0, clipnorm=0.01), X, np.zeros((8, 3), "float32"))
    np.testing.assert_array_equal(frozen.theta, kept)
    assert np.linalg.norm(model.layers[1].theta - moved) <= 0.0101


@pytest.mark.slow
def test_models_are_saved_with_it_and_training_goes_on(tmp_path):
    model = make()
    options = {"reuse_steps": 2, "approximation": "diagonal", "regularization": 0.1, "seed": 4}
    optimizer = QuantumNaturalGradient(0.2, classical=keras.optimizers.SGD(0.3), **options)
    model.compile(optimizer, "mse")
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.optimizer.get_config() == optimizer.get_config()
    losses = [
        m.fit(X, Y, batch_size=4, epochs=2, verbose=0, shuffle=False).history["loss"]
        for m in (model, again)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.slow
def test_failed_factorizations_are_counted_and_logged(monkeypatch, caplog):
    def indefinite(runs, weights, approximation, seed):
        return -tf.eye(weights[0].shape[0])

    monkeypatch.setattr(natural_gradient, "step_metric", indefinite)
    for eager in (False, True):
        model, optimizer = make(), QuantumNaturalGradient(RATE)
        with caplog.at_level(logging.WARNING, "qstore_tf"):
            fit_once(model, optimizer, run_eagerly=eager)
        assert optimizer.fallbacks == 1
        assert "not positive definite in 1 of 1 steps" in caplog.text
        caplog.clear()


def test_solving_falls_back_to_the_pseudoinverse_and_then_to_the_gradient():
    vector = tf.constant([1.0, 2.0, 3.0])
    good, failed = solve(tf.constant(np.diag([1.0, 2.0, 4.0]), tf.float32), vector, 1.0)
    np.testing.assert_allclose(good, [0.5, 2 / 3, 0.6])
    assert not failed
    some, failed = solve(tf.constant(np.diag([1.0, -2.0, 4.0]), tf.float32), vector, 0.0)
    np.testing.assert_allclose(some, [1.0, 0.0, 0.75])
    assert failed
    none, failed = solve(tf.constant(np.diag([1.0, np.nan, 4.0]), tf.float32), vector, 0.0)
    np.testing.assert_allclose(none, vector)
    assert failed
    flipped = absolute(tf.constant([[0.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(flipped, np.eye(2), atol=1e-6)


def test_wrong_options_are_refused():
    for options in ({"regularization": -1}, {"reuse_steps": 0}, {"seed": 1.5}):
        with pytest.raises(ConfigurationError, match=next(iter(options))):
            QuantumNaturalGradient(**options)
    with pytest.raises(ConfigurationError, match="Did you mean 'full'"):
        QuantumNaturalGradient(approximation="ful")
    with pytest.raises(ConfigurationError, match="classical='adam'"):
        QuantumNaturalGradient(classical=None)
    with pytest.raises(ConfigurationError, match="not angles"):
        QuantumNaturalGradient(classical=QuantumNaturalGradient())


def test_models_without_angles_are_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ConfigurationError, match="no trained angles"):
        fit_once(model, QuantumNaturalGradient())


def test_a_gradient_from_elsewhere_is_refused_and_says_what_to_do():
    model, optimizer = make(), QuantumNaturalGradient()
    inner = tf.function(lambda: gradients(model))
    grads = inner()
    with pytest.raises(ConfigurationError, match="in one tf.function"):
        optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))


def test_training_loops_of_ones_own_work_traced_and_eager():
    thetas = []
    for wrap in (tf.function, lambda f: f):
        model, optimizer = make(), QuantumNaturalGradient(RATE)
        optimizer.build(model.trainable_variables)

        @wrap
        def step(model=model, optimizer=optimizer):
            grads = gradients(model)
            optimizer.apply_gradients(zip(grads, model.trainable_variables, strict=True))

        for _ in range(2):
            step()
        thetas.append(model.layers[0].theta.numpy())
    np.testing.assert_allclose(*thetas, atol=1e-5)


@pytest.mark.slow
def test_under_tf_keras_it_says_that_it_needs_keras_3():
    code = (
        "import qstore_tf as qs\n"
        "for make in (qs.optimizers.QuantumNaturalGradient, qs.optimizers.SPSA):\n"
        "    try: make()\n"
        "    except qs.errors.ConfigurationError as error: print(error)\n"
    )
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout.count("is an optimizer of Keras 3") == 2, done.stderr[-2000:]
