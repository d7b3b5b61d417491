"""A layer is made again from what Keras keeps of it, built or not, alone and inside wrappers."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tensorflow import keras

import qstore_tf as qs
from qstore_tf import layers
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.layer_test import random_input

FEATURES = random_input((3, 2), "float32", daily_seed())
STATES = random_input((3, 4), "complex64", daily_seed())
CIRCUIT = qs.UnifiedCircuit(2).add_gate("RX", 0, "a").add_gate("RY", 1, "b")

# Of every public layer its options and an input.
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("AmplitudeEncoding", {"n_qubits": 2}, FEATURES),
    ("AngleEncoding", {"n_qubits": 2, "axis": "y", "shots": 20}, FEATURES),
    ("ExpectationValue", {"observables": ["ZI", "XY"], "shots": 5, "seed": 1}, STATES),
    ("Probabilities", {}, STATES),
    ("QuantumLayer", {"theta_regularizer": "l2", "theta_constraint": "non_neg"}, FEATURES),
    ("QuantumLayer", {"n_qubits": 2, "entanglement": [(0, 1)]}, STATES),
    ("QuantumLayer", {"encoding": "amplitude", "gradient": "adaptive"}, FEATURES),
    ("QuantumLayer", {"circuit": CIRCUIT, "inputs": ["b", "a"], "shots": 9}, FEATURES),
    ("Sample", {"shots": 7}, STATES),
    ("StateVector", {"backend": "tensorflow"}, STATES),
    ("Unitary", {}, None),
]
EACH = pytest.mark.parametrize(
    ("name", "options", "data"), CASES, ids=[f"{k}-{case[0]}" for k, case in enumerate(CASES)]
)

WAYS: dict[str, Callable[[Any], Any]] = {
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "serialize": lambda made: keras.utils.deserialize_keras_object(
        json.loads(json.dumps(keras.utils.serialize_keras_object(made)))
    ),
    "from_config": lambda made: type(made).from_config(made.get_config()),
}
KEEP_WEIGHTS = ("copy.deepcopy", "pickle")
OF_MODELS = {
    **{name: way for name, way in WAYS.items() if name != "serialize"},
    "json": lambda model: keras.models.model_from_json(model.to_json()),
    "clone_model": keras.models.clone_model,
}


@keras.utils.register_keras_serializable(package="qstore_tf_tests")
class Cell(keras.layers.Layer):
    """A recurrent cell around a layer, as users write them."""

    def __init__(self, inner: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner
        self.state_size = self.output_size = 2

    def build(self, input_shape: Any) -> None:
        if not self.inner.built:
            self.inner.build(input_shape)

    def call(self, inputs: Any, states: Any, **kwargs: Any) -> Any:
        found = self.inner(inputs) + states[0]
        return found, [found]

    def get_config(self) -> dict[str, Any]:
        inner = keras.utils.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        inner = keras.utils.deserialize_keras_object(config["inner"])
        return cls(**{**config, "inner": inner})


def run(layer: Any, data: Any) -> Any:
    """What a layer returns; what needs a circuit in front is given one."""
    if data is None:
        data = layers.AngleEncoding(2)(FEATURES)
    return np.asarray(layer(data))


def check_equal(made: Any, again: Any, data: Any, *, weights_kept: bool) -> None:
    """Asserts that two do the same; with the same weights at once, or after they are copied."""
    if not weights_kept:
        run(made, data), run(again, data)
        again.set_weights(made.get_weights())
    for one, other in zip(made.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(run(again, data), run(made, data), atol=1e-6)


def test_the_cases_name_every_public_layer() -> None:
    assert {name for name, *_ in CASES} == set(layers.__all__)


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("built", [False, True], ids=["new", "built"])
def test_a_layer_is_made_again_as_it_was(
    name: str, options: dict[str, Any], data: Any, built: bool
) -> None:
    for way, again in WAYS.items():
        layer = getattr(layers, name)(**options)
        if built:
            run(layer, data)
        made = again(layer)
        assert made is not layer
        assert made.built == (built and way != "from_config"), way
        assert json.dumps(made.get_config()) == json.dumps(layer.get_config()), way
        check_equal(layer, made, data, weights_kept=built and way in KEEP_WEIGHTS)


@pytest.mark.slow
@EACH
def test_a_sequential_model_is_made_again_before_it_knows_its_input(
    name: str, options: dict[str, Any], data: Any
) -> None:
    # What reads states stands behind what makes them.
    before = [] if data is FEATURES else [layers.AngleEncoding(2)]
    data = FEATURES
    for built in (False, True):
        for way, again in OF_MODELS.items():
            model = keras.Sequential([*before, getattr(layers, name)(**options)])
            if built:
                run(model, data)
            check_equal(model, again(model), data, weights_kept=built and way in KEEP_WEIGHTS)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", ["TimeDistributed", "RNN", "Bidirectional"])
def test_wrappers_make_their_layer_again(wrap: str) -> None:
    series = random_input((2, 3, 2), "float32", daily_seed())

    def wrapped(layer: Any) -> Any:
        if wrap == "TimeDistributed":
            return keras.layers.TimeDistributed(layer)
        recurrent = keras.layers.RNN(Cell(layer))
        return recurrent if wrap == "RNN" else keras.layers.Bidirectional(recurrent)

    for _, options, given in (case for case in CASES if case[0] == "QuantumLayer"):
        if given is STATES or "shots" in options:
            continue  # wrappers stack real values; each call of a layer with shots draws anew
        for built in (False, True):
            for way in ("copy.deepcopy", "serialize", "from_config"):
                made = wrapped(layers.QuantumLayer(**options))
                if built:
                    run(made, series)
                kept = built and way in KEEP_WEIGHTS
                check_equal(made, WAYS[way](made), series, weights_kept=kept)
