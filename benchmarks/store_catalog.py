"""The database's catalog beside bare SQLite: durable writes, loading, opening, joint commits.

Bare SQLite is a table of id, metadata and vector in a file with a write-ahead log and
synchronous=FULL, written by the fewest statements. Both are timed in turn in the same process, one
commit of each after the other; ratios are those of medians. The disk is that of --folder; with
--sync-ms, each wait for it takes so much longer. Goal 8 was set on a disk with 316 commits a
second, which is 3 ms for each.

    python benchmarks/store_catalog.py [--rows 100000 --dimension 128] [--rounds 5] [--sync-ms 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy starts its threads
os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import machine
from qstore_tf.store.catalog import Catalog, Connection, NamespaceRow, Rows, items, namespaces
from qstore_tf.store.catalog.feed import changes

BATCHES = {1: 100, 10: 50, 1000: 10, 10000: 3}  # rows a commit, commits a round
THREADS = 16


class Bare:
    """The least that SQLite can do for durable rows."""

    def __init__(self, path: Path) -> None:
        self.sql = sqlite3.connect(path, isolation_level=None)
        self.sql.execute("PRAGMA journal_mode=WAL")
        self.sql.execute("PRAGMA synchronous=FULL")
        self.sql.execute("CREATE TABLE t (id TEXT PRIMARY KEY, metadata TEXT, vector BLOB)")

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        block, size = vectors.tobytes(), vectors.shape[1] * 4
        blobs = [block[start : start + size] for start in range(0, len(block), size)]
        self.sql.execute("BEGIN IMMEDIATE")
        self.sql.executemany(
            "INSERT OR REPLACE INTO t VALUES (?, NULL, ?)", zip(keys, blobs, strict=True)
        )
        self.sql.execute("COMMIT")

    def get(self, dimension: int) -> np.ndarray:
        rows = self.sql.execute("SELECT id, metadata, vector FROM t").fetchall()
        _, _, blobs = zip(*rows, strict=True)
        return np.frombuffer(b"".join(blobs), np.float32).reshape(-1, dimension)


class Ours:
    """The catalog with one namespace."""

    def __init__(self, path: Path, dimension: int) -> None:
        self.path = path
        self.catalog = Catalog(path)
        self.space: NamespaceRow = self.catalog.write(
            lambda writer: namespaces.create(writer, "p", dimension, "cosine")
        )

    def put(self, keys: list[str], vectors: np.ndarray) -> None:
        n = len(keys)
        rows = Rows(keys, vectors, np.zeros(n), np.full(n, np.inf))

        def write(writer: Connection) -> None:
            items.put_many(writer, self.space, rows)

        self.catalog.write(write)

    def get(self) -> np.ndarray:
        """What a process does that opens the database."""
        with Catalog(self.path) as opened, opened.read() as reader:
            return changes(reader, namespaces.get(reader, "p")).vectors


def timed(function: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Wall and processor seconds of a call."""
    wall, processor = time.perf_counter(), time.process_time()
    function(*arguments)
    return time.perf_counter() - wall, time.process_time() - processor


def keys_of(start: int, n: int) -> list[str]:
    return [f"item-{i}" for i in range(start, start + n)]


def middle(values: list[float]) -> float:
    return statistics.median(values)


def loading(folder: Path, vectors: np.ndarray, rounds: int) -> list[bool]:
    """Goal 7: all rows in one durable commit, and opening what was loaded."""
    n, d = vectors.shape
    loads: list[tuple[float, float]] = []
    opens: list[tuple[float, float]] = []
    processor: list[tuple[float, float]] = []
    for k in range(rounds):
        bare, ours = Bare(folder / f"bare-{k}"), Ours(folder / f"ours-{k}", d)
        keys = keys_of(0, n)
        theirs = timed(bare.put, keys, vectors)
        mine = timed(ours.put, keys, vectors)
        read = timed(bare.get, d)
        opened = timed(ours.get)
        assert np.array_equal(ours.get(), vectors)
        loads.append((mine[0], theirs[0]))
        opens.append((opened[0], read[0]))
        processor.append((mine[1], opened[1]))
        size = sum(path.stat().st_size for path in folder.glob(f"ours-{k}"))
        bare.sql.close()
        ours.catalog.close()
        for path in folder.iterdir():
            path.unlink()
    print(f"{n} x {d}: the file is {size / (4 * n * d):.3g} times the raw vectors")
    print(
        f"processor seconds: {min(p[0] for p in processor):.3g} to load, "
        f"{min(p[1] for p in processor):.3g} to open; bare SQLite loads in "
        f"{min(p[1] for p in loads):.3g} s and reads in {min(p[1] for p in opens):.3g} s (best)"
    )
    best = min(pair[0] for pair in loads), min(pair[0] for pair in opens)
    return [
        machine.verdict("loaded and durable (7), best round", best[0], 0.6, "s"),
        machine.verdict("opened (7), best round", best[1], 0.25, "s"),
        machine.verdict(
            "speed of loading over bare SQLite (8)",
            middle([theirs / mine for mine, theirs in loads]),
            0.9,
            "times",
            at_most=False,
        ),
    ]


