"""Routers in layers: trained, traced, differentiated, saved; the numbers of their backends."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends, routing
from qstore_tf.backends.arrays import as_batch
from qstore_tf.execution import build_expectation
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer, Sample
from qstore_tf.routing import Router
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_observables, random_program

X = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
Y = np.zeros((12, 2), "float32")


def a_model(backend, seed: int = 1, **options) -> keras.Model:
    keras.utils.set_random_seed(seed)
    given = {"depth": 1, "encoding": "angle", "observables": ["Z0", "X1"], "seed": 5, **options}
    layer = QuantumLayer(3, backend=backend, **given)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def a_run(case: int, dtype: str = "float64"):
    rng = np.random.default_rng([daily_seed(), 140, case])
    n_qubits = int(rng.integers(1, 5))
    program = random_program(rng, n_qubits, 12)
    inputs = rng.normal(size=(4, program.n_inputs)).astype(dtype)
    theta = rng.normal(size=program.n_theta).astype(dtype)
    return program, tuple(random_observables(rng, n_qubits, 3)), inputs, theta, rng


@pytest.mark.parametrize("name", ["native", "tensorflow", "qsim", "lightning"])
@pytest.mark.parametrize("case", range(1))
def test_results_are_those_of_the_chosen_backend(name: str, case: int) -> None:
    program, observables, inputs, theta, _ = a_run(case, "float32")
    wanted = backends.get(name).expectation(program, observables, inputs, theta)
    router = backends.get(Router([name]))
    found = router.expectation(program, observables, inputs, theta)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    traced = tf.function(lambda i, t: router.expectation(program, observables, i, t))
    np.testing.assert_allclose(traced(inputs, theta), wanted, atol=1e-6)
    states = backends.get(name).state_vector(program, inputs, theta)
    np.testing.assert_allclose(router.state_vector(program, inputs, theta), states, atol=1e-6)
    probabilities = router.probabilities(program, inputs, theta)
    np.testing.assert_allclose(probabilities, np.abs(states) ** 2, atol=1e-6)


@pytest.mark.parametrize("name", ["native", "tensorflow", "qsim"])
def test_draws_are_those_of_the_chosen_backend(name: str) -> None:
    program, observables, inputs, theta, _ = a_run(5, "float32")
    one, router = backends.get(name), backends.get(Router([name]))
    drawn = router.sample(program, inputs, theta, shots=50, seed=[1, 2])
    np.testing.assert_array_equal(drawn, one.sample(program, inputs, theta, shots=50, seed=[1, 2]))
    f = build_expectation(program, observables, router, "parameter_shift", shots=200)
    g = build_expectation(program, observables, one, "parameter_shift", shots=200)
    for seed in ([1, 2], [3, 4]):
        np.testing.assert_allclose(
            f(inputs, theta, None, seed), g(inputs, theta, None, seed), atol=1e-6
        )


@pytest.mark.parametrize("gradient", ["adjoint", "parameter_shift"])
@pytest.mark.parametrize("members", [["native", "tensorflow"], ["lightning", "native"]])
@pytest.mark.parametrize("case", range(2))
def test_gradients_are_those_of_native(gradient: str, members: list[str], case: int) -> None:
    program, observables, inputs, theta, rng = a_run(10 + case)
    weights = rng.normal(size=(4, 3))
    found = []
    for backend in ("native", Router(members)):
        f = build_expectation(program, observables, backend, gradient)
        sources = [tf.constant(inputs), tf.constant(theta)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            loss = tf.reduce_sum(tf.cast(f(*sources), tf.float64) * weights)
        found.append(tape.gradient(loss, sources))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-8)


def test_second_derivatives_are_those_of_native() -> None:
    program, observables, inputs, theta, _ = a_run(20)
    found = []
    for backend in ("native", Router(["native", "tensorflow"])):
        f = build_expectation(program, observables, backend, "adjoint")
        value = tf.constant(theta)
        with tf.GradientTape() as outer:
            outer.watch(value)
            with tf.GradientTape() as inner:
                inner.watch(value)
                loss = tf.reduce_sum(f(tf.constant(inputs), value) ** 2)
            slope = tf.reduce_sum(inner.gradient(loss, value) ** 3)
        found.append(outer.gradient(slope, value))
    np.testing.assert_allclose(*found, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["graph", "eager", "dataset"])
@pytest.mark.parametrize(
    "options", [{}, {"gradient": "adjoint"}, {"gradient": "parameter_shift"}], ids=str
)
def test_training_is_that_of_native(how: str, options) -> None:
    weights = []
    for backend in ("native", Router(["native", "tensorflow"])):
        model = a_model(backend, **options)
        model.run_eagerly = how == "eager"
        data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5)
        if how == "dataset":
            model.fit(data, epochs=2, verbose=0)
        else:
            model.fit(X, Y, batch_size=5, epochs=2, shuffle=False, verbose=0)
        weights.append([*model.get_weights(), model.predict(X, verbose=0)])
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["spsa", "parameter_shift", "auto"])
def test_layers_with_shots_train_and_repeat_by_their_seed(gradient: str) -> None:
    found = []
    for _ in range(2):
        router = Router(["native", "qsim"], margin=1.0)  # it never moves: draws differ by backend
        model = a_model(router, gradient=gradient, shots=200)
        losses = model.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0).history["loss"]
        assert router.telemetry()["share_native"] == 1.0
        found.append([*losses, *model.predict(X, verbose=0).ravel()])
    np.testing.assert_allclose(*found, atol=1e-5)
    assert not np.allclose(found[0][2:], a_model("native").predict(X, verbose=0).ravel())


def test_layers_of_states_and_samples_take_a_router() -> None:
    features = np.random.default_rng(1).normal(size=(5, 8)).astype("float32")
    found = []
    for backend in ("native", Router(["native", "tensorflow"])):
        keras.utils.set_random_seed(3)
        layers = [
            keras.Input((8,)),
            AmplitudeEncoding(n_qubits=3),
            QuantumLayer(3, depth=2, backend=backend),
            ExpectationValue(observables="Z", backend=backend),
        ]
        model = keras.Sequential(layers)
        model.compile("sgd", "mse")
        model.fit(features, np.zeros((5, 3)), epochs=1, verbose=0)
        found.append(model.predict(features, verbose=0))
    np.testing.assert_allclose(*found, atol=1e-5)
    router = Router(["native", "qsim"])
    layer = QuantumLayer(3, backend=router)
    layers = [keras.Input((8,)), AmplitudeEncoding(n_qubits=3), layer, Sample(shots=20)]
    drawn = keras.Sequential(layers).predict(features, verbose=0)
    assert drawn.shape[:2] == (5, 20)


@pytest.mark.slow
def test_a_saved_model_has_its_router_in_a_fresh_process(tmp_path) -> None:
    router = Router(["native", "qsim"], priority="cost", precision=0.8, budget="2.5", margin=0.05)
    model = a_model(router)
    path, where = tmp_path / "model.keras", tmp_path / "found.npy"
    model.save(path)
    wanted = model.predict(X, verbose=0)
    script = f"""
        import keras, numpy as np, qstore_tf
        model = keras.models.load_model({str(path)!r})
        router = model.layers[-1].run_options.resolved.arrays
        assert [m.name for m in router.members] == ["native", "qsim"], router
        assert (router.priority, router.precision, router.margin) == ("cost", 0.8, 0.05)
        assert str(router.budget.limit.money) == "2.5"
        x = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
        np.save({str(where)!r}, model.predict(x, verbose=0))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    np.testing.assert_allclose(np.load(where), wanted, atol=1e-6)


