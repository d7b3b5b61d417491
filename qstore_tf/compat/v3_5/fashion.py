"""`QuantumFashionClassifier` of version 3.5: images to 64 components, to 6 qubits, to classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf.compat.v3_5.trainer import batches
from qstore_tf.errors import InputError, describe
from qstore_tf.layers import QuantumLayer

N_QUBITS, DEPTH, CLASSES = 6, 4, 10


class QuantumFashionClassifier:
    """28 x 28 pixels, 64 principal components, amplitudes of 6 qubits, 4 layers, 10 classes.

    The components are those of the images it is first fitted to, and not trained. `keras_model` is
    the model. `n_parameters` counts what is trained, 118 numbers; version 3.5 said about 250.

    Args:
        backend: As of `qs.layers.QuantumLayer`.
        learning_rate: Of Adam.
        seed: Of weights and shots; None: another each time.

    Example:
        >>> images = np.random.default_rng(0).random((70, 28, 28), "float32")
        >>> classifier = QuantumFashionClassifier(seed=1)
        >>> history = classifier.fit(images, np.arange(70) % 10, epochs=1, verbose=0)
        >>> classifier.predict(images[:3]).shape, classifier.n_parameters
        ((3,), 118)
    """

    def __init__(
        self, backend: Any = "auto", learning_rate: float = 0.01, seed: int | None = None
    ) -> None:
        self.backend, self.learning_rate, self.seed = backend, learning_rate, seed
        self._model: keras.Model | None = None

    @property
    def keras_model(self) -> keras.Model:
        """The Keras model.

        Raises:
            InputError: There is none before it was fitted.
        """
        if self._model is None:
            raise InputError(
                describe("The components are those of the images", hint="Call fit first")
            )
        return self._model

    @property
    def n_parameters(self) -> int:
        """Numbers that are trained."""
        return sum(int(np.prod(w.shape)) for w in self.keras_model.trainable_weights)

    def fit(
        self, images: Any, labels: Any, epochs: int = 5, batch_size: int = 32, **options: Any
    ) -> keras.callbacks.History:
        """Trains.

        Args:
            images: [N, 28, 28] or [N, 784], at least 64 of them the first time.
            labels: Classes [N].
            epochs: Passes over the images.
            batch_size: Images of a step.
            **options: Further arguments of Keras's `fit`.
        """
        x = _flat(images)
        if self._model is None:
            self._model = self._built(x)
        data, _ = batches((x, np.asarray(labels, "int64")), batch_size)
        return self._model.fit(data, epochs=epochs, shuffle=False, **options)

    def predict(self, images: Any) -> np.ndarray[Any, Any]:
        """Returns the classes [N] of images."""
        scores = self.keras_model.predict(_flat(images), verbose=0)
        found: np.ndarray[Any, Any] = scores.argmax(axis=1)
        return found

    def evaluate(self, images: Any, labels: Any) -> float:
        """Returns the share of images whose class is right."""
        return float(np.mean(self.predict(images) == np.asarray(labels)))

    def _built(self, x: np.ndarray[Any, Any]) -> keras.Model:
        if self.seed is not None:
            keras.utils.set_random_seed(self.seed)
        n_components = 2**N_QUBITS
        if len(x) < n_components:
            raise InputError(
                describe(
                    "There are too few images for the components",
                    expected=f"at least {n_components}",
                    received=len(x),
                )
            )
        mean = x.mean(axis=0)
        rows = np.linalg.svd(x - mean, full_matrices=False)[2][:n_components]
        reduce = keras.layers.Dense(n_components, trainable=False, name="components")
        circuit = QuantumLayer(
            N_QUBITS,
            depth=DEPTH,
            encoding="amplitude",
            backend=self.backend,
            seed=self.seed,
            name="quantum",
        )
        outputs = keras.layers.Dense(CLASSES, name="outputs")
        model = keras.Sequential([keras.Input((x.shape[1],)), reduce, circuit, outputs])
        reduce.set_weights([rows.T, -mean @ rows.T])
        model.compile(
            keras.optimizers.Adam(self.learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        return model


def _flat(images: Any) -> np.ndarray[Any, Any]:
    """Images as rows; whole numbers, which are pixels to 255, as parts of 1."""
    given = np.asarray(images)
    scale = 255.0 if given.dtype.kind in "iu" else 1.0
    return (given.reshape(len(given), -1) / scale).astype("float32")
