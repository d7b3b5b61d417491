"""Shots, backend and depth of a layer after it was made."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf import backends
from qstore_tf.backends.arrays.ionq import IonQ
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import UnifiedCircuit, ansatz
from qstore_tf.circuits.ansatz import ANSATZE
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer, Sample
from qstore_tf.layers.inspection import (
    Setting,
    active_depth,
    depth_of,
    ensure_counter,
    set_active_depth,
    set_backend,
    set_shots,
    shots_of,
    switched,
)
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.extras import needs_extra
from tests.layers.test_depths import uploads

X = np.random.default_rng([daily_seed(), 1402]).uniform(-1, 1, (5, 2)).astype("float32")


def layers_with_depth() -> list[Any]:
    """Every way to a circuit of three layers, as functions from depth to layer."""
    ways: list[Any] = [
        lambda depth, name=name, encoding=encoding: QuantumLayer(
            3, depth, encoding=encoding, ansatz=name, entanglement="circular"
        )
        for name in ANSATZE
        for encoding in ("angle", "amplitude", "basis")
    ]
    ways.append(lambda depth: QuantumLayer(circuit=uploads(depth), inputs=["x0", "x1"]))
    circuit = ansatz.hardware_efficient
    ways.append(lambda depth: QuantumLayer(circuit=circuit(2, depth=depth), encoding="angle"))
    return ways


@pytest.mark.parametrize("make", layers_with_depth())
def test_an_active_depth_is_the_layer_of_that_depth(make: Any) -> None:
    whole = make(3)
    x = (X > 0).astype("float32") if "basis" in str(whole.circuit_options.encoding) else X
    full = whole(x).numpy()
    for depth in (1, 2, 3):
        part = make(depth)
        part(x)
        part.theta.assign(whole.theta[: part.theta.shape[0]])
        set_active_depth(whole, depth)
        assert (active_depth(whole), depth_of(whole)) == (depth, 3)
        with tf.GradientTape() as tape:
            values = whole(x)
        np.testing.assert_allclose(values, part(x), atol=1e-6)
        gradient = tape.gradient(values, [whole.theta])[0].numpy()
        assert np.all(gradient[part.theta.shape[0] :] == 0)
        assert np.any(gradient[: part.theta.shape[0]] != 0)
    set_active_depth(whole, None)
    np.testing.assert_array_equal(whole(x), full)


def test_a_chain_on_states_runs_the_active_layers_of_each() -> None:
    first, second = QuantumLayer(2, 2), QuantumLayer(2, 3)
    model = keras.Sequential(
        [keras.Input((2,)), AmplitudeEncoding(2), first, second, ExpectationValue("Z")]
    )
    with switched({first: Setting(depth=1), second: Setting(depth=2)}):
        found = model(X)
    others = [QuantumLayer(2, 1), QuantumLayer(2, 2)]
    short = keras.Sequential(
        [keras.Input((2,)), AmplitudeEncoding(2), *others, ExpectationValue("Z")]
    )
    for layer, other in zip((first, second), others, strict=True):
        other.theta.assign(layer.theta[: other.theta.shape[0]])
    np.testing.assert_allclose(found, short(X), atol=1e-6)


def test_what_is_switched_is_not_saved(tmp_path: Path) -> None:
    layer = QuantumLayer(2, 3, shots=50, backend="tensorflow", seed=1)
    model = keras.Sequential([keras.Input((2,)), layer])
    before = layer.get_config()
    set_shots(layer, 7)
    set_backend(layer, "qsim")
    set_active_depth(layer, 1)
    options = layer.run_options
    assert (options.resolved.name, options.shots, active_depth(layer)) == ("qsim", 7, 1)
    assert layer.get_config() == before
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert (loaded.run_options.backend, loaded.run_options.shots) == ("tensorflow", 50)
    assert active_depth(loaded) == 3
    for restore in (set_shots, set_backend, set_active_depth):
        restore(layer, None)
    assert layer.run_options == loaded.run_options and active_depth(layer) == 3


def test_readers_and_encodings_keep_what_they_were_given() -> None:
    reader = ExpectationValue("Z", shots=50, backend="tensorflow")
    set_shots(reader, 5)
    set_backend(reader, "qsim")
    assert reader.run_options.shots == 5
    config = reader.get_config()
    assert (config["shots"], config["backend"]) == (50, "tensorflow")


def test_settings_hold_inside_in_this_thread_and_add_up() -> None:
    layer = QuantumLayer(2, 3, shots=50)
    set_active_depth(layer, 2)
    elsewhere: list[Any] = []
    with switched({layer: Setting(shots=5)}):
        with switched({layer: Setting(backend="tensorflow")}):
            assert layer.run_options.resolved.name == "tensorflow"
            assert (layer.run_options.shots, active_depth(layer)) == (5, 2)
        thread = threading.Thread(target=lambda: elsewhere.append(layer.run_options.shots))
        thread.start()
        thread.join()
    assert (elsewhere, layer.run_options.shots) == ([50], 50)
    with pytest.raises(KeyError), switched({layer: Setting(shots=5)}):
        raise KeyError
    assert layer.run_options.shots == 50


def test_an_exact_layer_draws_after_a_switch_to_shots_without_a_new_weight() -> None:
    layer = QuantumLayer(1, seed=3, theta_initializer="zeros")
    exact = layer(np.array([[1.2]], "float32")).numpy()
    weights = len(layer.weights)
    set_backend(layer, Sampled(backends.get("tensorflow"), 20))
    first, second = (layer(np.full((200, 1), 1.2, "float32")).numpy() for _ in range(2))
    assert len(layer.weights) == weights
    assert np.any(first != second)
    assert abs(np.mean([first, second]) - exact[0, 0]) < 5 / np.sqrt(20 * 400)
    assert np.all(first * 20 == np.round(first * 20))
    set_backend(layer, None)
    np.testing.assert_array_equal(layer(np.array([[1.2]], "float32")), exact)


def test_a_layer_with_shots_has_no_second_counter() -> None:
    layer = QuantumLayer(1, shots=5)
    ensure_counter(layer)
    assert layer.switches.counter is None


def test_which_layers_have_shots() -> None:
    assert shots_of(QuantumLayer(2, shots=5)) == 5
    assert shots_of(QuantumLayer(2)) is None
    assert shots_of(QuantumLayer(2, backend=Sampled(backends.get("tensorflow"), 9))) == 9
    assert shots_of(ExpectationValue("Z", shots=3)) == 3
    assert shots_of(ExpectationValue("Z")) is None
    assert shots_of(Sample(shots=3)) is None


def test_a_machine_that_always_has_shots_changes_them_without_shots_of_the_layer() -> None:
    needs_extra("httpx")
    layer = QuantumLayer(2, backend=IonQ("qpu.forte-1"))
    assert shots_of(layer) == 1000
    set_shots(layer, 10)
    assert shots_of(layer) == 10
    assert layer.get_config()["shots"] is None
    set_shots(layer, None)
    assert shots_of(layer) == 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: set_shots(QuantumLayer(2), 5), "is exact"),
        (lambda: set_shots(QuantumLayer(2, shots=5), 0), "shots"),
        (lambda: set_backend(QuantumLayer(2), "nativ"), "Did you mean 'native'"),
        (
            lambda: set_backend(QuantumLayer(2, gradient="adjoint"), "qsim"),
            "adjoint",
        ),
        (lambda: set_active_depth(QuantumLayer(2, 3), 4), "from 1 to 3"),
        (lambda: set_active_depth(QuantumLayer(2, 3), 0), "from 1 to 3"),
        (lambda: set_active_depth(QuantumLayer(2, 3), 1.5), "from 1 to 3"),
        (
            lambda: set_active_depth(
                QuantumLayer(circuit=UnifiedCircuit(1).add_gate("H", 0).add_gate("RY", 0, "a")), 2
            ),
            "repeats one block",
        ),
    ],
)
def test_what_does_not_go_is_an_error(change: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        change()


def test_after_an_error_the_layer_is_as_before() -> None:
    layer = QuantumLayer(2, gradient="adjoint")
    with pytest.raises(ConfigurationError):
        set_backend(layer, Sampled(backends.get("tensorflow"), 10))
    assert layer.run_options.resolved.name == QuantumLayer(2).run_options.resolved.name
