"""Large batches run in pieces: same results, same gradients, less memory."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import backends, memory
from qstore_tf.backends import Backend, Capabilities, Chunked, Native, TensorFlow, chunked
from qstore_tf.circuits import parse_observables
from qstore_tf.errors import ConfigurationError, MemoryLimitError
from qstore_tf.layers import QuantumLayer
from qstore_tf.testing.random_circuits import random_program, random_values

ROWS = 11
NAMES = ["native", "tensorflow", "qsim"]


def example(has_initial, dtype=np.float32, seed=0):
    program = random_program(seed, 3, 25, n_inputs=2, n_theta=3, has_initial=has_initial)
    values = random_values(seed, program, ROWS)
    kinds = (dtype, dtype, np.result_type(dtype, np.complex64))
    given = [np.asarray(v).astype(k) for v, k in zip(values, kinds, strict=True) if v is not None]
    return program, parse_observables(["Z0", "X1 Y2"], 3), [tf.constant(v) for v in given]


def gradients(function, given):
    weights = tf.cast(np.random.default_rng(0).normal(size=(ROWS, 2)), given[0].dtype)
    with tf.GradientTape() as tape:
        tape.watch(given)
        values = function(*given)
        loss = tf.reduce_sum(weights * values)
    return [values, *tape.gradient(loss, given)]


class Counted(Backend):
    """Notes the sizes of the batches it is given."""

    name = "counted"
    capabilities = Capabilities(state_vector=False, exact=True, adjoint=True)

    def __init__(self):
        self.seen = []

    def expectation(self, program, observables, inputs, theta, initial_state=None, *, seed=None):
        tf.py_function(lambda size: self.seen.append(int(size)), [tf.shape(inputs)[0]], [])
        return inputs[:, :1] + theta[0]

    def row_bytes(self, program, dtype, samples=False):
        return 100


@pytest.mark.parametrize("rows", [1, 4, 10, 11, 100])
@pytest.mark.parametrize("has_initial", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_expectations_do_not_depend_on_the_pieces(name, has_initial, rows):
    program, observables, given = example(has_initial)
    whole = backends.get(name).expectation(program, observables, *given)
    pieces = backends.get(name, max_rows=rows).expectation(program, observables, *given)
    assert pieces.shape == whole.shape
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["eager", "traced", "unknown batch"])
@pytest.mark.parametrize("has_initial", [False, True])
@pytest.mark.parametrize("name", ["native", "tensorflow"])
def test_gradients_do_not_depend_on_the_pieces(name, has_initial, how):
    program, observables, given = example(has_initial, np.float64)
    expected = gradients(
        lambda *given: backends.get(name).expectation(program, observables, *given), given
    )
    backend = backends.get(name, max_rows=4)

    def run(*given):
        return gradients(lambda *g: backend.expectation(program, observables, *g), given)

    if how == "traced":
        run = tf.function(run)
    elif how == "unknown batch":
        free = [tf.TensorSpec([None, *v.shape[1:]] if v.shape.rank > 1 else v.shape, v.dtype)
                for v in given]  # fmt: skip
        run = tf.function(run, input_signature=free)
    for ours, theirs in zip(run(*given), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("name", ["native", "tensorflow"])
def test_second_derivatives_do_not_depend_on_the_pieces(name):
    program, observables, given = example(False, np.float64)

    def second(backend):
        def first(inputs, theta):
            return gradients(lambda *g: backend.expectation(program, observables, *g), given_)[2]

        given_ = given
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(first(*given) ** 2)
        return tape.gradient(loss, given)

    for ours, theirs in zip(
        second(backends.get(name, max_rows=4)), second(backends.get(name)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.slow
def test_pieces_compile_with_xla():
    program, observables, given = example(False)
    backend = backends.get("tensorflow", max_rows=4)
    run = tf.function(
        lambda *g: gradients(lambda *h: backend.expectation(program, observables, *h), g),
        jit_compile=True,
    )
    whole = gradients(lambda *g: TensorFlow().expectation(program, observables, *g), given)
    for ours, theirs in zip(run(*given), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("max_rows", [4, 1000])
def test_models_with_a_limit_compile_with_xla(max_rows):
    backend = backends.get("tensorflow", max_rows=max_rows)
    layer = QuantumLayer(2, backend=backend)
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=True)
    data = np.random.default_rng(0).normal(size=(ROWS, 2)).astype("float32")
    losses = model.fit(data, data[:, :1], batch_size=8, epochs=2, verbose=0).history["loss"]
    assert np.all(np.isfinite(losses))
    values = TensorFlow().expectation(
        layer.circuit_options.evolution(2).on_features(2),
        layer.circuit_options.observables(2),
        data,
        layer.theta.numpy(),
    )
    expected = model.layers[-1](values)
    np.testing.assert_allclose(model.predict(data, verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("has_initial", [False, True])
def test_the_same_samples_are_drawn(name, has_initial):
    program, _, given = example(has_initial)
    whole = backends.get(name).sample(program, *given, shots=20, seed=[1, 2])
    backend = backends.get(name, max_rows=4)
    pieces = backend.sample(program, *given, shots=20, seed=[1, 2])
    np.testing.assert_array_equal(pieces, whole)
    for method in ("state_vector", "probabilities"):
        one, other = (getattr(b, method)(program, *given) for b in (backend, backends.get(name)))
        np.testing.assert_array_equal(one, other)


def test_each_piece_stays_under_the_limit_and_small_batches_run_whole():
    program, observables, (inputs, theta) = example(False)
    counted = Counted()
    backend = Chunked(counted, memory_limit=450)
    values = backend.expectation(program, observables, inputs, theta)
    np.testing.assert_allclose(values, inputs[:, :1] + theta[0])
    assert counted.seen == [4, 4, 4]
    counted.seen.clear()
    backend.expectation(program, observables, inputs[:4], theta)
    assert counted.seen == [4]
    counted.seen.clear()
    traced = tf.function(
        lambda inputs: backend.expectation(program, observables, inputs, theta),
        input_signature=[tf.TensorSpec([None, 2])],
    )
    for batch, seen in ((3, [3]), (ROWS, [4, 4, 4]), (0, [0])):
        counted.seen.clear()
        np.testing.assert_allclose(traced(inputs[:batch]), inputs[:batch, :1] + theta[0])
        assert counted.seen == seen


def test_where_no_limit_is_given_half_of_what_is_free_is_one(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2000)
    assert chunked.rows_within(None, 100) == 10
    assert chunked.rows_within(None, 100, max_rows=3) == 3
    assert chunked.rows_within(None, 10**6) == 1
    assert chunked.rows_within(None, 0) is None
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert chunked.rows_within(None, 100) is None


def test_graphs_of_small_circuits_go_without_the_guard():
    program, observables, (inputs, theta) = example(False)
    traced = tf.function(
        lambda inputs: TensorFlow().expectation(program, observables, inputs, theta),
        input_signature=[tf.TensorSpec([None, 2])],
    )
    kinds = {op.type for op in traced.get_concrete_function().graph.get_operations()}
    assert not kinds & {"If", "StatelessIf", "While", "StatelessWhile"}


def test_a_limit_that_one_circuit_exceeds_is_refused():
    program, observables, given = example(False)
    with pytest.raises(MemoryLimitError, match="One circuit alone.*at most 100 B"):
        backends.get("tensorflow", memory_limit=100).expectation(program, observables, *given)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True])
def test_wrong_limits_are_refused(wrong):
    for name in ("memory_limit", "max_rows"):
        with pytest.raises(ConfigurationError, match=f"`{name}` must be an integer >= 1"):
            backends.get("native", **{name: wrong})


def test_configurations_make_the_same_backend_again():
    backend = backends.get("native", num_threads=2, memory_limit=1000, max_rows=5)
    assert backend == Chunked(Native(2), 1000, 5) == backends.get("native", **backend.get_config())
    assert len({backend, Chunked(Native(2), 1000, 5)}) == 1
    assert backend != Chunked(Native(1), 1000, 5) and backend != Native(2)
    assert repr(backend) == "Chunked(Native(num_threads=2), memory_limit=1000, max_rows=5)"
    assert backend.name == "native" and backend.capabilities == Native.capabilities
    unlimited = Chunked(Native())
    assert backends.get("native", **unlimited.get_config()) == unlimited


SCRIPT = """
    import resource
    import numpy as np
    import tensorflow as tf
    from qstore_tf import backends
    from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables

    n, batch, limit = 12, 2048, 64 * 2**20
    circuit = UnifiedCircuit(n)
    for layer in range(3):
        for q in range(n):
            circuit.add_gate("RX", q, f"x{q}" if layer == 0 else f"t{layer}_{q}")
        for q in range(n - 1):
            circuit.add_gate("CX", [q, q + 1])
    program = compile_circuit(circuit, inputs=[f"x{q}" for q in range(n)])
    backend = backends.get("tensorflow", memory_limit=limit)
    observables = parse_observables("Z", n)
    inputs, theta = tf.zeros([batch, n]), tf.zeros([program.n_theta])

    @tf.function
    def gradient(inputs):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = tf.reduce_sum(backend.expectation(program, observables, inputs, theta))
        return tape.gradient(loss, theta)

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    gradient(inputs[:1])
    before = peak()
    gradient(inputs)
    # All states of the batch at once, one copy of them, are 64 MiB.
    print("GREW", (peak() - before) / limit)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's unit of memory")
def test_the_memory_of_a_large_batch_stays_under_the_limit():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("GREW")[1]) < 1.0
