"""The pictures of the reports on cost and speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from qstore_tf.training.cost_report import CostReport
    from qstore_tf.training.performance_report import PerformanceReport

_COLORS = {"train": "#1f5a96", "validation": "#d1661b", "predict": "#3d8a4e"}
_GREY = "#8a8a8a"


def cost_figure(report: CostReport) -> Figure:
    """Draws what was billed by phase and target, and how much of the budget is gone."""
    rows = [row for row in report.rows if row.currency in ("", report.currency)]
    figure = _figure(len(rows))
    bars, budget = figure.subplots(1, 2, width_ratios=(3, 1))
    labels = [f"{row.phase}\n{row.target}" for row in rows]
    values = [float(row.billed) for row in rows]
    _bars(bars, labels, values, [_color(row.phase) for row in rows], "{:,.4g}")
    bars.set_xlabel(f"billed, {report.currency}")
    limit = report.budget_limit
    gone, reserved = float(report.budget_spent), float(report.budget_reserved)
    if limit is None:
        budget.text(0.5, 0.5, "no budget", ha="center", va="center", color=_GREY)
        budget.set_axis_off()
    else:
        budget.bar([0], [gone], color=_COLORS["train"], label="spent")
        budget.bar([0], [reserved], bottom=[gone], color=_COLORS["validation"], label="reserved")
        budget.axhline(float(limit), color="#333333", linewidth=1.2)
        budget.text(0, float(limit), f"limit {float(limit):,.6g}", ha="center", va="bottom")
        budget.set_ylim(0, max(float(limit), gone + reserved) * 1.15 or 1)
        budget.grid(False)
        budget.set_xlim(-1, 1)
        budget.set_xticks([])
        budget.set_ylabel(report.currency)
        budget.spines[["top", "right"]].set_visible(False)
        budget.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=1)
    figure.suptitle(f"Cost: {float(report.total):,.4g} {report.currency}", fontsize=12)
    return figure


def performance_figure(report: PerformanceReport) -> Figure:
    """Draws the seconds of each phase and backend, and the circuits per second beside them."""
    rows = report.rows
    figure = _figure(len(rows))
    times, rates = figure.subplots(1, 2)
    labels = [f"{row.phase}\n{row.backend}" if row.backend else row.phase for row in rows]
    colors = [_color(row.phase) for row in rows]
    _bars(times, labels, [row.seconds for row in rows], colors, "{:,.3g}")
    times.set_xlabel("seconds")
    ran = [(label, row) for label, row in zip(labels, rows, strict=True) if row.circuits]
    _bars(
        rates,
        [label for label, _ in ran],
        [row.circuits_per_second or 0.0 for _, row in ran],
        [_color(row.phase) for _, row in ran],
        "{:,.3g}",
    )
    rates.set_xlabel("circuits per second")
    figure.suptitle(f"{report.circuits:,} circuits in {report.seconds:,.3g} s", fontsize=12)
    return figure


def _figure(n_bars: int) -> Figure:
    return Figure(figsize=(9.6, 2.4 + 0.55 * max(n_bars, 2)), layout="constrained")


def _color(phase: str) -> str:
    return _COLORS.get(phase, _GREY)


def _bars(
    axes: Axes, labels: Sequence[str], values: Sequence[float], colors: Sequence[str], form: str
) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(False)
    if not values:
        axes.text(0.5, 0.5, "nothing", ha="center", va="center", color=_GREY)
        axes.set_axis_off()
        return
    drawn = axes.barh(range(len(values)), values, color=colors, height=0.6)
    axes.bar_label(drawn, [form.format(value) for value in values], padding=4)
    axes.set_yticks(range(len(values)), labels)
    axes.set_ylim(max(len(values), 2) - 0.5, -0.5)  # one bar alone is not a wall
    # Room for the number beside the longest bar.
    axes.set_xlim(0, max(max(values) * 1.2, 1e-9))
