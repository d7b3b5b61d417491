"""How fast a training was: steps, circuits and seconds by phase and backend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstore_tf.training.measuring import PHASES, Notes
from qstore_tf.training.tables import as_markdown, as_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = ("phase", "backend", "steps", "rows", "circuits", "seconds", "first step", "circuits/s")
_BETWEEN = "between"


@dataclass(frozen=True)
class SpeedRow:
    """One phase on one backend; attributes as of `measuring.Stretch`.

    Attributes:
        phase: "train", "validation" or "predict"; "between" for what is none of them: set-up,
            checkpoints, reading data.
        backend: What the training calls the backend.
        steps: Batches.
        rows: Rows of all batches.
        circuits: Circuits that these rows asked for, those of gradients not counted.
        seconds: Time taken.
        first_step_seconds: The part of it until the first step was done.
    """

    phase: str
    backend: str
    steps: int
    rows: int
    circuits: int
    seconds: float
    first_step_seconds: float

    @property
    def circuits_per_second(self) -> float | None:
        """Circuits by seconds, all of both; None where there are none."""
        return self.circuits / self.seconds if self.circuits and self.seconds > 0 else None

    def cells(self) -> tuple[str, ...]:
        """Returns the row as it is written in tables."""
        rate = self.circuits_per_second
        return (
            self.phase, self.backend, str(self.steps), str(self.rows), str(self.circuits),
            f"{self.seconds:.2f}", f"{self.first_step_seconds:.2f}",
            "-" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.3g}",
        )  # fmt: skip


@dataclass(frozen=True)
class PerformanceReport:
    """How fast a training was. `str` is a table. It covers this process.

    Attributes:
        rows: One for each phase and backend; their seconds add up to `seconds`.
        seconds: Time of all calls of fit, evaluate and predict.
        counters: What backends say of themselves, by the name of the backend: cache hits, jobs,
            retries, fallbacks.
    """

    rows: tuple[SpeedRow, ...] = ()
    seconds: float = 0.0
    counters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, notes: Notes, counters: Mapping[str, Mapping[str, float]] | None = None
    ) -> PerformanceReport:
        """Returns the report of what a `PhaseClock` has noted.

        Example:
            >>> notes = Notes(seconds=3.0)
            >>> train = notes.of("train", "native")
            >>> train.steps, train.rows, train.circuits, train.seconds = 4, 100, 100, 2.0
            >>> report = PerformanceReport.of(notes)
            >>> report.circuits, report.circuits_per_second, [row.seconds for row in report.rows]
            (100, 33.333333333333336, [2.0, 1.0])
        """
        stretches = sorted(notes.stretches, key=lambda each: PHASES.index(each.phase))
        rows = [SpeedRow(**vars(stretch)) for stretch in stretches]
        rest = notes.seconds - math.fsum(row.seconds for row in rows)
        if rest > 0:
            rows.append(SpeedRow(_BETWEEN, "", 0, 0, 0, rest, 0.0))
        return cls(tuple(rows), math.fsum(row.seconds for row in rows), counters or {})

    @property
    def steps(self) -> int:
        """Of all rows."""
        return sum(row.steps for row in self.rows)

    @property
    def circuits(self) -> int:
        """Of all rows."""
        return sum(row.circuits for row in self.rows)

    @property
    def circuits_per_second(self) -> float | None:
        """Of all rows together; None where nothing has run."""
        return self.circuits / self.seconds if self.circuits and self.seconds > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data, as JSON can hold it."""
        return {
            "seconds": self.seconds,
            "steps": self.steps,
            "circuits": self.circuits,
            "circuits_per_second": self.circuits_per_second,
            "rows": [
                {**vars(row), "circuits_per_second": row.circuits_per_second} for row in self.rows
            ],
            "counters": {name: dict(numbers) for name, numbers in self.counters.items()},
        }

    def to_markdown(self) -> str:
        """Returns the tables as Markdown."""
        parts = ["## Speed", as_markdown(_TITLES, self._lines())]
        if self.counters:
            parts += ["### What backends count", as_markdown(_COUNTERS, self._counter_lines())]
        return "\n\n".join(parts) + "\n"

    def __str__(self) -> str:
        """The table of phases, and what backends count."""
        text = as_text(_TITLES, self._lines())
        if self.counters:
            text += "\n\n" + as_text(_COUNTERS, self._counter_lines())
        return text

    def figure(self) -> Figure:
        """Draws the seconds of each phase and backend, and their circuits per second."""
        from qstore_tf.training.report_figures import performance_figure

        return performance_figure(self)

    def save_figure(self, path: str | Path) -> Path:
        """Writes the picture as PNG and returns its path."""
        from qstore_tf.training.report import save_figure

        return save_figure(self.figure(), Path(path))

    def _lines(self) -> list[tuple[str, ...]]:
        total = SpeedRow(
            "total",
            "",
            self.steps,
            sum(row.rows for row in self.rows),
            self.circuits,
            self.seconds,
            math.fsum(row.first_step_seconds for row in self.rows),
        )
        return [*(row.cells() for row in self.rows), total.cells()]

    def _counter_lines(self) -> list[tuple[str, ...]]:
        return [
            (backend, name, f"{value:.6g}")
            for backend, numbers in self.counters.items()
            for name, value in numbers.items()
            if value
        ]


_COUNTERS = ("backend", "what", "number")
