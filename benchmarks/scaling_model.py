"""How long a training step takes on N workers: a model of five numbers, and its test.

    step(N) = compute + sum over the step's collectives of all_reduce(bytes, N)
    all_reduce(bytes, N) = start + 2 (N-1) * message + 2 N * delay + 2 (N-1) / N * bytes / bandwidth

and no all_reduce for N = 1. `compute` is the step of a worker without others. TensorFlow reduces in
a ring, in two passes of N-1 messages one after the other, of bytes / N each. `start` is what a
collective costs in software whatever the number of workers, `message` what each message does. A
worker asks its neighbour for each part; but for the first of a pass, these requests travel ahead of
the data: N one-way delays a pass. Not in the model: workers of different speed, messages that are
lost, and the input of a larger batch, of which each worker picks its part.

`start`, `message` and `bandwidth` are fitted to all-reduces timed by themselves, without delay,
between 2 and 4 workers; `compute` is timed on workers that do not know of each other, the slower of
two in each step, as that is what two in lockstep wait for. Training steps of 2 and 4 workers, with
delays between network namespaces, are then predicted and measured. Four workers share two cores:
their compute counts twice, and their messages make the fitted ones dearer than on cores of their
own. Needs root for the namespaces.

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
from dataclasses import asdict, dataclass, replace
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
        start: seconds that a collective costs in software, however many workers there are.
        message: seconds that each of its messages costs, whatever its size.
        delay: seconds that it is on its way, one way.
        bandwidth: bytes per second.
    """

    start: float
    message: float
    delay: float
    bandwidth: float


STATED_DELAY, STATED_BANDWIDTH = 50e-6, 10e9 / 8


def all_reduce(size: float, workers: int, network: Network) -> float:
    """Seconds of one all-reduce of `size` bytes in a ring.

    Args:
        size: bytes of the tensor that every worker holds.
        workers: how many there are.
        network: between them.
    """
    if workers == 1:
        return 0.0
    messages = 2 * (workers - 1)
    software = network.start + messages * network.message
    return software + 2 * workers * network.delay + messages / workers * size / network.bandwidth


def step(compute: float, collectives: Sequence[float], workers: int, network: Network) -> float:
    """Seconds of a training step.

    Args:
        compute: seconds of the step on a worker without others, with its share of the samples.
        collectives: bytes of each collective of the step; they come one after the other.
        workers: how many there are.
        network: between them.
    """
    return compute + sum(all_reduce(size, workers, network) for size in collectives)


def efficiency(
    compute: float, collectives: Sequence[float], workers: int, network: Network
) -> float:
    """Samples per second and worker, relative to one worker alone."""
    return compute / step(compute, collectives, workers, network)


def fit(samples: Sequence[tuple[float, int, float]]) -> Network:
    """The network, without its delay, from all-reduces timed by themselves.

    Args:
        samples: (bytes, workers, seconds) of each, measured without artificial delay. What delay
            there is counts as part of a message.

    Returns:
        The network, of numbers that are not negative, with the least sum of squared *relative*
        errors, so that small messages count.
    """
    import numpy as np
    from scipy.optimize import nnls

    rows = [
        (1 / seconds, 2 * (workers - 1) / seconds, 2 * (workers - 1) / workers * size / seconds)
        for size, workers, seconds in samples
    ]
    scale = np.max(rows, axis=0)
    (start, message, per_byte), _ = nnls(np.array(rows) / scale, np.ones(len(rows)))
    slope = per_byte / scale[2]
    return Network(
        float(start / scale[0]),
        float(message / scale[1]),
        0.0,
        float(1 / slope) if slope > 0 else float("inf"),
    )


