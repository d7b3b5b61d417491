"""The database's overlay with a file, as rendered, runs; what it acknowledged outlives its pod."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8s.local_runner import images, runner
from k8s.local_runner.pods import Pod, machine
from k8s.objects import Objects

KEY = "a-key-of-the-tests-0123456789"
SECRETS = {"store": {"keys": json.dumps([{"key": KEY, "name": "tests"}])}}
ASK = """
import json, sys, urllib.request
def ask(verb, body, key):
    request = urllib.request.Request(
        "http://127.0.0.1:8080/v1/" + verb,
        json.dumps(body).encode(), {"Api-Key": key, "Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, timeout=20))
"""
WRITE = """
number = 0
while True:
    ask("put", {"ids": [f"item-{number}"], "vectors": [[1.0, number]], "alone": True}, sys.argv[1])
    print(number, flush=True)
    number += 1
"""


def inside(pod: Pod, code: str, *arguments: str) -> list[str]:
    """The command that runs Python in a pod's network."""
    command = ["ip", "netns", "exec", pod.namespace, sys.executable, "-I", "-c", ASK + code]
    return [*command, *arguments]


def ask(pod: Pod, verb: str, **body: Any) -> Any:
    code = "print(json.dumps(ask(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3])))"
    done = subprocess.run(inside(pod, code, verb, json.dumps(body), KEY), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.usefixtures("namespaces")
def test_what_was_acknowledged_is_there_after_the_pod_was_killed(
    rendered: Callable[[str], Objects], tmp_path: Path
) -> None:
    objects = rendered("overlays/store-sqlite")
    with machine(objects, images.this_python(), tmp_path, SECRETS) as here:
        with runner.serve(here, "store") as pod:
            assert "Quantum database" in runner.get(pod, "http://127.0.0.1:8080/")
            writer = subprocess.Popen(
                inside(pod, WRITE, KEY), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
            pod.kill()  # while the writer goes on
            acknowledged += [int(line) for line in writer.stdout]
            writer.stdout.close()
            writer.wait()
            while pod.poll() is None:
                time.sleep(0.02)
        assert (here.claim("store-data") / "store.qstore").exists()
        with runner.serve(here, "store") as pod:
            found = ask(pod, "get_many", ids=[f"item-{number}" for number in acknowledged])
            count = ask(pod, "count")
            assert KEY not in pod.output()
    assert [item["vector"] for item in found] == [[1.0, float(n)] for n in acknowledged]
    # The one that was on its way when the pod ended may be there too, but no more.
    assert count - len(acknowledged) in (0, 1)
