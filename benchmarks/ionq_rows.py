"""One compiler on one circuit, and the best of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from benchmarks.ionq_checking import Verdict
from benchmarks.ionq_counting import Count
from qstore_tf.ionq.prices import cost_per_thousand_shots, price_table

OURS = "qstore_tf"
COLUMNS = {
    "two": "2q",
    "depth": "2q depth",
    "angle": "angle",
    "forte": "1q Forte",
    "aria": "1q Aria",
}
PRICED = {"forte": "forte-1", "aria": "aria-1"}
# By how much a figure may be larger and still count as the same: as shown.
SAME = 0.005
# What is kept, from most to least; what keeps more also keeps less.
MODES = ("unitary", "state", "measured")
# Columns that count what a device is sent: ours are those of the circuit compiled for it.
DEVICES = ("forte", "aria")


@dataclass(frozen=True)
class Row:
    """One compiler on one circuit.

    Attributes:
        title: of the compiler.
        circuit: name.
        output: what the peer printed, see `ionq_peers/protocol.py`.
        count: its cost, None if it failed.
        verdict: what it kept, None if it failed.
        cached: whether it was compiled in an earlier run.
    """

    title: str
    circuit: str
    output: dict[str, Any]
    count: Count | None
    verdict: Verdict | None
    cached: bool

    @property
    def ours(self) -> bool:
        """Whether it is a row of qstore_tf."""
        return self.title.startswith(OURS)

    @property
    def mode(self) -> str:
        """For what it was compiled: one of MODES."""
        if self.output.get("outcomes") is not None:
            return "measured"
        return "state" if self.output.get("from_zero") else "unitary"

    @property
    def valid(self) -> bool:
        """Whether it compiled, and to the same."""
        return self.verdict is not None and self.verdict.kept not in ("nearly", "nothing")

    @property
    def wrong(self) -> bool:
        """Whether it compiled, but to something else."""
        if self.verdict is None:
            return False
        return self.verdict.kept == "nothing" or (self.ours and self.verdict.kept == "nearly")

    def value(self, column: str, emitted: bool = True) -> float:
        """A figure of this row; our own pulses as emitted, or by the rule for all."""
        assert self.count is not None
        if emitted and column == self.output.get("device"):
            return int(self.output["native"]["one"])
        return getattr(self.count, column)

    def as_json(self) -> dict[str, Any]:
        """For the JSON beside the table."""
        shown = ("error", "native", "device", "ms", "cpu_ms")
        return {
            "compiler": self.title,
            "circuit": self.circuit,
            "mode": self.mode,
            "cached": self.cached,
            **{key: self.output.get(key) for key in shown},
            **(asdict(self.count) if self.count else {}),
            **(asdict(self.verdict) if self.verdict else {}),
        }


def best(
    rows: Sequence[Row],
    circuit: str,
    column: str,
    mode: str,
    *,
    ours: bool,
    emitted: bool = True,
) -> tuple[float, str] | None:
    """The least of a column and who has it; of our own two devices the worse.

    A peer's circuit that keeps more than is asked for counts too.
    """
    least: dict[str | None, tuple[float, str]] = {}
    for row in rows:
        if row.circuit != circuit or not row.valid or row.ours != ours:
            continue
        device = row.output.get("device")
        fits = row.mode == mode if ours else MODES.index(row.mode) <= MODES.index(mode)
        if fits and (device is None or column not in DEVICES or device == column):
            found = (row.value(column, emitted), row.title)
            least[device] = min(least.get(device, found), found, key=lambda pair: pair[0])
    return max(least.values()) if least else None


def never_more(
    circuits: Iterable[str], rows: Sequence[Row], mode: str, emitted: bool = True
) -> str:
    """The line that says whether we are never worse than the best peer, and where."""
    where = []
    for circuit in circuits:
        for column, title in COLUMNS.items():
            own = best(rows, circuit, column, mode, ours=True, emitted=emitted)
            peer = best(rows, circuit, column, mode, ours=False)
            if peer and (own is None or own[0] > peer[0] + SAME):
                shown = number(own[0]) if own else "nothing"
                where.append(f"{circuit} {title} ({shown} against {number(peer[0])}, {peer[1]})")
    counted = "as emitted" if emitted else "by rule"
    answer = "yes" if not where else f"no: {'; '.join(where)}"
    return f"Never more than the best peer, mode {mode}, pulses {counted}: {answer}."


def never_dearer(circuits: Iterable[str], rows: Sequence[Row], mode: str) -> str:
    """The line that says whether gates ever cost more than the cheapest peer's, and where."""
    where = []
    for circuit in circuits:
        for device, target in PRICED.items():
            own, peer = (_cheapest(rows, circuit, device, mode, ours) for ours in (True, False))
            if peer and (own is None or own[0] > peer[0]):
                shown = f"{own[0]:.2f}" if own else "nothing"
                where.append(f"{circuit} on {target} ({shown} against {peer[0]:.2f}, {peer[1]})")
    answer = "yes" if not where else f"no: {'; '.join(where)}"
    return (
        f"Never dearer than the cheapest peer, mode {mode}, dollars for the gates of 1,000 shots "
        f"by Azure's price list: {answer}."
    )


def _cheapest(
    rows: Sequence[Row], circuit: str, device: str, mode: str, ours: bool
) -> tuple[Decimal, str] | None:
    table = price_table("azure", PRICED[device])
    found = []
    for row in rows:
        if row.circuit != circuit or not row.valid or row.ours != ours:
            continue
        fits = row.mode == mode if ours else MODES.index(row.mode) <= MODES.index(mode)
        if fits and row.output.get("device") in (None, device):
            pulses, two = int(row.value(device)), int(row.value("two"))
            price = cost_per_thousand_shots(table, pulses, two) - table.per_circuit
            found.append((price, row.title))
    return min(found) if found else None


def dominated(circuits: Iterable[str], rows: Sequence[Row], mode: str) -> str:
    """The line that says whether a peer's circuit is nowhere worse than ours and once better."""
    where = []
    for circuit in circuits:
        found = [best(rows, circuit, column, mode, ours=True) for column in COLUMNS]
        own = [figure[0] for figure in found if figure]
        for row in rows:
            if row.circuit == circuit and row.valid and not row.ours and own:
                if MODES.index(row.mode) > MODES.index(mode):
                    continue
                gaps = [mine - row.value(column) for mine, column in zip(own, COLUMNS, strict=True)]
                if min(gaps) > -SAME and max(gaps) > SAME:
                    where.append(f"{circuit} ({row.title})")
    answer = "no" if not where else f"yes: {'; '.join(where)}"
    return f"One peer's circuit nowhere worse and somewhere better, mode {mode}: {answer}."


def number(value: float) -> str:
    """As few digits as it needs, at most two behind the point."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
