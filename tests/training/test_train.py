"""Whole training runs on small data: every encoding, both kinds of file, both backends."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf.errors import QstoreError
from qstore_tf.training.options import CircuitOptions, TrainOptions
from qstore_tf.training.train import train


def blobs(shape: tuple[int, ...], n: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three classes far apart, by the direction of the sample rather than by its length."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centres = np.eye(3, int(np.prod(shape))) * 8.0
    x = centres[y] + rng.uniform(0, 1, (n, int(np.prod(shape))))
    return x.reshape(n, *shape).astype(np.float32), y


def options(data: Path, folder: Path, **circuit: object) -> TrainOptions:
    return TrainOptions(
        data=str(data),
        circuit=CircuitOptions(**{"qubits": 2, "depth": 2, **circuit}),  # type: ignore[arg-type]
        epochs=12,
        batch_size=8,
        model_dir=str(folder / "model"),
        log_dir=str(folder / "logs"),
        verbose=0,
    )


def write_csv(path: Path) -> Path:
    x, y = blobs((4,))
    rows = [
        ",".join([*(f"{v:.4f}" for v in row), f"kind {label}"])
        for row, label in zip(x, y, strict=True)
    ]
    path.write_text("a,b,c,d,label\n" + "\n".join(rows))
    return path


def write_npz(path: Path) -> Path:
    x, y = blobs((3, 3))
    np.savez(path, x=x, y=y)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["auto", "tensorflow"])
def test_a_table_is_learned_and_the_saved_model_takes_raw_rows(
    tmp_path: Path, backend: str
) -> None:
    asked = replace(
        options(write_csv(tmp_path / "data.csv"), tmp_path, encoding="angle", qubits=4),
        backend=backend,
    )
    said: list[str] = []
    result = train(asked, say=said.append)
    assert result.accuracy > 0.8
    model = keras.models.load_model(result.model)
    x, y = blobs((4,), seed=1)
    assert np.mean(model.predict(x, verbose=0).argmax(axis=1) == y) > 0.8
    metrics = json.loads(result.metrics.read_text())
    assert metrics["class_names"] == ["kind 0", "kind 1", "kind 2"]
    assert len(metrics["history"]["val_loss"]) == 12
    assert all(
        str(path) in "\n".join(said) for path in vars(result).values() if path != result.accuracy
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["amplitude", "basis"])
def test_images_with_more_pixels_than_the_circuit_takes_go_through_pca(
    tmp_path: Path, encoding: str
) -> None:
    said: list[str] = []
    result = train(options(write_npz(tmp_path / "d.npz"), tmp_path, encoding=encoding), said.append)
    assert f"PCA 9 -> {4 if encoding == 'amplitude' else 2}" in "\n".join(said)
    model = keras.models.load_model(result.model)
    assert model.input_shape == (None, 3, 3)
    assert {w.path.split("/")[-2] for w in model.trainable_weights} == {"quantum", "classes"}


@pytest.mark.slow
def test_the_seed_decides_everything(tmp_path: Path) -> None:
    path = write_npz(tmp_path / "d.npz")
    losses = []
    for number, seed in enumerate((5, 5, 6)):
        asked = replace(options(path, tmp_path / str(number)), seed=seed, epochs=2)
        metrics = json.loads(train(asked, say=lambda line: None).metrics.read_text())
        losses.append(metrics["history"]["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert not np.allclose(losses[0], losses[2], rtol=1e-3)


def test_a_refused_run_leaves_no_folder_behind(tmp_path: Path) -> None:
    asked = options(write_npz(tmp_path / "d.npz"), tmp_path)
    for bad in (replace(asked, backend="natve"), replace(asked, gradient="ajoint")):
        with pytest.raises(QstoreError, match="Did you mean"):
            train(bad)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.npz"]