def main() -> int:
    """Prints the three tables; returns 1 where namespaces cannot be made."""
    parser = argparse.ArgumentParser(description="Fit, check and use the model of a step.")
    parser.add_argument("--predict", action="store_true", help="only predict, from the last fit")
    parser.add_argument("--rounds", type=int, default=2)
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
    plain = [row for row in measured["reduces"] if _plain(row)]
    network = fit([(row["size"], row["workers"], row["seconds"]) for row in plain])
    computes = measured["computes"]
    lines = ["# A model of the training step", ""]
    lines += [f"- {key}: {value}" for key, value in described.items()]
    lines += ["- versions: " + ", ".join(f"{k} {v}" for k, v in measured["versions"].items())]
    lines += [f"- collectives of a step, in bytes: {measured['collectives']}"]
    lines += [
        f"- fitted: {_words(network)}",
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
    kinds = ("computes", "slower", "reduces", "steps")
    found: dict[str, dict[Any, list[float]]] = {kind: {} for kind in kinds}

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
            Group(cores[1:]) as beside,
            Group(shared, hosts.addresses, hosts.prefixes) as group,
        ):
            facts = group.facts
            for one in (alone, beside, group):
                one.ask("fit", batch=BATCHES[0], steps=2)
            for _ in range(rounds):
                for batch in BATCHES:
                    note("computes", batch, fits(alone, batch))
                    for one in (alone, beside):
                        one.begin("fit", batch=batch, steps=STEPS)
                    series = [one.answers()[0]["steps"] for one in (alone, beside)]
                    note("slower", batch, statistics.mean(map(max, *series)))
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
        **{
            kind: {str(batch): seconds for batch, seconds in middle[kind].items()}
            for kind in ("computes", "slower")
        },
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
    return bool(row["delay"] == 0.0)


def _with_delay(network: Network, delay: float) -> Network:
    return replace(network, delay=delay)


def _words(network: Network) -> str:
    return (
        f"{network.start * 1e6:.0f} us to start a collective, {network.message * 1e6:.0f} us a "
        f"message, {network.bandwidth * 1e-6:.0f} MB/s"
    )


def _reduces(network: Network, rows: Sequence[dict[str, Any]]) -> str:
    header = ("workers", "delay (ms)", "bytes", "measured (ms)", "model (ms)", "error", "")
    cells = []
    for row in rows:
        there = _with_delay(network, row["delay"])
        model = all_reduce(row["size"], row["workers"], there)
        words = [str(row["workers"]), f"{row['delay'] * 1e3:g}", str(row["size"])]
        cells.append(words + _compared(row["seconds"], model) + ["fit" if _plain(row) else ""])
    return tables.text(header, cells)


def _steps(network: Network, measured: dict[str, Any]) -> str:
    header = ("workers", "delay (ms)", "samples", "measured (ms)", "model (ms)", "error")
    collectives = measured["collectives"]
    cells = [
        [words, "-", batch, f"{seconds * 1e3:.2f}", "(compute)", ""]
        for words, kind in (("1", "computes"), ("2 apart, the slower", "slower"))
        for batch, seconds in measured[kind].items()
    ]
    for row in measured["steps"]:
        there, workers = _with_delay(network, row["delay"]), row["workers"]
        # More workers than cores take turns.
        compute = measured["slower"][str(row["batch"])] * max(1.0, workers / 2)
        model = step(compute, collectives, workers, there)
        words = [str(workers), f"{row['delay'] * 1e3:g}", str(row["batch"])]
        cells.append(words + _compared(row["seconds"], model))
    return tables.text(header, cells)


def _compared(measured: float, model: float) -> list[str]:
    return [f"{measured * 1e3:.2f}", f"{model * 1e3:.2f}", f"{model / measured - 1:+.0%}"]


def predictions(network: Network, computes: dict[str, float], collectives: Sequence[int]) -> str:
    """Step and efficiency on the stated network, one worker per core of this machine's kind."""
    there = stated(network)
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
    words = f"Network: {there.delay * 1e6:.0f} us one way; software as fitted: {_words(there)}."
    return words + "\n\n" + tables.text(header, cells)


def stated(network: Network) -> Network:
    """The network that predictions are for: 50 us and 10 Gbit/s, with this machine's software."""
    return replace(network, delay=STATED_DELAY, bandwidth=min(network.bandwidth, STATED_BANDWIDTH))


if __name__ == "__main__":
    sys.exit(main())
