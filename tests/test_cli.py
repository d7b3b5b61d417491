"""The qstore command, run the way people run it: as a process."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from qstore_tf import cli
from qstore_tf.circuits import UnifiedCircuit

ROOT = Path(__file__).resolve().parents[1]


def qstore(
    *arguments: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qstore_tf", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
        timeout=300,
    )


def mistake(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Runs a command that must be refused, in this process; returns what it says."""
    try:
        code = cli.main(arguments)
    except SystemExit as stop:  # argparse's own way out
        code = stop.code
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("qstore")
    return captured.err


HELP_AND_MISTAKES: list[Sequence[str]] = [
    ("--help",),
    ("--version",),
    ("train", "--help"),
    (),
    ("tarin",),
    ("train", "--qubits", "six"),
    ("train", "--data", "nowhere.csv"),
    ("train", "--entanglement", "liner"),
    ("train", "--config", "nowhere.toml"),
    ("draw", "nowhere.qasm"),
]


@pytest.mark.parametrize("arguments", HELP_AND_MISTAKES)
def test_help_and_mistakes_answer_without_importing_tensorflow(arguments: Sequence[str]) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qstore_tf", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "qstore_tf.cli" in imported
    assert not imported & {"tensorflow", "keras", "sklearn"}
    assert done.returncode == (0 if "--" in "".join(arguments[-1:])[:2] else 2), done.stderr
    assert "Traceback" not in done.stderr
    # Time of the process, not of the clock. Generous: TensorFlow alone takes several seconds.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5.0


def test_the_module_and_the_command_are_the_same_program() -> None:
    done = qstore("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("train", "draw", "bench", "info"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--data", "digit"), "Did you mean 'digits'"),
        (("train", "--data", "nowhere.csv"), "nowhere.csv"),
        (("train", "--qubits", "0"), "--qubits"),
        (("train", "--qubits", "six"), "'six'"),
        (("train", "--entanglement", "circle"), "'circular'"),
        (("train", "--encoding", "amplitudes"), "Did you mean 'amplitude'"),
        (("train", "--observables", "QQ"), "observable"),
        (("train", "--epochs", "0"), "--epochs"),
        (("train", "--backend", "natve", "--quiet"), "native"),
        (("train", "--gradient", "ajoint", "--quiet"), "adjoint"),
        (("train", "--pca", "65", "--quiet"), "1 to 64"),
        (("draw", "nowhere.json"), "nowhere.json"),
        (("draw", "circuit.txt"), ".json or .qasm"),
        (("draw", "--qubits", "2", "--depth", "1", "-o", "picture.gif"), "picture.gif"),
        (("draw", "--entanglement", "liner"), "Did you mean 'linear'"),
        (("bench", "--seconds", "0"), "--seconds"),
        (("bench", "--backend", "natve"), "native"),
        (("bench", "--auto", "--backend", "natve"), "native"),
        (("bench", "--auto", "--budget", "-1"), "--budget"),
        (("bench", "--auto", "--longest", "0"), "--longest"),
        (("bench", "--auto", "--qubits", "4,x"), "--qubits"),
        (("bench", "--auto", "--json", "nowhere/figures.json"), "--json"),
        (("lern",), "lern"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: Sequence[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in mistake(capsys, *arguments)
    assert not list(tmp_path.iterdir())  # a refused run leaves nothing behind


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", "[1, 2]"),
        ("a.qasm", "OPENQASM 2.0; qreg q[1]; nonsense q[0];"),
    ],
)
def test_a_damaged_circuit_file_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert "error:" in mistake(capsys, "draw", str(path))


def test_debug_shows_where_a_mistake_was_found() -> None:
    done = qstore("train", "--data", "digit", "--debug")
    assert "Traceback" in done.stderr and "ConfigurationError" in done.stderr


def test_an_unexpected_failure_is_told_from_a_mistake(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "_layer_circuit", fail)
    assert cli.main(["draw"]) == 1
    assert "internal error: RuntimeError: a bug" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["draw", "--debug"])


def test_stopping_with_control_c_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_layer_circuit", interrupt)
    assert cli.main(["draw"]) == 130
    assert "stopped" in capsys.readouterr().err


def bell() -> UnifiedCircuit:
    return UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])


def test_a_circuit_is_drawn_the_same_from_json_and_from_qasm(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "bell.json").write_text(bell().to_json())
    (tmp_path / "bell.qasm").write_text(bell().to_qasm())
    drawings = []
    for name in ("bell.json", "bell.qasm"):
        assert cli.main(["draw", str(tmp_path / name)]) == 0
        drawings.append(capsys.readouterr().out)
    assert drawings[0] == drawings[1] == bell().draw() + "\n"


@pytest.mark.parametrize("encoding", ["angle", "amplitude", "basis"])
def test_the_circuit_of_a_layer_is_drawn_as_text(
    capsys: pytest.CaptureFixture[str], encoding: str
) -> None:
    assert cli.main(["draw", "--qubits", "3", "--depth", "1", "--encoding", encoding]) == 0
    assert capsys.readouterr().out.strip()


