"""The tutorials run from top to bottom, and the README's examples run as pasted."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.ipynb"))


def text_of(notebook: nbformat.NotebookNode) -> str:
    """Everything that the cells have printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text", "") for output in outputs)


def rows_of(text: str, columns: int) -> list[list[Any]]:
    """The rows of printed tables of so many columns "12.3% +- 0.4%": name and means of each."""
    row = re.compile(rf"^ *(\S.*?)((?: +[+-]?\d+\.\d% \+- \d+\.\d%){{{columns}}})$", re.M)
    means = re.compile(r"(\S+)% \+-")
    return [[name, *map(float, means.findall(rest))] for name, rest in row.findall(text)]


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
    if path.stem == "11_configuration":
        text = text_of(notebook)
        assert "same losses: True" in text and "Did you mean 'learning_rate'" in text
        assert "The budget has 2 USD left" in text and "goes on from epoch 6" in text
        assert "BudgetExceededError" in text and "1.92 USD billed for 192 circuits" in text
    if path.stem == "06_quantum_database":
        text = text_of(notebook)
        assert re.search(r"^in nature +river .*, heron ", text, re.M)
        assert re.search(r"^both together +pool ", text, re.M)
        rows = r"^(each for itself|as a group|a group by mistake) +(\S+) \+- (\S+)"
        errors = {name: float(mean) for name, mean, _ in re.findall(rows, text, re.M)}
        assert errors["as a group"] < 0.7 * errors["each for itself"]
        assert errors["each for itself"] < errors["a group by mistake"]
        leaders = re.findall(r"^after +\d+ hours: (\w+)", text, re.M)
        assert leaders == ["warning", "news", "encyclopedia", "encyclopedia"]
        assert "in the archive: ('news', 'warning')" in text
        rows = r"^(the best eight|MMR|basins) +(\d+)% \+- \S+ +(\S+) \+- \S+ +(\S+) "
        found = {name: [*map(float, row)] for name, *row in re.findall(rows, text, re.M)}
        best, mmr, basins = found["the best eight"], found["MMR"], found["basins"]
        assert mmr[0] > basins[0] and basins[1] > best[1] + 1  # as the text under the table says
        assert best[2] > basins[2] > mmr[2]
    if path.stem == "07_store_finance":
        text = text_of(notebook)
        assert "changes made: 11, found: 11, missed by more than 10 days: []" in text
        assert len(re.findall("barrier", text)) >= 3
        assert re.search(r"^  3 .*<- found$", text, re.M)
        ours = re.search(r"ours, fidelity +(\S+) +(\S+) +(\S+) +(\S+)", text).groups()
        model = re.search(r"Gaussian MLE +(\S+) +(\S+) +(\S+) +(\S+)", text).groups()
        ours_wins = [float(one) > float(other) for one, other in zip(ours, model, strict=True)]
        assert ours_wins == [False, True, False, False]  # as the text under the table says
    if path.stem == "08_store_recommendation":
        text = text_of(notebook)
        number = r"([+-]?\d+\.\d)% \+- (\S+)%"
        gains = re.search(rf"^third less second.*? +{number} +{number} +{number}$", text, re.M)
        many, _, few, _, alike, error = map(float, gains.groups())
        assert many > 8 and abs(few) < 2 and alike < -2 * error  # as the text under the table says
        same = re.search(r"^same hits.*: (\S+)%$", text, re.M)
        assert float(same.group(1)) > 99.9
        series, named = re.findall(rf"^series.* {number}$", text, re.M)
        assert float(series[0]) > 2 * float(series[1])
        assert float(named[0]) < -2 * float(named[1])
    if path.stem == "09_store_training":
        text = text_of(notebook)
        assert "two workers' parts are the batch: True" in text
        assert "480 images of commit 12, and still 480 when there are 481 of commit 13" in text
        found = {name: numbers for name, *numbers in rows_of(text, 6)}
        alike = np.add(found["NumPy: shuffled"], found["database: all alike"]) / 2
        drawn = found["database: decay, even, easy"]
        by_numpy = found["NumPy: drawn by the same weights"]
        turning, still, even, as_come, _, none_wrong = np.add(drawn, by_numpy) / 2 - alike
        assert turning > 10 and even > 10  # as the text under the table says
        assert max(still, as_come, none_wrong) < -1
        assert np.abs(np.subtract(drawn, by_numpy)).max() < 8
        assert np.all(np.greater(found["logistic regression: all alike"], alike))
    if path.stem == "10_store_molecules":
        text = text_of(notebook)
        gains = {name: numbers for name, *numbers in rows_of(text, 4)}
        many, cause = gains["300 measured"], gains["40 measured, one cause"]
        assert (
            many[0] > 10 and many[2] > 15 and abs(many[3]) < 2
        )  # as the text under the table says
        assert max(cause[:2]) < 0
        assert "as near, database and an index per property: 100.00%" in text
        both = re.findall(r"^database: (?:a basis|the same).* (\S+)% \+- \S+$", text, re.M)
        assert len(both) == 6
        assert all(float(both[k]) > float(both[k + 1]) for k in (0, 2, 4))
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
    names += ["06_quantum_database", "07_store_finance", "08_store_recommendation"]
    names += ["09_store_training", "10_store_molecules", "11_configuration"]
    assert [path.stem for path in TUTORIALS] == names
    for path in TUTORIALS:
        assert path.stat().st_size < 500_000
        assert "/home/" not in path.read_text() and "/tmp/" not in path.read_text()


def examples_of_the_readme() -> tuple[str, str, str, str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first, several, database, workers = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    return first, several, database, workers


def test_the_example_in_the_readme_runs_as_pasted(tmp_path: Path) -> None:
    example, _, _, _ = examples_of_the_readme()
    assert len(example.splitlines()) <= 18
    done = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    final = re.findall(r"val_accuracy: (\d\.\d+)", done.stdout)[-1]
    assert float(final) > 0.7
    assert (tmp_path / "digits.keras").stat().st_size > 1000


@pytest.mark.slow
def test_the_readmes_router_and_pool_run_as_pasted(tmp_path: Path) -> None:
    _, example, _, _ = examples_of_the_readme()
    look = "import numpy as np; print(layer(np.zeros((3, 4), 'float32')).shape, len(pool.members))"
    done = subprocess.run(
        [sys.executable, "-c", example + look],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["(3,", "4)", "2"]


@pytest.mark.slow
def test_the_readmes_database_runs_as_pasted(tmp_path: Path) -> None:
    _, _, example, _ = examples_of_the_readme()
    look = "item = db.get('flood warning'); print([round(float(x), 5) for x in item.vector])"
    done = subprocess.run(
        [sys.executable, "-c", example + look],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *printed, moved = done.stdout.splitlines()
    promised = re.findall(r"^print.*# .*?(\[.*\])$", example, re.M)
    assert printed == promised and len(promised) == 3
    assert moved == "[8.0, 1.8, 0.0]"


@pytest.mark.slow
def test_the_readmes_training_on_workers_runs_as_pasted(tmp_path: Path) -> None:
    _, _, _, script = examples_of_the_readme()
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
