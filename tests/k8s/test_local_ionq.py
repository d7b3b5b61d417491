"""The overlay with a local IonQ, as rendered, trains: every circuit is run by the server's pod."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from k8s.local_runner import images, runner
from k8s.local_runner.pods import machine
from k8s.objects import Objects

# Two steps for each worker.
SETTINGS = {"SAMPLES": "20", "BATCH_SIZE": "8", "QUBITS": "6", "SAVE_EVERY_STEPS": "1"}


@pytest.mark.slow
@pytest.mark.usefixtures("namespaces")
def test_workers_train_with_circuits_run_by_the_local_ionq(
    rendered: Callable[[str], Objects], tmp_path: Path
) -> None:
    objects = rendered("overlays/local-ionq")
    (settings,) = (each for each in objects.of("ConfigMap") if "EPOCHS" in each["data"])
    settings["data"].update(SETTINGS)
    with (
        machine(objects, images.this_python(), tmp_path) as here,
        runner.serve(here, "local-ionq") as server,
    ):
        outcome = runner.train(here, first_pause=0.1)
        logs = [path.read_text(errors="replace") for path in here.folder.glob("pods/*/log")]
        assert outcome.complete, (outcome, logs)
        listed = json.loads(runner.get(server, "http://127.0.0.1:8042/emulator/page/jobs"))
        assert (here.claim("train-checkpoints") / "local-ionq" / "model.keras").exists()
        kept = sorted(path.name for path in here.claim("train-checkpoints").glob("*.sqlite"))
    assert set(listed["statuses"]) == {"completed"}
    # One key and so one organization for all workers; both of them sent jobs.
    assert listed["total"] >= 4
    assert kept == ["ionq-journal-0.sqlite", "ionq-journal-1.sqlite"]
