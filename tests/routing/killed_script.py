"""Runs a batch on paid machines of a Pool or a Router, in forked processes killed at a step.

Told by lines of its input: JSON with `step` (0: never), `urls`, `folder` and, for a Router, the
number of the machine that it `prefers`. The answer is JSON too: whether the process was killed, and
else how many steps it took and what it found.
"""

import functools
import json
import os
import sys


class NoFrameworks:
    """The service needs none, and a process starts and forks many times as fast without."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not wanted here")


sys.meta_path.insert(0, NoFrameworks())

import numpy as np  # noqa: E402

from qstore_tf.backends.arrays.base import as_batch  # noqa: E402
from qstore_tf.backends.arrays.ionq import IonQ  # noqa: E402
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables  # noqa: E402
from qstore_tf.errors import ShareError  # noqa: E402
from qstore_tf.ionq.service.executor import Executor  # noqa: E402
from qstore_tf.ionq.service.journal import Journal  # noqa: E402
from qstore_tf.ionq.service.network import Http  # noqa: E402
from qstore_tf.routing.pool import Pool  # noqa: E402
from qstore_tf.routing.router import Router  # noqa: E402
from qstore_tf.routing.speeds import Speeds  # noqa: E402
from qstore_tf.routing.written import Paid, Written  # noqa: E402
from qstore_tf.testing.killing import kill_at  # noqa: E402

PLACES = [
    (Paid, "planned"),
    (Paid, "over"),
    (Paid, "forget"),
    (Paid, "leave"),
    (Written, "batch"),
    *((Journal, name) for name in ("open", "change", "deliver")),
    (Http, "send"),
]
ROWS = 6
# The lists of a local IonQ do not lag.
Executor.__init__ = functools.partialmethod(Executor.__init__, settle_s=0.5, poll_s=0.02)


def batch():
    circuit = UnifiedCircuit(2).add_gate("RY", 0, "x").add_gate("CX", [0, 1])
    program = compile_circuit(circuit, inputs=["x"])
    return as_batch(program, np.linspace(0.1, 3.0, ROWS)[:, None], [])


def router(machines, preferred):
    """A Router for which one of them is much faster."""
    made = Router(machines, priority="speed", precision=0.5)
    best = made.members[preferred].name
    Speeds.circuits_per_second = lambda self, name, kind, size: 1e6 if name == best else 1.0
    return made


def run(order, out):
    folder = order["folder"]
    os.environ["QSTORE_IONQ_JOURNAL"] = f"{folder}/ionq.sqlite"
    os.environ["IONQ_API_KEY"] = "a-key"
    count = kill_at(order["step"], PLACES)
    machines = [IonQ("qpu.forte-1", 100, url=url, unreachable_s=2.0) for url in order["urls"]]
    backend = Pool(machines) if order["prefers"] is None else router(machines, order["prefers"])
    observables = tuple(parse_observables(["Z0"], 2))
    try:
        found = backend.expectation(batch(), observables, [1, 2]).tolist()
    except ShareError as error:
        found = str(error)
    out.write(json.dumps({"killed": False, "steps": count[0], "found": found}))


def main():
    for line in sys.stdin:
        order = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            with os.fdopen(write, "w") as out:
                run(order, out)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        print(text or json.dumps({"killed": True}), flush=True)


if __name__ == "__main__":
    main()
