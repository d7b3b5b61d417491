"""The tutorials run from top to bottom, and the README's examples run as pasted."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.ipynb"))


def text_of(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells have printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def pictures_of(notebook: nbformat.NotebookNode) -> int:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=[path.stem for path in TUTORIALS])
def test_a_tutorial_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    assert pictures_of(notebook) >= 3
    if path.stem == "01_digits":
        accuracy = re.search(r"held-out accuracy (\S+)", text_of(notebook))
        assert accuracy is not None and float(accuracy.group(1)) >= 0.93
        assert "same predictions: True" in text_of(notebook)
    if path.stem == "02_gradients":
        text = text_of(notebook)
        counts = re.findall(r"^(?:adjoint|parameter_shift|hadamard_test) +\S+ +(\d+)$", text, re.M)
        assert counts == ["1", "33", "17"]
        trained = re.findall(r"^\w+ +(?:200|exact) +(\S+) +(\S+) +\S+$", text, re.M)
        assert len(trained) == 6 and all(float(accuracy) > 0.9 for _, accuracy in trained)
    if path.stem == "03_workers":
        text = text_of(notebook)
        assert text.count("exit code 0\n") == 2
        assert "worker 1 failed: killed by SIGKILL." in text
        assert "goes on from step" in text
        assert "same bits: True" in text
    if path.stem == "05_ionq_training":
        text = text_of(notebook)
        assert "same losses: True" in text
        assert "48 rows: BudgetExceededError" in text and "jobs sent: 1\n" in text
        assert int(re.search(r"ran elsewhere: (\d+)", text).group(1)) > 0
    if path.stem == "04_ionq":
        text = text_of(notebook)
        left = re.findall(r"^(lower|merge|conjugate|schedule) +(\d+) +(\d+) ", text, re.M)
        counts = {name: (int(entanglers), int(depth)) for name, entanglers, depth in left}
        assert counts["lower"][0] == 16 and counts["conjugate"][0] == 8
        assert counts["schedule"] == (8, 4)
        assert "azure, USD, 2025-09-17" in text
        assert "same outcomes, read by it: True" in text
        assert "same outcomes, read without it: False" in text
        assert "same outcomes: True" in text


def test_there_is_a_tutorial_and_each_is_stored_small() -> None:
    names = ["01_digits", "02_gradients", "03_workers", "04_ionq", "05_ionq_training"]
    assert [path.stem for path in TUTORIALS] == names
    for path in TUTORIALS:
        assert path.stat().st_size < 500_000
        assert "/home/" not in path.read_text() and "/tmp/" not in path.read_text()


def examples_of_the_readme() -> tuple[str, str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first, workers = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    return first, workers


def test_the_example_in_the_readme_runs_as_pasted(tmp_path: Path) -> None:
    example, _ = examples_of_the_readme()
    assert len(example.splitlines()) <= 18
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    final = re.findall(r"val_accuracy: (\d\.\d+)", done.stdout)[-1]
    assert float(final) > 0.7
    assert (tmp_path / "digits.keras").stat().st_size > 1000


@pytest.mark.slow
def test_the_readmes_training_on_workers_runs_as_pasted(tmp_path: Path) -> None:
    _, script = examples_of_the_readme()
    (tmp_path / "train.py").write_text(script)
    launch = [sys.executable, "-m", "qstore_tf", "launch", "--workers", "2", "--"]
    done = subprocess.run(
        [*launch, sys.executable, "train.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    accuracies = re.findall(r"\[worker \d\].* val_accuracy: (\d\.\d+)", done.stdout)
    assert len(accuracies) == 20 and min(map(float, accuracies[-2:])) > 0.7
    assert len(list((tmp_path / "checkpoints").glob("step-*"))) == 3


def test_files_that_the_readme_links_to_are_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", readme):
        assert (ROOT / target).exists(), target
