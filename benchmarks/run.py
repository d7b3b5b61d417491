"""Measures gradient steps of qstore_tf and of its peers, one after the other, in one table.

    python benchmarks/run.py                      # everything (environments are made at first)
    python benchmarks/run.py --only qstore,tfq --workloads 6,4,256
    python benchmarks/run.py --cached --only qstore   # qstore anew, peers from the last run

Needs the standard library and, for the row of qstore_tf, an interpreter that can import it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import environments, machine, report
from benchmarks.workload import WORKLOADS, Workload

ROOT = environments.ROOT
RESULTS = ROOT / "benchmarks" / "results"
CACHE = environments.VENVS / "results"
FRAMEWORKS = tuple(report.TITLES)
# Seconds after which a peer on one workload is given up.
TIME_LIMIT = 600
# What `--more` runs after the table.
MORE = ("fashion_fit", "fit_overhead", "first_call", "memory", "roofline")
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
README_BEGIN, README_END = "<!-- speed table: begin -->", "<!-- speed table: end -->"


def main() -> int:
    """Runs what the command line asks for; returns 1 if a run failed or gradients disagree."""
    arguments = _arguments()
    described = machine.describe()
    interpreters: dict[str, Path] = {}
    for framework in arguments.only:
        ours = framework == "qstore"
        interpreters[framework] = arguments.python if ours else environments.ensure(framework)
    if arguments.install:
        return 0

    results: list[dict[str, Any]] = []
    started = time.monotonic()
    for workload in arguments.workloads:
        for framework in FRAMEWORKS:
            if framework in interpreters:
                _say(f"[{time.monotonic() - started:4.0f} s] {workload.key}: {framework}")
                result = _run(framework, interpreters[framework], workload, arguments.threads)
                results.append(result)
            elif arguments.cached and (last := _cached(framework, workload)):
                results.append(last)

    described["threads for every framework"] = str(arguments.threads)
    document = report.markdown(results, described)
    print(document)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gradient_steps.md").write_text(document)
    payload = json.dumps({"machine": described, "results": results}, indent=1)
    (arguments.out / "gradient_steps.json").write_text(payload + "\n")
    _say(f"written to {arguments.out}")
    if arguments.readme:
        _fill_readme(report.summary(results, described))
    failed = any("error" in result for result in results)
    if arguments.more:
        for script in MORE:
            print(f"\n## {script}", flush=True)
            path = ROOT / "benchmarks" / f"{script}.py"
            subprocess.run([str(arguments.python), str(path)], cwd=ROOT, env=QUIET, check=False)
    return int(failed or bool(report.disagreements(results)))


def _run(framework: str, python: Path, workload: Workload, threads: int) -> dict[str, Any]:
    command = [str(python), "-m", f"benchmarks.peers.{framework}"]
    command += ["--workload", workload.key, "--threads", str(threads)]
    identity = {"framework": framework, "workload": workload.key}
    try:
        finished = subprocess.run(
            command,
            cwd=ROOT,
            env=QUIET,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return identity | {"error": f"longer than {TIME_LIMIT} s"}
    if finished.returncode != 0:
        _say(finished.stderr)
        lines = finished.stderr.strip().splitlines() or [f"exit status {finished.returncode}"]
        return identity | {"error": lines[-1][:120]}
    result: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    CACHE.mkdir(parents=True, exist_ok=True)
    _cache_file(framework, workload).write_text(json.dumps(result))
    return result


def _fill_readme(summary: str) -> None:
    readme = ROOT / "README.md"
    before, found, rest = readme.read_text().partition(README_BEGIN)
    _, ended, after = rest.partition(README_END)
    if not (found and ended):
        raise RuntimeError(f"{readme} has no place for the table: {README_BEGIN} ... {README_END}")
    readme.write_text(f"{before}{README_BEGIN}\n{summary}{README_END}{after}")


def _cached(framework: str, workload: Workload) -> dict[str, Any] | None:
    file = _cache_file(framework, workload)
    if not file.is_file():
        return None
    cached: dict[str, Any] = json.loads(file.read_text())
    return cached | {"cached": True}


def _cache_file(framework: str, workload: Workload) -> Path:
    return CACHE / f"{framework}-{workload.key}.json"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--only",
        type=lambda value: value.split(","),
        default=list(FRAMEWORKS),
        help=f"frameworks to measure, of {','.join(FRAMEWORKS)} (default: all)",
    )
    parser.add_argument(
        "--workloads",
        type=lambda value: [Workload.parse(field) for field in value.split()],
        default=list(WORKLOADS),
        help='"n,depth,B n,depth,B ..."',
    )
    parser.add_argument(
        "--cached", action="store_true", help="show the last results of frameworks not measured"
    )
    parser.add_argument("--install", action="store_true", help="make the environments and stop")
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="interpreter of qstore_tf"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--more", action="store_true", help=f"then run {', '.join(MORE)}")
    parser.add_argument("--readme", action="store_true", help="put a short table into README.md")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.only) - set(FRAMEWORKS))
    if unknown:
        parser.error(f"unknown framework {', '.join(unknown)}; there are {', '.join(FRAMEWORKS)}")
    return arguments


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
