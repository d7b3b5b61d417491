"""What a benchmark ran on, in words: a figure without it means nothing."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path


def describe() -> dict[str, str]:
    """CPU, cores, instruction sets, system, load and date of this moment."""
    flags = _cpuinfo("flags").split()
    wanted = [name for name in ("avx2", "fma", "avx512f", "amx_tile") if name in flags]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{_cpuinfo('model name') or platform.processor()}{_family()}",
        "cores": str(_cores()),
        "instruction sets": " ".join(wanted),
        "system": f"{platform.system()} {platform.machine()}",
        "load average before the run": f"{load:.2f}",
    }


def headline() -> str:
    """The same in one line, for scripts that print one figure."""
    return ", ".join(f"{key}: {value}" for key, value in describe().items())


def verdict(what: str, measured: float, goal: float, unit: str, *, at_most: bool = True) -> bool:
    """Prints a figure beside its goal.

    Args:
        what: the quantity.
        measured: its value here.
        goal: the bound.
        unit: of both.
        at_most: whether the goal is an upper bound.

    Returns:
        Whether the goal is met.
    """
    met = measured <= goal if at_most else measured >= goal
    sign = "<=" if at_most else ">="
    word = "met" if met else "MISSED"
    print(f"{what}: {measured:.4g} {unit} (goal {sign} {goal:.4g} {unit}): {word}")
    return met


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo(field: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(field)), "")


def _family() -> str:
    family, model = _cpuinfo("cpu family"), _cpuinfo("model\t")
    return f" (family {family}, model {model})" if family else ""
