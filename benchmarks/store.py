"""The database beside other stores of vectors: exact top 10 of 100,000 x 128, on one core.

    python benchmarks/store.py            # all peers (their environment is made at first)
    python benchmarks/store.py --rows 20000 --only "FAISS flat,pgvector"

Ours and the peers run in the same run, pinned to one core, in turn, twice; the better half counts.
Ratios are claims, milliseconds are not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy starts its threads
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["RAYON_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import environments, machine
from benchmarks.store_index import vectors_of
from benchmarks.store_peers import PEERS
from qstore_tf.store.database import QuantumDatabase

RESULTS = environments.ROOT / "benchmarks" / "results" / "store.md"
OURS = "QuantumDatabase"
# How many times as long a peer's search should take as ours.
GOALS = {
    "Qdrant core": 1.5,
    "sqlite-vec": 7.0,
    "LanceDB flat": 10.0,
    "pgvector": 12.0,
    "DuckDB": 12.0,
}


def ours(vectors: np.ndarray, queries: np.ndarray, rounds: int) -> dict[str, Any]:
    names = [f"item{i}" for i in range(len(vectors))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "db.qstore"
        with QuantumDatabase(path) as db:
            started = time.perf_counter()
            db.insert_many(names, vectors).check()
            built = time.perf_counter() - started
        started = time.perf_counter()
        with QuantumDatabase(path) as db:
            db.query(queries[0])
            opened = time.perf_counter() - started
            times = []
            for i in range(rounds):
                started = time.perf_counter()
                db.query(queries[i % len(queries)])
                times.append(time.perf_counter() - started)
            hits = [db.query(query).ids for query in queries[:3]]
    exact = [np.argsort(-(vectors @ query))[:10] for query in queries[:3]]
    same = [
        len(set(found) & {names[i] for i in best}) / 10
        for found, best in zip(hits, exact, strict=True)
    ]
    return {
        "ms": 1000 * statistics.median(times),
        "build_s": built,
        "open_s": opened,
        "recall": float(np.mean(same)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=40, help="searches of each, in each turn")
    parser.add_argument("--only", default=",".join(PEERS), help="peers, joined with ','")
    options = parser.parse_args()
    python = environments.ensure("stores")
    os.sched_setaffinity(0, {0})
    about = machine.headline()
    print(about)
    vectors = vectors_of(options.rows, options.dimension)
    rng = np.random.default_rng(11)
    queries = vectors[rng.integers(0, len(vectors), 20)] + 0.1 * rng.standard_normal(
        (20, options.dimension), dtype=np.float32
    )
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "vectors.npy", vectors)
        np.save(Path(folder) / "queries.npy", queries)
        for _ in range(2):
            keep(found, OURS, ours(vectors, queries, options.rounds))
            for name in options.only.split(","):
                command = [python, "benchmarks/store_peers.py", name, folder, str(options.rounds)]
                ran = subprocess.run(
                    command, cwd=environments.ROOT, capture_output=True, text=True, check=False
                )
                lines = [line for line in ran.stdout.splitlines() if line.startswith('{"name"')]
                keep(found, name, json.loads(lines[-1]) if lines else {"error": ran.stderr[-200:]})
                print(name, found[name], flush=True)
    text = report(found, about, options)
    print(text)
    if options.rows == 100_000 and set(options.only.split(",")) == set(PEERS):
        RESULTS.write_text(text, encoding="utf-8")


def keep(found: dict[str, dict[str, Any]], name: str, new: dict[str, Any]) -> None:
    """Keeps the quicker of two turns."""
    old = found.get(name)
    if old is None or "error" in old or ("error" not in new and new["ms"] < old["ms"]):
        found[name] = new


def report(found: dict[str, dict[str, Any]], about: str, options: argparse.Namespace) -> str:
    mine = found[OURS]
    lines = [
        "# Exact top 10",
        "",
        f"{options.rows:,} x {options.dimension} float32, one core; {about}.",
        "",
        "| store | ms | times ours | goal | recall | load, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in sorted(found.items(), key=lambda pair: pair[1].get("ms", 1e9)):
        if "error" in row:
            lines.append(f"| {name} | failed: {row['error']} | | | | |")
            continue
        ratio = row["ms"] / mine["ms"]
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"{goal:g} {'met' if ratio >= goal else 'MISSED'}"
        if name == "matrix product":
            verdict = f"ours at most 1.2 times it: {'met' if 1 / ratio <= 1.2 else 'MISSED'}"
        lines.append(
            f"| {name} | {row['ms']:.2f} | {ratio:.2f} | {verdict} | {row['recall']:.3f} |"
            f" {row['build_s']:.2f} |"
        )
    lines += [
        "",
        f"{OURS} opens the file and answers its first query in {mine['open_s']:.2f} s.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