def batches(folder: Path, vectors: np.ndarray, rounds: int) -> list[bool]:
    """Goal 8: durable rows a second beside bare SQLite, for some sizes of batches."""
    met = []
    d = vectors.shape[1]
    for size, commits in BATCHES.items():
        bare, ours = Bare(folder / "bare"), Ours(folder / "ours", d)
        theirs, mine, start = [], [], 0
        for _ in range(rounds * commits):
            part = keys_of(start, size), vectors[:size]
            theirs.append(timed(bare.put, *part))
            mine.append(timed(ours.put, *part))
            start += size
        wall, processor = (
            middle([pair[k] for pair in theirs]) / middle([pair[k] for pair in mine])
            for k in (0, 1)
        )
        print(
            f"  {size / middle([pair[0] for pair in mine]):.5g} rows/s, "
            f"{processor:.3g} of the speed by processor time; ",
            end="",
        )
        what = f"{size} rows a commit, speed over bare SQLite (8)"
        met.append(machine.verdict(what, wall, 0.9, "times", at_most=False))
        bare.sql.close()
        ours.catalog.close()
        for path in folder.iterdir():
            path.unlink()
    return met


def joint(folder: Path, vectors: np.ndarray, rounds: int) -> list[bool]:
    """Goal 8: threads that write one row each, beside one thread that does."""
    ours = Ours(folder / "ours", vectors.shape[1])
    each, ratios, rates = 25, [], []

    def work(name: str, n: int) -> None:
        for i in range(n):
            ours.put([f"{name}-{i}"], vectors[:1])

    def run(threads: list[threading.Thread]) -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for k in range(rounds):
        single, _ = timed(work, f"single-{k}", 100)
        threads = [threading.Thread(target=work, args=(f"{k}-{t}", each)) for t in range(THREADS)]

        together, _ = timed(run, threads)
        rates.append(THREADS * each / together)
        ratios.append(rates[-1] / (100 / single))
    ours.catalog.close()
    print(f"  {middle(rates):.5g} rows/s; ", end="")
    what = f"{THREADS} threads over one, a row a commit (8)"
    return [machine.verdict(what, middle(ratios), 5.0, "times", at_most=False)]


def small_costs(folder: Path, vectors: np.ndarray) -> None:
    """What caches ask for each time."""
    ours = Ours(folder / "ours", vectors.shape[1])
    ours.put(["a"], vectors[:1])
    ours.catalog.commit_number()
    n = 2000
    asked, _ = timed(lambda: [ours.catalog.commit_number() for _ in range(n)])

    def read() -> None:
        with ours.catalog.read() as reader:
            items.fetch_many(reader, ours.space, ["a"])

    fetched, _ = timed(lambda: [read() for _ in range(n)])
    print(
        f"commit_number: {1e6 * asked / n:.3g} us; an item by its key: {1e6 * fetched / n:.3g} us"
    )
    ours.catalog.close()


def on_a_slow_disk(sync_ms: float, arguments: list[str]) -> int:
    """Runs this script again, where each sync takes some milliseconds longer."""
    source = Path(__file__).with_name("slow_disk.c")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "slow_disk.so")
        compile_it = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O2", source, "-o", library]
        subprocess.run([*compile_it, "-ldl"], check=True)
        more = {"LD_PRELOAD": str(library), "SYNC_MS": str(sync_ms)}
        command = [sys.executable, __file__, *arguments]
        return subprocess.run(command, env=os.environ | more, check=False).returncode


def main() -> int:
    """Prints all figures beside their goals; returns 1 where one is missed."""
    parser = argparse.ArgumentParser(description="The catalog beside bare SQLite.")
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=None, help="where to write; its disk is what counts")
    parser.add_argument("--sync-ms", type=float, default=0.0, help="by how much a sync is slower")
    given = parser.parse_args()
    if given.rows < max(BATCHES):
        parser.error(f"--rows must be {max(BATCHES)} or more. Received: {given.rows}")
    if given.sync_ms < 0:
        parser.error(f"--sync-ms must be 0 or more. Received: {given.sync_ms:g}")
    if given.sync_ms and "slow_disk.so" not in os.environ.get("LD_PRELOAD", ""):
        return on_a_slow_disk(given.sync_ms, sys.argv[1:])
    print(machine.headline(), f"SQLite {sqlite3.sqlite_version}", sep=", ", end="")
    print(f", each sync {given.sync_ms:g} ms slower" if given.sync_ms else "")
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((given.rows, given.dimension)).astype(np.float32)
    folder = Path(tempfile.mkdtemp(prefix="qstore-bench-", dir=given.folder))
    try:
        met = loading(folder, vectors, given.rounds)
        met += batches(folder, vectors, given.rounds)
        met += joint(folder, vectors, given.rounds)
        for path in folder.iterdir():
            path.unlink()
        small_costs(folder, vectors)
    finally:
        shutil.rmtree(folder)
    return int(not all(met))


if __name__ == "__main__":
    raise SystemExit(main())
