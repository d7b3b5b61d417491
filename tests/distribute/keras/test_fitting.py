"""What several workers need of the models and callbacks of a fit."""

from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf.distribute.keras import fitting
from qstore_tf.errors import ConfigurationError


def model(**options: bool) -> keras.Model:
    normalizing = keras.layers.BatchNormalization(**options)
    return keras.Sequential([keras.Input((2,)), normalizing, keras.layers.Dense(1)])


def test_layers_whose_state_would_differ_among_workers_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="synchronized=True"):
        fitting._require_synchronized(model())
    fitting._require_synchronized(model(synchronized=True))


def test_callbacks_that_write_files_are_known(tmp_path: Path) -> None:
    class Mine(keras.callbacks.CSVLogger):
        pass

    path = str(tmp_path / "x.weights.h5")
    writing = [
        keras.callbacks.ModelCheckpoint(path, save_weights_only=True),
        keras.callbacks.TensorBoard(str(tmp_path)),
        Mine(str(tmp_path / "log.csv")),
    ]
    assert all(fitting._writes(callback) for callback in writing)
    assert not fitting._writes(keras.callbacks.EarlyStopping())


def test_a_fit_is_running_only_while_it_runs() -> None:
    seen: list[bool] = []

    class Looks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            seen.append(fitting.is_running())

    fitting.watch()
    built = model()
    built.compile("sgd", "mse")
    x, y = np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")
    built.fit(x, y, verbose=0, callbacks=[Looks()])
    assert seen == [True]
    assert not fitting.is_running()
