"""A training by a `TrainingConfig` on a labelled data set, with everything written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
from tensorflow import keras

from qstore_tf.distribute.session import current_session
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.training.config import TrainingConfig
from qstore_tf.training.data import BUILT_IN, load
from qstore_tf.training.preprocessing import fit_preprocessing
from qstore_tf.training.quantum_model import QuantumModel
from qstore_tf.training.train import TrainResult, say_result, write_reports


def train(
    config: TrainingConfig,
    pca: int | None = None,
    log_dir: str | None = None,
    verbose: int = 1,
    say: Callable[[str], None] = print,
) -> TrainResult:
    """Trains a classifier and writes model, reports, pictures, figures and TensorBoard's logs.

    Args:
        config: `data` of it names the data set, `run_dir` the folder of the run.
        pca: Principal components to reduce to; None: as many features as fit.
        log_dir: TensorBoard's folder; None: `logs` in that of the run.
        verbose: Keras's progress bar (1) or nothing (0).
        say: Takes each line meant for the user.

    Raises:
        QstoreError: The settings or the data cannot be used.
    """
    if config.task == "regression":
        raise ConfigurationError(
            describe(
                "The data sets of the command have classes",
                expected="task='auto' or 'classification'",
                received=config.task,
            )
        )
    source = config.data or BUILT_IN[0]
    if config.run_dir is None:
        name = f"{Path(source).stem}-{datetime.now():%Y%m%d-%H%M%S}"
        config = config.replace(run_dir=str(Path("runs") / name))
    folder = Path(config.run_dir or "")
    model = QuantumModel(config, say=_nothing)  # before any tensor: workers meet here
    workers = current_session().workers
    is_chief = workers is None or workers.group.cluster.is_chief
    tell = say if is_chief else _nothing
    seed = config.seed or 0
    dataset = load(source, seed=seed)
    preprocessing = fit_preprocessing(
        dataset, encoding=config.encoding, n_qubits=config.n_qubits, pca=pca, seed=seed
    )
    train_data = dataset.x_train, dataset.y_train
    held_out = dataset.x_test, dataset.y_test
    model.build(train_data, before=preprocessing.layers)
    tell(
        f"Data      {dataset.name}: {len(dataset.x_train)} samples to train, "
        f"{len(dataset.x_test)} held out, {len(dataset.class_names)} classes"
    )
    tell(f"Features  {preprocessing.n_features} ({preprocessing.summary})")
    tell(
        f"Circuit   {config.n_qubits} qubits, {config.encoding} encoding, "
        f"{config.ansatz} depth {config.circuit_depth}, {config.entanglement} entanglement"
    )
    estimate = model.estimate(train_data, validation_data=held_out, prediction_data=dataset.x_test)
    if estimate is not None:
        tell(f"\nWhat this costs at most\n{estimate}\n")
    folder.mkdir(parents=True, exist_ok=True)
    logs = Path(log_dir) if log_dir else folder / "logs"
    started = time.perf_counter()
    history = model.fit(
        *train_data,
        validation_data=held_out,
        callbacks=[keras.callbacks.TensorBoard(str(logs), write_graph=False)] if is_chief else [],
        verbose=verbose if is_chief else 0,
    ).history
    seconds = time.perf_counter() - started
    predicted = model.predict(dataset.x_test).argmax(axis=1)
    accuracy = float(np.mean(predicted == dataset.y_test))
    if not is_chief:
        model_path = folder / "model.keras"
        return TrainResult(accuracy, model_path, model_path, model_path, model_path, logs)
    model.save(folder)
    cost, performance = model.get_cost_report(), model.get_performance_report()
    result = write_reports(
        dataset,
        {
            "config": config.to_dict(),
            "cost": cost.to_dict(),
            "performance": performance.to_dict(),
        },
        history,
        predicted,
        accuracy,
        seconds,
        folder / "model.keras",
        logs,
    )
    report = folder / "report.md"
    report.write_text(f"{cost.to_markdown()}\n{performance.to_markdown()}", encoding="utf-8")
    cost.save_figure(folder / "cost.png")
    performance.save_figure(folder / "performance.png")
    say_result(result, seconds, tell)
    tell(f"Cost and speed    {report}")
    tell(f"\n{cost}\n\n{performance}")
    return result


def _nothing(line: str) -> None:
    """Says nothing."""
