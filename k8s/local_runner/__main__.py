"""Runs rendered manifests on this machine, as root:

kubectl kustomize k8s/overlays/local | sudo .venv/bin/python -m k8s.local_runner - --kill 1
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from k8s.local_runner import images, jobs, runner
from k8s.local_runner.network import RunnerError
from k8s.local_runner.pods import Pod, machine
from k8s.objects import ManifestError, load


def main(argv: list[str] | None = None) -> int:
    """Runs the training of a manifest; returns 0 where it is complete."""
    parser = argparse.ArgumentParser(
        prog="python -m k8s.local_runner", description="run rendered manifests on this machine"
    )
    parser.add_argument("manifest", help="file that kubectl kustomize has written; - for stdin")
    parser.add_argument("--folder", type=Path, help="where volumes and logs go and stay")
    parser.add_argument("--image", type=Path, help="unpacked image; default: this Python")
    parser.add_argument(
        "--kill", type=int, metavar="INDEX", help="kill -9 this worker once a checkpoint is there"
    )
    parser.add_argument(
        "--secret", action="append", default=[], metavar="NAME/KEY=VALUE", help="a Secret's value"
    )
    arguments = parser.parse_args(argv)
    secrets: dict[str, dict[str, str]] = {}
    for entry in arguments.secret:
        place, _, value = entry.partition("=")
        name, _, key = place.partition("/")
        secrets.setdefault(name, {})[key] = value
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {text}", flush=True)

    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="qstore-k8s-"))
    folder.mkdir(parents=True, exist_ok=True)
    # Ended from outside, it still cleans up.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        text = (
            sys.stdin.read() if arguments.manifest == "-" else Path(arguments.manifest).read_text()
        )
        image = images.unpacked(arguments.image) if arguments.image else images.this_python()
        with machine(load(text), image, folder, secrets) as here:

            def saved(pod: Pod) -> bool:
                return any(here.claim("train-checkpoints").rglob("step-*/manifest.json"))

            faults = [] if arguments.kill is None else [jobs.Fault(arguments.kill, saved)]
            outcome = runner.train(here, faults, say)
    except (ManifestError, RunnerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"Volumes and logs are in {folder}")
    return 0 if outcome.complete else 1


if __name__ == "__main__":
    sys.exit(main())
