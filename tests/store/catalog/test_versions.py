"""Files and databases of older versions, and steps that bring them to newer ones."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import StoreError
from qstore_tf.store.catalog import Catalog, changes, items, migrations, namespaces, schema

HERE = Path(__file__).parent
SLOT = (1 << 40) + 1


def file_of_version_1(path: Path) -> None:
    """A file as version 1 wrote it: two items, one of them in a context and a group."""
    vector, step = np.array([1, 2], np.float32).tobytes(), b"d" + np.array([3.0, 4]).tobytes()
    with contextlib.closing(sqlite3.connect(path)) as sql:
        sql.execute("PRAGMA journal_mode=WAL")
        sql.executescript((HERE / "version_1.sql").read_text())
        sql.execute(f"PRAGMA application_id={0x71536462}")
        sql.execute("UPDATE meta SET commits = 7, slots = 2, numbers = 3")
        sql.execute(
            "INSERT INTO namespaces VALUES (1, 'p', 2, 'cosine', 'float32', 2.5, '{\"s\": 1}', 0)"
        )
        sql.execute("INSERT INTO contexts VALUES (2, 1, 'sports', NULL)")
        sql.executemany(
            "INSERT INTO items VALUES (?, 1, ?, 1.5, 2.5, 3.5, NULL, 7, 0.0, ?, ?)",
            [(SLOT, "a", '{"x": 1}', vector), (SLOT + 1, "b", None, vector)],
        )
        sql.execute("INSERT INTO item_contexts VALUES (?, 2, 1.0, NULL)", (SLOT,))
        sql.execute("INSERT INTO groups VALUES (3, 1, 'g', 0.5, ?, 0.25, 7, 7)", (step,))
        sql.execute("INSERT INTO members VALUES (3, ?)", (SLOT,))
        sql.commit()


def test_files_of_version_1_open_with_all_that_is_in_them(tmp_path: Path) -> None:
    file_of_version_1(tmp_path / "x")
    with Catalog(tmp_path / "x") as catalog:
        with catalog.read() as reader:
            p = namespaces.get(reader, "p")
            held = changes(reader, p)
            first, second = items.fetch_many(reader, p, ["a", "b"])
        assert catalog.commit_number() == held.commit == 7
        assert p.settings == {"s": 1}
        assert held.keys == ["a", "b"]
        assert held.vectors.tolist() == [[1, 2], [1, 2]]
        assert held.contexts == [(0, "sports", 1.0, None)]
        assert held.groups[0].accumulator.tolist() == [3, 4]
        assert first is not None
        assert first.groups == (3,)
        assert second is not None
        assert second.expires_at == 3.5
        row = items.Rows(["c"], np.ones((1, 2)), [0.0], [np.inf])
        assert catalog.write(lambda w: items.put_many(w, p, row)).tolist() == [SLOT + 2]


def test_files_of_version_1_get_stamps_of_their_own(tmp_path: Path) -> None:
    """Two old files with the same numbers are two databases, for caches that both share."""
    stamps = set()
    for name in ("x", "y"):
        file_of_version_1(tmp_path / name)
        for _ in range(2):  # the second time it is of the newest version already
            with Catalog(tmp_path / name) as catalog, catalog.read() as reader:
                stamps.add(namespaces.get(reader, "p").stamp)
    assert len(stamps) == 2


def test_the_copy_of_the_old_file_is_old_whoever_else_opens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_of_version_1(tmp_path / "x")
    real = migrations._version
    seen = []

    def version_at_first(raw: sqlite3.Connection) -> int:
        found = real(raw)
        if not seen:  # another process is quicker, right after we have looked
            seen.append(found)
            Catalog(tmp_path / "x").close()
        return found

    monkeypatch.setattr(migrations, "_version", version_at_first)
    Catalog(tmp_path / "x").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "x.version-1")) as sql:
        assert sql.execute("SELECT schema_version FROM meta").fetchone() == (1,)
    with contextlib.closing(sqlite3.connect(tmp_path / "x")) as sql:
        assert sql.execute("SELECT schema_version FROM meta").fetchone() == (schema.VERSION,)


def test_tables_change_with_a_new_version_only() -> None:
    file = HERE / f"version_{schema.VERSION}.sql"
    now = ";\n".join(schema.statements(schema.SQLITE)) + ";\n"
    told = "add a step to migrations.STEPS, raise schema.VERSION, keep this file"
    assert now == file.read_text().split("\n", 1)[1], told


def test_an_old_file_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    file_of_version_1(tmp_path / "old")
    found = []
    for name in ("old", "new"):
        Catalog(tmp_path / name).close()
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as sql:
            tables = sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            columns = {
                table: [row[1:4] for row in sql.execute(f"PRAGMA table_info({table})")]
                for (table,) in tables
            }
        found.append(columns)
    assert found[0] == found[1]


STEPS = {
    schema.VERSION: ["CREATE TABLE later (a {integer}, b {blob})"],
    schema.VERSION + 1: ["ALTER TABLE items ADD COLUMN colour {text}"],
}


@pytest.mark.parametrize("is_broken", [False, True])
def test_tables_on_a_server_are_brought_up_to_date_or_left_as_they_are(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, is_broken: bool
) -> None:
    import psycopg

    with Catalog(postgres_url) as catalog:
        catalog.write(lambda w: namespaces.create(w, "p", 2, "cosine"))
    steps = dict(STEPS)
    if is_broken:
        steps[schema.VERSION + 1] = ["ALTER TABLE nowhere ADD COLUMN colour {text}"]
    real, old = migrations.statements, schema.VERSION
    with monkeypatch.context() as newer:
        newer.setattr(schema, "VERSION", old + 2)
        newer.setattr(
            migrations, "statements", lambda version, types: real(version, types, steps, old + 2)
        )
        if is_broken:
            with pytest.raises(StoreError, match="nowhere"):
                Catalog(postgres_url)
        else:
            Catalog(postgres_url).close()
            with Catalog(postgres_url) as catalog, catalog.read() as reader:
                assert reader.execute("SELECT count(*) FROM later").fetchone() == (0,)
                assert reader.execute("SELECT colour FROM items").fetchall() == []
                assert namespaces.get(reader, "p").number == 1
    with psycopg.connect(postgres_url) as raw:
        version = raw.execute("SELECT schema_version FROM qstore.meta").fetchone()
        there = raw.execute("SELECT to_regclass('qstore.later') IS NOT NULL").fetchone()
    assert version == (old if is_broken else old + 2,)
    assert there == (not is_broken,)
