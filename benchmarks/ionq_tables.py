"""The document of `ionq.py`: ours beside the best peer, and every compiler on every circuit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks import ionq_goals, tables
from benchmarks.ionq_checking import TOLERANCE
from benchmarks.ionq_circuits import TIMED
from benchmarks.ionq_rows import (
    COLUMNS,
    MODES,
    Row,
    best,
    dominated,
    never_dearer,
    never_more,
    number,
)

NOTES = (
    "*2q*: two-qubit gates, each as its number of non-zero Weyl coordinates. *2q depth*: the "
    "longest path of them. *Angle*: sum of the entangling angles, a full entangler being 1. "
    "*1q*: pulses with virtual Z for a circuit that starts in |0...0> and is measured in Z, by "
    "the rules in `ionq_counting.py`, the same for every compiler; those of qstore_tf are the "
    "gates that it emits, in square brackets what the rule counts where that is another number. "
    "*Emitted*: one- and two-qubit native gates, where a compiler emits them.",
    "*State*: compiled for |0...0>; without a mode for it, a peer's circuit is the same. "
    "*Measured*: compiled for |0...0> and for outcomes in the Z basis, which may be mapped "
    "classically afterwards; without a mode for it, a peer's circuit is the same.",
    "*Kept*: what is the same as in the input, with the largest difference (at most "
    f"{TOLERANCE:g}); what keeps it only nearly, or nothing, is no candidate for the best.",
    "*ms*: median wall time of compiling again in a warm process on one thread, in brackets the "
    "processor time of that process; what to compare when other programs were running. qstore_tf "
    "forgets between repetitions what it keeps of circuits and of wires.",
    "*Search*: qstore_tf with `search=True`, for circuits that this changes. These rows count "
    "among ours; the CPU ms beside the best peer are those without.",
)
DETAILS = ("compiler", *COLUMNS.values(), "emitted 1q / 2q", "ms (CPU)", "kept")


def markdown(
    rows: Sequence[Row],
    bindings: Mapping[str, float],
    described: Mapping[str, str],
    failures: Sequence[str],
) -> str:
    """The document; `bindings` are milliseconds a sample by title."""
    circuits = list(dict.fromkeys(row.circuit for row in rows))
    ours = any(row.ours and row.valid for row in rows)
    parts = ["# Compilers for IonQ's native gates", ""]
    parts += [f"- {key}: {value}" for key, value in described.items()]
    parts += ["", *(f"{note}\n" for note in NOTES)]
    parts += [f"Left out: {failure}\n" for failure in failures]
    parts += ["## qstore_tf and the best peer" if ours else "## The best peer", ""]
    parts += [_summary(circuits, rows, ours), ""]
    if ours:
        for mode in MODES:
            for emitted in (True, False):
                parts.append(f"{never_more(circuits, rows, mode, emitted)}\n")
            parts.append(f"{never_dearer(circuits, rows, mode)}\n")
            parts.append(f"{dominated(circuits, rows, mode)}\n")
    parts += ["## Goals", "", ionq_goals.table(circuits, rows), ""]
    parts += [f"{line}\n" for line in ionq_goals.times(rows, TIMED[0], bindings)]
    if bindings:
        cells = [[title, f"{ms:.3g}"] for title, ms in bindings.items()]
        header = [
            "compiler",
            f"new numbers in {TIMED[0]} (processor ms a sample, {TIMED[2]} samples)",
        ]
        parts += [tables.text(header, cells), ""]
    # Further seeds are in the JSON.
    for circuit in [circuit for circuit in circuits if "." not in circuit]:
        chosen = [row for row in rows if row.circuit == circuit]
        parts += [f"## {circuit}", "", tables.text(DETAILS, [_details(row) for row in chosen]), ""]
    return "\n".join(parts)


def _details(row: Row) -> list[str]:
    title = row.title + (" (cached)" if row.cached else "")
    if row.count is None or row.verdict is None:
        return [title, *[""] * (len(DETAILS) - 2), f"failed: {row.output['error'][:80]}"]
    native, cpu = row.output.get("native"), row.output["cpu_ms"]
    return [
        title,
        *(number(row.value(column)) for column in COLUMNS),
        f"{native['one']} / {native['two']}" if native else "",
        _three_digits(row.output["ms"]) + ("" if cpu is None else f" ({_three_digits(cpu)})"),
        f"{row.verdict.kept}, {row.verdict.error:.0e}",
    ]


def _summary(circuits: Iterable[str], rows: Sequence[Row], ours: bool) -> str:
    columns = [(column, title, "unitary") for column, title in COLUMNS.items()]
    columns[1:1] = [("two", "state 2q", "state"), ("two", "measured 2q", "measured")]
    columns.insert(4, ("depth", "state depth", "state"))
    lines = []
    for circuit in circuits:
        cells = [circuit]
        for column, _, mode in columns:
            peer = best(rows, circuit, column, mode, ours=False)
            shown = f"{number(peer[0])} ({peer[1].split()[0]})" if peer else "-"
            if ours:
                shown = f"{_ours(rows, circuit, column, mode)} / {shown}"
            cells.append(shown)
        cells.append(
            " / ".join(
                [*(_milliseconds(rows, circuit, True) if ours else ())]
                + [*_milliseconds(rows, circuit, False)]
            )
        )
        lines.append(cells)
    header = ["circuit", *(title for _, title, _ in columns), "CPU ms"]
    return tables.text(header, lines)


def _ours(rows: Sequence[Row], circuit: str, column: str, mode: str) -> str:
    emitted, ruled = (
        best(rows, circuit, column, mode, ours=True, emitted=emitted) for emitted in (True, False)
    )
    if emitted is None or ruled is None:
        return "-"
    return number(emitted[0]) + (f" [{number(ruled[0])}]" if ruled[0] != emitted[0] else "")


def _milliseconds(rows: Sequence[Row], circuit: str, ours: bool) -> Iterable[str]:
    found = [
        (row.output["cpu_ms"], row.title.split()[0])
        for row in rows
        if not row.title.endswith(", search")
        if row.circuit == circuit and row.valid and row.ours == ours and row.mode == "unitary"
        if row.output["cpu_ms"] is not None
    ]
    if not found:
        return ["-"]
    # Ours for the slower device.
    chosen, title = max(found) if ours else min(found)
    return [_three_digits(chosen) + ("" if ours else f" ({title})")]


def _three_digits(value: float) -> str:
    digits = 3 - len(str(int(value)))
    return f"{round(value, digits):,.{max(0, digits)}f}"
