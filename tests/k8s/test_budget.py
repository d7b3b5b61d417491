"""The overlay for IonQ: one budget for all workers, in a file that worker 0 keeps on the claim."""

from collections.abc import Callable
from pathlib import Path

import pytest

from k8s.local_runner import images, runner
from k8s.local_runner.pods import machine
from k8s.objects import Objects
from qstore_tf.ionq.money.budget import Budget

SECRETS = {"ionq": {"api-key": "a-key", "budget-token": "a-token-of-this-test-alone-0123456789"}}
# Both reserve more than half. Worker 0 ends last, as it does in a training.
SCRIPT = """
import os
import pathlib
import time

from qstore_tf.errors import BudgetExceededError
from qstore_tf.ionq.money.environment import budget_from_environment

index = os.environ["JOB_COMPLETION_INDEX"]
budget = budget_from_environment()
try:
    budget.reserve(f"job of {index}", 6)
    said = "granted"
except BudgetExceededError as error:
    said = f"refused: {error}"
ends = pathlib.Path(os.environ["CHECKPOINTS"])
(ends / f"{index}.txt").write_text(said)
while index == "0" and not (ends / "1.txt").exists():
    time.sleep(0.05)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("namespaces")
def test_workers_share_the_account_of_worker_0(
    rendered: Callable[[str], Objects], tmp_path: Path
) -> None:
    objects = rendered("overlays/ionq")
    (script,) = (each for each in objects.of("ConfigMap") if "train.py" in each["data"])
    script["data"]["train.py"] = SCRIPT
    with machine(objects, images.this_python(), tmp_path, SECRETS) as here:
        outcome = runner.train(here, first_pause=0.1)
        logs = [path.read_text(errors="replace") for path in here.folder.glob("pods/*/log")]
        assert outcome.complete, (outcome, logs)
        claim = here.claim("train-checkpoints")
        said = sorted((claim / f"{index}.txt").read_text() for index in range(2))
        assert said[0] == "granted" and said[1].startswith("refused: "), said
        assert "at most 4 USD" in said[1]
        (account,) = claim.glob("ionq-budget*.sqlite")
        assert str(Budget(usd=10, path=account)) == "0 spent, 6 reserved, 4 left of 10 USD"
