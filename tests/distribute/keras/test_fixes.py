"""What the fixes do; and that Keras still needs each of them, or this fails and they can go."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qstore_tf.testing.daily import VARIABLE, daily_seed

SCRIPT = Path(__file__).with_name("fixes_script.py")
NEEDED = {
    "keras": [
        "uneven shares",
        "steps per execution",
        "the first batch is drawn and reduced",
        "logs of several workers",
        "losses of outputs",
        "means by sample weights",
        "masks",
        "clipping",
        "accumulation",
        "averaged weights",
        "overflow",
    ],
    "tf_keras": ["uneven shares", "uneven shares, legacy optimizer"],
}


def run(kind: str) -> dict[str, Any]:
    """What the script found with Keras 3 or tf_keras, in one process for all cases."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=1800,
        cwd=SCRIPT.parents[3],
        env={
            **os.environ,
            "PYTHONPATH": str(SCRIPT.parents[3]),
            "TF_USE_LEGACY_KERAS": "1" if kind == "tf_keras" else "0",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            VARIABLE: str(daily_seed()),
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# One test for each Keras: pytest-xdist would start a process for each worker that has a case.
@pytest.mark.slow
@pytest.mark.parametrize("kind", NEEDED)
def test_keras_needs_each_fix_and_two_replicas_come_to_what_one_process_does(kind: str) -> None:
    results = run(kind)
    # When Keras as it is no longer fails, the fix can go for that release and later ones.
    assert [name for name in NEEDED[kind] if results["without"][name] is None] == []
    assert set(NEEDED[kind]) <= set(results["fixed"])
    assert len(results["random"]) == 2
    checked = {**results["fixed"], **results["random"]}
    assert {name: problem for name, problem in checked.items() if problem is not None} == {}
