"""Interrupted and restarted training ends as an uninterrupted one; in one process."""

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.distribute import FaultTolerance
from qstore_tf.distribute.checkpoints import CheckpointStore
from qstore_tf.distribute.group import termination
from qstore_tf.errors import ConfigurationError

EPOCHS, SAMPLES, BATCH = 4, 39, 8
DRAWN = np.random.default_rng(1)
X = DRAWN.uniform(-1, 1, (SAMPLES, 3)).astype("float32")
Y = DRAWN.uniform(-1, 1, (SAMPLES, 1)).astype("float32")


class Breaks(keras.callbacks.Callback):
    """Ends training from within, as a crash would, after some calls of the train function."""

    def __init__(self, after: int | None) -> None:
        super().__init__()
        self.after, self.calls = after, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls += 1
        if self.calls == self.after:
            raise KeyboardInterrupt


def generated() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield from zip(X, Y, strict=True)


def data(kind: str) -> dict[str, Any]:
    elements = tf.data.Dataset.from_tensor_slices((X, Y))
    if kind == "arrays":
        return {"x": X, "y": Y, "batch_size": BATCH}
    if kind == "dataset":
        return {"x": elements.shuffle(SAMPLES, seed=5).batch(BATCH)}
    if kind == "stream":
        stream = elements.shuffle(SAMPLES, seed=5).repeat().batch(BATCH)
        return {"x": stream, "steps_per_epoch": 7}
    signature = (tf.TensorSpec((3,)), tf.TensorSpec((1,)))
    unknown = tf.data.Dataset.from_generator(generated, output_signature=signature)
    return {"x": unknown.shuffle(SAMPLES, seed=5).batch(BATCH)}


def train(
    directory: Path,
    *,
    kind: str = "arrays",
    breaks: int | None = None,
    steps: int = 1,
    every: int | None = 2,
    quantum: bool = False,
    callbacks: Any = (),
    epochs: int = EPOCHS,
    tolerant: bool = True,
    validated: bool = False,
    initial: int = 0,
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Builds everything anew, as a process that is started again does."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    middle = qs.layers.QuantumLayer(3, 1, shots=50, seed=2) if quantum else keras.layers.Dense(3)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.3), middle, keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"], steps_per_execution=steps)
    mine = [FaultTolerance(directory, every_steps=every, verbose=0)] if tolerant else []
    model.fit(
        **data(kind),
        epochs=epochs,
        initial_epoch=initial,
        validation_data=(X, Y) if validated else None,
        verbose=0,
        callbacks=[*mine, *callbacks, Breaks(breaks)],
    )
    return [np.asarray(weight) for weight in model.get_weights()], model.history.history


