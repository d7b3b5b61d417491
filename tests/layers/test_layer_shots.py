"""Shots and seeds of the layers.

Statistical bounds are 5 standard deviations, 6e-7 for one comparison, fewer than 200 of them: a
false alarm in one of 8,000 other seeds. Seeds are fixed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import backends, gradients
from qstore_tf.backends import Backend, Capabilities
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import PauliSum, Program
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers import (
    AmplitudeEncoding,
    AngleEncoding,
    ExpectationValue,
    QuantumLayer,
    Sample,
    StateVector,
)
from qstore_tf.layers.run import attach_run, run_of
from qstore_tf.testing.layer_test import run_layer_test


def features(width: int, batch: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, width)).astype("float32")


def weights_that_draw(layer: keras.layers.Layer) -> list[Any]:
    return [w for w in layer.non_trainable_weights if "seed_and_calls" in w.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "width", "outputs"),
    [
        ({"n_qubits": 2, "shots": 50, "seed": 1}, 2, 2),
        ({"n_qubits": 2, "shots": 50, "encoding": "amplitude", "observables": ["XX"]}, 4, 1),
        ({"n_qubits": 2, "shots": 50, "backend": "tensorflow", "gradient": "spsa"}, 2, 2),
        ({"n_qubits": 2, "gradient": "spsa", "seed": 2}, 2, 2),
    ],
    ids=["angle", "amplitude", "spsa", "exact spsa"],
)
def test_a_layer_with_shots_keeps_the_promises_of_a_keras_layer(
    options: dict[str, Any], width: int, outputs: int
) -> None:
    run_layer_test(
        QuantumLayer,
        options,
        input_shape=(4, width),
        expected_output_shape=(4, outputs),
        expected_output_dtype="float32",
        random=True,
    )


def test_a_measuring_layer_with_shots_keeps_the_promises_of_a_keras_layer() -> None:
    run_layer_test(
        ExpectationValue,
        {"shots": 50, "seed": 1},
        input_shape=(4, 8),
        input_dtype="complex64",
        expected_output_shape=(4, 3),
        random=True,
    )


def test_exact_layers_have_no_weight_for_seeds() -> None:
    for layer in (QuantumLayer(2, 1, seed=1), QuantumLayer(2, 1, gradient="parameter_shift")):
        layer(features(2))
        assert len(layer.weights) == 1


@pytest.mark.parametrize("backend", ["native", "tensorflow"])
@pytest.mark.parametrize(("encoding", "width"), [("angle", 3), ("amplitude", 8)])
def test_both_ways_of_writing_a_model_estimate_the_exact_values(
    backend: str, encoding: str, width: int
) -> None:
    shots, x = 10_000, features(width)
    observables = ["ZII", "XXI", "0.5 Y2 + 1"]
    one = QuantumLayer(
        3, 2, encoding=encoding, observables=observables, backend=backend, shots=shots, seed=1
    )
    exact = QuantumLayer(3, 2, encoding=encoding, observables=observables)
    encode = (AngleEncoding if encoding == "angle" else AmplitudeEncoding)(3)
    inherits = QuantumLayer(3, 2, backend=backend, shots=shots, seed=1)
    measures = QuantumLayer(3, 2, backend=backend)
    for layer in (one, exact):
        layer(x)
    for layer in (inherits, measures):
        layer(encode(x))
    for layer in (exact, inherits, measures):
        layer.theta.assign(one.theta)
    want = exact(x).numpy()
    found = [
        one(x),
        ExpectationValue(observables)(inherits(encode(x))),
        ExpectationValue(observables, shots=shots, seed=2)(measures(encode(x))),
    ]
    for values in found:
        assert np.any(values != want)
        assert np.all(abs(values - want) < 5 / np.sqrt(shots))


def test_calls_differ_and_runs_with_the_same_seed_repeat() -> None:
    x = features(2)

    def calls(seed: int | None) -> np.ndarray:
        layer = QuantumLayer(2, 1, shots=20, seed=seed, theta_initializer="ones")
        traced = tf.function(layer)
        return np.array([layer(x), layer(x), traced(x), traced(x)])

    first, again, other, unseeded = calls(1), calls(1), calls(2), calls(None)
    np.testing.assert_array_equal(first, again)
    for a in range(4):
        for b in range(a):
            assert np.any(first[a] != first[b])
    assert np.any(first != other) and np.any(first != unseeded)


def test_without_a_seed_the_seed_of_keras_decides() -> None:
    x = features(2)
    found = []
    for _ in range(2):
        keras.utils.set_random_seed(7)
        layer = QuantumLayer(2, 1, shots=20)
        found.append(layer(x).numpy())
        assert layer.get_config()["seed"] is None
    np.testing.assert_array_equal(*found)


def test_every_layer_that_measures_a_state_makes_its_own_errors() -> None:
    state = QuantumLayer(2, 1, shots=20, seed=1)(AngleEncoding(2)(features(2, 50)))
    one, two = ExpectationValue("Z")(state).numpy(), ExpectationValue("Z")(state).numpy()
    assert np.any(one != two)


def test_shots_go_on_to_the_following_layers() -> None:
    encode, exact = AngleEncoding(2), QuantumLayer(2, 1)
    front = QuantumLayer(2, 1, shots=20, seed=1)
    state = exact(front(encode(features(2, 50))))
    run = run_of(state)
    assert run is not None and run.options.shots == 20
    values = ExpectationValue("Z")(state).numpy() * 10
    np.testing.assert_allclose(values, values.round(), atol=1e-5)
    assert ExpectationValue("Z", shots=1)(state).numpy().tolist()[0][0] in (-1.0, 1.0)
    assert run_of(AngleEncoding(2, shots=5)(features(2))).options.shots == 5


def test_the_state_that_leaves_a_layer_with_shots_is_exact() -> None:
    x = features(2)
    layer = QuantumLayer(2, 1, shots=5)
    state = layer(AngleEncoding(2)(x))
    exact = QuantumLayer(2, 1)
    exact(AngleEncoding(2)(x))
    exact.theta.assign(layer.theta)
    np.testing.assert_allclose(state, exact(AngleEncoding(2)(x)), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("gradient", ["parameter_shift", "spsa"])
def test_gradients_by_angles_and_features_are_unbiased(encoding: str, gradient: str) -> None:
    x = tf.constant(np.random.default_rng(3).normal(size=(2, 4)), tf.float32)
    layers = [keras.layers.Dense(4, use_bias=False), AmplitudeEncoding(2), QuantumLayer(2, 1)]
    layers += [ExpectationValue(["Z0", "X0 X1"])]
    if encoding == "angle":
        layers[:2] = [keras.layers.Dense(2, use_bias=False), AngleEncoding(2)]
    noisy = ExpectationValue(["Z0", "X0 X1"], shots=40, seed=9, gradient=gradient)
    for end in (layers[3], noisy):
        value = x
        for layer in [*layers[:3], end]:
            value = layer(value)
    variables = [layers[0].trainable_variables[0].value, layers[2].theta.value]

    def gradients_of(end: keras.layers.Layer) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            value = x
            for layer in [*layers[:3], end]:
                value = layer(value)
            # Linear, so that the mean of estimates is the gradient of the mean.
            loss = tf.reduce_sum(value * [1.0, 2.0])
        return tape.gradient(loss, variables)

    exact = np.concatenate([g.numpy().ravel() for g in gradients_of(layers[3])])
    step = tf.function(lambda: gradients_of(noisy))
    times = 600
    found = np.array([np.concatenate([g.numpy().ravel() for g in step()]) for _ in range(times)])
    error = found.std(axis=0, ddof=1) / np.sqrt(times)
    # Of SPSA: its differences are of order step^2 off.
    slack = 1e-4 if gradient == "parameter_shift" else 0.03
    assert np.all(abs(found.mean(axis=0) - exact) < 5 * error + slack)
    assert np.all(error > 0)


class CountingSamples(backends.TensorFlow):
    name = "counting_samples"

    def __init__(self) -> None:
        self.rows: list[int] = []

    def sample(self, program: Program, inputs: Any, *rest: Any, **options: Any) -> tf.Tensor:
        self.rows.append(int(inputs.shape[0]))
        return super().sample(program, inputs, *rest, **options)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def test_amplitudes_are_prepared_by_gates_only_where_their_gradient_is_asked_for() -> None:
    backend = CountingSamples()
    layer = QuantumLayer(2, 1, encoding="amplitude", backend=backend, shots=10)
    x = tf.constant(features(4, 3))
    layer(x)
    assert backend.rows == [3]
    backend.rows.clear()
    for watched, calls in (([], 2), ([x], 3)):
        with tf.GradientTape() as tape:
            tape.watch(watched)
            loss = tf.reduce_sum(layer(x))
        tape.gradient(loss, [*watched, layer.theta.value])
        assert len(backend.rows) == calls
        backend.rows.clear()


def test_steps_by_amplitudes_shrink_with_the_calls_as_those_by_theta_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(
        gradients.SPSA,
        "_step",
        lambda self, seed, dtype: calls.append(int(seed[1])) or tf.constant(self.step, dtype),
    )
    spsa = gradients.SPSA(decay=0.602)
    layer = QuantumLayer(2, 1, encoding="amplitude", gradient=spsa, shots=10, seed=1)
    x = tf.constant(features(4, 3))
    for _ in range(2):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x))
        tape.gradient(loss, [x, layer.theta.value])
    assert calls == [0, 0, 1, 1]  # by amplitudes and by theta, twice


class Hardware(Backend):
    """Draws samples, and knows no states."""

    name = "hardware"
    capabilities = Capabilities(state_vector=False, exact=True, adjoint=False)

    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        raise AssertionError("asked for exact numbers")

    def sample(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None, **options: Any
    ) -> tf.Tensor:
        assert initial_state is None
        return backends.get("tensorflow").sample(program, inputs, theta, **options)


@pytest.mark.parametrize(("encode", "width"), [(AmplitudeEncoding, 4), (AngleEncoding, 2)])
def test_hardware_without_states_is_sampled_too(encode: Any, width: int) -> None:
    x, shots = features(width), 5000
    layer = QuantumLayer(2, 1, backend=Hardware(), shots=shots, seed=1)
    exact = QuantumLayer(2, 1)
    encoder = encode(2)
    want = ExpectationValue("Z")(exact(encoder(x))).numpy()
    layer.build((None, 4))
    layer.theta.assign(exact.theta)
    found = ExpectationValue("Z")(layer(encoder(x))).numpy()
    assert np.all(abs(found - want) < 5 / np.sqrt(shots))
    bits = Sample(shots, seed=3)(layer(encoder(x))).numpy()
    assert np.all(abs(1 - 2 * bits.mean(axis=1) - want) < 5 / np.sqrt(shots))


@pytest.mark.slow
def test_fit_with_100_shots_learns() -> None:
    # Which side of a line.
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(64, 2)).astype("float32")
    y = (x[:, :1] + x[:, 1:] > 0).astype("float32")
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(2),
            QuantumLayer(2, 1, gradient="parameter_shift", shots=100, seed=1),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, epochs=15, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    assert model.evaluate(x, y, verbose=0)[1] > 0.9
    one, two = model.predict(x, verbose=0), model.predict(x, verbose=0)
    assert np.any(one != two)


def test_a_saved_model_goes_on_where_it_was(tmp_path: Path) -> None:
    x = features(2)
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2, 1, shots=20)])
    model(x)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.load_weights(tmp_path / "model.weights.h5")
    expected = model(x).numpy()
    # The same draws: a twentieth is the least that another one would change.
    np.testing.assert_allclose(loaded(x), expected, atol=1e-6)
    np.testing.assert_allclose(clone(x), expected, atol=1e-6)
    assert np.any(keras.models.clone_model(model)(x) != expected)
    model.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    first = np.asarray(saved.serve(x))
    np.testing.assert_allclose(first, model(x), atol=1e-6)
    assert np.any(first != np.asarray(saved.serve(x)))


def test_a_sampled_backend_is_shots() -> None:
    backend = Sampled(backends.get("tensorflow"), 30)
    layer = QuantumLayer(2, 1, backend=backend)
    config = layer.get_config()
    assert config["shots"] == 30
    assert config["backend"] == {"name": "tensorflow", "options": {}}
    layer(features(2))
    with pytest.raises(ConfigurationError, match="already sets shots"):
        QuantumLayer(2, 1, backend=backend, shots=20)


def test_what_does_not_go_with_shots_is_refused_at_construction_with_what_does() -> None:
    for adjoint in ("adjoint", gradients.Adjoint()):
        with pytest.raises(ConfigurationError, match="'parameter_shift' or gradient='spsa'"):
            QuantumLayer(2, 1, gradient=adjoint, shots=10)
        with pytest.raises(ConfigurationError, match="'parameter_shift' or gradient='spsa'"):
            ExpectationValue("Z", gradient=adjoint, shots=10)
    for shots in (0, -1, 2.5, True, "many"):
        with pytest.raises(ConfigurationError, match="integer >= 1"):
            QuantumLayer(2, 1, shots=shots)
    for seed in (1.5, "1", False):
        with pytest.raises(ConfigurationError, match="seed"):
            QuantumLayer(2, 1, shots=10, seed=seed)
    state = QuantumLayer(2, 1, shots=10)(AngleEncoding(2)(features(2)))
    with pytest.raises(ConfigurationError, match="'parameter_shift' or gradient='spsa'"):
        ExpectationValue("Z", gradient="adjoint")(state)


class Single(backends.TensorFlow):
    name = "single"
    capabilities = Capabilities(state_vector=True, exact=True, adjoint=True)


@pytest.mark.parametrize("layer", [QuantumLayer, AngleEncoding, Sample])
def test_a_precision_the_backend_lacks_is_refused_at_construction(layer: Any) -> None:
    with pytest.raises(ConfigurationError, match="dtype='float32', or backend='native'"):
        layer(2, backend=Single(), dtype="float64")


def test_a_precision_the_backend_of_a_preceding_layer_lacks_is_refused() -> None:
    state = AngleEncoding(2, dtype="float64")(np.zeros((1, 2)))
    for end in (ExpectationValue("Z"), Sample(3), StateVector()):
        reads = type(end).from_config({**end.get_config(), "dtype": "float64"})
        found = run_of(state)
        assert found is not None
        single = found.with_options(QuantumLayer(2, backend=Single()).run_options)
        with pytest.raises(ConfigurationError, match="float64"):
            reads(attach_run(tf.identity(state), single))
