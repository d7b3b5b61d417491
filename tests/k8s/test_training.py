"""The manifests, as rendered, train: with a worker killed in the middle, to the same weights."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from k8s.local_runner import images, jobs, runner
from k8s.local_runner.pods import Machine, Pod, machine
from k8s.objects import Objects

RUN = "local"
# Two epochs of five steps, a checkpoint after every other one.
SETTINGS = {
    "EPOCHS": "2",
    "SAMPLES": "200",
    "BATCH_SIZE": "32",
    "DEPTH": "1",
    "SAVE_EVERY_STEPS": "2",
}


def small(objects: Objects) -> Objects:
    (settings,) = (each for each in objects.of("ConfigMap") if "EPOCHS" in each["data"])
    assert settings["data"].keys() >= SETTINGS.keys()
    settings["data"].update(SETTINGS)
    return objects


def checkpoints(here: Machine) -> list[Path]:
    return sorted((here.claim("train-checkpoints") / RUN).glob("step-*"))


def weights(here: Machine) -> dict[str, np.ndarray]:
    arrays = np.load(checkpoints(here)[-1] / "arrays.npz")
    return {name: arrays[name] for name in arrays.files}


def logs(here: Machine) -> str:
    texts = (path.read_text(errors="replace") for path in here.folder.glob("pods/*/log"))
    return "\n".join(text[-3000:] for text in texts)


@pytest.mark.slow
@pytest.mark.usefixtures("namespaces")
def test_a_worker_killed_in_the_middle_of_an_epoch_changes_no_weight(
    rendered: Callable[[str], Objects], tmp_path: Path
) -> None:
    results = []
    for name in ("undisturbed", "disturbed"):
        folder = tmp_path / name
        folder.mkdir()
        with machine(small(rendered("overlays/local")), images.this_python(), folder) as here:
            killed_at: list[str] = []

            def in_the_middle(
                pod: Pod, here: Machine = here, killed_at: list[str] = killed_at
            ) -> bool:
                if not checkpoints(here):
                    return False
                killed_at.append(checkpoints(here)[-1].name)
                return True

            faults = [jobs.Fault(1, in_the_middle)] if name == "disturbed" else []
            outcome = runner.train(here, faults, first_pause=0.1)
            assert outcome.complete, (outcome, logs(here))
            assert (here.claim("train-checkpoints") / RUN / "model.keras").exists()
            results.append(weights(here))
            if name == "undisturbed":
                with runner.serve(here, "tensorboard") as pod:
                    runs = json.loads(runner.get(pod, "http://127.0.0.1:6006/data/runs"))
                assert {RUN, f"{RUN}/train", f"{RUN}/validation"} <= set(runs), runs
            if name == "disturbed":
                # Before the end of the first epoch; and it took the other one with it.
                assert killed_at == ["step-000000000002"]
                assert outcome.exits[0] == (1, 137)
                assert (0, 76) in outcome.exits
                assert "goes on" in logs(here)
    assert results[0].keys() == results[1].keys()
    for key, value in results[0].items():
        np.testing.assert_array_equal(results[1][key], value, err_msg=key)
