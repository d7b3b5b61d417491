"""AdaptiveDepth in real trainings."""

from typing import Any

import numpy as np
import pytest
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.callbacks import AdaptiveDepth
from qstore_tf.circuits.ansatz import ANSATZE
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer
from qstore_tf.layers.inspection import active_depth
from tests.callbacks.adaptive.helpers import Each, Interrupts, Tracing, X, Y, fit, model_of, quantum
from tests.layers.test_depths import uploads


def test_only_the_active_layers_run_and_full_depth_everywhere_else() -> None:
    backend = Tracing()
    layer = QuantumLayer(2, 3, backend=backend, gradient="adjoint")
    model = model_of(layer, keras.layers.Dense(1))
    full = 2 + 3 * 5  # an encoding, and layers of two RY, two RZ and a CX
    backend.gates.clear()
    watch = Each(lambda: active_depth(layer))
    history = fit(model, AdaptiveDepth(), watch, epochs=3, validation_data=(X, Y))
    assert history["depth"] == [3, 3, 2]
    assert set(backend.gates) == {full, full - 5}
    backend.gates.clear()
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model(X)
    assert set(backend.gates) == {full}
    assert set(watch.seen) == {3}


@pytest.mark.slow
@pytest.mark.parametrize("where", ["predict", "evaluate", "call"])
def test_other_callbacks_see_the_whole_model_in_the_midst_of_training(where: str) -> None:
    backend = Tracing()
    layer = QuantumLayer(2, 3, backend=backend, gradient="adjoint")
    model = model_of(layer, keras.layers.Dense(1))
    found: list[int] = []

    def look() -> None:
        before = len(backend.gates)
        calls = {
            "predict": lambda: model.predict(X, verbose=0),
            "evaluate": lambda: model.evaluate(X, Y, verbose=0),
            "call": lambda: model(X),
        }
        calls[where]()
        found.extend(backend.gates[before:])

    fit(model, AdaptiveDepth(direction="up"), Each(look), epochs=2)
    assert found and set(found) == {17}


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.1),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "decay": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    "average": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_overwrite_frequency=2),
    "natural": lambda: qs.optimizers.QuantumNaturalGradient(0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_angles_of_layers_that_do_not_run_stay_exactly(name: str) -> None:
    layer = QuantumLayer(2, 2, theta_regularizer=keras.regularizers.L2(0.1))
    model = model_of(layer, keras.layers.Dense(1), optimizer=OPTIMIZERS[name]())
    watch = Each(lambda: layer.theta.numpy())
    assert fit(model, AdaptiveDepth(schedule="step"), watch, epochs=5)["depth"] == [2, 2, 2, 2, 1]
    before, after = watch.seen[:12], watch.seen[12:]
    assert len(after) == 3
    for one, other in zip(after, after[1:], strict=False):
        np.testing.assert_array_equal(one[4:], before[-1][4:])
        assert np.any(one[:4] != other[:4])
    assert np.any(before[0][4:] != before[-1][4:])
    if name != "average":
        np.testing.assert_array_equal(layer.theta.numpy()[4:], before[-1][4:])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 2}])
def test_it_is_the_same_eagerly_and_in_several_steps_at_once(options: dict[str, Any]) -> None:
    def trained(**options: Any) -> np.ndarray:
        keras.utils.set_random_seed(5)
        layer = QuantumLayer(2, 3, seed=1)
        model = model_of(layer, keras.layers.Dense(1), **options)
        fit(model, AdaptiveDepth(minimum=2), epochs=3)
        return np.asarray(layer.theta)

    np.testing.assert_allclose(trained(**options), trained(), atol=1e-5)


@pytest.mark.slow
def test_it_compiles_with_xla_and_trains_in_mixed_precision() -> None:
    layer = QuantumLayer(2, 2, backend="tensorflow", dtype="mixed_float16")
    model = model_of(layer, keras.layers.Dense(1), jit_compile=True)
    watch = Each(lambda: layer.theta.numpy())
    assert fit(model, AdaptiveDepth(schedule="step"), watch, epochs=4)["depth"] == [2, 2, 2, 1]
    np.testing.assert_array_equal(watch.seen[-1][4:], watch.seen[8][4:])
    assert np.any(watch.seen[-1][:4] != watch.seen[8][:4])


@pytest.mark.slow
def test_a_change_back_traces_nothing() -> None:
    backend = Tracing()
    layer = QuantumLayer(2, 2, backend=backend, gradient="adjoint")
    model = model_of(layer)
    fit(model, AdaptiveDepth(schedule="step"), epochs=5)
    traced = len(backend.gates)
    for _ in range(2):
        fit(model, AdaptiveDepth(schedule="step"), epochs=5)
        fit(model, AdaptiveDepth(schedule="step", direction="up"), epochs=5)
    assert len(backend.gates) == traced


def test_after_an_exception_everything_is_whole() -> None:
    backend = Tracing()
    layer = QuantumLayer(2, 2, backend=backend, gradient="adjoint")
    model = model_of(layer)
    with pytest.raises(KeyboardInterrupt):
        fit(model, AdaptiveDepth(direction="up"), Interrupts(2))
    assert active_depth(layer) == 2
    kept = layer.theta.numpy()
    backend.gates.clear()
    model.predict(X, verbose=0)
    fit(model, epochs=1)
    assert set(backend.gates) == {2 + 2 * 5}
    assert np.any(layer.theta.numpy()[4:] != kept[4:])


