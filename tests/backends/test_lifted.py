"""Simulators in NumPy get whole batches of tensors: one call, rows in order, static shapes."""

import os
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Backend, Capabilities, lifted, registry
from qstore_tf.backends.arrays import ArrayBackend, rows
from qstore_tf.backends.base import Batch
from qstore_tf.circuits import compile_circuit, parse_observables, reference
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import BackendError, CircuitError, ConfigurationError, MemoryLimitError
from qstore_tf.layers import QuantumLayer


def inputs(rows, columns=1):
    return tf.reshape(tf.range(rows * columns, dtype=tf.float32), [rows, columns])


THETA = tf.constant([10.0])


@tf.autograph.experimental.do_not_convert
def run_rows(function, x, theta, initial, dtype, width, *, threads=1, what="circuit", seed=None):
    """Runs `function(inputs, theta, initial, [seed])` on each row, as the backends do."""

    def whole(batch, key):
        out = np.empty((len(batch.inputs), width), dtype.as_numpy_dtype)

        def row(k):
            options = {} if key is None else {"seed": rows.row_seed(key, k)}
            start = None if batch.initial is None else batch.initial[k]
            out[k] = function(batch.inputs[k], batch.theta, start, **options)

        each = rows.finite_only(row, out, batch)
        rows.for_each(each, len(batch.inputs), threads, what)
        return out

    x, theta = tf.convert_to_tensor(x), tf.convert_to_tensor(theta)
    n_qubits = 1 if initial is None else initial.shape[1].bit_length() - 1
    program = Program(n_qubits, x.shape[1], theta.shape[0], initial is not None, ())
    return lifted.run(Batch(program, x, theta, initial), whole, (dtype, width), seed)


@pytest.mark.parametrize("threads", [1, 3, 8, 100])
@pytest.mark.parametrize("rows", [0, 1, 7])
def test_rows_stay_in_order_whatever_finishes_first(threads, rows):
    def function(x, theta, initial):
        assert initial is None
        time.sleep(0.01 if x[0] == 0 else 0)
        return [x[0], theta[0]]

    out = run_rows(function, inputs(rows), THETA, None, tf.float32, 2, threads=threads)
    np.testing.assert_array_equal(out, [[k, 10] for k in range(rows)] or np.zeros((0, 2)))


def test_the_calling_thread_and_others_share_the_rows():
    seen = set()
    barrier = threading.Barrier(3, timeout=20)

    def function(x, theta, initial):
        barrier.wait()
        seen.add(threading.get_ident())
        return x

    run_rows(function, inputs(3), THETA, None, tf.float32, 1, threads=3)
    assert len(seen) == 3 and threading.get_ident() in seen


def test_a_traced_batch_of_unknown_size_keeps_its_static_width():
    states = tf.complex(inputs(5, 4), 0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 1]), tf.TensorSpec([None, 4], tf.complex64)])
    def run(x, states):
        out = run_rows(lambda x, t, s: s * t, x, THETA, states, tf.complex64, 4)
        assert out.shape.as_list() == [None, 4]
        return out

    np.testing.assert_array_equal(run(inputs(5), states), 10 * states.numpy())


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("too hot"), BackendError),
        (CircuitError("too hot"), CircuitError),
        (MemoryError("too hot"), MemoryLimitError),
    ],
)
@pytest.mark.parametrize("threads", [1, 4])
def test_a_failure_names_the_lowest_row(raised, expected, threads):
    def function(x, theta, initial):
        if x[0] in (2, 6):
            raise raised
        return x

    arguments = (function, inputs(8), THETA, None, tf.float32, 1)
    words = "hot circuit in row 2 of a batch of 8 failed .too hot"
    with pytest.raises(expected, match=words):
        run_rows(*arguments, threads=threads, what="hot circuit")
    traced = tf.function(lambda: run_rows(*arguments, threads=threads, what="hot circuit"))
    with pytest.raises(tf.errors.OpError, match=words):
        traced()


def test_seeds_differ_by_row_and_repeat():
    def draws(first, threads):
        def function(x, theta, initial, seed):
            assert 0 <= seed < 2**31
            return [seed]

        seed = tf.constant([first, -1], tf.int64)
        return run_rows(
            function, inputs(50), THETA, None, tf.int64, 1, seed=seed, threads=threads
        ).numpy()

    once = draws(5, threads=1)
    assert len(np.unique(once)) == 50
    np.testing.assert_array_equal(once, draws(5, threads=4))
    assert not np.any(once == draws(6, threads=1))


