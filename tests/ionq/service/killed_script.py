"""Runs some work in forked processes that are killed at a step; told by lines of its input.

A line is JSON with `step` (0: never), `url` and `journal`. The answer is JSON too: how the process
ended, how many steps it took if it lived, and the outcomes.
"""

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from conftest import KEY, connect, some_work  # noqa: E402

from qstore_tf.ionq.service import Executor, Server  # noqa: E402
from qstore_tf.ionq.service.journal import Journal  # noqa: E402
from qstore_tf.ionq.service.network import Http  # noqa: E402

PLACES = [(Journal, name) for name in ("open", "change", "copy", "deliver")] + [(Http, "send")]


def die_at(step):
    """Kills this process before or after the step-th change of the journal or request."""
    count = [0]

    def stepped(method):
        def wrapped(self, *args, **kwargs):
            kill()
            found = method(self, *args, **kwargs)
            kill()
            return found

        return wrapped

    def kill():
        count[0] += 1
        if count[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in PLACES:
        setattr(owner, name, stepped(getattr(owner, name)))
    return count


def run(order, out):
    count = die_at(order["step"])
    executor = Executor(
        Server(order["url"], KEY),
        "qpu.forte-1",
        journal=order["journal"],
        shots=100,
        max_circuits=3,
        max_in_flight=1,
        settle_s=1.0,
        poll_s=0.02,
        connect=connect,
    )
    found = executor.run(some_work())
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
