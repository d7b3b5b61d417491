"""What is written is there wholly or not at all, and each reader sees one moment."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from qstore_tf.errors import StoreBusyError, StoreError
from qstore_tf.store.catalog import Catalog, Connection, namespaces


def names(reader: Connection) -> list[str]:
    return [row.name for row in namespaces.all_of(reader)]


def make(catalog: Catalog, name: str) -> int:
    return catalog.write(lambda writer: namespaces.create(writer, name, 2, "cosine").number)


def test_a_function_that_raises_leaves_nothing(catalog: Catalog) -> None:
    def fails(writer: Connection) -> None:
        namespaces.create(writer, "half", 2, "cosine")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        catalog.write(fails)
    with catalog.read() as reader:
        assert names(reader) == []
    assert make(catalog, "whole") == 1


def test_a_reader_sees_one_moment_whatever_is_written(catalog: Catalog) -> None:
    make(catalog, "a")
    with catalog.read() as early:
        make(catalog, "b")
        assert names(early) == ["a"]
        with catalog.read() as late:
            assert names(late) == ["a", "b"]
            assert late.number == early.number + 1
        assert names(early) == ["a"]


def test_commit_numbers_rise_by_one_with_each_commit_that_changes_something(
    catalog: Catalog,
) -> None:
    start = catalog.commit_number()
    seen: list[int] = []
    for name in "abc":
        make(catalog, name)
        seen.append(catalog.commit_number())
    catalog.write(lambda writer: writer.execute("SELECT 1").fetchone())
    seen.append(catalog.commit_number())
    assert seen == [start + 1, start + 2, start + 3, start + 3]
    assert catalog.write(lambda writer: writer.number) == start + 4  # not used: nothing changed
    with catalog.read() as reader:
        assert reader.number == start + 3


def test_commit_numbers_of_others_are_seen(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x") as one, Catalog(tmp_path / "x") as other:
        for k in range(5):
            make(one, f"a{k}")
            assert other.commit_number() == one.commit_number() == 2 * k + 1
            make(other, f"b{k}")
            assert one.commit_number() == other.commit_number() == 2 * k + 2


def test_writing_inside_of_writing_is_refused(catalog: Catalog) -> None:
    def outer(writer: Connection) -> None:
        make(catalog, "inner")

    with pytest.raises(StoreError, match="another transaction"):
        catalog.write(outer)
    make(catalog, "after")


def test_reading_inside_of_writing_sees_what_was_before(catalog: Catalog) -> None:
    def outer(writer: Connection) -> list[str]:
        namespaces.create(writer, "new", 2, "cosine")
        with catalog.read() as reader:
            return names(reader)

    assert catalog.write(outer) == []


def test_errors_of_sql_are_ours(catalog: Catalog) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        catalog.write(lambda writer: writer.execute("SELECT * FROM nowhere"))
    with pytest.raises(StoreError, match="nowhere"), catalog.read() as reader:
        reader.execute("SELECT * FROM nowhere")
    make(catalog, "still-works")
    with catalog.read() as reader:
        assert names(reader) == ["still-works"]


def test_a_closed_catalog_says_so_and_can_be_closed_again(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "x")
    catalog.close()
    catalog.close()
    for use in (
        lambda: make(catalog, "a"),
        lambda: catalog.read().__enter__(),
        catalog.commit_number,
        lambda: catalog.backup(tmp_path / "y"),
        catalog.vacuum,
    ):
        with pytest.raises(StoreError, match="closed"):
            use()


def test_a_reader_outlives_the_catalog_it_came_from(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "x")
    make(catalog, "a")
    with catalog.read() as reader:
        catalog.close()
        assert names(reader) == ["a"]


def test_a_temporary_catalog_leaves_no_file(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    catalog = Catalog()
    assert any(tmp_path.iterdir())
    catalog.close()
    abandoned = Catalog()
    del abandoned
    assert list(tmp_path.iterdir()) == []


def test_another_writer_is_waited_for_and_named_when_it_takes_too_long(tmp_path: Path) -> None:
    with (
        Catalog(tmp_path / "x") as patient,
        Catalog(tmp_path / "x", patience_s=0.1) as hasty,
    ):
        started, may_end = threading.Event(), threading.Event()

        def long(writer: Connection) -> None:
            namespaces.create(writer, "long", 2, "cosine")
            started.set()
            assert may_end.wait(20)

        thread = threading.Thread(target=patient.write, args=(long,))
        thread.start()
        assert started.wait(20)
        begin = time.monotonic()
        with pytest.raises(StoreBusyError, match=r"longer than 0.1 s.*x'"):
            make(hasty, "hasty")
        assert time.monotonic() - begin < 10
        with hasty.read() as reader:
            assert names(reader) == []
        may_end.set()
        thread.join()
        make(hasty, "now")
        with patient.read() as reader:
            assert names(reader) == ["long", "now"]


def test_many_readers_and_writers_use_few_descriptors(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("no /proc")
    with Catalog(tmp_path / "x") as catalog:
        make(catalog, "a")
        before = len(list(descriptors.iterdir()))
        errors: list[BaseException] = []

        def work(k: int) -> None:
            try:
                for i in range(5):
                    make(catalog, f"{k}-{i}")
                    with catalog.read() as reader:
                        assert f"{k}-{i}" in names(reader)
                    catalog.commit_number()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        with catalog.read() as reader:
            assert len(names(reader)) == 1 + 64 * 5
        for _ in range(200):
            with catalog.read() as reader:
                reader.execute("SELECT 1").fetchone()
        assert len(list(descriptors.iterdir())) < before + 3 * 64
    assert len(list(descriptors.iterdir())) < before


def test_more_readers_than_connections_wait_their_turn(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x", patience_s=20) as catalog:
        make(catalog, "a")
        wrong: list[object] = []
        meet = threading.Barrier(130)

        def work() -> None:
            meet.wait(20)
            try:
                for _ in range(3):
                    with catalog.read() as reader:
                        if names(reader) != ["a"]:
                            wrong.append(names(reader))
            except Exception as error:
                wrong.append(error)

        threads = [threading.Thread(target=work) for _ in range(130)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert len(catalog._idle) <= 16


def test_a_reader_that_gets_no_turn_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qstore_tf.store.catalog.sqlite.SQLiteEngine.most_readers", 1)
    with Catalog(tmp_path / "x", patience_s=0.05) as catalog:
        with (
            catalog.read(),
            pytest.raises(StoreBusyError, match="at most 1 readers"),
            catalog.read(),
        ):
            pass
        with catalog.read() as reader:
            assert names(reader) == []
