"""A process with paid machines is killed at every step; the next one ends its batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.testing.daily import daily_seed

ROWS, GROUPS, EVERY = 6, 4, 24


@pytest.fixture
def process():
    script = Path(__file__).with_name("killed_script.py")
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    ) as running:

        def ask(step, urls, folder, prefers=None):
            order = {"step": step, "urls": urls, "folder": str(folder), "prefers": prefers}
            running.stdin.write(json.dumps(order) + "\n")
            running.stdin.flush()
            return json.loads(running.stdout.readline())

        yield ask
        running.stdin.close()


def billed(emulators):
    return sum(
        job.n_circuits
        for each in emulators
        for job in each.jobs()
        if job.canceled is None and not job.failure
    )


@pytest.mark.slow
@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("kind", ["pool", "router"])
def test_killed_at_any_step_no_circuit_is_lost_or_paid_for_twice(
    kind, group, process, start_ionq_emulator, tmp_path
):
    emulators = [start_ionq_emulator(machine_noise=False, run_s=0.05) for _ in range(2)]
    urls = [each.url for each in emulators]
    (tmp_path / "whole").mkdir()
    # To the Router of the second process the other machine seems better.
    first, second = (0, 1) if kind == "router" else (None, None)
    whole = process(0, urls, tmp_path / "whole", first)
    before = billed(emulators)
    assert before == ROWS
    wanted = np.cos(np.linspace(0.1, 3.0, ROWS))
    killed = 0
    # Some of the steps: all of them within six of the days on which this runs.
    steps = range(1 + (daily_seed() % (EVERY // GROUPS)) * GROUPS + group, whole["steps"], EVERY)
    for step in steps:
        folder = tmp_path / f"step-{step}"
        folder.mkdir()
        died = process(step, urls, folder, first)
        lived = process(0, urls, folder, second) if died["killed"] else died
        np.testing.assert_allclose(np.array(lived["found"])[:, 0], wanted, atol=0.6)
        killed += died["killed"]
        now = billed(emulators)
        # After the last changes nothing is left to be found: the results were handed over. That
        # is from where the batch is forgotten, and for a Router from where its run is delivered.
        assert now - before == ROWS or (died["killed"] and step >= whole["steps"] - 2), step
        before = now
    assert killed
