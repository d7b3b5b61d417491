"""Several workers come to the weights of a single process, and see every sample once."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.testing.daily import daily_seed
from tests.distribute.processes import finish, workers

SCRIPT = Path(__file__).with_name("agreement_script.py")
NUMBERS = [[0], [1, 2, 3, 4, 5], [6, 7], [], [8, 9, 10]]


@pytest.fixture(scope="module", params=["keras", "tf_keras"])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with what one process, and 1, 2 or 4 workers have written."""
    directory = tmp_path_factory.mktemp(request.param)
    script = directory / SCRIPT.name
    shutil.copy(SCRIPT, script)
    for number, lines in enumerate(NUMBERS):
        (directory / f"{number}.txt").write_text("".join(f"{line}\n" for line in lines))
    legacy = {"TF_USE_LEGACY_KERAS": "1" if request.param == "tf_keras" else "0"}
    # tf_keras needs no more than a sample: what differs from Keras 3 does not depend on the number.
    counts = ([1, 2], [4])[daily_seed() % 2] if request.param == "keras" else [2]
    with workers(0, script, str(directory), "plain", env=legacy) as started:
        finish(started)
    for count in counts:
        with workers(count, script, str(directory), env={**legacy, "RUN": str(count)}) as started:
            finish(started)
    return directory


def runs(directory: Path) -> list[Path]:
    found = sorted(path for path in directory.glob("*.npz") if not path.name.startswith("plain"))
    assert len(found) in (2, 3, 4)
    return found


@pytest.mark.slow
def test_weights_and_logs_are_those_of_a_single_process(results: Path) -> None:
    with np.load(results / "plain-0.npz") as plain:
        expected = dict(plain)
    assert len(expected) > 25
    for path in runs(results):
        with np.load(path) as run:
            assert set(run.files) == set(expected)
            for name, values in expected.items():
                np.testing.assert_allclose(
                    run[name], values, rtol=2e-4, atol=5e-6, err_msg=f"{path.stem}: {name}"
                )


@pytest.mark.slow
def test_all_workers_of_a_run_have_the_same_weights_bit_for_bit(results: Path) -> None:
    paths = runs(results)
    for count in {path.stem.split("-")[0] for path in paths}:
        first, *others = (np.load(path) for path in paths if path.stem.startswith(f"{count}-"))
        for other in others:
            for name in first.files:
                if "weights" in name:
                    np.testing.assert_array_equal(first[name], other[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["element", "file"])
def test_every_sample_goes_to_one_worker(results: Path, by: str) -> None:
    everything = list(range(23)) if by == "element" else [n for lines in NUMBERS for n in lines]
    paths = runs(results)
    for count in {path.stem.split("-")[0] for path in paths}:
        shares = [
            json.loads(path.with_suffix(".json").read_text())[by]
            for path in paths
            if path.stem.startswith(f"{count}-")
        ]
        assert sorted(sum(shares, [])) == everything
        if int(count) in (2, 4):
            assert all(shares[:2])
