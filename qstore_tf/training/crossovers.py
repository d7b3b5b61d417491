"""Which backend is fastest for which circuits on this machine; used by `qstore bench --auto`.

The circuit and the loss are those of `qstore_tf.training.speed`, and so are the loops inside one
compiled graph. Each case of a grid is measured on each backend, with and without gradient, exact
and with shots; what would take too long is left out and says so.
"""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import qstore_tf
from qstore_tf import backends
from qstore_tf.backends import automatic
from qstore_tf.backends.registry import SERVICES
from qstore_tf.errors import QstoreError
from qstore_tf.execution import build_expectation
from qstore_tf.ops import library
from qstore_tf.training.speed import benchmark_circuit

# Gradient and shots of each part of the table, in the order in which they are measured.
PARTS: tuple[tuple[bool, int | None], ...] = ((True, None), (False, None), (False, 1000))
_PACKAGES = {
    "qsim": "qsimcirq",
    "tfq": "tensorflow-quantum",
    "lightning": "pennylane-lightning",
    "qulacs": "qulacs",
}
# Two figures that are nearer to each other than this are taken as equal.
MARGIN = 1.25


@dataclass(frozen=True)
class Grid:
    """What is measured: every combination, as fits.

    Attributes:
        qubits: Numbers of qubits.
        depths: Layers of the trained circuit.
        batches: Samples in a run.
        parts: Pairs of (with gradient, shots).
    """

    qubits: tuple[int, ...] = (4, 8, 12, 16, 20)
    depths: tuple[int, ...] = (2, 8)
    batches: tuple[int, ...] = (1, 32, 256)
    parts: tuple[tuple[bool, int | None], ...] = PARTS

    def cases(self) -> Iterator[Case]:
        """Yields the cases, small ones first in each part."""
        for gradient, shots in self.parts:
            for depth in self.depths:
                for n_qubits in self.qubits:
                    for batch in self.batches:
                        yield Case(n_qubits, depth, batch, gradient, shots)

    def smaller(self, case: Case) -> Iterator[Case]:
        """Yields the cases one step down in qubits, depth or batch."""
        for name, values in (
            ("n_qubits", self.qubits),
            ("depth", self.depths),
            ("batch", self.batches),
        ):
            place = values.index(getattr(case, name))
            if place:
                less: dict[str, Any] = {name: values[place - 1]}
                yield replace(case, **less)


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    n_qubits: int
    depth: int
    batch: int
    gradient: bool
    shots: int | None

    @property
    def work(self) -> float:
        """Grows as the time of large circuits does."""
        return 2.0**self.n_qubits * self.n_qubits * self.depth * self.batch


@dataclass(frozen=True)
class Row:
    """Seconds of a run of the whole batch by backend, and why some have none."""

    case: Case
    seconds: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def ranking(self) -> list[str]:
        """The backends that were measured, the fastest first."""
        return sorted(self.seconds, key=self.seconds.__getitem__)

    def without(self, name: str) -> Row:
        """Returns the row as if a backend were not there."""
        return replace(self, seconds={k: v for k, v in self.seconds.items() if k != name})

    def choice(self) -> automatic.Choice:
        """What the rule chooses among the backends that were measured."""
        return automatic.choose(usable=self.seconds, device=automatic.accelerator())

    def lost(self) -> float | None:
        """How many times as long as on the fastest backend it takes on the one of the rule."""
        if not self.seconds:
            return None
        chosen = self.seconds.get(self.choice().backend)
        return None if chosen is None else chosen / min(self.seconds.values())

    def as_dict(self) -> dict[str, Any]:
        """Returns plain data."""
        chosen = self.choice().backend if self.seconds else None
        return {
            **asdict(self.case),
            "seconds": self.seconds,
            "missing": self.missing,
            "auto": chosen,
        }


def measurable() -> list[str]:
    """Returns the simulators that can run here, each once."""
    others = ("local_cpu", *SERVICES)
    reasons = backends.available()
    return [name for name, reason in reasons.items() if reason is None and name not in others]


