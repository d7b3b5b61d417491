"""A training that is killed and resumed goes on with what was spent."""

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.emulator.states import is_billed

SCRIPT = Path(__file__).with_name("paid_script.py")
ROOT = Path(__file__).parents[2]
WORDS = ("begins", "ends")


def train(folder, emulator, steps):
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, emulator.url, str(steps)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=120,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    said = {first: [Decimal(word) for word in rest] for first, *rest in lines if first in WORDS}
    return done, said


def billed(emulator):
    jobs = [job for job in emulator.jobs() if is_billed(job, emulator.service.jobs.now)]
    return len(jobs), sum((Decimal(job.price) for job in jobs), Decimal(0))


@pytest.mark.slow
def test_a_resumed_training_goes_on_with_what_was_spent(tmp_path):
    with Emulator() as emulator:
        killed, said = train(tmp_path, emulator, steps=3)
        assert killed.returncode == -9 and said == {"begins": [0]}, killed.stderr
        jobs, spent = billed(emulator)
        assert jobs == 6 and spent > 0  # of a step: values and gradient
        ended, said = train(tmp_path, emulator, steps=0)
        assert ended.returncode == 0, ended.stderr
        assert "goes on from epoch 2" in ended.stdout
        jobs, all_spent = billed(emulator)
        assert said == {"begins": [spent], "ends": [all_spent, 0]}
        # The step that had ended without a checkpoint, at most, was run again.
        assert 8 <= jobs <= 10 and all_spent > spent
