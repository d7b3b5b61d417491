"""The exact index of the database beside the bare matrix product beneath it.

Every ratio is of processor times in one process on one core, to `vectors @ query` or to a plain
search, timed in turn, one of each per round: the median over the quietest quarter of the rounds.
Goals are those of the database's issue.

    python benchmarks/store_index.py [--rows 100000 --dimension 128] [--rounds 40] [--hnsw]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy starts its threads
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import machine
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.index.changes import Changes, GroupState
from qstore_tf.store.index.exact import ExactIndex

K = 10
NAMES = ["a", "b", "c"]


def vectors_of(rows: int, dimension: int) -> np.ndarray:
    """Unit vectors in 200 clusters."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(200, dimension)).astype(np.float32)
    found = centres[rng.integers(0, 200, rows)]
    found += 0.5 * rng.standard_normal((rows, dimension), dtype=np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def changes_of(vectors: np.ndarray, **options: object) -> Changes:
    n = len(vectors)
    given: dict[str, Any] = {
        "slots": np.arange(n),
        "keys": [f"item-{i}" for i in range(n)],
        "vectors": vectors,
        "written_at": np.zeros(n),
        "coherence_time": np.full(n, np.inf),
        "metadata": [None] * n,
        "context_names": NAMES,
        **options,
    }
    return Changes(**given)


def filled(vectors: np.ndarray, metric: str = "cosine", **options: object) -> ExactIndex:
    index = ExactIndex(vectors.shape[1], metric)
    index.apply(changes_of(vectors, **options))
    return index


def ratios(
    floor: Callable[[], object], ours: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Ratio of processor times and both in ms: medians over the quietest quarter of rounds."""
    floor(), ours()
    times: list[tuple[float, float]] = []
    for _ in range(rounds):
        start = time.process_time()
        floor()
        middle = time.process_time()
        ours()
        times.append((middle - start, time.process_time() - middle))
    quiet = sorted(times, key=sum)[: max(3, rounds // 4)]
    ratio = statistics.median(b / a for a, b in quiet)
    return ratio, *(1000 * statistics.median(part) for part in zip(*quiet, strict=True))


def searches(rows: int, dimension: int, rounds: int) -> bool:
    """Goals 1, 3, 5 and 6; returns whether all are met."""
    vectors = vectors_of(rows, dimension)
    rng = np.random.default_rng(8)
    queries = vectors[rng.integers(0, rows, 100)] + 0.1 * rng.normal(size=(100, dimension))
    single = queries[:1].astype(np.float32)
    bare = single[0]
    third = np.arange(rows) % 3
    met = []

    def floor() -> object:
        return vectors @ bare

    def show(what: str, index: ExactIndex, goal: float, base: Callable[[], object], **how) -> None:
        def ours() -> object:
            return index.search(single, K, at_ms=1000.0, **how)

        ratio, ground, taken = ratios(base, ours, rounds)
        print(f"  {ground:.3g} ms -> {taken:.3g} ms; ", end="")
        met.append(machine.verdict(what, ratio, goal, "times"))

    print(f"{rows} x {dimension}")
    plain = filled(vectors)

    def search() -> object:
        return plain.search(single, K, at_ms=1000.0)

    show("plain search over the bare product (1)", plain, 1.2, floor)
    show("metric dot (1)", filled(vectors, "dot", max_norm=1.0), 1.2, floor)

    def hundred() -> object:
        return plain.search(queries, K, at_ms=1000.0)

    ratio, one, many = ratios(search, hundred, max(4, rounds // 5))
    print(f"  {one:.3g} ms -> {many / 100:.3g} ms a query; ", end="")
    met.append(machine.verdict("100 queries over 100 single ones (3)", ratio / 100, 0.25, "times"))

    # Two thirds of the rows are in a; weights decay at different rates.
    shared = [(i, "ab"[int(g == 0)], 1.0, None) for i, g in enumerate(third.tolist())]
    show("one context over plain (5)", filled(vectors, contexts=shared), 1.1, search, context="a")
    weighted = [
        (i, name, weight, None) for i in range(rows) for name, weight in (("a", 0.6), ("b", 0.4))
    ]
    tau = rng.uniform(1e3, 1e5, rows)
    decaying = filled(vectors, contexts=weighted, coherence_time=tau)
    show("weight, lift and decay over plain (5)", decaying, 1.25, search, context="a")
    del decaying, weighted, shared
    groups = [
        GroupState(g, 0.3, 0.1 * rng.normal(size=dimension), np.arange(g * 10, g * 10 + 10))
        for g in range(rows // 10)
    ]
    show(
        "groups of 10, all rows in one, over plain (5)", filled(vectors, groups=groups), 1.4, search
    )
    few = filled(vectors, groups=groups[: rows // 1000])
    show("groups of 10, 1 % of rows (5)", few, 1.4, search)
    if rows * dimension <= 2 * 10**7:
        own = [
            (i, name, 1 / 3, vectors[(i + j) % rows])
            for i in range(rows)
            for j, name in enumerate(NAMES)
        ]
        index = filled(vectors, contexts=own)
        show("3 contexts with own vectors, mixed (5)", index, 1.8 * 3, search)
        mix = {"a": 0.5, "b": 0.3, "c": 0.2}
        show("3 contexts with own vectors, coherent (5)", index, 1.8 * 3, search, context=mix)
        show("1 of 3 contexts with own vectors (5)", index, 1.1, search, context="b")
        del index, own
    texts = [json.dumps({"x": i % 100}) for i in range(rows)]
    index = filled(vectors, metadata=texts)
    started = time.process_time()
    index.snapshot().mask(parse_filter({"x": 1}))
    print(f"  first filter, which reads {rows} metadata: {time.process_time() - started:.3g} s")
    for share in (1, 10, 20):
        tree = parse_filter({"x": {"$lt": share}})
        show(f"filter that {share} % satisfy, over plain (6)", index, 1.0, search, filter=tree)
        hits = index.search(single, rows, at_ms=0.0, filter=tree)
        assert hits.slots.shape[1] == rows * share // 100
    return all(met)


def group_updates(dimension: int, rounds: int) -> bool:
    """Goal 10: a step of a group takes as long for 10,000 members as for 2."""
    vectors = vectors_of(20000, dimension)
    steps = {}
    for size in (2, 10000):
        index = filled(vectors, groups=[GroupState(1, 0.5, np.zeros(dimension), np.arange(size))])
        row = changes_of(vectors[:1], groups=[GroupState(1, 0.5, np.ones(dimension))])
        steps[size] = lambda index=index, row=row: index.apply(row)
    ratio, two, many = ratios(steps[2], steps[10000], 10 * rounds)
    print(f"  {two:.3g} ms -> {many:.3g} ms; ", end="")
    return machine.verdict("step of 10,000 members over one of 2 (10)", ratio, 1.5, "times")


def graphs(vectors: np.ndarray, rounds: int) -> bool:
    """Goal 4: the approximate index beside usearch alone, and what both miss of 200 queries."""
    from qstore_tf.store.index.hnsw import HnswIndex

    index = filled(vectors)
    snapshot = index.snapshot()
    graph = HnswIndex(vectors.shape[1], "cosine", threads=1)
    started = time.process_time()
    graph.build(snapshot)
    print(f"  graph of {len(graph)} built in {time.process_time() - started:.3g} s")
    bare = graph.bare
    rng = np.random.default_rng(9)
    chosen = vectors[rng.integers(0, len(vectors), 200)]
    queries = (chosen + 0.03 * rng.normal(size=chosen.shape)).astype(np.float32)
    wanted = index.search(queries, K, at_ms=0.0).slots
    found = graph.search(snapshot, queries, K, at_ms=0.0).slots
    alone = bare.search(queries, K, threads=1).keys // 4096
    shares = [
        float(np.mean([len(set(a) & set(b)) / K for a, b in zip(some, wanted, strict=True)]))
        for some in (found, alone)
    ]
    print(f"  recall of usearch alone: {shares[1]:.4g}; ", end="")
    met = machine.verdict("recall of the graph (4)", shares[0], 0.995, "", at_most=False)
    turn = [0]

    def usearch_alone() -> object:
        turn[0] = (turn[0] + 1) % len(queries)
        return bare.search(queries[turn[0]], K, threads=1)

    def ours() -> object:
        one = queries[turn[0] : turn[0] + 1]
        return graph.search(snapshot, one, K, at_ms=0.0)

    ratio, ground, taken = ratios(usearch_alone, ours, 10 * rounds)
    print(f"  {ground:.3g} ms -> {taken:.3g} ms; ", end="")
    return machine.verdict("graph over usearch alone (4)", ratio, 1.3, "times") and met


def resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_of(rows: int, dimension: int) -> float:
    """Resident bytes of an index with its keys, over the bytes of its vectors; in a fresh child."""
    filled(vectors_of(100, dimension)).search(np.ones((1, dimension)), K, at_ms=0.0)
    before = resident()
    index = filled(vectors_of(rows, dimension))
    index.search(np.ones((1, dimension)), K, at_ms=0.0)
    return (resident() - before) / (4 * rows * dimension)


def main() -> int:
    """Prints all figures beside their goals; returns 1 where one is missed."""
    parser = argparse.ArgumentParser(description="The exact index beside the bare product.")
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--hnsw", action="store_true", help="the approximate index too: a minute")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(memory_of(given.rows, given.dimension))
        return 0
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(machine.headline(), f"numpy {np.__version__}", sep=", ")
    met = searches(given.rows, given.dimension, given.rounds)
    met = group_updates(given.dimension, given.rounds) and met
    if given.hnsw:
        met = graphs(vectors_of(given.rows, given.dimension), given.rounds) and met
    command = [sys.executable, __file__, "--child"]
    command += ["--rows", str(given.rows), "--dimension", str(given.dimension)]
    share = float(subprocess.check_output(command, text=True).split()[-1])
    met = machine.verdict("memory over raw vectors (12)", share, 1.25, "times") and met
    return int(not met)


if __name__ == "__main__":
    raise SystemExit(main())
