from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from tensorflow import keras

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.layers import AmplitudeEncoding, AngleEncoding, QuantumLayer, Sample
from qstore_tf.testing.layer_test import run_layer_test
from qstore_tf.testing.random_circuits import random_state


def test_it_keeps_the_promises_of_a_keras_layer() -> None:
    run_layer_test(
        Sample,
        {"shots": 5, "seed": 1},
        input_shape=(4, 8),
        input_dtype="complex64",
        expected_output_shape=(4, 5, 3),
        expected_output_dtype="int8",
        expected_n_weights=0,
        random=True,
    )


@pytest.mark.parametrize("backend", ["native", "tensorflow"])
def test_bits_follow_the_probabilities_of_the_state(backend: str) -> None:
    # Chi-square on 3 states of 8 outcomes, each at 1e-4: a false alarm in 1 of 3,300 seeds.
    states = random_state(0, 3, 3)
    shots = 20_000
    bits = Sample(shots, seed=2, backend=backend, dtype="float64")(states).numpy()
    indices = bits.astype(int) @ [4, 2, 1]
    for drawn, state in zip(indices, states, strict=True):
        counts = np.bincount(drawn, minlength=8)
        assert stats.chisquare(counts, shots * abs(state) ** 2).pvalue > 1e-4


def test_qubit_0_comes_first() -> None:
    bits = Sample(3)(AngleEncoding(3)(np.array([[np.pi, 0.0, 0.0]])))
    np.testing.assert_array_equal(bits, [[[1, 0, 0]] * 3])


def test_every_call_draws_anew_and_the_same_seed_gives_the_same_calls() -> None:
    state = tf.constant(random_state(0, 4, 4), tf.complex64)
    layers = [Sample(50, seed=3), Sample(50, seed=3), Sample(50, seed=4), Sample(50)]
    first = [layer(state).numpy() for layer in layers]
    again = [tf.function(layer)(state).numpy() for layer in layers]
    np.testing.assert_array_equal(first[0], first[1])
    np.testing.assert_array_equal(again[0], again[1])
    assert np.any(first[0] != again[0])
    assert np.any(first[0] != first[2]) and np.any(first[0] != first[3])
    # Samples of one batch do not share their draws either.
    same = np.repeat(random_state(0, 1, 4), 2, axis=0).astype("complex64")
    one, two = layers[0](same).numpy()
    assert np.any(one != two)


@pytest.mark.parametrize("encode", [AmplitudeEncoding(3), AngleEncoding(3)])
def test_after_quantum_layers_the_whole_circuit_is_sampled(encode: Any) -> None:
    layer, shots = QuantumLayer(3, 2), 40_000
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), encode, layer, Sample(shots, seed=5)])
    bits = model.predict(x, verbose=0)
    indices = bits.astype(int) @ [4, 2, 1]
    states = layer(encode(x)).numpy()
    for drawn, state in zip(indices, states, strict=True):
        # 1e-4 for each of 4 states: a false alarm in 1 of 2,500 seeds.
        expected = abs(state.astype(complex)) ** 2
        expected /= expected.sum()
        assert stats.chisquare(np.bincount(drawn, minlength=8), shots * expected).pvalue > 1e-4


def test_bits_have_no_gradient() -> None:
    layer = QuantumLayer(2, 1)
    encode, sample = AngleEncoding(2), Sample(4)
    with tf.GradientTape() as tape:
        bits = sample(layer(encode(np.ones((2, 2)))))
    assert tape.gradient(tf.cast(bits, tf.float32), layer.trainable_variables) == [None]


@pytest.mark.parametrize("shots", [None, 0, -1, 1.5, True, "100"])
def test_shots_that_are_no_number_of_shots_are_refused(shots: Any) -> None:
    with pytest.raises(ConfigurationError, match="integer >= 1"):
        Sample(shots)


@pytest.mark.parametrize("seed", [1.5, "1", True, 2**70])
def test_a_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(ConfigurationError, match="seed"):
        Sample(1, seed=seed)


def test_real_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="AmplitudeEncoding"):
        Sample(1)(np.ones((2, 8), "float32"))


@pytest.mark.parametrize("backend", ["native", "tensorflow", "qsim"])
def test_bits_of_what_is_not_finite_are_an_error(backend: str) -> None:
    sample = Sample(4, seed=1, backend=backend)
    run = tf.function(lambda x: sample(AngleEncoding(n_qubits=2)(x)))
    assert run(tf.zeros([2, 2])).shape == (2, 4, 2)
    with pytest.raises((tf.errors.InvalidArgumentError, InputError), match="finite"):
        run(tf.constant([[0.0, 0.0], [np.nan, 0.0]]))
