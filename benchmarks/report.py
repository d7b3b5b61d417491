"""The table: ratios against the goals, agreement of the gradients, Markdown and JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks import tables
from benchmarks.workload import Workload

Result = dict[str, Any]

TITLES = {
    "qstore": "qstore_tf",
    "tensorcircuit": "TensorCircuit-NG + JAX",
    "tensorcircuit_tuned": "TensorCircuit-NG, tuned readout",
    "tfq": "TensorFlow Quantum",
    "lightning": "PennyLane lightning.qubit",
    "qulacs": "Qulacs",
}
# How many times faster than a peer a gradient step is to be, looping in the graph.
GOALS: dict[str, dict[str, float]] = {
    "6,4,256": {"tensorcircuit": 15, "tfq": 700},
    "10,4,32": {"tensorcircuit": 6, "tfq": 50},
    "16,4,8": {"tensorcircuit": 4, "tfq": 30},
    "20,4,2": {"tensorcircuit": 2, "tfq": 25},
}
# Largest difference of two gradients, relative to the largest component.
TOLERANCE = 1e-4
NOTES = (
    "A step is the gradient, by all trained angles, of the sum of squared <Z> over qubits and "
    "batch. *In graph*: median over repeats of 100 such steps (fewer where noted) in one compiled "
    "graph, theta moving a little each step. *Single*: one call from Python per step; all of "
    "Qulacs and lightning, which have no compiled loop.",
    "*CPU*: processor time of all threads per step, in graph where there is one: what to look at "
    "when other programs were running.",
    "*First call* includes tracing and compiling, not importing.",
    "*Faster*: the peer's time over qstore_tf's, in graph where the peer has a graph, else single "
    "calls on both sides; the goal in brackets.",
    "*Gradient error*: largest difference to the gradient of Qulacs (double precision), over the "
    f"largest component; must stay below {TOLERANCE:g}.",
    "*Tuned readout*: TensorCircuit-NG with all <Z> computed from two marginals and small matrix "
    "products, written by hand, instead of one sum per qubit. The goals were set against the "
    "latter; the former is the fastest form found.",
    "The TensorFlow Quantum wheel on PyPI is built without AVX; a native build of it would be "
    "faster. Qulacs computes in double precision, all others in single.",
)
HEADER = (
    "n, depth, B",
    "framework",
    "in graph (ms)",
    "gradient circuits/s",
    "CPU (ms)",
    "single (ms)",
    "first call (s)",
    "qstore_tf is faster",
    "gradient error",
)


def table(results: Sequence[Result]) -> list[list[str]]:
    """Rows under HEADER, grouped by workload, in the given order."""
    rows = []
    for result in results:
        workload = Workload.parse(result["workload"])
        if "error" in result:
            failed = [workload.key.replace(",", ", "), TITLES[result["framework"]]]
            rows.append([*failed, f"failed: {result['error']}", *[""] * (len(HEADER) - 3)])
            continue
        loop, single = middle(result["loop"]), middle(result["single"])
        best = statistics.median(result["loop"] or result["single"])
        steps = result["loop_steps"]
        rows.append(
            [
                workload.key.replace(",", ", "),
                TITLES[result["framework"]] + (" (cached)" if result.get("cached") else ""),
                _milliseconds(loop) + (f" ({steps} steps)" if steps not in (0, 100) else ""),
                _three_digits(workload.batch / best),
                _milliseconds(result.get("cpu")),
                _milliseconds(single),
                f"{result['first_call']:.2f}",
                _faster(result, results),
                f"{error(result, results):.1e}",
            ]
        )
    return rows


def ratio(result: Result, results: Sequence[Result]) -> float | None:
    """How many times longer this result's step takes than qstore_tf's on the same workload."""
    ours = _find("qstore", result["workload"], results)
    if ours is None or ours is result or "error" in result:
        return None
    column = "loop" if result["loop"] and ours["loop"] else "single"
    return statistics.median(result[column]) / statistics.median(ours[column])


def error(result: Result, results: Sequence[Result]) -> float:
    """Largest difference to the double-precision gradient, relative to its largest component."""
    # Without Qulacs in the run, whoever else there is.
    reference = _find("qulacs", result["workload"], results) or next(
        other
        for other in results
        if other["workload"] == result["workload"] and "error" not in other
    )
    pairs = zip(result["gradient"], reference["gradient"], strict=True)
    return max(abs(a - b) for a, b in pairs) / max(abs(value) for value in reference["gradient"])


def disagreements(results: Sequence[Result]) -> list[str]:
    """Sentences about results whose gradients do not agree; empty when all do."""
    return [
        f"{TITLES[result['framework']]} at {result['workload']}: {error(result, results):.1e}"
        for result in results
        if "error" not in result and not error(result, results) <= TOLERANCE
    ]


def missed(results: Sequence[Result]) -> list[str]:
    """Sentences about goals not reached or not measured; empty when all of them are met."""
    sentences = []
    for workload in dict.fromkeys(result["workload"] for result in results):
        for framework, goal in GOALS.get(workload, {}).items():
            peer = _find(framework, workload, results)
            reached = ratio(peer, results) if peer else None
            where = f"{workload} against {TITLES[framework]}"
            if reached is None:
                sentences.append(f"{where}: not measured, goal {goal:g}x")
            elif reached < goal:
                sentences.append(f"{where}: {reached:.3g}x, goal {goal:g}x")
    return sentences


def text(rows: Sequence[Sequence[str]]) -> str:
    """The table with padded columns: readable on a terminal and valid Markdown."""
    return tables.text(HEADER, rows)


def markdown(results: Sequence[Result], machine: dict[str, str]) -> str:
    """The whole report: machine, versions, table, notes, checks."""
    versions: dict[str, str] = {}
    details: dict[str, None] = {}
    for result in results:
        versions |= result.get("versions", {})
        if result.get("detail"):
            details[f"{TITLES[result['framework']]}: {result['detail']}"] = None
    wrong, below = disagreements(results), missed(results)
    lines = ["# Gradient steps, side by side", ""]
    lines += [f"- {key}: {value}" for key, value in machine.items()]
    lines += ["- versions: " + ", ".join(f"{name} {value}" for name, value in versions.items())]
    lines += [f"- {detail}" for detail in details]
    lines += ["", text(table(results)), ""]
    lines += [f"- {note}" for note in NOTES]
    lines += [f"- Gradients agree: {'NO: ' + '; '.join(wrong) if wrong else 'yes, all of them'}."]
    lines += [f"- Goals missed: {'; '.join(below) if below else 'none'}."]
    return "\n".join(lines) + "\n"


def summary(results: Sequence[Result], machine: dict[str, str]) -> str:
    """A short table for the README: our speed by workload, and how much faster that is."""
    peers = [name for name in TITLES if name != "qstore"]
    peers = [name for name in peers if any(result["framework"] == name for result in results)]
    lines = [
        "| n, depth, B | qstore_tf, gradient circuits/s | "
        + " | ".join(f"against {TITLES[name]}" for name in peers)
        + " |",
        "|" + " --- |" * (len(peers) + 2),
    ]
    for workload in dict.fromkeys(result["workload"] for result in results):
        ours = _find("qstore", workload, results)
        speed = Workload.parse(workload).batch / statistics.median(ours["loop"]) if ours else None
        cells = [workload.replace(",", ", "), f"{_three_digits(speed)}" if speed else "-"]
        for name in peers:
            peer = _find(name, workload, results)
            reached = ratio(peer, results) if peer else None
            cells.append("-" if reached is None else f"{_three_digits(reached)}x")
        lines.append("| " + " | ".join(cells) + " |")
    versions: dict[str, str] = {}
    for result in results:
        versions |= result.get("versions", {})
    lines += [
        "",
        f"{machine['date'][:10]}, {machine['cpu']}, {machine['cores']} cores "
        f"({machine['instruction sets']}), float32 (Qulacs: float64); "
        + ", ".join(f"{name} {value}" for name, value in versions.items())
        + ". The TensorFlow Quantum wheel is built without AVX. Lightning and Qulacs are compared "
        "by single calls from Python, the others looping inside their compiled graphs.",
    ]
    return "\n".join(lines) + "\n"


def middle(values: Sequence[float]) -> float | None:
    """The median, or None of nothing."""
    return statistics.median(values) if values else None


def _faster(result: Result, results: Sequence[Result]) -> str:
    reached = ratio(result, results)
    if reached is None:
        return ""
    goal = GOALS.get(result["workload"], {}).get(result["framework"])
    shown = f"{_three_digits(reached)}x"
    return shown + (f" (goal {goal:g}x{'' if reached >= goal else ', MISSED'})" if goal else "")


def _three_digits(value: float) -> str:
    digits = 3 - len(str(int(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"


def _find(framework: str, workload: str, results: Sequence[Result]) -> Result | None:
    for result in results:
        same = result["framework"] == framework and result["workload"] == workload
        if same and "error" not in result:
            return result
    return None


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1e3:,.4g}"
