"""What a training has cost: by phase and backend, and what is left of its budget."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qstore_tf.ionq.money import Budget, CostTracker
from qstore_tf.ionq.money.amounts import add, plain
from qstore_tf.ionq.money.estimating import duration
from qstore_tf.training.tables import as_markdown, as_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = ("phase", "target", "jobs", "circuits", "shots", "estimated", "billed", "waited", "ran")
_NO_PHASE = "other"


@dataclass(frozen=True)
class CostRow:
    """The jobs of one phase on one target, in one currency.

    Attributes:
        phase: "train", "validation", "predict", or "other".
        target: The machine, such as "qpu.forte-1".
        jobs: How many jobs.
        circuits: Of all jobs, with those of gradients.
        shots: Of all circuits together.
        estimated: The most that the jobs could cost, as reserved.
        billed: What the service has billed so far.
        unbilled: Jobs whose bill is not known yet.
        queue_seconds: Waiting.
        run_seconds: Running.
        currency: Of the amounts; "" where there are none.
    """

    phase: str
    target: str
    jobs: int = 0
    circuits: int = 0
    shots: int = 0
    estimated: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    unbilled: int = 0
    queue_seconds: float = 0.0
    run_seconds: float = 0.0
    currency: str = ""

    def cells(self) -> tuple[str, ...]:
        """Returns the row as it is written in tables."""
        unit = f" {self.currency}" if self.currency else ""
        waiting = f" ({self.unbilled} to come)" if self.unbilled else ""
        return (
            self.phase, self.target, str(self.jobs), str(self.circuits), str(self.shots),
            plain(self.estimated) + unit, plain(self.billed) + unit + waiting,
            duration(self.queue_seconds), duration(self.run_seconds),
        )  # fmt: skip


@dataclass(frozen=True)
class CostReport:
    """What a training has cost. `str` is a table; simulators cost nothing and have no rows.

    Attributes:
        rows: One for each phase, target and currency.
        budget_limit: The most that may be spent; None: no budget of money.
        budget_spent: What was billed against it.
        budget_reserved: What jobs under way may cost.
        currency: Of the budget.
    """

    rows: tuple[CostRow, ...] = ()
    budget_limit: Decimal | None = None
    budget_spent: Decimal = Decimal(0)
    budget_reserved: Decimal = Decimal(0)
    currency: str = "USD"

    @classmethod
    def of(cls, tracker: CostTracker, budget: Budget | None = None) -> CostReport:
        """Returns the report of what a tracker has recorded, and of a budget.

        Example:
            >>> tracker, budget = CostTracker(), Budget(usd=2)
            >>> budget.reserve("a", usd="0.50")
            >>> tracker.record("a", phase="train", target="qpu.forte-1", circuits=3, shots=300,
            ...     estimated="0.50", billed="0.25", currency="USD")
            >>> budget.commit("a", usd="0.25")
            >>> report = CostReport.of(tracker, budget)
            >>> report.total, report.budget_left
            (Decimal('0.25'), Decimal('1.75'))
        """
        rows = tuple(
            CostRow(
                each.group[0] or _NO_PHASE, each.group[1], each.jobs, each.circuits, each.shots,
                each.estimated, each.billed, each.unbilled, each.queue_s, each.run_s, each.currency,
            )
            for each in tracker.totals("phase", "target")
        )  # fmt: skip
        if budget is None or budget.limit.money is None:
            return cls(rows)
        balance = budget.balance
        return cls(
            rows,
            balance.limit.money,
            balance.spent.money or Decimal(0),
            balance.reserved.money or Decimal(0),
            budget.currency,
        )

    @property
    def total(self) -> Decimal:
        """What was billed in the budget's currency, all rows together."""
        return add(Decimal(0), *(row.billed for row in self._counted()))

    @property
    def estimated(self) -> Decimal:
        """What was estimated in the budget's currency, all rows together."""
        return add(Decimal(0), *(row.estimated for row in self._counted()))

    @property
    def budget_left(self) -> Decimal | None:
        """What can still be spent; None: no budget."""
        if self.budget_limit is None:
            return None
        return max(Decimal(0), self.budget_limit - self.budget_spent - self.budget_reserved)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data, as JSON can hold it; amounts as text."""
        limit, left = self.budget_limit, self.budget_left
        return {
            "currency": self.currency,
            "total": plain(self.total),
            "estimated": plain(self.estimated),
            "rows": [
                {
                    **vars(row),
                    "estimated": plain(row.estimated),
                    "billed": plain(row.billed),
                }
                for row in self.rows
            ],
            "budget": None
            if limit is None or left is None
            else {
                "limit": plain(limit),
                "spent": plain(self.budget_spent),
                "reserved": plain(self.budget_reserved),
                "left": plain(left),
            },
        }

    def to_markdown(self) -> str:
        """Returns the table and the budget as Markdown."""
        return f"## Cost\n\n{as_markdown(_TITLES, self._lines())}\n\n{self._summary()}\n"

    def __str__(self) -> str:
        """The table, and a line on the budget."""
        return f"{as_text(_TITLES, self._lines())}\n{self._summary()}"

    def figure(self) -> Figure:
        """Draws what each phase has cost on each target, and the budget beside it."""
        from qstore_tf.training.report_figures import cost_figure

        return cost_figure(self)

    def save_figure(self, path: str | Path) -> Path:
        """Writes the picture as PNG and returns its path."""
        from qstore_tf.training.report import save_figure

        return save_figure(self.figure(), Path(path))

    def _counted(self) -> list[CostRow]:
        return [row for row in self.rows if row.currency in ("", self.currency)]

    def _lines(self) -> list[tuple[str, ...]]:
        total = CostRow(
            "total",
            "",
            sum(row.jobs for row in self.rows),
            sum(row.circuits for row in self.rows),
            sum(row.shots for row in self.rows),
            self.estimated,
            self.total,
            sum(row.unbilled for row in self.rows),
            sum(row.queue_seconds for row in self.rows),
            sum(row.run_seconds for row in self.rows),
            self.currency,
        )
        return [*(row.cells() for row in self.rows), total.cells()]

    def _summary(self) -> str:
        if self.budget_limit is None:
            return "No budget was set." if self.rows else "Nothing that costs money has run."
        amounts = (self.budget_spent, self.budget_reserved, self.budget_left, self.budget_limit)
        spent, reserved, left, limit = (plain(each or Decimal(0)) for each in amounts)
        unit = self.currency
        return f"Budget: {spent} spent, {reserved} reserved, {left} left of {limit} {unit}."
