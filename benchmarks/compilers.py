"""Speed of the wheel's build of the engine beside that of this machine's compilers.

Builds `compilers.cc` and the engine with `g++`, `clang++` where there is one, and as `make wheels`
does (run that first: it installs the cross-compiler), then runs the programs in turn and prints,
for each instruction set and workload, the least CPU time of a gradient by each build and its
ratio to that by `g++`.

    python benchmarks/compilers.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHEEL_TOOLS = ROOT / ".ci-venvs" / "wheels" / "bin" / "python"
GOAL = 1.05


def build(name: str) -> Path:
    """The benchmark compiled by `name`: a compiler, or "wheel"."""
    spec = importlib.util.spec_from_file_location("qstore_setup", ROOT / "setup.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    os.environ.pop("QSTORE_PLATFORM", None)
    if name == "wheel":
        os.environ["QSTORE_ZIG"] = f"{WHEEL_TOOLS} -m ziglang"
        os.environ["QSTORE_PLATFORM"] = f"manylinux_2_27_{platform.machine()}"
    command = script.find_compiler() if name == "wheel" else [name]
    folder = ROOT / "build" / "compilers" / name
    sources = [*script.sources("lib", "lib/fast"), Path("benchmarks/compilers.cc")]
    flags = {source: script.flags_for(source, "benchmark") for source in sources}
    objects = script.compile_all(command, flags, folder)
    target = folder / "compilers"
    names = [str(path) for path in objects]
    script.make(target, objects, [*command, "-pthread", "-pie", *names, "-o", str(target)])
    return target


def measure(programs: dict[str, Path], level: str, rounds: int) -> dict[str, dict[str, float]]:
    """Least seconds by workload and build; builds take turns."""
    least: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, program in programs.items():
            done = subprocess.run(
                [program],
                env={**os.environ, "QSTORE_SIMD": level},
                check=True,
                capture_output=True,
                text=True,
            )
            for line in done.stdout.splitlines():
                workload, seconds = line.split()
                times = least.setdefault(workload, {})
                times[name] = min(times.get(name, math.inf), float(seconds))
    return least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    if not WHEEL_TOOLS.exists():
        sys.exit("run `make wheels` first: it installs the cross-compiler")
    names = ["g++", *(["clang++"] if shutil.which("clang++") else []), "wheel"]
    programs = {name: build(name) for name in names}
    print(f"{'level':7} {'n, depth, batch':24}", *(f"{name:>10}" for name in names), "ms, ratios")
    for level in ("avx512", "avx2", "base") if platform.machine() == "x86_64" else ("base",):
        ratios: dict[str, list[float]] = {name: [] for name in names[1:]}
        for workload, times in measure(programs, level, rounds).items():
            for name, kept in ratios.items():
                kept.append(times[name] / times["g++"])
            print(
                f"{level:7} {workload:24}",
                *(f"{times[name] * 1e3:10.3f}" for name in names),
                *(f"{kept[-1]:6.2f}" for kept in ratios.values()),
                flush=True,
            )
        for name, kept in ratios.items():
            mean = math.exp(sum(map(math.log, kept)) / len(kept))
            print(f"{level}: {name} takes {mean:.3f} of g++'s time (goal: at most {GOAL})")


if __name__ == "__main__":
    main()
