"""Reads back what was written for TensorBoard, and makes small models to train."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(64, 2)).astype("float32")


def small_model(**options: Any) -> keras.Model:
    """4 features -> a circuit on 2 qubits -> 2 numbers."""
    layer = qs.layers.QuantumLayer(
        **{"n_qubits": 2, "depth": 2, "encoding": "amplitude", "name": "circuit", **options}
    )
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2, name="head")])
    model.compile("adam", "mse")
    return model


def train(model: keras.Model, folder: Path, *, fit: Any = None, **options: Any) -> Path:
    """Fits 2 epochs of 8 steps with a look every 4; returns the folder."""
    options = {"every": 4, "window": 2, **options}
    board = qs.callbacks.QuantumTensorBoard(folder, **options)
    settings = {"batch_size": 8, "epochs": 2, "verbose": 0, "shuffle": False, **(fit or {})}
    model.fit(X, Y, callbacks=[board], **settings)
    return folder


def read(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """All that is in the event files of one directory: tag to (step, value), in order."""
    found: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for path in sorted(folder.glob("*tfevents*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[value.tag].append((event.step, tf.make_ndarray(value.tensor)))
    return dict(found)


def texts(found: dict[str, list[tuple[int, Any]]], tag: str) -> list[str]:
    """The texts under a tag."""
    return [value.ravel()[0].decode() for _, value in found.get(tag, [])]