@pytest.mark.slow
def test_several_routers_in_one_step_do_not_wait_for_one_thread(tmp_path) -> None:
    script = """
        import numpy as np, tensorflow as tf
        tf.config.threading.set_inter_op_parallelism_threads(1)
        from qstore_tf.routing import Router
        from qstore_tf import backends
        from qstore_tf.training.speed import benchmark_circuit
        program, observables = benchmark_circuit(3, 1)
        kinds = [["tensorflow"], ["native"], ["qsim"]] * 2
        routers = [backends.get(Router(kind)) for kind in kinds]

        @tf.function
        def together(inputs, theta):
            with tf.GradientTape() as tape:
                tape.watch(theta)
                found = [r.expectation(program, observables, inputs, theta) for r in routers]
                total = tf.add_n(found)
            return total, tape.gradient(total, theta)

        inputs = tf.ones([4, 3])
        theta = tf.ones([program.n_theta])
        one = backends.get("native").expectation(program, observables, inputs, theta)
        np.testing.assert_allclose(together(inputs, theta)[0], 6 * one.numpy(), atol=1e-4)
        print("done")
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=90
    )
    assert "done" in ran.stdout, ran.stderr[-2000:]


def test_arrays_in_arrays_out_without_a_layer() -> None:
    program, observables, inputs, theta, _ = a_run(30)
    router = routing.Router(["native", "lightning"])
    batch = as_batch(program, inputs, theta)
    found = router.expectation(batch, observables)
    wanted = backends.get("native").expectation(program, observables, inputs, theta)
    np.testing.assert_allclose(found, wanted, atol=1e-9)
    upstream = np.ones_like(found)
    by_theta = router.pull_expectation(batch, observables, upstream).theta
    assert by_theta.shape == theta.shape and np.isfinite(by_theta).all()
