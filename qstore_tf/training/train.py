"""One training run: load, fit the preprocessing, train, evaluate, write everything down."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow import keras

from qstore_tf.training.data import Dataset, load
from qstore_tf.training.model import build_model
from qstore_tf.training.options import TrainOptions
from qstore_tf.training.preprocessing import fit_preprocessing
from qstore_tf.training.report import (
    confusion_matrix,
    plot_confusion_matrix,
    plot_history,
    save_figure,
)


@dataclass(frozen=True)
class TrainResult:
    """Held-out accuracy (0 to 1) and where a run has left its files."""

    accuracy: float
    model: Path
    confusion_matrix: Path
    loss_curve: Path
    metrics: Path
    log_dir: Path


def train(options: TrainOptions, say: Callable[[str], None] = print) -> TrainResult:
    """Trains a hybrid classifier and writes model, pictures, figures and TensorBoard logs.

    Args:
        options: checked here before anything is loaded.
        say: takes each line meant for the user.

    Raises:
        QstoreError: if the options or the data cannot be used.
    """
    options.check()
    keras.utils.set_random_seed(options.seed)
    circuit = options.circuit
    dataset = load(options.data, seed=options.seed)
    preprocessing = fit_preprocessing(
        dataset,
        encoding=circuit.encoding,
        n_qubits=circuit.qubits,
        pca=options.pca,
        seed=options.seed,
    )
    model = build_model(dataset, preprocessing, options)
    # The folders come last, so that a run refused above leaves no folders.
    model_dir, log_dir = options.folders(datetime.now())
    model_dir.mkdir(parents=True, exist_ok=True)

    say(
        f"Data      {dataset.name}: {len(dataset.x_train)} samples to train, "
        f"{len(dataset.x_test)} held out, {len(dataset.class_names)} classes"
    )
    say(f"Features  {preprocessing.n_features} ({preprocessing.summary})")
    say(
        f"Circuit   {circuit.qubits} qubits, {circuit.encoding} encoding, "
        f"{circuit.ansatz} depth {circuit.depth}, {circuit.entanglement} entanglement"
    )
    say(f"Weights   {_count(model, 'quantum')} quantum, {_count(model, 'classes')} classical")
    started = time.perf_counter()
    history = model.fit(
        dataset.x_train,
        dataset.y_train,
        validation_data=(dataset.x_test, dataset.y_test),
        epochs=options.resolved_epochs,
        batch_size=options.batch_size,
        callbacks=[keras.callbacks.TensorBoard(log_dir=str(log_dir), write_graph=False)],
        verbose=options.verbose,
    ).history
    seconds = time.perf_counter() - started

    predicted = model.predict(dataset.x_test, verbose=0).argmax(axis=1)
    accuracy = float(np.mean(predicted == dataset.y_test))
    model_path = model_dir / "model.keras"
    model.save(model_path)
    settings = {"options": dataclasses.asdict(options)}
    result = write_reports(
        dataset, settings, history, predicted, accuracy, seconds, model_path, log_dir
    )
    say_result(result, seconds, say)
    return result


def _count(model: keras.Model, layer: str) -> int:
    return int(sum(np.prod(w.shape) for w in model.get_layer(layer).trainable_weights))


def write_reports(
    dataset: Dataset,
    settings: dict[str, Any],
    history: dict[str, list[float]],
    predicted: np.ndarray,
    accuracy: float,
    seconds: float,
    model_path: Path,
    log_dir: Path,
) -> TrainResult:
    """Writes pictures and figures beside a model.

    Args:
        dataset: Its names and held-out classes.
        settings: What decided the training, in plain data.
        history: Of Keras.
        predicted: Classes of the held-out samples.
        accuracy: Of these.
        seconds: That the training took.
        model_path: Where the model lies.
        log_dir: TensorBoard's folder.
    """
    folder = model_path.parent
    counts = confusion_matrix(dataset.y_test, predicted, len(dataset.class_names))
    title = f"{dataset.name}: held-out accuracy {accuracy:.3f}"
    matrix_path = save_figure(
        plot_confusion_matrix(counts, dataset.class_names, title), folder / "confusion_matrix.png"
    )
    curve_path = save_figure(plot_history(history, title), folder / "loss_curve.png")
    metrics_path = folder / "metrics.json"
    metrics = {
        "held_out_accuracy": accuracy,
        "training_seconds": round(seconds, 2),
        "class_names": list(dataset.class_names),
        "confusion_matrix": counts.tolist(),
        **settings,
        "history": {name: [float(v) for v in values] for name, values in history.items()},
    }
    metrics_path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    return TrainResult(accuracy, model_path, matrix_path, curve_path, metrics_path, log_dir)


def say_result(result: TrainResult, seconds: float, say: Callable[[str], None]) -> None:
    """Says how good the model is, and where everything lies."""
    say("")
    say(f"Held-out accuracy {result.accuracy:.3f} after {seconds:.0f} s of training")
    say("")
    say(f"Model             {result.model}")
    say(f"Confusion matrix  {result.confusion_matrix}")
    say(f"Loss curve        {result.loss_curve}")
    say(f"Figures           {result.metrics}")
    say(f"TensorBoard       tensorboard --logdir {result.log_dir}")
