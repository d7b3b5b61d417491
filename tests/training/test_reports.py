"""Reports on cost and speed: their numbers add up, in every form."""

import json
import math
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from qstore_tf.ionq.money import Budget, CostTracker
from qstore_tf.training.cost_report import CostReport
from qstore_tf.training.measuring import PHASES, Batches, Notes, PhaseClock
from qstore_tf.training.performance_report import PerformanceReport

JOBS = st.lists(
    st.tuples(
        st.sampled_from(["train", "validation", "predict", None]),
        st.sampled_from(["qpu.forte-1", "qpu.aria-1"]),
        st.integers(0, 50),
        st.decimals(0, 100, places=4),
        st.booleans(),
    ),
    max_size=12,
)


def numbers(cells: str) -> list[str]:
    return [cell.strip() for cell in cells.strip("| ").split("|")]


@settings(max_examples=10, deadline=None)
@given(JOBS)
def test_costs_add_up_in_every_form(jobs: list[tuple]) -> None:
    tracker, budget = CostTracker(), Budget(usd=10_000)
    for number, (phase, target, circuits, price, is_billed) in enumerate(jobs):
        token = f"job {number}"
        known = {"phase": phase, "target": target, "circuits": circuits, "shots": 100 * circuits}
        tracker.record(token, **known, estimated=price, currency="USD")
        budget.reserve(token, usd=price)
        if is_billed:
            tracker.record(token, billed=price / 2, currency="USD")
            budget.commit(token, usd=price / 2)
    report = CostReport.of(tracker, budget)
    told = report.to_dict()
    assert report.total == sum((row.billed for row in report.rows), Decimal(0))
    assert report.total == sum((price / 2 for *_, price, billed in jobs if billed), Decimal(0))
    assert report.estimated == sum((price for *_, price, _ in jobs), Decimal(0))
    assert sum(row.circuits for row in report.rows) == sum(job[2] for job in jobs)
    assert sum(row.jobs for row in report.rows) == len(jobs)
    assert sum(row.unbilled for row in report.rows) == sum(not job[4] for job in jobs)
    # The account agrees with the record, and nothing of it is lost between them.
    assert report.budget_spent == report.total
    spent, reserved = report.budget_spent, report.budget_reserved
    assert spent + reserved + report.budget_left == report.budget_limit
    assert Decimal(told["total"]) == sum(Decimal(row["billed"]) for row in told["rows"])
    assert json.loads(json.dumps(told)) == told
    *rows, total = [numbers(line) for line in report.to_markdown().splitlines()[4:-2]]
    assert len(rows) == len(report.rows)
    for column in (2, 3, 4):
        assert sum(int(row[column]) for row in rows) == int(total[column])
    billed = [Decimal(row[6].split()[0]) for row in rows]
    assert sum(billed, Decimal(0)) == Decimal(total[6].split()[0]) == report.total
    assert str(report).splitlines()[-1].startswith("Budget:")


def test_without_costs_the_report_says_so() -> None:
    report = CostReport()
    assert "Nothing that costs money has run" in str(report) and report.total == 0
    assert report.to_dict()["budget"] is None and report.budget_left is None
    tracker = CostTracker()
    tracker.record("a", phase="train", billed="1", currency="USD")
    assert "No budget was set" in str(CostReport.of(tracker))


class Clock:
    """Seconds that pass when it is told so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


SPANS = st.lists(st.floats(0, 10), min_size=1, max_size=4)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(SPANS, SPANS, st.floats(0, 1)), min_size=1, max_size=3),
    SPANS,
    st.booleans(),
)
def test_seconds_of_phases_add_up_to_the_whole(
    epochs: list[tuple[list[float], list[float], float]], predicted: list[float], fails: bool
) -> None:
    clock, notes = Clock(), Notes()
    batches = {"train": Batches(8, 29), "validation": Batches(4), "predict": Batches(3, 5)}
    names = {"train": "native", "validation": "ionq", "predict": "native"}
    watch = PhaseClock(notes, names.__getitem__, batches, measurements=2, clock=clock)
    expected = dict.fromkeys([*PHASES, "between"], 0.0)
    with watch.timing():
        for train, validation, between in epochs:
            watch.on_epoch_begin(0)
            for batch, seconds in enumerate(train):
                clock.now += seconds
                expected["train"] += seconds
                watch.on_train_batch_end(batch)
            watch.on_test_begin()
            for batch, seconds in enumerate(validation):
                clock.now += seconds
                expected["validation"] += seconds
                watch.on_test_batch_end(batch)
            watch.on_test_end()
            watch.on_epoch_end(0)
            clock.now += between
            expected["between"] += between
    watch = PhaseClock(notes, names.__getitem__, batches, clock=clock)
    with pytest.raises(ZeroDivisionError) if fails else nullcontext(), watch.timing():
        watch.on_predict_begin()
        for batch, seconds in enumerate(predicted):
            clock.now += seconds
            expected["predict"] += seconds
            watch.on_predict_batch_end(batch)
        if fails:
            raise ZeroDivisionError
        watch.on_predict_end()
    report = PerformanceReport.of(notes, {"ionq": {"jobs": 3.0, "retries": 0.0}})
    found = {row.phase: row.seconds for row in report.rows}
    for phase, seconds in expected.items():
        assert math.isclose(found.get(phase, 0.0), seconds, abs_tol=1e-9)
    assert math.isclose(math.fsum(found.values()), report.seconds, abs_tol=1e-9)
    steps = {row.phase: row.steps for row in report.rows}
    assert steps["train"] == sum(len(train) for train, _, _ in epochs)
    assert report.steps == sum(steps.values())
    rows = {row.phase: row for row in report.rows}
    assert rows["train"].rows == sum(min(8 * len(train), 29) for train, _, _ in epochs)
    assert rows["validation"].rows == sum(4 * len(each) for _, each, _ in epochs)
    assert rows["train"].circuits == 2 * rows["train"].rows
    assert report.circuits == sum(row.circuits for row in report.rows)
    assert rows["train"].first_step_seconds == epochs[0][0][0]
    told = report.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert math.isclose(sum(row["seconds"] for row in told["rows"]), told["seconds"])
    # What is nought says nothing.
    assert "jobs" in str(report) and "retries" not in report.to_markdown()


def test_an_epoch_that_goes_on_in_its_midst_counts_what_is_run() -> None:
    notes = Notes()
    watch = PhaseClock(notes, lambda phase: "native", {"train": Batches(8, 29)}, clock=Clock())
    watch.on_epoch_begin(1)
    for batch in (2, 3):
        watch.on_train_batch_begin(batch)
        watch.on_train_batch_end(batch)
    watch.on_epoch_end(1)
    assert (notes.stretches[0].steps, notes.stretches[0].rows) == (2, 29 - 16)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    tracker, budget = CostTracker(), Budget(usd=2)
    notes = Notes(seconds=4.0)
    for phase, price in (("train", "0.5"), ("validation", "0.25")):
        tracker.record(phase, phase=phase, target="qpu.forte-1", billed=price, currency="USD")
        stretch = notes.of(phase, "q")
        stretch.circuits, stretch.seconds = 10, 1.5
    for number, report in enumerate(
        (CostReport(), CostReport.of(tracker, budget), PerformanceReport.of(notes))
    ):
        picture = imread(report.save_figure(tmp_path / f"{number}.png"))
        assert picture.shape[1] > 1000 and picture.min() < 0.5
