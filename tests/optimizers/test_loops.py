"""Circuits in TensorFlow loops: refused with what to do, which works, by whoever needs a metric."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.errors import ConfigurationError
from qstore_tf.gradients import fubini_study
from qstore_tf.layers import QuantumLayer, recording
from qstore_tf.optimizers import QNSPSA, SPSA, QuantumNaturalGradient, Rotosolve, Sequential
from qstore_tf.testing.daily import daily_seed

RNG = np.random.default_rng([daily_seed(), 6])
X = RNG.normal(size=(4, 3, 2)).astype("float32")
Y = RNG.normal(size=(4, 2)).astype("float32")


def circuit(**options):
    return QuantumLayer(2, 1, observables=["ZI", "IZ"], **options)


class Cell(keras.layers.Layer):
    def __init__(self, **options):
        super().__init__()
        self.circuit = circuit(**options)
        self.state_size = self.output_size = 2

    def build(self, shape):
        self.circuit.build(shape)

    def call(self, x, states):
        new = self.circuit(x + states[0])
        return new, [new]


class Mapped(keras.layers.Layer):
    """The mean over the steps of what the circuit makes of each, by a loop of its own."""

    def __init__(self, loop):
        super().__init__()
        self.circuit, self.loop = circuit(), loop

    def build(self, shape):
        self.circuit.build((None, shape[-1]))

    def call(self, x):
        return tf.reduce_mean(self.loop(self.circuit, x), axis=1)


def by_while(layer, x):
    def body(k, found):
        return k + 1, found.write(k, layer(x[:, k]))

    _, found = tf.while_loop(lambda k, _: k < 3, body, (0, tf.TensorArray(tf.float32, 3)))
    return tf.transpose(found.stack(), [1, 0, 2])


def by_reshaping(layer, x):
    return tf.reshape(layer(tf.reshape(x, [-1, 2])), [-1, 3, 2])


LOOPS = {
    "rnn": lambda: keras.layers.RNN(Cell()),
    "map_fn": lambda: Mapped(lambda layer, x: tf.map_fn(layer, x)),
    "vectorized_map": lambda: Mapped(lambda layer, x: tf.vectorized_map(layer, x)),
    "while_loop": lambda: Mapped(by_while),
    "cond": lambda: Mapped(
        lambda layer, x: tf.cond(x[0, 0, 0] > -9, lambda: by_reshaping(layer, x), lambda: x)
    ),
    "function": lambda: Mapped(lambda layer, x: tf.function(by_reshaping)(layer, x)),
    "beside one that is not": lambda: Mapped(
        lambda layer, x: layer(x[:, 0])[:, None] + tf.map_fn(layer, x)
    ),
}


def trained(layers, optimizer, **options):
    keras.utils.set_random_seed(daily_seed())
    model = Sequential([keras.Input((3, 2)), *[make() for make in layers]])
    model.compile(optimizer, "mse", **options)
    model.fit(X, Y, batch_size=2, shuffle=False, verbose=0)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_a_circuit_in_a_loop_is_refused_with_what_to_do(loop):
    for optimizer in (QuantumNaturalGradient(), QNSPSA(), Rotosolve()):
        with pytest.raises(ConfigurationError, match=r"cannot follow .*theta.*unroll=True"):
            trained([LOOPS[loop]], optimizer)


def unrolled(**options):
    return lambda: keras.layers.RNN(Cell(**options), unroll=True)


def test_an_unrolled_cell_takes_the_step_of_the_formula():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3, 2)), unrolled()()])
    layer = model.layers[0].cell.circuit
    theta, state, metric = layer.theta.numpy(), np.zeros((4, 2), "float32"), 0.0
    for step in range(3):
        given = X[:, step] + state
        metric += fubini_study(layer._evolution.on_features(2), given, theta).numpy() / 3
        state = layer(given).numpy()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(X) - Y))
    gradient = tape.gradient(loss, layer.theta.value).numpy()
    model.compile(QuantumNaturalGradient(0.1, 0.02), "mse")
    model.fit(X, Y, batch_size=4, verbose=0)
    want = theta - 0.1 * np.linalg.solve(metric + 0.02 * np.eye(len(theta)), gradient)
    np.testing.assert_allclose(layer.theta.numpy(), want, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("make", [QuantumNaturalGradient, QNSPSA])
def test_what_the_error_advises_works_and_takes_the_same_steps(make):
    by_rows = [lambda: Mapped(by_reshaping)]
    distributed = [
        lambda: keras.layers.TimeDistributed(circuit()),
        keras.layers.GlobalAveragePooling1D,
    ]
    rows = [(by_rows, {}), (distributed, {}), ([LOOPS["map_fn"]], {"run_eagerly": True})]
    cells = [
        ([unrolled()], {}),
        ([unrolled(backend="tensorflow")], {"jit_compile": True, "steps_per_execution": 2}),
    ]
    if make is QuantumNaturalGradient:  # of QNSPSA see below
        cells.append(([LOOPS["rnn"]], {"run_eagerly": True}))
    for same in (rows, cells):
        weights = [trained(layers, make(), **options).get_weights()[0] for layers, options in same]
        for other in weights[1:]:
            np.testing.assert_allclose(other, weights[0], atol=1e-4)


def test_qnspsa_counts_the_first_step_of_an_eager_rnn_twice():
    # `keras.layers.RNN` calls its cell once more, on the first step, to learn the output's shape.
    ran = []

    class Noting(QNSPSA):
        def _updated_metric(self, seen, *given):
            ran.append([run.values.inputs.numpy() for run in seen])
            return super()._updated_metric(seen, *given)

    trained([LOOPS["rnn"]], Noting(), run_eagerly=True)
    for first, again, second, third in ran:
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, second) and not np.array_equal(second, third)


def test_steps_that_are_unknown_are_refused_or_right():
    inputs = keras.Input((None, 2))
    values = keras.layers.TimeDistributed(circuit())(inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(values))
    model.compile(QuantumNaturalGradient(), "mse")
    model.fit(X, Y, verbose=0)


def test_spsa_needs_no_metric_and_trains_in_loops():
    weights = [
        trained([layer], SPSA(0.1, seed=2)).get_weights()[0] for layer in (LOOPS["rnn"], unrolled())
    ]
    np.testing.assert_allclose(*weights, atol=1e-4)


def test_more_runs_than_are_remembered_are_an_error_and_not_another_metric(monkeypatch):
    monkeypatch.setattr(recording, "_MOST_NOTES", 2)
    for eager in (False, True):
        with pytest.raises(ConfigurationError, match="at most 2 calls"):
            trained([unrolled()], QuantumNaturalGradient(), run_eagerly=eager)


def test_gradients_that_nobody_asked_about_are_forgotten_without_a_word(monkeypatch):
    monkeypatch.setattr(recording, "_MOST_NOTES", 2)
    model = keras.Sequential([keras.Input((2,)), circuit()])
    model.compile(QuantumNaturalGradient(), "mse")
    for _ in range(4):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(X[:, 0]))
        tape.gradient(loss, model.trainable_variables)

    @tf.function
    def many():
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_sum(model(X[:, k % 3])) for k in range(4)])
        return tape.gradient(loss, model.trainable_variables)

    many()
    model.fit(X[:, 0], Y, verbose=0)
