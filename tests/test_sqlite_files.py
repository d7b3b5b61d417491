"""SQLite files: made once, by whoever comes first, and never another program's."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from qstore_tf import sqlite_files

MARK = 77


def test_of_many_that_make_a_file_one_does(tmp_path: Path) -> None:
    made: list[int] = []
    meet = threading.Barrier(8)

    def make() -> None:
        meet.wait(20)
        with contextlib.closing(sqlite_files.connect(tmp_path / "x", 20)) as raw:
            sqlite_files.make(raw, MARK, ["CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"], 20)
            made.append(sqlite_files.mark_of(raw))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [MARK] * 8
    with contextlib.closing(sqlite_files.connect(tmp_path / "x", 20)) as raw:
        assert raw.execute("SELECT a FROM t").fetchall() == [(1,)]
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("PRAGMA synchronous").fetchone() == (3,)  # EXTRA


def test_a_file_with_tables_and_no_mark_is_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x")) as raw:
        raw.execute("CREATE TABLE theirs (a)")
    before = (tmp_path / "x").read_bytes()
    with contextlib.closing(sqlite_files.connect(tmp_path / "x", 1)) as raw:
        sqlite_files.make(raw, MARK, ["CREATE TABLE t (a)"], 1)
        assert sqlite_files.mark_of(raw) == 0
    assert (tmp_path / "x").read_bytes() == before


def test_statements_that_fail_make_nothing(tmp_path: Path) -> None:
    with contextlib.closing(sqlite_files.connect(tmp_path / "x", 1)) as raw:
        with pytest.raises(sqlite3.OperationalError):
            sqlite_files.make(raw, MARK, ["CREATE TABLE t (a)", "no SQL"], 1)
        assert sqlite_files.mark_of(raw) == 0
        sqlite_files.make(raw, MARK, ["CREATE TABLE t (a)"], 1)
        assert sqlite_files.mark_of(raw) == MARK


def test_where_there_can_be_no_log_it_says_so() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as raw:
        assert not sqlite_files.use_log(raw, 1)


def test_temporary_files_do_not_wait_for_the_disk(tmp_path: Path) -> None:
    with contextlib.closing(sqlite_files.connect(tmp_path / "x", 1, True)) as raw:
        assert raw.execute("PRAGMA synchronous").fetchone() == (0,)


def test_others_that_hold_the_file_are_told_from_other_errors(tmp_path: Path) -> None:
    with (
        contextlib.closing(sqlite_files.connect(tmp_path / "x", 0.01)) as one,
        contextlib.closing(sqlite_files.connect(tmp_path / "x", 0.01)) as other,
    ):
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as raised:
            other.execute("BEGIN IMMEDIATE")
        assert sqlite_files.is_busy(raised.value)
        with pytest.raises(sqlite3.OperationalError) as raised:
            other.execute("no SQL")
        assert not sqlite_files.is_busy(raised.value)


def test_only_the_process_that_made_a_folder_removes_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    sqlite_files.remove_folder(str(tmp_path / "a"), os.getpid() + 1)
    assert (tmp_path / "a").exists()
    sqlite_files.remove_folder(str(tmp_path / "a"), os.getpid())
    assert not (tmp_path / "a").exists()
