"""Real workers are killed, stopped and started wrongly; what is left goes on, or says why not."""

import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.distribute.processes import Worker, finish, workers

SCRIPT = Path(__file__).with_name("training_script.py")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return Path(shutil.copy(SCRIPT, tmp_path))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """The weights that two workers come to undisturbed."""
    directory = tmp_path_factory.mktemp("undisturbed")
    copy = Path(shutil.copy(SCRIPT, directory))
    with workers(2, copy, str(directory)) as started:
        finish(started)
    return weights(directory, 0)


def weights(directory: Path, index: int) -> list[np.ndarray]:
    with np.load(directory / f"{index}.npz") as found:
        return [found[name] for name in found.files]


def goes_on(script: Path, expected: list[np.ndarray]) -> None:
    """Starts both workers again and compares what they come to."""
    with workers(2, script, str(script.parent)) as again:
        finish(again)
        assert "goes on from" in again[0].text()
    for index in (0, 1):
        for one, other in zip(weights(script.parent, index), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("killed", "step"), [(0, 8), (1, 9)], ids=["chief", "worker"])
def test_after_kill_9_training_ends_with_the_same_bits(
    killed: int, step: int, script: Path, expected: list[np.ndarray]
) -> None:
    kill = {"KILL": f"{killed},{step},9"}
    with workers(2, script, str(script.parent), env=kill) as started:
        assert started[killed].ends() == -signal.SIGKILL
        began = time.monotonic()
        other = 1 - killed
        assert started[other].ends() == 76, started[other].text()
        assert time.monotonic() - began < 60
        assert f"Worker {killed} (" in started[other].text()
        assert "was lost" in started[other].text()
    goes_on(script, expected)


@pytest.mark.slow
def test_sigterm_to_one_worker_stops_all_after_the_same_step(
    script: Path, expected: list[np.ndarray]
) -> None:
    with workers(2, script, str(script.parent), env={"KILL": "1,6,15"}) as started:
        finish(started, 75)
        steps = {worker.text().count("step ") for worker in started.values()}
        assert len(steps) == 1
    goes_on(script, expected)


@pytest.mark.slow
def test_workers_killed_all_at_once_while_they_start_or_train(
    script: Path, expected: list[np.ndarray]
) -> None:
    with workers(2, script, str(script.parent), env={"SLOWLY": "1"}) as started:
        started[0].says("step 5")
        for worker in started.values():
            worker.kill()
    goes_on(script, expected)


def test_sys_exit_in_the_middle_ends_the_others_too(script: Path) -> None:
    with workers(2, script, str(script.parent), env={"EXIT": "1,4"}) as started:
        assert started[1].ends(60) == 3
        assert started[0].ends(60) == 76


def ends_alike(started: dict[int, Worker], code: int, *words: str) -> None:
    finish(started, code)
    for worker in started.values():
        for word in words:
            assert word in worker.text(), worker.text()


def test_different_seeds_are_an_error_on_every_worker(script: Path) -> None:
    each = {0: {"SEED": "3"}, 1: {"SEED": "4"}}
    with workers(2, script, str(script.parent), each=each) as started:
        ends_alike(started, 78, "the seed differs", "worker 1", "3", "4")


def test_different_epochs_are_an_error_on_every_worker(script: Path) -> None:
    with workers(2, script, str(script.parent), each={1: {"EPOCHS": "5"}}) as started:
        ends_alike(started, 78, "epochs differs", "4", "5")


def test_different_data_are_an_error_on_every_worker(script: Path) -> None:
    each = {0: {"SAMPLES": "70"}, 1: {"SAMPLES": "69"}}
    with workers(2, script, str(script.parent), each=each) as started:
        ends_alike(started, 78, "the number of samples differs", "70", "69")


def test_what_only_the_chief_does_is_an_error_and_no_hang(script: Path) -> None:
    each = {0: {"ONLY_CHIEF": "evaluate"}}
    with workers(2, script, str(script.parent), each=each) as started:
        ends_alike(started, 78, "the call differs")


@pytest.mark.slow
@pytest.mark.parametrize("legacy", ["0", "1"], ids=["keras", "tf_keras"])
def test_the_model_is_kept_and_the_chief_alone_may_use_it(legacy: str, script: Path) -> None:
    env = {"ONLY_CHIEF": "predict", "TF_USE_LEGACY_KERAS": legacy}
    with workers(2, script, str(script.parent), env=env) as started:
        finish(started)
        assert "predicted (70, 1)" in started[0].text()


@pytest.mark.slow
def test_a_finished_worker_restarts_with_a_chief_that_dies_after_it(
    script: Path, expected: list[np.ndarray]
) -> None:
    with workers(2, script, str(script.parent), each={0: {"DIES_LAST": "1"}}) as started:
        assert started[0].ends() == -signal.SIGKILL
        assert started[1].ends() == 76
        assert "all done" in started[1].text()
    goes_on(script, expected)


@pytest.mark.slow
def test_a_worker_alone_times_out_and_names_the_missing_ones(script: Path) -> None:
    timeout = {"START_TIMEOUT": "12"}
    with workers(3, script, str(script.parent), only=[0, 2], env=timeout) as started:
        assert started[0].ends() == 77
        assert started[2].ends() == 77
        assert "worker 1 (" in started[0].text()
        assert "worker 2 (" not in started[0].text()
        assert "worker 0 (" in started[2].text()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG is not JSON"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, "task": {"index": 1}}'}, "out of range"),
    ],
)
def test_a_malformed_cluster_is_permanent(
    environment: dict[str, str], words: str, script: Path
) -> None:
    with workers(1, script, str(script.parent), env=environment) as started:
        ends_alike(started, 78, words, "Expected")


def test_tensorflow_that_is_initialized_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "late.py"
    script.write_text(
        "import tensorflow as tf, qstore_tf as qs\n"
        "tf.constant(1) + 1\n"
        "qs.distribute.multi_worker_strategy()\n"
    )
    with workers(2, script, only=[0]) as started:
        ends_alike(started, 78, "already been initialized", "first call of the script")


def test_the_strategy_is_made_once(tmp_path: Path) -> None:
    script = tmp_path / "twice.py"
    script.write_text(
        "import qstore_tf as qs\n"
        "qs.distribute.multi_worker_strategy()\n"
        "qs.distribute.multi_worker_strategy()\n"
    )
    with workers(0, script) as started:
        ends_alike(started, 78, "already has a multi-worker strategy")
