"""qstore train --config FILE: file and options together."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from qstore_tf import cli
from qstore_tf.errors import ConfigurationError
from qstore_tf.training.command import joined
from qstore_tf.training.config import TrainingConfig


def given(**options: Any) -> argparse.Namespace:
    """Options as the command line leaves them: values, and which of them were typed."""
    typed = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return cli.build_parser().parse_args(["train", *typed])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "train.toml"
    path.write_text('epochs = 3\nn_qubits = 2\nbackends = ["native"]\nlearning_rate = 0.1\n')
    return path


def test_options_add_to_the_file_and_defaults_do_not(file: Path) -> None:
    config = joined(str(file), given(depth=5, batch=7, model_dir="here", gradient="spsa"))
    expected = TrainingConfig.from_file(file).replace(
        circuit_depth=5, batch_size=7, run_dir="here", gradient_method="spsa"
    )
    assert config == expected
    assert joined(str(file), given()) == TrainingConfig.from_file(file)
    assert joined(str(file), given(epochs=3, backend="native")) == TrainingConfig.from_file(file)


@pytest.mark.parametrize(
    "option",
    [{"epochs": 4}, {"qubits": 3}, {"backend": "qsim"}, {"learning_rate": 0.2}],
    ids=lambda option: next(iter(option)),
)
def test_an_option_that_contradicts_the_file_is_an_error(file: Path, option: dict) -> None:
    with pytest.raises(ConfigurationError, match="contradict each other"):
        joined(str(file), given(**option))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "Did you mean 'epochs'"),
        ('api_key = "abc"', "IONQ_API_KEY"),
        ('data = "digit"', "Did you mean 'digits'"),
        ('task = "regression"', "classes"),
    ],
)
def test_a_wrong_file_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.toml").write_text(text)
    assert cli.main(["train", "--config", "train.toml", "--quiet"]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert not Path("runs").exists()


def test_several_workers_are_told_a_folder(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QSTORE_WORKERS", "2")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    assert cli.main(["train", "--config", str(file)]) == 2
    assert "--model-dir" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_trains_and_everything_is_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (np.eye(3, 4) * 8)[y] + rng.uniform(0, 1, (60, 4))
    np.savez(tmp_path / "data.npz", x=x.astype("float32"), y=y)
    settings = {
        "data": str(tmp_path / "data.npz"), "n_qubits": 4, "circuit_depth": 1, "epochs": 4,
        "batch_size": 8, "learning_rate": 0.2, "seed": 0, "backends": ["tensorflow"],
    }  # fmt: skip
    file, run = tmp_path / "train.json", tmp_path / "run"
    file.write_text(json.dumps(settings))
    command = ["train", "--config", str(file), "--model-dir", str(run), "--quiet"]
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["held_out_accuracy"] > 0.8
    assert metrics["config"] == TrainingConfig(**settings, run_dir=str(run)).to_dict()
    speed = metrics["performance"]
    assert speed["steps"] == sum(row["steps"] for row in speed["rows"]) == 4 * (6 + 2) + 2
    assert speed["circuits"] == 4 * (48 + 12) + 12
    assert metrics["cost"]["total"] == "0"
    assert "Nothing that costs money has run" in (run / "report.md").read_text()
    for name in ("cost.png", "performance.png", "loss_curve.png", "confusion_matrix.png"):
        assert imread(run / name).shape[0] > 100
    assert all(str(run / name) in told for name in ("model.keras", "report.md"))
    # The same command again finds nothing left to do, and changes nothing.
    assert cli.main(command) == 0
    again = json.loads((run / "metrics.json").read_text())
    assert again["history"]["loss"] == metrics["history"]["loss"]
    assert again["held_out_accuracy"] == metrics["held_out_accuracy"]
