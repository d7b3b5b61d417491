"""Scaling and PCA, fitted on the training samples and handed over as plain Keras layers.

The layers become the first layers of the model, so that the saved file predicts from raw data.
None of them is trained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tensorflow import keras

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.training.data import Dataset


@dataclass(frozen=True)
class Preprocessing:
    """Fitted layers, in order, and one line that says what they do."""

    layers: tuple[keras.layers.Layer, ...]
    n_features: int
    summary: str


def capacity(encoding: str, n_qubits: int) -> int:
    """Number of features that an encoding takes on `n_qubits` qubits.

    >>> capacity("amplitude", 6), capacity("angle", 6)
    (64, 6)
    """
    return 2**n_qubits if encoding == "amplitude" else n_qubits


def check_features(n_features: int, encoding: str, n_qubits: int, pca: int | None) -> int:
    """Returns to how many features the samples are reduced.

    Args:
        n_features: number of values in one raw sample.
        encoding: `amplitude`, `angle` or `basis`.
        n_qubits: number of qubits.
        pca: number of principal components asked for; `None` keeps all features that fit.

    Raises:
        ConfigurationError: if more components are asked for than there are or than fit.
    """
    limit = capacity(encoding, n_qubits)
    if pca is None:
        return min(n_features, limit)
    if not 1 <= pca <= min(n_features, limit):
        raise ConfigurationError(
            describe(
                "The number of principal components does not fit",
                expected=f"1 to {min(n_features, limit)} ({n_features} features in the data, "
                f"{limit} in the {encoding} encoding on {n_qubits} qubits)",
                received=pca,
                hint="Ask for fewer components with --pca, or for more qubits with --qubits.",
            )
        )
    return pca


def fit_preprocessing(
    dataset: Dataset, *, encoding: str, n_qubits: int, pca: int | None = None, seed: int = 0
) -> Preprocessing:
    """Fits flattening, scaling and, where needed or asked for, PCA.

    Images are divided by the largest value a pixel can have; the columns of a table are
    standardized. More features than the encoding takes are reduced by PCA. For the angle
    encoding the reduced features have unit variance (1 rad); for the basis encoding they are
    mapped to 0..1 and clipped by nothing, so that unseen extremes may lie slightly outside.

    Args:
        dataset: raw samples; only the training part is looked at.
        encoding: `amplitude`, `angle` or `basis`.
        n_qubits: number of qubits.
        pca: number of principal components; `None` for all features that fit.
        seed: seed of the PCA solver, used for large data only.

    Raises:
        ConfigurationError: if the number of components does not fit.
    """
    target = check_features(dataset.n_features, encoding, n_qubits, pca)
    layers: list[keras.layers.Layer] = []
    steps: list[str] = []
    values = dataset.x_train.reshape(len(dataset.x_train), -1)
    if len(dataset.sample_shape) > 1:
        layers.append(keras.layers.Flatten(name="flatten"))
    if dataset.value_range is not None:
        layers.append(keras.layers.Rescaling(1.0 / dataset.value_range, name="scale"))
        steps.append(f"values / {dataset.value_range:g}")
    else:
        standardize = keras.layers.Normalization(name="standardize")
        standardize.adapt(values)
        layers.append(standardize)
        steps.append("columns standardized")
    scaled = np.asarray(layers[-1](values), dtype=np.float64)

    kernel, bias = np.eye(dataset.n_features), np.zeros(dataset.n_features)
    name = ""
    if pca is not None or target < dataset.n_features:
        kernel, bias = _principal_components(scaled, target, seed, whiten=encoding == "angle")
        name = "pca"
        steps.append(f"PCA {dataset.n_features} -> {target}")
    if encoding == "basis":
        kernel, bias = _to_unit_interval(scaled, kernel, bias)
        name = name or "unit_interval"
        steps.append("mapped to 0..1")
    if name:
        layers.append(_frozen_dense(kernel, bias, name))
    return Preprocessing(tuple(layers), target, ", ".join(steps))


def _principal_components(
    scaled: np.ndarray, n_components: int, seed: int, *, whiten: bool
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.decomposition import PCA

    if n_components > len(scaled):
        raise ConfigurationError(
            describe(
                "PCA needs at least as many training samples as components",
                expected=f"at most {len(scaled)} components",
                received=n_components,
                hint="Ask for fewer with --pca, or give more samples.",
            )
        )
    fitted = PCA(n_components=n_components, random_state=seed).fit(scaled)
    kernel = fitted.components_.T
    if whiten:
        # Components without variance stay at zero instead of amplifying rounding errors.
        deviation = np.sqrt(fitted.explained_variance_)
        kernel = kernel / np.where(deviation > 1e-6 * deviation.max(initial=1e-6), deviation, 1.0)
    return kernel, -fitted.mean_ @ kernel


def _to_unit_interval(
    scaled: np.ndarray, kernel: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    values = scaled @ kernel + bias
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    span = np.where(span > 0, span, 1.0)
    return kernel / span, (bias - low) / span


def _frozen_dense(kernel: np.ndarray, bias: np.ndarray, name: str) -> keras.layers.Layer:
    layer = keras.layers.Dense(kernel.shape[1], trainable=False, name=name)
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return layer
