"""Fitted preprocessing: plain layers, frozen, right for every encoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from tensorflow import keras

from qstore_tf.errors import ConfigurationError
from qstore_tf.training.data import Dataset
from qstore_tf.training.preprocessing import Preprocessing, capacity, fit_preprocessing


def dataset(n: int, shape: tuple[int, ...], *, value_range: float | None, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(int(np.prod(shape)),) * 2)
    x = np.abs(rng.normal(size=(n, int(np.prod(shape)))) @ mix + 3.0).reshape(n, *shape)
    if value_range is not None:
        x = x / x.max() * value_range
    x = x.astype(np.float32)
    y = np.arange(n) % 2
    return Dataset(
        "random", x[: n // 2], y[: n // 2], x[n // 2 :], y[n // 2 :], ("a", "b"), value_range
    )


def apply(preprocessing: Preprocessing, x: np.ndarray) -> np.ndarray:
    model = keras.Sequential([keras.layers.Input(x.shape[1:]), *preprocessing.layers])
    assert not model.trainable_weights
    return model.predict(x, verbose=0)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    shape=st.sampled_from([(3,), (9,), (4, 4), (3, 2, 2)]),
    encoding=st.sampled_from(["amplitude", "angle", "basis"]),
    n_qubits=st.integers(1, 4),
)
def test_the_number_of_features_always_fits_the_encoding(
    shape: tuple[int, ...], encoding: str, n_qubits: int
) -> None:
    data = dataset(60, shape, value_range=255.0 if len(shape) > 1 else None)
    fitted = fit_preprocessing(data, encoding=encoding, n_qubits=n_qubits)
    assert fitted.n_features == min(data.n_features, capacity(encoding, n_qubits))
    features = apply(fitted, data.x_test)
    assert features.shape == (len(data.x_test), fitted.n_features)
    assert np.isfinite(features).all()


def test_pixels_are_divided_by_their_range() -> None:
    data = dataset(20, (4, 4), value_range=16.0)
    features = apply(fit_preprocessing(data, encoding="amplitude", n_qubits=4), data.x_test)
    np.testing.assert_allclose(features, data.x_test.reshape(10, 16) / 16.0, rtol=1e-6)


def test_columns_of_a_table_are_standardized_by_the_training_part() -> None:
    data = dataset(400, (3,), value_range=None)
    fitted = fit_preprocessing(data, encoding="angle", n_qubits=3)
    features = apply(fitted, data.x_train)
    np.testing.assert_allclose(features.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(features.std(axis=0), 1.0, atol=1e-3)


def test_pca_is_that_of_scikit_learn_on_the_training_part() -> None:
    data = dataset(100, (5, 5), value_range=1.0)
    fitted = fit_preprocessing(data, encoding="amplitude", n_qubits=5, pca=7)
    expected = PCA(n_components=7).fit(data.x_train.reshape(50, 25))
    np.testing.assert_allclose(
        np.abs(apply(fitted, data.x_test)),
        np.abs(expected.transform(data.x_test.reshape(50, 25))),
        atol=1e-5,
    )
    assert "PCA 25 -> 7" in fitted.summary


def test_angles_after_pca_have_unit_variance() -> None:
    data = dataset(200, (6, 6), value_range=255.0)
    features = apply(fit_preprocessing(data, encoding="angle", n_qubits=4), data.x_train)
    np.testing.assert_allclose(features.std(axis=0, ddof=1), 1.0, atol=1e-3)


@pytest.mark.parametrize("shape", [(3,), (4, 4)])
def test_bits_of_the_training_part_fill_the_unit_interval(shape: tuple[int, ...]) -> None:
    data = dataset(100, shape, value_range=None if len(shape) == 1 else 9.0)
    features = apply(fit_preprocessing(data, encoding="basis", n_qubits=3), data.x_train)
    np.testing.assert_allclose(features.min(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(features.max(axis=0), 1.0, atol=1e-5)


@pytest.mark.parametrize("encoding", ["amplitude", "angle", "basis"])
def test_constant_features_do_not_become_nan(encoding: str) -> None:
    data = dataset(40, (6,), value_range=None)
    flat = Dataset(**{**vars(data), "x_train": np.ones_like(data.x_train)})
    features = apply(fit_preprocessing(flat, encoding=encoding, n_qubits=2), flat.x_test)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("pca", [0, -1, 17, 33])
def test_an_impossible_number_of_components_is_refused(pca: int) -> None:
    data = dataset(100, (4, 4), value_range=1.0)
    with pytest.raises(ConfigurationError, match="1 to 16"):
        fit_preprocessing(data, encoding="amplitude", n_qubits=5, pca=pca)


def test_more_components_than_samples_are_refused() -> None:
    data = dataset(8, (4, 4), value_range=1.0)
    with pytest.raises(ConfigurationError, match="at most 4 components"):
        fit_preprocessing(data, encoding="amplitude", n_qubits=3)