def same(first: Any, second: Any, logs_rtol: float = 1e-6) -> None:
    for one, other in zip(first[0], second[0], strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(first[1]) == set(second[1])
    for name in first[1]:
        np.testing.assert_allclose(first[1][name], second[1][name], rtol=logs_rtol)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "steps", "every"),
    [
        *((kind, 1, 2) for kind in ("arrays", "dataset", "stream", "unknown")),
        *((kind, 3, None) for kind in ("arrays", "dataset", "stream", "unknown")),
        *((kind, 3, 2) for kind in ("arrays", "unknown")),
    ],
)
def test_it_ends_as_it_would_have(kind: str, steps: int, every: int | None, tmp_path: Path) -> None:
    options: Any = {"kind": kind, "steps": steps, "every": every}
    expected = train(tmp_path / "whole", tolerant=False, **options)
    executions = EPOCHS * (-(-(7 if kind == "stream" else 5) // steps))
    drawn = random.Random(f"{kind} {steps} {every}")
    directory = tmp_path / "broken"
    times = 2 if kind == "arrays" else 1
    for _ in range(times):
        with pytest.raises(KeyboardInterrupt):
            train(directory, breaks=drawn.randint(1, executions // 2 - 1), **options)
    for _ in range(times):  # the second time, there is nothing left to do
        again = train(directory, **options)
        if kind == "unknown" and steps > 1 and every:
            # Where the number of batches is found out by the end of the first epoch, a checkpoint
            # may hold all of them and lose the logs of that epoch.
            again = again[0], expected[1]
        same(again, expected)


@pytest.mark.slow
def test_shots_are_drawn_on(tmp_path: Path) -> None:
    expected = train(tmp_path / "whole", quantum=True, tolerant=False)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", quantum=True, breaks=8)
    same(train(tmp_path / "broken", quantum=True), expected)


def test_it_changes_nothing_where_nothing_breaks(tmp_path: Path) -> None:
    same(train(tmp_path), train(tmp_path / "none", tolerant=False))


def patient() -> list[keras.callbacks.Callback]:
    return [
        keras.callbacks.EarlyStopping("mae", patience=3, restore_best_weights=True, min_delta=0.01),
        keras.callbacks.ReduceLROnPlateau("mae", patience=1, factor=0.5, min_delta=0.01),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("breaks", [7, 21])
def test_callbacks_go_on_too(breaks: int, tmp_path: Path) -> None:
    expected = train(tmp_path / "whole", callbacks=patient(), epochs=12, tolerant=False)
    assert 5 <= len(expected[1]["loss"]) < 12
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", callbacks=patient(), epochs=12, breaks=breaks)
    for _ in range(2):
        again = train(tmp_path / "broken", callbacks=patient(), epochs=12)
        same(again, expected, logs_rtol=1e-5)


@pytest.mark.slow
def test_more_epochs_go_on_from_the_end(tmp_path: Path) -> None:
    expected = train(tmp_path / "whole", epochs=5, tolerant=False)
    train(tmp_path / "parts", epochs=3)
    same(train(tmp_path / "parts", epochs=5), expected)


@pytest.mark.slow
def test_a_torn_checkpoint_is_skipped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = train(tmp_path / "whole", tolerant=False)
    directory = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train(directory, breaks=12)
    newest = CheckpointStore(directory).steps()[-1]
    torn = directory / f"step-{newest:012d}" / "arrays.npz"
    torn.write_bytes(torn.read_bytes()[:-100])
    same(train(directory), expected)
    assert any(f"step-{newest:012d}" in record.message for record in caplog.records)


@pytest.mark.slow
def test_a_disk_that_is_full_does_not_end_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("qstore_tf.distribute.checkpoints.files.write", full)
    same(train(tmp_path / "full"), train(tmp_path / "none", tolerant=False))
    assert CheckpointStore(tmp_path / "full").newest() is None
    assert any("No space left" in record.message for record in caplog.records)


@pytest.mark.slow
def test_the_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path, epochs=1)
    with pytest.raises(ConfigurationError, match="a different model"):
        train(tmp_path, quantum=True, epochs=2)


@pytest.mark.slow
def test_a_different_seed_causes_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path, epochs=1)
    state = tmp_path / "step-000000000005"
    assert json.loads((state / "state.json").read_text())["seed"] == 7
    keras.utils.set_random_seed(8)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.3), keras.layers.Dense(3), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[FaultTolerance(tmp_path)])
    assert any("seed 7, now it is 8" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    "options", [{"every_steps": 0}, {"every_steps": True}, {"every_steps": 1.5}, {"keep": 0}]
)
def test_wrong_arguments(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        FaultTolerance(tmp_path, **options)


def test_the_error_for_a_model_without_variables_names_keras_input(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    if model.built:
        return
    with pytest.raises(ConfigurationError, match="keras.Input"):
        model.fit(X, Y, verbose=0, callbacks=[FaultTolerance(tmp_path)])


@pytest.mark.slow
def test_a_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        train(tmp_path / "file")


def decayed(epoch: int, rate: float) -> float:
    return rate * 0.7


@pytest.mark.slow
@pytest.mark.parametrize("every", [None, 2])
def test_a_schedule_of_the_learning_rate_acts_once(every: int | None, tmp_path: Path) -> None:
    def schedule() -> list[keras.callbacks.Callback]:
        return [keras.callbacks.LearningRateScheduler(decayed)]

    expected = train(tmp_path / "whole", callbacks=schedule(), tolerant=False)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", callbacks=schedule(), every=every, breaks=13)
    same(train(tmp_path / "broken", callbacks=schedule(), every=every), expected)


@pytest.mark.slow
def test_a_crash_in_a_validation_loses_no_step(tmp_path: Path) -> None:
    class Breaks(keras.callbacks.Callback):
        def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    expected = train(tmp_path / "whole", tolerant=False)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", every=None, callbacks=[Breaks()], validated=True)
    assert CheckpointStore(tmp_path / "broken").steps() == [5]
    again = train(tmp_path / "broken", every=None)
    # Of the epoch whose validation broke off, there are no logs of the training.
    same((again[0], expected[1]), expected)


@pytest.mark.slow
def test_a_shuffle_goes_on_from_a_later_first_epoch(tmp_path: Path) -> None:
    options: Any = {"kind": "dataset", "initial": 2, "epochs": 6}
    expected = train(tmp_path / "whole", tolerant=False, **options)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", breaks=12, **options)
    same(train(tmp_path / "broken", **options), expected)


@pytest.mark.slow
def test_a_complete_training_causes_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path, epochs=1)
    assert not caplog.records
    train(tmp_path, epochs=1)
    assert any("Nothing is left to train" in record.message for record in caplog.records)


def test_a_fit_that_fails_restores_the_handler_of_sigterm(tmp_path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, breaks=1)
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.slow
def test_sigterm_saves_and_exits_with_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The process of the tests goes on.
    monkeypatch.setattr(termination, "_exit_after_grace", lambda code: None)

    class Asks(keras.callbacks.Callback):
        calls = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.calls += 1
            if self.calls == 7:
                signal.raise_signal(signal.SIGTERM)
            time.sleep(0.02)

    before = signal.getsignal(signal.SIGTERM)
    expected = train(tmp_path / "whole", tolerant=False)
    try:
        with pytest.raises(SystemExit) as caught:
            train(tmp_path / "stopped", callbacks=[Asks()], every=None)
        assert caught.value.code == 75
        assert CheckpointStore(tmp_path / "stopped").steps()[-1] >= 7
    finally:
        signal.signal(signal.SIGTERM, before)
    same(train(tmp_path / "stopped", every=None), expected)
    assert signal.getsignal(signal.SIGTERM) == before