def test_train_on_batch_after_an_exception_is_whole_too() -> None:
    layer = QuantumLayer(2, 2)
    model = model_of(layer)
    with pytest.raises(KeyboardInterrupt):
        fit(model, AdaptiveDepth(direction="up"), Interrupts(2))
    kept = layer.theta.numpy()
    model.train_on_batch(X, np.repeat(Y, 2, axis=1))
    assert np.any(layer.theta.numpy()[4:] != kept[4:])


def test_early_stopping_leaves_the_whole_model() -> None:
    layer = QuantumLayer(2, 3)
    model = model_of(layer)
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=10.0)
    history = fit(model, AdaptiveDepth(direction="up"), stop, epochs=9)
    assert len(history["depth"]) < 9 and active_depth(layer) == 3


@pytest.mark.parametrize("ansatz", ANSATZE)
def test_every_ansatz_trains_at_its_depths(ansatz: str) -> None:
    layer = QuantumLayer(2, 3, ansatz=ansatz, encoding="amplitude")
    history = fit(model_of(layer), AdaptiveDepth(direction="up"), epochs=3)
    assert history["depth"] == [1, 2, 3]


def test_features_uploaded_again_train_at_their_depths() -> None:
    layer = QuantumLayer(circuit=uploads(3), inputs=["x0", "x1"])
    watch = Each(lambda: layer.theta.numpy())
    assert fit(model_of(layer), AdaptiveDepth(direction="up"), watch, epochs=3)["depth"] == [
        1,
        2,
        3,
    ]
    np.testing.assert_array_equal(watch.seen[2][2:], watch.seen[0][2:])


def test_several_layers_and_nested_models_each_at_its_own_depth() -> None:
    first, second = QuantumLayer(2, 2, name="first"), QuantumLayer(2, 4, name="second")
    inner = keras.Sequential([keras.Input((2,)), first])
    chosen = AdaptiveDepth(direction="up")
    model = model_of(inner, second)
    fit(model, chosen, epochs=2)
    assert chosen.depths(0) == {"first": 1, "second": 1}
    assert chosen.depths(1) == {"first": 2, "second": 3}
    one = AdaptiveDepth(initial=3, minimum=2, layers=["second"])
    fit(model, one, epochs=2)
    assert one.depths(0) == {"second": 3}


def test_a_chain_on_states_trains() -> None:
    layers = [AmplitudeEncoding(2), QuantumLayer(2, 3), QuantumLayer(2, 2), ExpectationValue("Z")]
    history = fit(model_of(*layers), AdaptiveDepth(direction="up"), epochs=3)
    assert history["depth"] == [1, 2, 3]


def test_saving_in_the_midst_keeps_what_the_layer_was_made_with(tmp_path: Any) -> None:
    model = model_of(QuantumLayer(2, 3))
    path = str(tmp_path / "{epoch}.keras")
    fit(model, AdaptiveDepth(direction="up"), keras.callbacks.ModelCheckpoint(path), epochs=2)
    loaded = keras.models.load_model(tmp_path / "1.keras")
    assert active_depth(quantum(loaded)) == 3
    np.testing.assert_allclose(model(X).shape, loaded(X).shape)


def test_compiling_anew_in_between_takes_effect() -> None:
    layer = QuantumLayer(2, 2)
    model = model_of(layer, optimizer=keras.optimizers.SGD(0.1))
    fit(model, AdaptiveDepth(direction="up"), epochs=2)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    kept = layer.theta.numpy()
    fit(model, AdaptiveDepth(direction="up"), epochs=2)
    np.testing.assert_array_equal(layer.theta.numpy(), kept)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "linaer"}, "Did you mean 'linear'"),
        ({"direction": "upp"}, "Did you mean 'up'"),
        ({"minimum": 0}, "at least 1"),
        ({"initial": 2, "minimum": 3}, "minimum <= initial"),
        ({"initial": 4}, "from 1 to 3"),
        ({"minimum": 4}, "from 1 to 3"),
        ({"layers": ["quantm"]}, "Did you mean 'quantum'"),
    ],
)
def test_obvious_mistakes(arguments: dict[str, Any], message: str) -> None:
    model = model_of(QuantumLayer(2, 3, name="quantum"))
    with pytest.raises(ConfigurationError, match=message):
        fit(model, AdaptiveDepth(**arguments))


@pytest.mark.parametrize("layers", [[QuantumLayer(2, 1)], [keras.layers.Dense(1)]])
def test_a_model_without_depth_is_an_error(layers: Any) -> None:
    with pytest.raises(ConfigurationError, match="No quantum layer of this model has a depth"):
        fit(model_of(*layers), AdaptiveDepth())


def test_gradients_are_those_of_the_shallow_circuit() -> None:
    deep, shallow = QuantumLayer(2, 3), QuantumLayer(2, 1)
    models = [model_of(layer, optimizer=keras.optimizers.SGD(0.5)) for layer in (deep, shallow)]
    shallow.theta.assign(deep.theta[:4])
    fit(models[0], AdaptiveDepth(direction="up"), epochs=1)
    fit(models[1], epochs=1)
    np.testing.assert_allclose(deep.theta.numpy()[:4], shallow.theta.numpy(), atol=1e-6)
