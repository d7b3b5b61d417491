import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.errors import ConfigurationError, InputError, MemoryLimitError
from qstore_tf.layers import AmplitudeEncoding
from qstore_tf.testing.gradient_agreement import check_gradients
from qstore_tf.testing.layer_test import run_layer_test


def rows(seed: int, batch: int, width: int, *, is_complex: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    real = rng.normal(size=(batch, width))
    return real + 1j * rng.normal(size=(batch, width)) if is_complex else real


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_it_keeps_the_promises_of_a_keras_layer(dtype: str) -> None:
    precision = "float64" if dtype == "float64" else "float32"
    data = rows(0, 4, 7, is_complex=dtype == "complex64").astype(dtype)
    run_layer_test(
        AmplitudeEncoding,
        {"n_qubits": 3, "dtype": precision},
        input_data=data,
        expected_output_shape=(4, 8),
        expected_output_dtype="complex128" if dtype == "float64" else "complex64",
        expected_n_weights=0,
    )


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    n_qubits=st.integers(1, 5),
    is_complex=st.booleans(),
    data=st.data(),
)
def test_rows_are_padded_and_normalized(
    seed: int, n_qubits: int, is_complex: bool, data: st.DataObject
) -> None:
    width = data.draw(st.integers(1, 2**n_qubits))
    features = rows(seed, 3, width, is_complex=is_complex)
    state = AmplitudeEncoding(n_qubits, dtype="float64")(features).numpy()
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(state[:, :width], expected, atol=1e-12)
    np.testing.assert_array_equal(state[:, width:], 0)


@pytest.mark.parametrize("is_complex", [False, True])
def test_gradients_are_those_of_finite_differences(is_complex: bool) -> None:
    layer = AmplitudeEncoding(2, dtype="float64")
    check_gradients(layer, [rows(1, 3, 3, is_complex=is_complex)])


@pytest.mark.parametrize("is_complex", [False, True])
def test_a_row_of_zeros_is_the_ground_state_and_has_gradient_zero(is_complex: bool) -> None:
    features = tf.constant(rows(2, 3, 4, is_complex=is_complex) * [[1.0], [0.0], [1.0]])
    layer = AmplitudeEncoding(2, dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(features)
        state = layer(features)
        loss = tf.reduce_sum(tf.math.real(state) * [[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(state[1], [1, 0, 0, 0])
    gradient = tape.gradient(loss, features).numpy()
    assert np.all(np.isfinite(gradient))
    np.testing.assert_array_equal(gradient[1], 0)
    assert np.all(np.abs(gradient[[0, 2]]).sum(axis=1) > 0)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_size_of_a_row_does_not_matter(scale: float) -> None:
    features = rows(3, 2, 4).astype("float32")
    layer = AmplitudeEncoding(2)
    np.testing.assert_allclose(layer(features * np.float32(scale)), layer(features), atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_becomes_nan_and_the_others_do_not(bad: float) -> None:
    features = rows(4, 3, 3)
    features[1, 2] = bad
    state = AmplitudeEncoding(2)(features).numpy()
    assert np.all(np.isnan(state[1]))
    assert np.all(np.isfinite(state[[0, 2]]))


def test_without_normalization_rows_stay_as_they_are() -> None:
    features = rows(5, 2, 3)
    state = AmplitudeEncoding(2, normalize=False, dtype="float64")(features).numpy()
    np.testing.assert_array_equal(state, np.pad(features, ((0, 0), (0, 1))))


def test_too_many_features_name_both_numbers_and_the_qubits_that_would_do() -> None:
    with pytest.raises(InputError, match=r"65 features.* 6 qubits.*64.*n_qubits=7"):
        AmplitudeEncoding(6).build((None, 65))


@pytest.mark.parametrize("shape", [(None,), (None, 8, 8), (None, None)])
def test_inputs_of_another_rank_or_unknown_width_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="AmplitudeEncoding"):
        AmplitudeEncoding(6).build(shape)


@pytest.mark.parametrize("n_qubits", [0, -1, 2.5, "3", None, True])
def test_a_number_of_qubits_that_is_none_is_refused(n_qubits: object) -> None:
    with pytest.raises(ConfigurationError):
        AmplitudeEncoding(n_qubits)  # type: ignore[arg-type]


def test_more_qubits_than_memory_name_the_two_numbers() -> None:
    with pytest.raises(MemoryLimitError, match="iB"):
        AmplitudeEncoding(50)
