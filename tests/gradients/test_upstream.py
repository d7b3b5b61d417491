"""Whatever form the gradient behind a layer comes back in, the layer's own is the same."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf
from qstore_tf import backends
from qstore_tf.backends.registry import SERVICES
from qstore_tf.execution import build_expectation, build_state
from qstore_tf.gradients import METHODS
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer
from qstore_tf.testing import random_circuits as rc
from qstore_tf.testing.daily import daily_seed

BACKENDS = sorted(set(backends.available()) - {"local_cpu", *SERVICES})
ROWS = [2, 0, 2]
SEED = [4, 0]


def picked_sparse(values):
    return tf.gather(values, ROWS)


def picked_dense(values):
    return tf.matmul(tf.one_hot(ROWS, 3, dtype=values.dtype), values)


def gradients_of(function, tensors, pick, second, weights):
    """Gradients of a contraction of the picked rows; of picked rows of gradients where `second`."""
    with tf.GradientTape() as outer:
        outer.watch(tensors)
        with tf.GradientTape() as inner:
            inner.watch(tensors)
            values = function(*tensors)
            loss = tf.math.real(tf.reduce_sum(pick(values) * weights))
        if not second:
            return inner.gradient(loss, tensors)
        by_inputs = inner.gradient(loss, tensors)[0]
        again = tf.reduce_sum(tf.square(pick(by_inputs)))
    return outer.gradient(again, tensors)


def check(function, tensors, width, dtype, second):
    weights = tf.cast(np.random.default_rng(0).normal(size=(3, width)), dtype)
    dense = gradients_of(function, tensors, picked_dense, second, weights)
    traced = tf.function(lambda *t: gradients_of(function, t, picked_sparse, second, weights))
    sparse = gradients_of(function, tensors, picked_sparse, second, weights)
    for found in (sparse, traced(*tensors)):
        for one, other in zip(found, dense, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-5)


def circuit_and_values():
    seed = daily_seed()
    program = rc.random_program(seed, 2, 4, 1, 2)
    inputs, theta, _ = rc.random_values(seed, program, 3)
    tensors = [tf.constant(inputs, tf.float32), tf.constant(theta, tf.float32)]
    return program, rc.random_observables(seed, 2, 2), tensors


@pytest.fixture(params=BACKENDS)
def name(request):
    reason = backends.available()[request.param]
    if reason is not None:
        if request.param in os.environ.get("QSTORE_REQUIRE_BACKENDS", "").split(","):
            pytest.fail(f"backend {request.param!r} is required and not there: {reason}")
        pytest.skip(reason)
    return request.param


def expectation(program, observables, name, method, shots=None):
    options = {"step": 0.3} if method == "finite_difference" else {}
    found = build_expectation(program, observables, name, METHODS[method](**options), shots)
    return lambda *tensors: found(*tensors, seed=SEED)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_sparse_gradients_on_every_backend(name, method):
    if method == "adjoint" and not backends.get(name).capabilities.adjoint:
        return  # refused at construction
    program, observables, tensors = circuit_and_values()
    function = expectation(program, observables, name, method)
    check(function, tensors, 2, tf.float32, second=False)
    # Second derivatives by the adjoint method are the backend's own, others the method's.
    own = method == "adjoint" and name != "tfq"
    if own or (name == "native" and method in ("parameter_shift", "hadamard_test")):
        check(function, tensors, 2, tf.float32, second=True)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "adjoint"])
def test_every_method_takes_sparse_gradients_with_shots(method):
    program, observables, tensors = circuit_and_values()
    name = ["lightning", "native", "qsim", "qulacs", "tensorflow"][daily_seed() % 5]
    if backends.available()[name] is not None:
        name = "tensorflow"
    function = expectation(program, observables, name, method, shots=20)
    check(function, tensors, 2, tf.float32, second=False)


@pytest.mark.slow
def test_states_take_sparse_gradients(name):
    if name == "tfq" or not backends.get(name).capabilities.adjoint:
        return  # refused
    program, _, tensors = circuit_and_values()
    for second in (False, True):
        check(build_state(program, name), tensors, 4, tf.complex64, second)


def test_rows_of_layers_and_pieces_of_a_batch_take_sparse_gradients():
    x = np.linspace(0, 1, 8).reshape(4, 2).astype("float32")
    guarded = backends.get("tensorflow", max_rows=3)
    for options in ({"backend": guarded}, {"shots": 20, "seed": 1}, {"gradient": "spsa"}):
        inputs = keras.Input((2,))
        state = QuantumLayer(2)(AmplitudeEncoding(2)(keras.layers.Dense(4)(inputs)))
        values = ExpectationValue("Z", **options)(state)
        model = keras.Model(inputs, keras.ops.take(values, [1, 1], axis=0))
        model.compile("sgd", loss=lambda _, y: tf.reduce_sum(y))
        before = [weight.numpy() for weight in model.trainable_weights]
        model.train_on_batch(x, x)
        after = [weight.numpy() for weight in model.trainable_weights]
        kernel, _, theta = zip(before, after, strict=True)
        assert (kernel[0] != kernel[1]).any() and (theta[0] != theta[1]).any()


def test_what_has_a_gradient_of_its_own_is_made_in_one_place():
    package = Path(qstore_tf.__file__).parent
    for path in package.rglob("*.py"):
        if path != package / "ops" / "own_gradient.py":
            text = path.read_text(encoding="utf-8")
            assert "custom_gradient" not in text and "RegisterGradient" not in text, path
