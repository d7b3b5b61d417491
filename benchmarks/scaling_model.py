"""How long a training step takes on N workers: a model of five numbers, and its test.

    step(N) = sharing * compute + sum over the step's collectives of all_reduce(bytes, N)
    all_reduce(bytes, N) = 2 (N-1) * sharing * message + (2 (N-1) + 1) * delay
                           + 2 (N-1) / N * bytes / bandwidth            (0 for N = 1)

`compute` is the step of one worker (its own batch, measured alone). TensorFlow reduces in a ring:
a collective is 2 (N-1) messages one after the other, of bytes / N each. `message` is what one costs
both ends in software. A worker asks its neighbour for each part; those requests travel ahead of the
data but for the first, hence one delay more than there are messages. `delay` is one-way.
`sharing` is workers per core, 1 in any sensible cluster: it is there so that four workers can be
tried on two cores. Not in the model: workers of different speed, and what a step does besides the
collectives only because there are others (each worker picks its part of the whole batch's rows).

`message` and `bandwidth` are fitted to all-reduces timed by themselves between two workers,
`compute` is timed on one; the training steps of 2 and 4 workers are then predicted, with delays
that `tc netem` puts between network namespaces, and measured. Needs root for that.

    python benchmarks/scaling_model.py            # fit, check, predict
    python benchmarks/scaling_model.py --predict  # only predict, from the last fit
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, tables

RESULTS = Path(__file__).with_name("results")
DELAYS = (0.0, 0.001, 0.005)
SIZES = (4, 80_000, 800_000, 4_000_000)
BATCHES = (128, 640)
STEPS = 10
PREDICTED_WORKERS = (1, 2, 4, 8, 32, 128)


@dataclass(frozen=True)
class Network:
    """What lies between two workers.

    Args:
        message: seconds that one message costs both ends, whatever its size.
        delay: seconds that it is on its way, one way.
        bandwidth: bytes per second.
    """

    message: float
    delay: float
    bandwidth: float


# What the predictions are for: another machine room's network, with this machine's software.
STATED_DELAY, STATED_BANDWIDTH = 50e-6, 10e9 / 8


def all_reduce(size: float, workers: int, network: Network, sharing: float = 1.0) -> float:
    """Seconds of one all-reduce of `size` bytes in a ring.

    Args:
        size: bytes of the tensor that every worker holds.
        workers: how many there are.
        network: between them.
        sharing: workers per core.
    """
    if workers == 1:
        return 0.0
    messages = 2 * (workers - 1)
    software = messages * sharing * network.message
    return software + (messages + 1) * network.delay + messages / workers * size / network.bandwidth


def step(
    compute: float,
    collectives: Sequence[float],
    workers: int,
    network: Network,
    sharing: float = 1.0,
) -> float:
    """Seconds of a training step.

    Args:
        compute: seconds of the step on one worker with the same samples per worker.
        collectives: bytes of each collective of the step; they come one after the other.
        workers: how many there are.
        network: between them.
        sharing: workers per core.
    """
    return sharing * compute + sum(
        all_reduce(size, workers, network, sharing) for size in collectives
    )


def efficiency(
    compute: float, collectives: Sequence[float], workers: int, network: Network
) -> float:
    """Samples per second and worker, relative to one worker alone."""
    return compute / step(compute, collectives, workers, network)


def fit(samples: Sequence[tuple[float, float]]) -> Network:
    """The network, without its delay, from all-reduces between two workers.

    Args:
        samples: (bytes, seconds) of each, measured without artificial delay. What delay there is
            counts as part of a message.

    Returns:
        The network of the least sum of squared *relative* errors, so that small messages count.
    """
    # seconds = message * 2 + bytes / bandwidth, two unknowns.
    rows = [(2 / seconds, size / seconds) for size, seconds in samples]
    a = sum(x * x for x, _ in rows)
    b = sum(x * y for x, y in rows)
    d = sum(y * y for _, y in rows)
    right = sum(x for x, _ in rows), sum(y for _, y in rows)
    determinant = a * d - b * b
    message = (right[0] * d - b * right[1]) / determinant
    per_byte = (a * right[1] - b * right[0]) / determinant
    return Network(message, 0.0, 1 / per_byte if per_byte > 0 else float("inf"))


def main() -> int:
    """Prints the three tables; returns 1 where namespaces cannot be made."""
    parser = argparse.ArgumentParser(description="Fit, check and use the model of a step.")
    parser.add_argument("--predict", action="store_true", help="only predict, from the last fit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    file = arguments.out / "scaling_model.json"
    if arguments.predict:
        last = json.loads(file.read_text())
        print(predictions(Network(**last["network"]), last["computes"], last["collectives"]))
        return 0
    from benchmarks import namespaces

    if not namespaces.possible():
        print("network namespaces need root and the programs ip and tc", file=sys.stderr)
        return 1
    described = machine.describe()
    measured = measure(arguments.rounds)
    network = fit([(row["size"], row["seconds"]) for row in measured["reduces"] if _plain(row)])
    computes = measured["computes"]
    lines = ["# A model of the training step", ""]
    lines += [f"- {key}: {value}" for key, value in described.items()]
    lines += ["- versions: " + ", ".join(f"{k} {v}" for k, v in measured["versions"].items())]
    lines += [f"- collectives of a step, in bytes: {measured['collectives']}"]
    lines += [
        f"- fitted: {network.message * 1e6:.0f} us a message, {network.bandwidth * 1e-6:.0f} MB/s",
        f"- medians of {arguments.rounds} rounds",
        "",
        "## All-reduces by themselves",
        "",
        _reduces(network, measured["reduces"]),
        "",
        "## Training steps",
        "",
        _steps(network, measured),
        "",
        "## Predictions, not measured",
        "",
        predictions(network, computes, measured["collectives"]),
    ]
    print("\n".join(lines))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "scaling_model.md").write_text("\n".join(lines) + "\n")
    file.write_text(
        json.dumps({"machine": described, "network": asdict(network)} | measured, indent=1) + "\n"
    )
    return 0


def measure(rounds: int) -> dict[str, Any]:
    """Times one worker, and all-reduces and steps of two and four with each delay."""
    from benchmarks.namespaces import Hosts
    from benchmarks.scaling_group import Group

    cores = sorted(os.sched_getaffinity(0))[:2]
    found: dict[str, dict[Any, list[float]]] = {"computes": {}, "reduces": {}, "steps": {}}

    def note(kind: str, key: Any, seconds: float) -> None:
        found[kind].setdefault(key, []).append(seconds)

    def fits(group: Group, batch: int) -> float:
        answers = group.ask("fit", batch=batch, steps=STEPS)
        return statistics.mean(statistics.mean(answer["steps"]) for answer in answers)

    for workers in (2, 4):
        shared = [cores[index % len(cores)] for index in range(workers)]
        with (
            Hosts(workers) as hosts,
            Group(cores[:1]) as alone,
            Group(shared, hosts.addresses, hosts.prefixes) as group,
        ):
            facts = group.facts
            for one in (alone, group):
                one.ask("fit", batch=BATCHES[0], steps=2)
            for _ in range(rounds):
                for batch in BATCHES:
                    note("computes", batch, fits(alone, batch))
                for delay in DELAYS:
                    hosts.delay(delay)
                    for size in SIZES:
                        answers = group.ask("all_reduce", size=size, repeats=4, count=4)
                        seconds = statistics.mean(answer["seconds"] for answer in answers)
                        note("reduces", (workers, delay, size), seconds)
                    for batch in BATCHES:
                        note("steps", (workers, delay, batch), fits(group, batch))
            collectives = group.ask("collectives")[0]
    middle = {kind: {k: statistics.median(v) for k, v in d.items()} for kind, d in found.items()}
    names = {"reduces": ("workers", "delay", "size"), "steps": ("workers", "delay", "batch")}
    return {
        "versions": facts["versions"],
        "collectives": collectives,
        "computes": {str(batch): seconds for batch, seconds in middle["computes"].items()},
        **{
            kind: [
                dict(zip(columns, key, strict=True)) | {"seconds": seconds}
                for key, seconds in middle[kind].items()
            ]
            for kind, columns in names.items()
        },
    }


def _plain(row: dict[str, Any]) -> bool:
    """Whether an all-reduce is one of those that the fit may see."""
    return row["workers"] == 2 and row["delay"] == 0.0


def _with_delay(network: Network, delay: float) -> Network:
    return Network(network.message, delay, network.bandwidth)


def _sharing(workers: int) -> float:
    return max(1.0, workers / 2)


def _reduces(network: Network, rows: Sequence[dict[str, Any]]) -> str:
    header = ("workers", "delay (ms)", "bytes", "measured (ms)", "model (ms)", "error", "")
    cells = []
    for row in rows:
        there = _with_delay(network, row["delay"])
        model = all_reduce(row["size"], row["workers"], there, _sharing(row["workers"]))
        words = [str(row["workers"]), f"{row['delay'] * 1e3:g}", str(row["size"])]
        cells.append(words + _compared(row["seconds"], model) + ["fit" if _plain(row) else ""])
    return tables.text(header, cells)


def _steps(network: Network, measured: dict[str, Any]) -> str:
    header = ("workers", "delay (ms)", "samples", "measured (ms)", "model (ms)", "error")
    computes, collectives = measured["computes"], measured["collectives"]
    cells = [
        ["1", "-", batch, f"{seconds * 1e3:.2f}", "(its compute)", ""]
        for batch, seconds in computes.items()
    ]
    for row in measured["steps"]:
        there, workers = _with_delay(network, row["delay"]), row["workers"]
        compute = computes[str(row["batch"])]
        model = step(compute, collectives, workers, there, _sharing(workers))
        words = [str(workers), f"{row['delay'] * 1e3:g}", str(row["batch"])]
        cells.append(words + _compared(row["seconds"], model))
    return tables.text(header, cells)


def _compared(measured: float, model: float) -> list[str]:
    return [f"{measured * 1e3:.2f}", f"{model * 1e3:.2f}", f"{model / measured - 1:+.0%}"]


def predictions(network: Network, computes: dict[str, float], collectives: Sequence[int]) -> str:
    """Step and efficiency on the stated network, one worker per core of this machine's kind."""
    there = Network(network.message, STATED_DELAY, min(network.bandwidth, STATED_BANDWIDTH))
    times = [*computes.values(), 0.2, 1.0]
    header = ("workers", *(f"step of {seconds * 1e3:.0f} ms alone" for seconds in times))
    cells = []
    for workers in PREDICTED_WORKERS:
        row = [str(workers)]
        for compute in times:
            seconds = step(compute, collectives, workers, there)
            share = efficiency(compute, collectives, workers, there)
            row.append(f"{seconds * 1e3:.0f} ms, efficiency {share:.2f}")
        cells.append(row)
    stated = (
        f"Network: {there.delay * 1e6:.0f} us one way, {there.bandwidth * 1e-6:.0f} MB/s, "
        f"{there.message * 1e6:.0f} us a message as fitted."
    )
    return stated + "\n\n" + tables.text(header, cells)


if __name__ == "__main__":
    sys.exit(main())
