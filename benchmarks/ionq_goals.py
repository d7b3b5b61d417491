"""What qstore_tf's compiler for IonQ's native gates is to reach, beside what it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks import tables
from benchmarks.ionq_rows import COLUMNS, MODES, SAME, Row, best, number

# Circuit -> quantity -> most of it; with "state", on |0...0>; with "measured", for outcomes too.
GOALS: dict[str, dict[str, float]] = {
    "hea6x4": {"two": 20, "measured two": 15, "depth": 11, "forte": 65, "aria": 38},
    "qft5": {"two": 10, "depth": 7, "forte": 5, "aria": 8},
    "qft8": {"two": 28, "depth": 13, "forte": 8, "aria": 14},
    "ghz8": {
        "two": 7,
        "state two": 7,
        "measured two": 7,
        "depth": 7,
        "state depth": 3,
        "measured depth": 3,
        "forte": 15,
        "aria": 8,
    },
    "qaoa6x2": {"two": 12, "depth": 4, "forte": 30, "aria": 6},
    "toffoli": {"two": 5, "angle": 3.5, "depth": 5, "forte": 6, "aria": 6},
    "ising8x4": {"two": 28, "depth": 8, "forte": 64, "aria": 16},
    "su4_6x6": {
        "two": 45,
        "angle": 22.5,
        "measured two": 37,
        "depth": 18,
        "measured depth": 15,
        "forte": 132,
        "measured forte": 110,
        "aria": 72,
        "measured aria": 60,
    },
    "cuccaro3": {"two": 36, "depth": 32, "forte": 70, "aria": 30},
    "state64": {
        "measured two": 30,
        "measured depth": 10,
        "measured forte": 132,
        "measured aria": 72,
    },
}
# Compile time of the ansatz, as a multiple of that of `REFERENCE`; milliseconds to bind a sample.
TIMES, BINDING = 1.5, 0.02
REFERENCE = "qiskit"


def table(circuits: Sequence[str], rows: Sequence[Row]) -> str:
    """Every goal beside our figure and the best peer's."""
    lines = []
    for circuit in circuits:
        for quantity, goal in GOALS.get(circuit.partition(".")[0], {}).items():
            *words, column = quantity.split()
            mode = words[0] if words else MODES[0]
            own = best(rows, circuit, column, mode, ours=True)
            peer = best(rows, circuit, column, mode, ours=False)
            met = "-" if own is None else "met" if own[0] <= goal + SAME else "MISSED"
            shown = [f"{number(found[0])}" if found else "-" for found in (own, peer)]
            title = quantity.replace(column, COLUMNS[column])
            lines.append([circuit, title, number(goal), *shown, met])
    header = ["circuit", "quantity", "at most", "qstore_tf", "best peer", ""]
    return tables.text(header, lines)


def times(rows: Sequence[Row], timed: str, bindings: Mapping[str, float]) -> list[str]:
    """Lines about the compile time of the ansatz and about new numbers in it."""
    lines = []
    ours = [row for row in rows if row.ours and row.circuit == timed and row.valid]
    peers = [row for row in rows if not row.ours and row.circuit == timed and row.valid]
    for peer in peers:
        for row in ours:
            if peer.title.startswith(f"{REFERENCE} ") and row.mode == MODES[0]:
                ratio = row.output["cpu_ms"] / peer.output["cpu_ms"]
                lines.append(
                    f"{timed}: {row.title} compiles in {ratio:.2f} times the processor time of "
                    f"{peer.title} (goal: at most {TIMES}): {_met(ratio <= TIMES)}."
                )
    reference = [ms for title, ms in bindings.items() if title.startswith(f"{REFERENCE} ")]
    for title, ms in bindings.items():
        if title.startswith("qstore_tf"):
            beside = f" and less than {reference[0]:.3g}" if reference else ""
            met = ms <= BINDING and all(ms < other for other in reference)
            lines.append(
                f"{timed}: {title} binds a sample in {ms:.3g} ms (goal: at most {BINDING}"
                f"{beside}): {_met(met)}."
            )
    return lines


def _met(met: bool) -> str:
    return "met" if met else "MISSED"
