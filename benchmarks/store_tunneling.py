"""Retrieval over barriers, Grover search and regimes, each beside what is simpler.

* `retrieval`: 20,000 points of 64 dimensions in 20 clusters; 100 queries, each between three of
  them. How many of the three are among ten matches, at which mean fidelity (of the lifted cosine),
  and how long the choice takes once the scores of the pool of 1,000 are there.
* `grover`: calls of the oracle until the best rows are held, and until the budget is spent with
  which a quantum computer could be told to stop, against the scores of a scan. Means of 200 runs.
* `regimes`: series of 1,000 rows of 8 dimensions with 4 changes of the mean, of the covariance or
  of both; every method is told their number. F1 of changes found within 10 rows, over 15 series.
  "gaussian MLE" is the likelihood of one normal distribution per stretch (ruptures' CostNormal).
* `precursors`: how often anything is found where there is nothing, and where five rows before each
  of 14 events are moved, by how much; level 5 %.

Data are synthetic throughout. Nothing here has a goal to meet.

    python benchmarks/store_tunneling.py            # all, under 3 minutes
    python benchmarks/store_tunneling.py regimes
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # one core
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import ruptures
from numpy.typing import NDArray

from benchmarks import machine, tables
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.ranking import born_sample, mmr, qprp, top_k
from qstore_tf.store.tunneling.amplification import grover_search
from qstore_tf.store.tunneling.engine import Candidates, tunnel_search
from qstore_tf.store.tunneling.kernels import KERNELS
from qstore_tf.store.tunneling.precursors import find_precursors
from qstore_tf.store.tunneling.regimes import discover_regimes

Array = NDArray[Any]

POINTS, DIMENSION, CLUSTERS, QUERIES, POOL, TOP = 20_000, 64, 20, 100, 1000, 10
SPREADS = (0.5, 1.0, 1.5)  # of the clusters, whose centres have length 1
ROWS, FEATURES, CHANGES, SERIES, WITHIN, APART = 1000, 8, 4, 15, 10, 60


def retrieval() -> None:
    methods: dict[str, Callable[[Candidates, Array], Array]] = {
        "exact top 10": lambda pool, scores: top_k(scores, TOP),
        "basins": lambda pool, scores: _rows(tunnel_search(pool)),
        "basins, any transmission": lambda pool, scores: _rows(
            tunnel_search(pool, tunnel_probability=0.0)
        ),
        "basins in turns": lambda pool, scores: _rows(tunnel_search(pool, method="turns")),
        "MMR, relevance .5": lambda pool, scores: mmr(scores, pool.amplitudes, TOP),
        "MMR, relevance .7": lambda pool, scores: mmr(scores, pool.amplitudes, TOP, relevance=0.7),
        "QPRP": lambda pool, scores: qprp(scores, pool.amplitudes, TOP),
        "Born sampling": lambda pool, scores: born_sample(scores, TOP, seed=1),
    }
    for spread in SPREADS:
        rows = []
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in methods}
        for pool, scores, of, wanted in _ambiguous(spread):
            for name, method in methods.items():
                started = time.perf_counter()
                chosen = method(pool, scores)
                seconds = time.perf_counter() - started
                hit = len(set(of[chosen].tolist()) & set(wanted.tolist()))
                found[name].append((hit, float(scores[chosen].mean()), len(chosen), seconds))
        for name, results in found.items():
            hit, fidelity, count, _ = np.mean(results, axis=0)
            middle = np.median([seconds for *_, seconds in results])
            rows.append(
                [name, f"{hit:.2f}", f"{fidelity:.3f}", f"{count:.1f}", f"{1e3 * middle:.2f}"]
            )
        print(f"\nSpread {spread}")
        print(tables.text(["method", "clusters of 3", "fidelity", "matches", "ms"], rows))


def _rows(found: Any) -> Array:
    return np.array([match.index for match in found])


def _ambiguous(spread: float) -> Any:
    """For each query: its pool, scores, the clusters of the pool and the three wanted ones."""
    rng = np.random.default_rng(20)
    metric = METRICS["cosine"]
    centres = _unit(rng.normal(size=(CLUSTERS, DIMENSION)))
    of = rng.integers(0, CLUSTERS, POINTS)
    points = centres[of] + spread * rng.normal(size=(POINTS, DIMENSION)) / np.sqrt(DIMENSION)
    states = metric.encode(points)
    keys = [f"{n:05d}" for n in range(POINTS)]
    for _ in range(QUERIES):
        wanted = rng.choice(CLUSTERS, 3, replace=False)
        query = rng.uniform(0.8, 1.0, 3) @ centres[wanted]
        scores = np.abs(states @ metric.encode_query(query)) ** 2
        best = top_k(scores, POOL)
        chosen = [keys[i] for i in best.tolist()]
        pool = Candidates(chosen, 1 - scores[best], states[best], void=0.75)
        yield pool, scores[best], of[best], wanted


def _unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def grover() -> None:
    rows = []
    for count, k in ((128, 1), (1024, 1), (8192, 1), (65536, 1), (1024, 10), (65536, 10)):
        energies = np.random.default_rng(1).random(count)
        runs = [grover_search(energies, k, seed=[n, count, k]) for n in range(200)]
        until = np.mean([r.calls_until_found for r in runs if r.calls_until_found is not None])
        rows.append(
            [
                f"{count:,}",
                str(k),
                f"{np.mean([run.exact for run in runs]):.1%}",
                f"{until:,.0f}",
                f"{until / np.sqrt(k * count):.2f}",
                f"{np.mean([run.oracle_calls for run in runs]):,.0f}",
                f"{count:,}",
            ]
        )
    header = ["rows", "k", "exact", "calls until held", "/ sqrt(k rows)", "calls in all", "scan"]
    print("\n" + tables.text(header, rows))
    print("Each call of the oracle loads all rows: as time on a machine this is no gain.")


def regimes() -> None:
    methods: dict[str, Callable[[Array], list[int]]] = {
        **{f"ours, {kernel}": _ours(kernel) for kernel in KERNELS},
        "ruptures, rbf": lambda x: ruptures.KernelCPD("rbf", min_size=20).fit(x).predict(CHANGES),
        "ruptures, L2": lambda x: ruptures.KernelCPD("linear", min_size=20).fit(x).predict(CHANGES),
        "gaussian MLE": lambda x: (
            ruptures.Dynp("normal", min_size=20, jump=5).fit(x).predict(CHANGES)
        ),
    }
    kinds = ("mean", "covariance", "both")
    results: dict[str, list[str]] = {name: [name] for name in methods}
    times: dict[str, list[float]] = {name: [] for name in methods}
    for kind in kinds:
        hits: dict[str, list[float]] = {name: [] for name in methods}
        for number in range(SERIES):
            series, changes = _switching(kind, number)
            for name, method in methods.items():
                started = time.perf_counter()
                found = [row for row in method(series) if 0 < row < ROWS]
                times[name].append(time.perf_counter() - started)
                hits[name].append(_f1(found, changes))
        for name in methods:
            results[name].append(f"{np.mean(hits[name]):.2f}")
    for name in methods:
        results[name].append(f"{np.median(times[name]):.3f}")
    header = ["F1 of changes of", *kinds, "s a series"]
    print("\n" + tables.text(header, list(results.values())))
    print(
        "gaussian MLE looks at every 5th row only, as ruptures' dynamic programming is in Python."
    )
    counted = []
    for kernel in KERNELS:
        numbers = [
            len(discover_regimes(_switching("both", n)[0], kernel=kernel, min_size=20, seed=n)) - 1
            for n in range(SERIES)
        ]
        counted.append([kernel, f"{np.mean(numbers):.1f}", f"{min(numbers)} to {max(numbers)}"])
    print("\nNot told the number of changes (both kinds at once; there are 4):")
    print(tables.text(["kernel", "found, mean", "range"], counted))


def _ours(kernel: str) -> Callable[[Array], list[int]]:
    def cuts(series: Array) -> list[int]:
        found = discover_regimes(series, kernel=kernel, n_changes=CHANGES, n_regimes=1, min_size=20)
        return list(found.changes)

    return cuts


def _switching(kind: str, number: int) -> tuple[Array, list[int]]:
    """A series of stretches of normal noise, and the rows where one ends and the next begins."""
    rng = np.random.default_rng([5, number])
    cuts = np.zeros(1)
    while np.diff([0, *cuts, ROWS]).min() < APART:
        cuts = np.sort(rng.choice(np.arange(APART, ROWS - APART), CHANGES, replace=False))
    stretches = []
    for start, end in zip([0, *cuts], [*cuts, ROWS], strict=True):
        rows = rng.normal(size=(end - start, FEATURES))
        if kind != "mean":
            axes, _ = np.linalg.qr(rng.normal(size=(FEATURES, FEATURES)))
            rows = rows * np.exp(0.4 * rng.normal(size=FEATURES)) @ axes.T
        if kind != "covariance":
            rows = rows + 0.35 * rng.normal(size=FEATURES)
        stretches.append(rows)
    return np.concatenate(stretches), cuts.tolist()


def _f1(found: list[int], changes: list[int]) -> float:
    left = list(changes)
    for row in found:
        near = [change for change in left if abs(change - row) <= WITHIN]
        if near:
            left.remove(min(near, key=lambda change: abs(change - row)))
    return 2 * (len(changes) - len(left)) / (len(found) + len(changes))


def precursors() -> None:
    rows = []
    for shift in (0.0, 1.0, 2.0, 3.0):
        some, right, hits, lift = 0, 0, [], []
        for number in range(40):
            rng = np.random.default_rng([6, number])
            series = rng.normal(size=(600, 4))
            events = 40 + np.cumsum(rng.integers(25, 45, 14))
            for event in events[events < 600]:
                series[event - 8 : event - 3, 2] += shift
            found = find_precursors(series, events[events < 600])
            some += len(found) > 0
            right += 3 in [one.lag for one in found]
            if len(found):
                best = max(found, key=lambda one: one.likeness)
                hits.append(best.hit_rate)
                lift.append(best.lift)
        spoken = [f"{np.mean(hits):.2f}", f"{np.mean(lift):.1f}"] if hits else ["-", "-"]
        rows.append([f"{shift:.0f}", f"{some / 40:.1%}", f"{right / 40:.1%}", *spoken])
    header = ["moved by", "anything found", "at the right lag", "later events hit", "lift"]
    print("\n" + tables.text(header, rows))


PARTS = {
    "retrieval": retrieval,
    "grover": grover,
    "regimes": regimes,
    "precursors": precursors,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("part", nargs="?", choices=sorted(PARTS))
    part = parser.parse_args().part
    print(machine.headline())
    print(f"numpy {np.__version__}, ruptures {ruptures.__version__}")
    for name, run in PARTS.items():
        if part in (None, name):
            print(f"\n## {name}")
            run()


if __name__ == "__main__":
    main()