def measure(
    names: Sequence[str],
    grid: Grid | None = None,
    seconds: float = 0.05,
    budget: float = 100.0,
    longest: float = 1.0,
) -> Iterator[Row]:
    """Measures every backend in every case, row by row.

    Args:
        names: Names of backends.
        grid: What to measure; None for the whole of `Grid`.
        seconds: Time to spend on each figure, besides the first run.
        budget: Seconds after which no figure is begun, shared among the parts of the grid.
        longest: Runs that would take longer, by what smaller ones took, are left out.
    """
    grid = Grid() if grid is None else grid
    _warm_up(names, grid, seconds)
    started = time.perf_counter()
    expected: dict[tuple[str, Case], float] = {}
    for case in grid.cases():
        part = grid.parts.index((case.gradient, case.shots))
        stop = started + budget * (part + 1) / len(grid.parts)
        row = Row(case)
        for name in names:
            guesses = [
                expected[name, less] * case.work / less.work
                for less in grid.smaller(case)
                if (name, less) in expected
            ]
            guess = min(guesses, default=0.0)
            if guess > longest:
                expected[name, case] = guess
                row.missing[name] = f"a run would take more than {longest:.3g} s"
                continue
            if time.perf_counter() > stop:
                row.missing[name] = "the budget was spent"
                continue
            try:
                taken = _seconds_of(_loop(name, case), seconds)
            except QstoreError as error:
                row.missing[name] = f"{name}: {error}"
                expected[name, case] = math.inf
                continue
            expected[name, case] = row.seconds[name] = taken
        yield row


def _warm_up(names: Sequence[str], grid: Grid, seconds: float) -> None:
    """Starts threads and loads what is loaded on first use, which no figure should count."""
    for name in names:
        with suppress(QstoreError):
            _seconds_of(_loop(name, next(grid.cases())), seconds)


def _loop(name: str, case: Case) -> Callable[[int], None]:
    """Builds a function that takes a number of runs and does them in one graph."""
    program, observables = benchmark_circuit(case.n_qubits, case.depth)
    expectation = build_expectation(program, observables, backend=name, shots=case.shots)
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.uniform(-1, 1, (case.batch, program.n_inputs)), tf.float32)
    theta = tf.Variable(rng.uniform(-3, 3, program.n_theta), dtype=tf.float32)

    @tf.function
    def loop(runs: tf.Tensor) -> tf.Tensor:
        for run in tf.range(runs):
            seed = tf.stack([0, run])
            if case.gradient:
                with tf.GradientTape() as tape:
                    loss = tf.reduce_sum(expectation(inputs, theta, None, seed=seed) ** 2)
                theta.assign_sub(0.01 * tape.gradient(loss, theta))
            else:  # theta moves, so that no run can be left out
                theta.assign_add(
                    tf.fill(
                        theta.shape,
                        1e-3 * tf.reduce_mean(expectation(inputs, theta, None, seed=seed)),
                    )
                )
        return theta.read_value()

    traced = loop.get_concrete_function(tf.TensorSpec([], tf.int32))

    def do(runs: int) -> None:
        traced(tf.constant(runs)).numpy()

    return do


def _seconds_of(do: Callable[[int], None], seconds: float) -> float:
    """Returns the seconds of a run: the best of four measurements, or of one where it is long."""
    do(1)
    best = _time(do, 1)
    if best < seconds:
        runs = max(1, round(seconds / 3 / best))
        best = min(_time(do, runs) for _ in range(3))
    return best


def _time(do: Callable[[int], None], runs: int) -> float:
    started = time.perf_counter()
    do(runs)
    return (time.perf_counter() - started) / runs


def machine(names: Sequence[str], threads: int) -> dict[str, str | int | None]:
    """Returns what the figures depend on: processor, threads, instructions, versions."""
    packages = ["tensorflow", *(_PACKAGES[name] for name in names if name in _PACKAGES)]
    facts: dict[str, str | int | None] = {
        "cpu": _processor(),
        "threads": threads,
        "simd": library.status().simd,
        "qstore-tf": qstore_tf.__version__,
    }
    for package in packages:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = None
    return facts


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    found = {key.strip(): value.strip() for key, value in fields.items()}
    name = found.get("model name", platform.machine())
    family = (found.get("cpu family"), found.get("model"))
    return name if None in family else f"{name} (family {family[0]}, model {family[1]})"


def title(gradient: bool, shots: int | None) -> str:
    """Names a part of the table.

    Example:
        >>> title(True, None)
        'Exact expectations with gradient'
    """
    kind = "Exact expectations" if shots is None else f"Expectations from {shots} shots"
    return f"{kind} with gradient" if gradient else kind


