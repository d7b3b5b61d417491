"""Optimizers and the models made for them are made again from what Keras keeps of them."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf import optimizers
from qstore_tf.layers import QuantumLayer
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.layer_test import random_input

X = random_input((4, 2), "float32", daily_seed())
CLASSES = [
    item
    for _, item in sorted(vars(optimizers).items())
    if isinstance(item, type) and issubclass(item, keras.optimizers.Optimizer)
]
WAYS: dict[str, Callable[[Any], Any]] = {
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "serialize": lambda made: keras.optimizers.deserialize(
        json.loads(json.dumps(keras.optimizers.serialize(made)))
    ),
    "from_config": lambda made: type(made).from_config(made.get_config()),
}


@pytest.mark.slow
@pytest.mark.parametrize("optimizer_class", CLASSES, ids=lambda made: made.__name__)
def test_an_optimizer_is_made_again_and_trains(optimizer_class: Any) -> None:
    for way in WAYS.values():
        made = optimizer_class(name="mine")
        again = way(made)
        assert type(again) is optimizer_class and again is not made
        assert json.dumps(again.get_config()) == json.dumps(made.get_config())
    model = optimizers.Sequential([QuantumLayer()])
    model.compile(again, "mse")
    model.fit(X, X, verbose=0)
    before = model.get_weights()
    # Kept with a model it goes on; what it has counted so far comes with it.
    kept = copy.deepcopy(model)
    assert type(kept) is optimizers.Sequential and type(kept.optimizer) is optimizer_class
    assert int(kept.optimizer.iterations) == int(model.optimizer.iterations) == 1
    for one, other in zip(before, kept.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    kept.fit(X, X, verbose=0)
