"""docs/configuration.md says what is so: keys, defaults, files, and its example runs."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import qstore_tf as qs
from qstore_tf.testing.extras import needs_extra
from qstore_tf.training.backend_config import BackendConfig
from qstore_tf.training.config import TrainingConfig

needs_extra("httpx", "fastapi")
from qstore_tf.ionq.emulator.running import Emulator  # noqa: E402

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    return re.search(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S).group(1)


def test_the_tables_have_every_key_and_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (`[^`|]*`|none) \|", PAGE, re.M))
    expected = {}
    for setting in fields(TrainingConfig):
        value = setting.default
        written = f'"{value}"' if isinstance(value, str) else str(value).lower()
        expected[setting.name] = {"none": "none", "()": "`[]`"}.get(written, f"`{written}`")
    assert rows == expected
    entries = set(re.findall(r"^\| `(\w+)` \| (?!`|none \|)", PAGE, re.M))
    assert entries == {setting.name for setting in fields(BackendConfig)}


def test_the_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "train.toml").write_text(block("toml"))
    config = TrainingConfig.from_file(tmp_path / "train.toml")
    assert [entry.name for entry in config.backends] == ["fast", "machine"]
    assert config.data == "digits" and config.seed == 0


@pytest.mark.slow
def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IONQ_BUDGET_USD", raising=False)
    monkeypatch.setenv("IONQ_API_KEY", "a-key")
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
    x, y = np.random.default_rng(0).normal(size=(8, 4)).astype("float32"), np.arange(8) % 2
    given = {"x": x, "y": y, "x_held_out": x, "y_held_out": y}
    with Emulator(machine_noise=False) as emulator:
        monkeypatch.setenv("IONQ_API_URL", emulator.url)
        exec(block("python").replace("run_dir=", "epochs=2, run_dir="), given)
    assert "Budget: 0 spent" in capsys.readouterr().out
    loaded = qs.QuantumModel.load("models/first")
    assert loaded.predict(x, backend="native").shape == (8, 2)
