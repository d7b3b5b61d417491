"""Forks workers from a process that has imported TensorFlow: seconds less for each of them.

Reads a JSON object a line, `{"script", "arguments", "env", "log", "directory"}`, runs the script as
`python script arguments` would, and writes `{"started": pid}`, and `{"pid", "code"}` when one
ended. TensorFlow's runtime starts in the workers only, with their environment.
"""

import json
import os
import random
import runpy
import select
import sys
from typing import Any

import numpy as np
import tensorflow  # noqa: F401
from tensorflow import keras  # noqa: F401

import qstore_tf.distribute.strategy
import qstore_tf.layers  # noqa: F401


def say(**words: Any) -> None:
    os.write(1, (json.dumps(words) + "\n").encode())


def serve() -> dict[str, Any]:
    """Forks for each request; returns the request in the child."""
    pending, alive = b"", 0
    while True:
        if select.select([0], [], [], 0.02)[0]:
            read = os.read(0, 65536)
            if not read:
                sys.exit()
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                pid = os.fork()
                if not pid:
                    request: dict[str, Any] = json.loads(line)
                    return request
                alive += 1
                say(started=pid)
        while alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            alive -= 1
            say(pid=pid, code=os.waitstatus_to_exitcode(status))


request = serve()
os.setsid()
os.chdir(request["directory"])
log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(log, 1)
os.dup2(log, 2)
sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
os.environ.clear()
os.environ.update(request["env"])
random.seed()
np.random.seed()
sys.argv = [request["script"], *request["arguments"]]
# At the top of the main module: what it leaves to the end of the interpreter happens then.
runpy.run_path(request["script"], run_name="__main__")
