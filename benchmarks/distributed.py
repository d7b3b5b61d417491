"""Weak scaling of `model.fit` from one worker to two, each confined to one core.

Goal: parallel efficiency of at least 0.85 at steps of 50 ms or more. A hybrid model (two Dense
layers, 12 qubits of depth 4, a Dense layer; 20,000 weights) is fitted on NumPy arrays with the same
samples per worker and step, so two workers take twice the batch. Four processes run all the time
and take turns, so that a busy machine slows all alike:

- *alone*: one worker, without others, on the first core;
- *apart*: one such worker on each core at the same time, which do not know of each other: the same
  step on the same cores, with the collectives removed;
- *together*: two workers under `multi_worker_strategy()`.

Efficiency is alone / together. Two workers in lockstep cannot be faster than the slower of both in
each step, which the series of *apart* tell: what is left of *together* beyond that is what the
collectives and the larger batch's input cost. (Time inside the all-reduce ops would count waiting
for the other worker as communication.) Beside it stand the same collectives, their number and bytes
read from the traced train step, timed by themselves. Both share the cores with whatever else runs;
the last columns tell how much that was, and the ratio of processor times, which it disturbs less.

    python benchmarks/distributed.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, tables
from benchmarks.scaling_group import Group, Others

RESULTS = Path(__file__).with_name("results")
GOAL = 0.85
GOAL_FROM = 0.050
TARGETS = (0.010, 0.050, 0.200)
# Seconds of measuring to aim at per fit.
FIT_SECONDS = 0.6
LEAST_STEPS, MOST_STEPS = 4, 40
# The share of the rounds that is used: those that other programs disturbed least.
USED = 0.25
# Samples that the native op computes at a time.
LANES = 16
HEADER = (
    "samples per worker",
    "alone (ms)",
    "apart (ms)",
    "slower of both (ms)",
    "together (ms)",
    "samples/s, 1 worker",
    "samples/s, 2 workers",
    "efficiency",
    "collectives (share of step)",
    "same, by themselves",
    "CPU alone / together",
    "others",
)


def main() -> int:
    """Prints the table; returns 1 if the goal is missed."""
    parser = argparse.ArgumentParser(description="Efficiency of two workers on two cores.")
    parser.add_argument("--rounds", type=int, default=32)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    described = machine.describe()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print("two cores are needed; this process may use one", file=sys.stderr)
        return 1
    with Group(cores[:1]) as first, Group(cores[1:]) as second, Group(cores) as pair:
        batches = [calibrate(first, target) for target in TARGETS]
        rows = [
            Row(batch, round(target * 1e3)) for batch, target in zip(batches, TARGETS, strict=True)
        ]
        others = Others([first, second, pair])
        for row in rows:
            row.measure(first, second, pair)  # Traces.
            row.rounds.clear()
        for row in rows * arguments.rounds:
            others.begin()
            row.measure(first, second, pair)
            row.rounds[-1]["others"] = others.share()
            print(row.state(), file=sys.stderr, flush=True)
        facts = pair.facts

    lines = ["# Two workers on two cores", ""]
    lines += [f"- {key}: {value}" for key, value in described.items()]
    lines += ["- versions: " + ", ".join(f"{k} {v}" for k, v in facts["versions"].items())]
    lines += [f"- weights of the model: {facts['weights']}"]
    lines += [f"- collectives of a step, in bytes: {rows[0].collectives}"]
    lines += [
        f"- medians over the quietest quarter of {arguments.rounds} rounds, of mean steps of a fit"
    ]
    lines += ["", tables.text(HEADER, [row.cells() for row in rows])]
    print("\n".join(lines) + "\n")
    met = True
    for row in rows:
        goal = GOAL if row.middle("alone") >= 0.9 * GOAL_FROM else 0.0
        what = f"efficiency at {row.middle('alone') * 1e3:.0f} ms"
        met &= machine.verdict(what, row.ratio("alone", "together"), goal, "of 1", at_most=False)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "distributed.md").write_text("\n".join(lines) + "\n")
    payload = {"machine": described, "facts": facts, "rows": [vars(row) for row in rows]}
    (arguments.out / "distributed.json").write_text(json.dumps(payload, indent=1) + "\n")
    return int(not met)


class Row:
    """One step size: the seconds of a step in each of the ways, by round."""

    def __init__(self, batch: int, target_ms: int) -> None:
        self.batch = batch
        self.steps = max(LEAST_STEPS, min(MOST_STEPS, int(FIT_SECONDS * 1e3 / target_ms)))
        self.rounds: list[dict[str, float]] = []
        self.collectives: list[int] = []

    def measure(self, first: Group, second: Group, pair: Group) -> None:
        """One round."""
        found = {}
        ways = {"alone": [first], "apart": [first, second], "together": [pair]}
        for way, groups in ways.items():
            answers = fit(groups, self.batch, self.steps)
            series = [answer["steps"] for answer in answers]
            found[way] = statistics.mean(map(statistics.mean, series))
            found[f"cpu {way}"] = statistics.mean(answer["cpu"] for answer in answers)
            if way == "apart":
                # Lockstep waits for the slower worker, in every step.
                found["slower"] = statistics.mean(map(max, *series))
        self.collectives = answers[0]["collectives"]
        found["reduces"] = all_reduces(pair, self.collectives)
        self.rounds.append(found)

    def quiet(self) -> list[dict[str, float]]:
        """The rounds that other programs disturbed least."""
        ranked = sorted(self.rounds, key=lambda found: found["others"])
        return ranked[: max(1, round(USED * len(ranked)))]

    def state(self) -> str:
        """The last round, for those who wait."""
        last = self.rounds[-1]
        words = [f"{key} {value * 1e3:.1f}" for key, value in last.items() if key != "others"]
        return f"{self.batch} samples (ms): {', '.join(words)}; others {last['others']:.0%}"

    def middle(self, key: str) -> float:
        """Median over the quiet rounds."""
        return statistics.median(found[key] for found in self.quiet())

    def ratio(self, above: str, below: str) -> float:
        """Median over the quiet rounds of one time over another."""
        return statistics.median(found[above] / found[below] for found in self.quiet())

    def cells(self) -> list[str]:
        """The row of the table."""
        alone, apart, slower, together = map(self.middle, ("alone", "apart", "slower", "together"))
        return [
            str(self.batch),
            *(f"{seconds * 1e3:.1f}" for seconds in (alone, apart, slower, together)),
            f"{self.batch / alone:.0f}",
            f"{2 * self.batch / together:.0f}",
            f"{self.ratio('alone', 'together'):.2f}",
            f"{(together - slower) * 1e3:.1f} ms ({1 - self.ratio('slower', 'together'):.0%})",
            f"{self.middle('reduces') * 1e3:.1f} ms ({self.ratio('reduces', 'together'):.0%})",
            f"{self.ratio('cpu alone', 'cpu together'):.2f}",
            f"{self.middle('others'):.0%}",
        ]


def fit(groups: list[Group], batch: int, steps: int) -> list[dict[str, Any]]:
    """The answers of all workers of groups that fit at the same time."""
    for group in groups:
        group.begin("fit", batch=batch, steps=steps)
    return [answer for group in groups for answer in group.answers()]


def all_reduces(group: Group, sizes: list[int], repeats: int = 8) -> float:
    """Seconds that the collectives of a step take by themselves, one after the other."""
    total = 0.0
    for size in sizes:
        answers = group.ask("all_reduce", size=size, repeats=repeats, count=4)
        total += statistics.mean(answer["seconds"] for answer in answers)
    return total


def calibrate(group: Group, target: float) -> int:
    """Samples with which a step takes about `target` seconds on one worker."""
    few, many = 4 * LANES, 32 * LANES
    group.ask("fit", batch=few, steps=LEAST_STEPS)
    times = [
        statistics.median(group.ask("fit", batch=batch, steps=LEAST_STEPS)[0]["steps"])
        for batch in (few, many)
    ]
    slope = (times[1] - times[0]) / (many - few)
    batch = few + (target - times[0]) / slope if slope > 0 else many
    return LANES * max(1, round(batch / LANES))


if __name__ == "__main__":
    sys.exit(main())