def head(names: Sequence[str]) -> str:
    """Returns the line above a part of the table."""
    return f"{'qubits':>6} {'depth':>5} {'batch':>5}" + "".join(f"{n:>12}" for n in names)


def line(row: Row, names: Sequence[str]) -> str:
    """Returns a row of the table, in milliseconds; '-' where nothing was measured."""
    case = row.case
    cells = "".join(
        f"{_milliseconds(row.seconds[n]) if n in row.seconds else '-':>12}" for n in names
    )
    ranking = row.ranking
    if len(ranking) > 1:
        cells += f"   {ranking[0]}, {_lead(row):.3g} x"
    elif ranking:
        cells += f"   {ranking[0]} alone"
    return f"{case.n_qubits:6} {case.depth:5} {case.batch:5}{cells}"


def summary(rows: Sequence[Row]) -> list[str]:
    """Returns the crossovers, and where the rule agrees with what was measured."""
    lines = _missing(rows)
    compared = [row for row in rows if len(row.seconds) > 1]
    lines += _fastest(compared)
    for part in dict.fromkeys((row.case.gradient, row.case.shots) for row in compared):
        same = [row for row in compared if (row.case.gradient, row.case.shots) == part]
        lines += _crossovers(same, title(*part))
    lines += _agreement(compared, "backend='auto' takes")
    without = [row.without("native") for row in compared]
    without = [row for row in without if len(row.seconds) > 1]
    if without and len(without[0].seconds) < len(compared[0].seconds):
        lines += _agreement(without, "Where native cannot be loaded it takes")
    return lines


def _missing(rows: Sequence[Row]) -> list[str]:
    reasons = Counter(reason for row in rows for reason in row.missing.values())
    if not reasons:
        return []
    told = "; ".join(
        f"{reason.removesuffix('.')} ({count} of them)" for reason, count in reasons.items()
    )
    return [f"Figures that are not there: {told}."]


def _fastest(rows: Sequence[Row]) -> list[str]:
    lines = []
    for name in sorted({row.ranking[0] for row in rows}):
        won = [row for row in rows if row.ranking[0] == name]
        lines.append(f"{name} is the fastest in {len(won)} of {len(rows)} rows that compare.")
        if len(won) < len(rows) / 2:
            lines += [f"  {_written(row)}: by {_lead(row):.3g} x" for row in won]
    return lines


def _agreement(rows: Sequence[Row], what: str) -> list[str]:
    off = [row for row in rows if row.lost() is None or (row.lost() or 0.0) > MARGIN]
    lines = [
        f"{what} the fastest, or one that takes at most {MARGIN:.3g} times as long, in "
        f"{len(rows) - len(off)} of {len(rows)} rows."
    ]
    for row in off:
        factor = row.lost()
        chosen, best = row.choice().backend, row.ranking[0]
        cost = "has no figure" if factor is None else f"takes {factor:.3g} times as long"
        lines.append(f"  {_written(row)}: {chosen} {cost}, {best} is the fastest")
    return lines


def _lead(row: Row) -> float:
    first, second = row.ranking[:2]
    return row.seconds[second] / row.seconds[first]


def _crossovers(rows: Sequence[Row], name: str) -> list[str]:
    """Returns at how many qubits the fastest changes, by depth and batch."""
    found = []
    for depth, batch in dict.fromkeys((row.case.depth, row.case.batch) for row in rows):
        same = [row for row in rows if (row.case.depth, row.case.batch) == (depth, batch)]
        for before, after in zip(same, same[1:], strict=False):
            if before.ranking[0] != after.ranking[0]:
                found.append(
                    f"  depth {depth}, batch {batch}: {before.ranking[0]} up to "
                    f"{before.case.n_qubits} qubits, {after.ranking[0]} from "
                    f"{after.case.n_qubits}"
                )
    return [f"{name}: the fastest changes", *found] if found else []


def _written(row: Row) -> str:
    case = row.case
    kind = title(case.gradient, case.shots)
    kind = kind[0].lower() + kind[1:]
    return f"{case.n_qubits} qubits, depth {case.depth}, batch {case.batch}, {kind}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.3g}" if seconds < 0.9995 else f"{seconds * 1e3:.0f}"
