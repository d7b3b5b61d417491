"""AdaptiveShots in real trainings."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.callbacks import AdaptiveShots
from qstore_tf.callbacks.adaptive import rules
from qstore_tf.callbacks.adaptive.functions import Switchboard
from qstore_tf.callbacks.adaptive.gradients import GradientMeter
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer, Sample
from qstore_tf.testing.daily import daily_seed
from tests.callbacks.adaptive.helpers import Each, Tracing, X, Y, first_column, fit, model_of, small


@pytest.mark.slow
def test_the_rule_of_version_3_5_runs_with_its_shots_and_validates_with_the_layers() -> None:
    backend = Tracing()
    model = first_column(small(backend=backend, shots=33))
    callback = AdaptiveShots(8, 16, 32)
    wanted: list[int] = []

    def by_rule() -> None:
        epoch, norms = callback.state["epoch"], callback.state["norms"]
        wanted.append(rules.shots_at(epoch / 10, rules.spread(norms), 8, 16, 32))

    # Before the callback looks at the step that ends: what it knew when the step began.
    watch = Each(by_rule)
    history = fit(model, watch, callback, epochs=10, validation_data=(X, Y))
    assert history["shots"] == [sum(wanted[k : k + 3]) / 3 for k in range(0, 30, 3)]
    assert set(backend.shots) == {33, *wanted}
    np.testing.assert_allclose(history["shot_steps"], np.cumsum(wanted)[2::3])


def test_the_norms_are_those_of_the_gradients_that_the_optimizer_gets() -> None:
    layer = small(shots=50, seed=4)
    model = first_column(layer, optimizer=keras.optimizers.SGD(1.0))
    thetas = [layer.theta.numpy()]
    watch = Each(lambda: thetas.append(layer.theta.numpy()))
    callback = AdaptiveShots(50, 50, 50)
    fit(model, callback, watch, epochs=2)
    steps = np.linalg.norm(np.diff(thetas, axis=0), axis=1)
    np.testing.assert_allclose(callback.state["norms"], steps, rtol=1e-4)


@pytest.mark.slow
def test_no_norm_is_seen_where_no_angle_is_trained() -> None:
    layer = small(shots=5)
    layer.trainable = False
    callback = AdaptiveShots(5, 10, 20)
    history = fit(first_column(layer, keras.layers.Dense(1)), callback, epochs=4)
    assert callback.state["norms"] == [] and history["shots"] == [5.0, 5.0, 10.0, 20.0]


def test_noise_cannot_be_measured_where_no_angle_is_trained() -> None:
    layer = small(shots=5)
    layer.trainable = False
    with pytest.raises(ConfigurationError, match="none is trained"):
        fit(first_column(layer, keras.layers.Dense(1)), AdaptiveShots(5, 5, 5, rule="snr"))


@pytest.mark.slow
def test_signal_and_noise_are_those_of_many_estimates() -> None:
    """Against the exact gradient, and the scatter of 400 estimates."""
    shots, repeats = 8, 400
    layer = QuantumLayer(1, 1, shots=shots, seed=daily_seed())
    exact = QuantumLayer(1, 1)
    x, y = np.full((3, 1), 0.4, "float32"), np.full((3, 1), -0.5, "float32")
    models = []
    for part in (layer, exact):
        model = keras.Sequential([keras.Input((1,)), part])
        model.compile("sgd", loss=lambda target, value: -target * value)
        models.append(model)
    layer.theta.assign([0.9, 0.3])
    exact.theta.assign(layer.theta)
    meter = GradientMeter.of(models[0])
    data = (tf.constant(x), tf.constant(y))

    @tf.function
    def measure() -> None:
        with meter.signal_and_noise(data):
            pass

    for _ in range(repeats):
        measure()
    measured = meter.pop_signal_and_noise()
    assert measured is not None and meter.pop_signal_and_noise() is None
    with tf.GradientTape() as tape:
        loss = models[1].compute_loss(x=data[0], y=data[1], y_pred=models[1](data[0]))
    gradient = tape.gradient(loss, exact.theta).numpy()

    @tf.function
    def estimate() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = models[0].compute_loss(x=data[0], y=data[1], y_pred=models[0](data[0]))
        return tape.gradient(loss, layer.theta)

    estimates = [estimate().numpy() for _ in range(repeats)]
    noise = np.sum(np.var(estimates, axis=0))
    signal = float(np.sum(gradient**2))
    # The loss is linear in the expectation values, so that estimates are unbiased.
    assert measured[1] == pytest.approx(noise, rel=0.3)
    error = float(np.sqrt((2 * noise * signal + noise**2) / repeats))
    assert measured[0] == pytest.approx(signal, abs=5 * error)


def test_measuring_costs_two_steps_and_asks_for_the_shots_of_the_ratio() -> None:
    backend = Tracing()
    layer = small(backend=backend, shots=16)
    callback = AdaptiveShots(4, 8, 64, rule="snr", every=4, memory=0.0)
    model = first_column(layer, optimizer="sgd", run_eagerly=True)
    history = fit(model, callback, epochs=2)
    # Six steps, of which the first and the fifth measure.
    per_gradient = len(backend.shots) // 10
    assert len(backend.shots) == 10 * per_gradient
    first, then = backend.shots[: 3 * per_gradient], backend.shots[3 * per_gradient :]
    assert set(first) == {8} and set(then) <= {4, 8, 16, 32, 64}
    steps = backend.shots[::per_gradient]
    assert history["shot_steps"][-1] == sum(steps)


@pytest.mark.slow
def test_more_signal_wanted_gets_more_shots() -> None:
    def mean_shots(ratio: float) -> float:
        keras.utils.set_random_seed(1)
        model = first_column(small(shots=10, seed=1), optimizer=keras.optimizers.SGD(0.01))
        callback = AdaptiveShots(8, 8, 32, rule="snr", snr=ratio, every=2)
        return float(np.mean(fit(model, callback, epochs=3)["shots"]))

    assert mean_shots(0.01) == 8 < mean_shots(100.0)


def test_a_measurement_leaves_weights_alone() -> None:
    layer = small(shots=20, seed=1)
    model = first_column(layer, keras.layers.Dropout(0.5), optimizer=keras.optimizers.SGD(0.0))
    kept = layer.theta.numpy()
    watch = Each(lambda: layer.theta.numpy())
    fit(model, AdaptiveShots(20, 20, 20, rule="snr", every=1), watch, epochs=1)
    for seen in watch.seen:
        np.testing.assert_array_equal(seen, kept)


@pytest.mark.slow
def test_few_functions_and_none_anew_on_a_way_back() -> None:
    backend = Tracing()
    model = first_column(small(backend=backend, shots=9))
    callback = AdaptiveShots(4, 8, 16, rule="snr", every=2)
    fit(model, callback, epochs=6)
    assert set(backend.shots) <= {4, 8, 16}
    # Each number of shots with and without measuring, and the step as it was made.
    assert Switchboard.of(model).train.n_functions <= 7


def test_only_layers_with_shots_change() -> None:
    backend, other = Tracing(), Tracing()
    exact, drawn = small(backend=backend), small(backend=other, shots=10)
    seen = Each(lambda: (exact.run_options.shots, drawn.run_options.shots))
    fit(first_column(exact, drawn), AdaptiveShots(4, 4, 4), seen, epochs=1)
    assert set(seen.seen) == {(None, 10)}
    assert set(other.shots) == {4} and not backend.shots and backend.gates


def test_the_shots_of_a_reader_and_of_nested_models_change() -> None:
    backend = Tracing()
    inner = keras.Sequential([keras.Input((2,)), AmplitudeEncoding(2), QuantumLayer(2)])
    model = model_of(inner, ExpectationValue("Z", shots=40, backend=backend))
    fit(model, AdaptiveShots(3, 3, 3), epochs=1)
    assert set(backend.shots) == {3}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{"run_eagerly": True}, {"steps_per_execution": 2}, {"jit_compile": True}],
    ids=["eager", "several steps", "xla"],
)
@pytest.mark.parametrize("rule", ["progress", "snr"])
def test_every_way_to_run(options: dict[str, Any], rule: str) -> None:
    layer = small(shots=8, backend="tensorflow", dtype="mixed_float16")
    model = first_column(layer, keras.layers.Dense(1), **options)
    callback = AdaptiveShots(8, 8, 8, rule=rule, every=1)
    history = fit(model, callback, epochs=2, batch_size=10)
    assert np.all(np.isfinite(history["loss"]))
    if rule == "progress":
        assert len(callback.state["norms"]) == (2 if "steps_per_execution" in options else 4)
    else:
        assert callback.state["variance"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_shots": 0}, "min_shots"),
        ({"min_shots": 2000}, "min_shots <= base_shots <= max_shots"),
        ({"max_shots": 900}, "min_shots <= base_shots <= max_shots"),
        ({"rule": "snt"}, "Did you mean 'snr'"),
        ({"snr": 0}, "snr"),
        ({"memory": 1}, "memory"),
        ({"every": 0}, "every"),
        ({"base_shots": 1.5}, "base_shots"),
    ],
)
def test_obvious_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        AdaptiveShots(**arguments)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [QuantumLayer(2)],
        lambda: [keras.layers.Dense(1)],
        lambda: [AmplitudeEncoding(2), Sample(shots=3), keras.layers.Flatten()],
    ],
)
def test_a_model_without_shots_is_an_error(layers: Any) -> None:
    with pytest.raises(ConfigurationError, match="no shots to adapt"):
        fit(model_of(*layers()), AdaptiveShots())