def test_a_circuit_becomes_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "circuit.png"
    options = ("--qubits", "3", "--depth", "1", "--encoding", "angle")
    assert cli.main(["draw", *options, "-o", str(path)]) == 0
    assert str(path) in capsys.readouterr().out
    assert imread(path).std() > 0.05


def test_info_tells_what_a_bug_report_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert cli.main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(lines) == len(facts)
    for name in ("qstore_tf", "tensorflow", "keras", "op library", "simd", "backend tensorflow"):
        assert name in facts
    assert facts["threads"] >= 1
    assert facts["backend tensorflow"] == "available"


@pytest.mark.slow
def test_info_without_the_library_says_why_and_writes_no_noise() -> None:
    done = qstore("info", "--json", QSTORE_DISABLE_NATIVE="1", QSTORE_NUM_THREADS="3")
    assert done.returncode == 0
    facts = json.loads(done.stdout)
    assert "QSTORE_DISABLE_NATIVE" in facts["op library"]
    assert facts["backend native"] != "available"
    assert facts["backend tensorflow"] == "available"
    assert facts["threads"] == 3
    assert done.stderr == ""


@pytest.mark.slow
def test_bench_prints_a_row_per_size_and_a_figure_per_backend(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from qstore_tf.training import speed

    monkeypatch.setattr(speed, "SIZES", ((2, 1, 4), (3, 1, 2)))
    monkeypatch.setattr(speed.measure, "__defaults__", (("tensorflow",), speed.SIZES, 0.01))
    assert cli.main(["bench", "--seconds", "0.01", "--backend", "tensorflow"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    for line, size in zip(lines[2:], (("2", "1", "4"), ("3", "1", "2")), strict=True):
        *sizes, rate = line.split()
        assert tuple(sizes) == size
        assert float(rate.replace(",", "")) > 0


@pytest.mark.slow
def test_bench_auto_prints_a_table_and_what_follows_and_writes_the_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    sizes = ("--qubits", "2,3", "--depths", "1", "--batches", "2")
    only = ("--backend", "native", "--backend", "tensorflow", "--seconds", "0.001")
    assert cli.main(["bench", "--auto", *sizes, *only, "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    for n_qubits in ("2", "3"):
        rows = [line.split() for line in lines if line.split()[:3] == [n_qubits, "1", "2"]]
        assert len(rows) == 3  # with gradient, without, with shots
        assert all(float(cell) > 0 for cells in rows for cell in cells[3:5])
    assert "Expectations from 1000 shots" in printed
    assert "of 6 rows that compare" in printed
    assert "backend='auto' takes the fastest" in printed
    figures = json.loads(path.read_text())
    assert len(figures["rows"]) == 6
    assert figures["machine"]["tensorflow"] and figures["rows"][0]["seconds"]["native"] > 0


PREDICT = """
import json, sys
import numpy as np
import qstore_tf
from sklearn.datasets import load_digits
from tensorflow import keras
model = keras.models.load_model(sys.argv[1])
print(json.dumps(model.predict(load_digits().images, verbose=0).argmax(axis=1).tolist()))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What `make demo` runs, once: the folder of the run and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = qstore("train", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # TensorFlow's startup lines are kept back
    (run,) = (folder / "runs").iterdir()
    return run, done.stdout


@pytest.mark.slow
def test_training_with_defaults_learns_the_digits(demo: tuple[Path, str]) -> None:
    run, printed = demo
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["held_out_accuracy"] >= 0.93
    assert f"Held-out accuracy {metrics['held_out_accuracy']:.3f}" in printed
    assert "45/45" in printed  # Keras's progress bar
    assert metrics["class_names"] == list("0123456789")
    assert sum(map(sum, metrics["confusion_matrix"])) == 360


@pytest.mark.slow
def test_training_says_where_everything_is_and_it_is_there(demo: tuple[Path, str]) -> None:
    run, printed = demo
    for name in ("model.keras", "confusion_matrix.png", "loss_curve.png", "metrics.json"):
        assert f"{run.parent.name}/{run.name}/{name}" in printed
        assert (run / name).stat().st_size > 1000
    assert f"tensorboard --logdir {run.parent.name}/{run.name}/logs" in printed
    assert list((run / "logs").rglob("events.out.tfevents.*"))
    assert imread(run / "confusion_matrix.png").std() > 0.05


@pytest.mark.slow
def test_the_saved_model_predicts_from_raw_images_in_a_fresh_process(
    demo: tuple[Path, str],
) -> None:
    from sklearn.datasets import load_digits

    run, _ = demo
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(run / "model.keras")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    predicted = np.array(json.loads(done.stdout.splitlines()[-1]))
    assert np.mean(predicted == load_digits().target) > 0.93
