from typing import Any

import cirq
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from qstore_tf.circuits import PauliSum, parse_observables
from qstore_tf.errors import InputError, ObservableError
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue
from qstore_tf.testing.gradient_agreement import check_gradients
from qstore_tf.testing.layer_test import run_layer_test
from qstore_tf.testing.random_circuits import random_state

Q = cirq.LineQubit.range(3)
SPECIFICATIONS: list[Any] = [
    "Z",
    "X",
    [cirq.Z] * 3,
    cirq.Y,
    "ZZI",
    ["ZZI", "XIY"],
    ["Z0", "0.5 X0 Y1 - 2 Z2 + 1"],
    cirq.Z(Q[0]) * cirq.X(Q[2]),
    [0.5 * cirq.X(Q[1]) + 2.0, "ZZZ"],
    PauliSum.of("Z0 Z2"),
    [PauliSum.of("Z0 Z2").to_dict()],
]


@pytest.mark.parametrize("observables", SPECIFICATIONS, ids=str)
def test_it_measures_states_exactly(observables: Any) -> None:
    states = random_state(0, 4, 3)
    values = ExpectationValue(observables, dtype="float64")(states).numpy()
    parsed = parse_observables(observables, 3)
    expected = [
        [np.vdot(state, observable.matrix(3) @ state).real for observable in parsed]
        for state in states
    ]
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("observables", SPECIFICATIONS[::3], ids=str)
def test_it_keeps_the_promises_of_a_keras_layer(observables: Any) -> None:
    run_layer_test(
        ExpectationValue,
        {"observables": observables},
        input_shape=(4, 8),
        input_dtype="complex64",
        expected_output_shape=(4, len(parse_observables(observables, 3))),
        expected_output_dtype="float32",
        expected_n_weights=0,
    )


def test_gradients_reach_the_state() -> None:
    check_gradients(ExpectationValue(["ZX", "YI"], dtype="float64"), [random_state(1, 3, 2)])


def test_unfused_it_differentiates_with_respect_to_the_state_between_layers() -> None:
    features = tf.constant(np.random.default_rng(0).normal(size=(3, 4)))
    encode = AmplitudeEncoding(2, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(features)
        state = encode(features)
        value = ExpectationValue("Z", fuse=False, dtype="float64")(state)
    assert tape.gradient(value, state) is not None


def test_a_mistyped_observable_is_refused_at_construction_or_when_the_size_is_known() -> None:
    with pytest.raises(ObservableError, match="qubit 3"):
        ExpectationValue("Z3").build((None, 8))
    with pytest.raises(ObservableError, match="letters"):
        ExpectationValue("ZZ").build((None, 8))
    with pytest.raises(ObservableError):
        ExpectationValue([1.5])


def test_real_numbers_are_refused_with_what_to_put_in_front() -> None:
    with pytest.raises(InputError, match="AmplitudeEncoding"):
        ExpectationValue("Z")(np.ones((2, 8), "float32"))
    with pytest.raises(InputError, match="AmplitudeEncoding"):
        ExpectationValue("Z")(keras.Input((8,)))


@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_width_that_is_no_power_of_two_is_refused(width: int) -> None:
    with pytest.raises(InputError, match="complex"):
        ExpectationValue("Z")(np.ones((2, width), "complex64"))