def test_an_initial_state_for_each_row_or_none_runs():
    states = tf.complex(inputs(3, 2), 0.0)
    with pytest.raises(ValueError, match="different numbers of rows.*Expected: 2.*Received: 3"):
        run_rows(lambda x, t, s: s, inputs(2), THETA, states, tf.complex64, 2)


def test_numbers_that_are_not_finite_give_nan_in_their_row_alone():
    x = tf.constant([[0.0], [np.nan], [np.inf]])
    out = run_rows(lambda x, t, s: x, x, THETA, None, tf.float32, 1)
    np.testing.assert_array_equal(out, [[0], [np.nan], [np.nan]])
    out = run_rows(lambda x, t, s: x, x, [np.nan], None, tf.float32, 1)
    assert np.isnan(out).all()


def test_a_result_of_the_wrong_width_is_refused():
    with pytest.raises(BackendError, match="row 0"):
        run_rows(lambda x, t, s: [1, 2, 3], inputs(2), THETA, None, tf.float32, 2)


def test_no_sample_is_drawn_from_numbers_that_are_not_finite():
    x = tf.constant([[0.0], [np.nan]])
    with pytest.raises(ValueError, match="row 1 of a batch of 2.*finite"):
        run_rows(lambda x, t, s: [1], x, THETA, None, tf.int64, 1)


class Reference(ArrayBackend):
    """The reference simulator, as a user's own backend in NumPy."""

    name = "reference"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=False, dtypes=("float32", "float64"), samples=False
    )

    def __init__(self, scale=1.0):
        self.scale = scale

    def get_config(self):
        return {"scale": self.scale}

    def expectation(self, batch, observables, seed=None):
        found = reference.expectation(batch.program, observables, *batch.values)
        return (self.scale * found).astype(batch.inputs.dtype)


def test_a_backend_of_ones_own_in_numpy_has_a_name_for_layers_and_models(monkeypatch):
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    backends.register("reference", Reference)
    layer = QuantumLayer(2, depth=1, backend=backends.get("reference", scale=2.0))
    same = QuantumLayer.from_config(layer.get_config())
    assert same.get_config()["backend"] == {"name": "reference", "options": {"scale": 2.0}}
    x = tf.constant([[0.1, 0.2]])
    layer(x), same(x)
    same.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), same(x))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x))
    assert np.any(tape.gradient(loss, layer.trainable_weights)[0])  # by parameter shift


def test_a_backend_of_ones_own_takes_and_returns_arrays_alone():
    chosen = backends.get(Reference(2.0))
    assert isinstance(chosen, Backend) and backends.get(chosen) is chosen
    assert chosen.name == "reference" and chosen.scale == 2.0
    assert repr(chosen) == "Lifted(Reference(scale=2.0))"
    assert chosen == backends.get(Reference(2.0)) != backends.get(Reference())
    program = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs=["x"])
    z = parse_observables("Z", 1)
    found = tf.function(lambda x: chosen.expectation(program, z, x, []))(inputs(3))
    assert found.shape == (3, 1) and found.dtype == tf.float32
    np.testing.assert_allclose(found, 2 * np.cos(inputs(3)), atol=1e-6)
    with pytest.raises(ConfigurationError, match="'reference' does not return state vectors"):
        chosen.state_vector(program, inputs(3), [])
    with pytest.raises(ConfigurationError, match="together with a finished backend"):
        backends.get(Reference(), scale=1.0)


@pytest.mark.parametrize("name", ["qsim", "lightning", "qulacs"])
def test_a_simulator_shows_its_class_its_options_and_its_words(name):
    missing = backends.available()[name]
    if missing is not None:
        assert name not in os.environ.get("QSTORE_REQUIRE_BACKENDS", "").split(","), missing
        pytest.skip(missing)
    chosen = backends.get(name)
    arrays = chosen.arrays
    assert isinstance(chosen, Backend) and isinstance(arrays, ArrayBackend)
    assert type(chosen).__name__ == type(arrays).__name__ and repr(chosen) == repr(arrays)
    assert type(chosen).__doc__ == type(arrays).__doc__
    assert chosen.capabilities == arrays.capabilities and chosen != arrays
    for option, value in chosen.get_config().items():
        assert getattr(chosen, option) == value
    assert not hasattr(chosen, "no_such_option")
