"""What the tests of the service have in common."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.ionq.emulator.states import is_billed
from qstore_tf.ionq.service import Executor, Server, Work
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.retrying import CircuitBreaker, Retries
from qstore_tf.ionq.writing import NativeTemplate
from qstore_tf.testing.ionq import ionq_emulator, start_ionq_emulator  # noqa: F401

sys.path.insert(0, str(Path(__file__).parent))

KEY = "a-key-that-nobody-should-see-0123456789"
PAIR = NativeTemplate(2, (("GPi2", (0,)), ("GPi2", (1,)), ("ZZ", (0, 1)), ("GPi2", (0,))))
LINE = NativeTemplate(3, (("GPi2", (0,)), ("GPi", (2,))))


RETRIES = Retries(first_s=0.02, most_s=0.2, total_s=20.0)


def connect(server, clock, counts):
    """A client that does not wait for long where the service is down."""
    breaker = CircuitBreaker(clock, first_s=0.05, most_s=0.2)
    return Client(server, clock, RETRIES, breaker=breaker, counts=counts)


def some_work(n=6, seed=0):
    """Circuits of two structures."""
    rng = np.random.default_rng(seed)
    cut = n // 2
    return [
        Work(PAIR, rng.uniform(0, 0.25, (cut, 4)), n_1q=3, n_2q=1),
        Work(LINE, rng.uniform(0, 0.25, (n - cut, 2)), n_1q=2, n_2q=0),
    ]


@pytest.fixture
def quick(tmp_path):
    """Makes executors for a local IonQ that do not wait for long."""

    def make(emulator, target="qpu.forte-1", **options):
        chosen = {
            "journal": tmp_path / "journal.sqlite",
            "shots": 100,
            "settle_s": 0.4,
            "poll_s": 0.01,
            "retries": RETRIES,
            "connect": connect,
            **options,
        }
        return Executor(Server(emulator.url, KEY), target, **chosen)

    return make


@pytest.fixture
def processes():
    """Makes processes that run some work and may be killed; returns what became of one."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    script = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("killed_script.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )

    def run(emulator, journal, step=0, *, budget=None, seed=0):
        order = {"step": step, "url": emulator.url, "journal": str(journal), "seed": seed}
        order["budget"] = None if budget is None else str(budget)
        script.stdin.write(json.dumps(order) + "\n")
        script.stdin.flush()
        return json.loads(script.stdout.readline())

    with script:
        yield run
        script.stdin.close()


def bills(emulator):
    """The billed jobs of a local IonQ, by the token in their metadata."""
    service, found = emulator.service, {}
    for job in emulator.jobs():
        if is_billed(job, service.jobs.now):
            token = json.loads(job.metadata)["qs_token"]
            found.setdefault(token, []).append(job.id)
    return found
