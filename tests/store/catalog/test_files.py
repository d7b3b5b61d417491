"""Files: what is refused, what older ones become, copies made while others write, full disks."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import StoreError
from qstore_tf.store.catalog import Catalog, Connection, Rows, items, migrations, namespaces, schema
from qstore_tf.store.catalog.feed import changes, oldest
from qstore_tf.testing.daily import daily_seed


def fill(catalog: Catalog, n: int = 50, first: int = 0, d: int = 8, namespace: str = "p") -> None:
    """Writes n items in one transaction, into a namespace that is made where it is missing."""

    def write(writer: Connection) -> None:
        space = namespaces.find(writer, namespace)
        space = space or namespaces.create(writer, namespace, d, "cosine")
        keys = [f"k{i}" for i in range(first, first + n)]
        vectors = np.arange(first, first + n, dtype=np.float32)[:, None] * np.ones(d)
        items.put_many(writer, space, Rows(keys, vectors, np.zeros(n), np.full(n, np.inf)))

    catalog.write(write)


def count(catalog: Catalog) -> int:
    with catalog.read() as reader:
        return items.count(reader, namespaces.get(reader, "p"))


def other_program(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as sql:
        sql.execute("CREATE TABLE theirs (a)")


def half(path: Path) -> None:
    with Catalog(path) as catalog:
        fill(catalog)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def newer(path: Path) -> None:
    Catalog(path).close()
    with contextlib.closing(sqlite3.connect(path)) as sql, sql:
        sql.execute("UPDATE meta SET schema_version = 99")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(os.urandom(9000)), "not a database"),
        (lambda path: path.write_text("id,vector\n" * 900), "not a database"),
        (other_program, "not a database of qstore_tf"),
        (half, "damaged"),
        (newer, "another version.*99.*Update qstore_tf"),
        (lambda path: path.mkdir(), "cannot be opened"),
    ],
)
def test_what_is_no_database_of_ours_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "x"
    make(path)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(StoreError, match=message) as raised:
        Catalog(path)
    assert str(path) in str(raised.value)
    assert before is None or path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        Catalog(tmp_path / "file" / "x")


def test_the_version_is_looked_at_in_each_transaction(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x") as catalog:
        fill(catalog)
        with contextlib.closing(sqlite3.connect(tmp_path / "x")) as sql, sql:
            sql.execute("UPDATE meta SET schema_version = schema_version + 1")
        with pytest.raises(StoreError, match="another version"):
            fill(catalog, first=50)
        with pytest.raises(StoreError, match="another version"):
            count(catalog)


STEPS = {
    schema.VERSION: ["CREATE TABLE later (a INTEGER)", "INSERT INTO later VALUES (7)"],
    schema.VERSION + 1: ["ALTER TABLE items ADD COLUMN colour TEXT"],
}


def test_an_older_file_is_brought_up_to_date_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with Catalog(path) as catalog:
        fill(catalog)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as sql:
        migrations.migrate(sql, path, STEPS, schema.VERSION + 2)
        assert sql.execute("SELECT a FROM later").fetchall() == [(7,)]
        assert sql.execute("SELECT count(*) FROM items WHERE colour IS NULL").fetchone() == (50,)
        assert sql.execute("SELECT schema_version FROM meta").fetchone() == (schema.VERSION + 2,)
        migrations.migrate(sql, path, STEPS, schema.VERSION + 2)  # nothing is left to do
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x", f"x.version-{schema.VERSION}"]
    with Catalog(tmp_path / f"x.version-{schema.VERSION}") as kept:
        assert count(kept) == 50


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with Catalog(path) as catalog:
        fill(catalog)
    broken = {**STEPS, schema.VERSION + 1: ["ALTER TABLE nowhere ADD COLUMN colour TEXT"]}
    with (
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as sql,
        pytest.raises(sqlite3.OperationalError),
    ):
        migrations.migrate(sql, path, broken, schema.VERSION + 2)
    with Catalog(path) as catalog:
        assert count(catalog) == 50
        with catalog.read() as reader, pytest.raises(sqlite3.OperationalError):
            reader.execute("SELECT * FROM later")


def test_there_is_a_step_from_every_version_to_the_newest() -> None:
    assert set(migrations.STEPS) == set(range(1, schema.VERSION))


def test_a_copy_made_while_others_write_is_one_moment(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x") as catalog:
        fill(catalog, 10)
        stop = threading.Event()

        def write() -> None:
            first = 10
            while not stop.is_set():
                fill(catalog, 10, first)
                first += 10

        thread = threading.Thread(target=write)
        thread.start()
        copies = []
        for k in range(5):
            before = count(catalog)
            catalog.backup(tmp_path / "copies" / f"{k}")
            copies.append((before, tmp_path / "copies" / f"{k}", count(catalog)))
        stop.set()
        thread.join()
    assert copies[-1][2] > 10  # it did write meanwhile
    for before, path, after in copies:
        with contextlib.closing(sqlite3.connect(path)) as sql:
            assert sql.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with Catalog(path) as copy:
            n = count(copy)
            assert before <= n <= after
            assert n % 10 == 0  # whole transactions
            with copy.read() as reader:
                held = changes(reader, namespaces.get(reader, "p"))
            assert sorted(held.vectors[:, 0].tolist()) == list(range(n))
    assert {p.name for p in (tmp_path / "copies").iterdir()} == {"0", "1", "2", "3", "4"}


def test_a_copy_replaces_an_older_one_but_never_the_database(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x") as catalog:
        fill(catalog, 10)
        catalog.backup(tmp_path / "y")
        fill(catalog, 10, 10)
        catalog.backup(tmp_path / "y")
        with pytest.raises(StoreError, match="itself"):
            catalog.backup(tmp_path / "." / "x")
        (tmp_path / "folder").mkdir()
        with pytest.raises(StoreError, match="folder"):
            catalog.backup(tmp_path / "folder")
        with pytest.raises(StoreError, match="x/below"):
            catalog.backup(tmp_path / "x" / "below")
        assert count(catalog) == 20
    with Catalog(tmp_path / "y") as copy:
        assert count(copy) == 20
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "x", "y"]


def test_a_temporary_database_can_be_kept_by_a_copy(tmp_path: Path) -> None:
    with Catalog() as catalog:
        fill(catalog, 10)
        catalog.backup(tmp_path / "kept")
    with Catalog(tmp_path / "kept") as kept:
        assert count(kept) == 10


def test_churn_does_not_grow_the_file_for_good(tmp_path: Path) -> None:
    path, n, d = tmp_path / "x", 3000, 128
    with Catalog(path) as catalog:
        fill(catalog, n, 0, d)
        catalog.vacuum()
        small = path.stat().st_size
        assert small < 1.3 * n * d * 4
        for k in range(1, 6):
            fill(catalog, n, k * n, d)

            def remove(writer: Connection, k: int = k) -> None:
                namespace = namespaces.get(writer, "p")
                keys = [f"k{i}" for i in range((k - 1) * n, k * n)]
                slots = items.find_slots(writer, namespace, keys)
                assert items.remove(writer, namespace, slots) == n

            catalog.write(remove)
        catalog.vacuum()
        assert count(catalog) == n
        assert path.stat().st_size < 1.3 * small
        assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 1.5 * small


def test_the_log_of_changes_is_bounded_by_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qstore_tf.store.catalog.feed.LOG_COMMITS", 50)
    with Catalog() as catalog:
        for k in range(300):
            fill(catalog, 1, k)
        with catalog.read() as reader:
            held = reader.execute("SELECT count(*) FROM changed").fetchone()[0]
            namespace = namespaces.get(reader, "p")
            since = oldest(reader, namespace)
            assert 50 <= held <= 50 + 64
            assert since == 300 - held
            assert len(changes(reader, namespace, since).slots) == held


def test_the_log_of_changes_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qstore_tf.store.catalog.feed.LEAST_LOG", 4000)
    with Catalog() as catalog:
        fill(catalog, 200)
        for k in range(8):

            def change(writer: Connection, k: int = k) -> None:
                namespace = namespaces.get(writer, "p")
                slots = items.find_slots(writer, namespace, [f"k{i}" for i in range(0, 200, 2)])
                items.patch_many(writer, namespace, slots, metadata=[f'{{"k": {k}}}'] * 100)

            catalog.write(change)
        with catalog.read() as reader:
            namespace = namespaces.get(reader, "p")
            size = reader.execute("SELECT sum(length(slots)) FROM changed").fetchone()[0]
            assert 0 < size <= 4000  # each of them took 1600
            assert oldest(reader, namespace) == 7
            assert len(changes(reader, namespace, 7).slots) == 100
            with pytest.raises(ValueError, match="start from 0"):
                changes(reader, namespace, 6)
            assert len(changes(reader, namespace).slots) == 200


@pytest.mark.parametrize("offset", [0, 1])
def test_the_log_is_bounded_whichever_commits_a_namespace_has(
    monkeypatch: pytest.MonkeyPatch, offset: int
) -> None:
    """Namespaces that are written in turns: one of them never has a commit of a round number."""
    commits, least = 100, 6400
    monkeypatch.setattr("qstore_tf.store.catalog.feed.LOG_COMMITS", commits)
    monkeypatch.setattr("qstore_tf.store.catalog.feed.LEAST_LOG", least)
    rng = np.random.default_rng([daily_seed(), 31])
    names = ["p", "other"]
    with Catalog() as catalog:
        for name in names:
            fill(catalog, 100, namespace=name)
        for k in range(offset, 500):

            def change(writer: Connection, k: int = k) -> None:
                namespace = namespaces.get(writer, names[k % 2])
                some = rng.permutation(100)[: rng.integers(1, 6)]  # 80 bytes at most
                slots = items.find_slots(writer, namespace, [f"k{i}" for i in some])
                items.patch_many(writer, namespace, slots, metadata=["{}"] * len(slots))

            catalog.write(change)
            with catalog.read() as reader:
                now = reader.number
                for name in names:
                    namespace = namespaces.get(reader, name)
                    numbers, sizes = zip(
                        *reader.execute(
                            "SELECT changed_in, length(slots) FROM changed WHERE namespace = ?",
                            (namespace.number,),
                        ).fetchall(),
                        strict=True,
                    )
                    assert min(numbers) >= now - commits - 65
                    assert sum(sizes) <= least + 64 * 80
                    assert oldest(reader, namespace) < min(numbers)
    assert min(numbers) > 300  # it was cut


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x") as catalog:
        fill(catalog, 100)
        session = catalog._group._session
        assert session is not None
        pages = session.execute("PRAGMA page_count").fetchone()[0]
        session.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(StoreError, match="no room left"):
            fill(catalog, 5000, 100)
        assert count(catalog) == 100
        fill(catalog, 1, 100)  # a small one has room still
        session.execute("PRAGMA max_page_count=1000000")
        fill(catalog, 5000, 101)
        assert count(catalog) == 5101


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_disk_that_is_full_loses_nothing(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        with Catalog(disk / "x") as catalog:
            stored, first = 0, 0
            with pytest.raises(StoreError, match=r"no room left|disk failed"):
                for first in range(0, 100_000, 200):
                    fill(catalog, 200, first, 32)
                    stored = first + 200
            assert stored > 400
            assert count(catalog) == stored
            with pytest.raises(StoreError):
                fill(catalog, 5000, stored, 32)
            assert count(catalog) == stored
        with Catalog(disk / "x") as again:
            assert count(again) == stored
            with again.read() as reader:
                assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            with pytest.raises(StoreError):
                again.backup(disk / "copy")
            assert not [p for p in disk.iterdir() if "copy" in p.name]
            subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
            fill(again, 200, stored, 32)
            assert count(again) == stored + 200


def test_a_disk_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        with Catalog(disk / "x") as catalog:
            fill(catalog, 10)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        for name in ("x", "new"):
            with pytest.raises(StoreError, match=r"written|opened") as raised:
                Catalog(disk / name)
            assert str(disk / name) in str(raised.value)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with Catalog(disk / "x") as catalog:
            assert count(catalog) == 10
