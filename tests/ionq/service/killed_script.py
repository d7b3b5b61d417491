"""Runs some work in forked processes that are killed at a step; told by lines of its input.

A line is JSON with `step` (0: never), `url`, `journal`, `seed` of the work, and `budget` (a file or
null). The answer is JSON too: how the process ended, how many steps it took if it lived, and the
outcomes.
"""

import json
import os
import sys
from pathlib import Path


class NoFrameworks:
    """The service needs none, and a process starts and forks many times as fast without."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not wanted here")


sys.meta_path.insert(0, NoFrameworks())
sys.path.insert(0, str(Path(__file__).parent))

from conftest import KEY, connect, some_work  # noqa: E402

from qstore_tf.ionq.money.budget import Budget  # noqa: E402
from qstore_tf.ionq.prices import price_table  # noqa: E402
from qstore_tf.ionq.service import Executor, Server  # noqa: E402
from qstore_tf.ionq.service.journal import Journal  # noqa: E402
from qstore_tf.ionq.service.network import Http  # noqa: E402
from qstore_tf.testing.killing import kill_at  # noqa: E402

PLACES = [
    *((Journal, name) for name in ("open", "change", "while_left", "copy", "deliver")),
    *((Budget, name) for name in ("reserve", "commit", "release")),
    (Http, "send"),
]


def run(order, out):
    count = kill_at(order["step"], PLACES)
    executor = Executor(
        Server(order["url"], KEY),
        "qpu.forte-1",
        journal=order["journal"],
        budget=order["budget"] and Budget(usd=100_000, shots=100_000, path=order["budget"]),
        prices=price_table("azure", "forte-1"),
        shots=100,
        max_circuits=3,
        max_in_flight=1,
        settle_s=1.0,
        poll_s=0.02,
        connect=connect,
    )
    found = executor.run(some_work(seed=order["seed"]))
    sizes = [len(outcomes) for outcomes in found]
    out.write(json.dumps({"steps": count[0], "sizes": sizes}))
    out.flush()


for line in sys.stdin:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            run(json.loads(line), os.fdopen(writer, "w"))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status)
    print(json.dumps({"killed": killed, **(json.loads(said) if said else {})}), flush=True)
