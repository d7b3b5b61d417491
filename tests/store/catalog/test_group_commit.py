"""Writes of several threads share commits, and none of them notices the others' failures."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import StoreError
from qstore_tf.store.catalog import Catalog, Connection
from qstore_tf.testing.daily import daily_seed


def put(writer: Connection, name: str, value: str = "") -> int:
    writer.execute("INSERT INTO settings VALUES (?, ?)", (name, value))
    return writer.number


def stored(catalog: Catalog) -> dict[str, str]:
    with catalog.read() as reader:
        return dict(reader.execute("SELECT name, value FROM settings").fetchall())


def together(catalog: Catalog, functions: list[Callable[[Connection], object]]) -> list[object]:
    """Runs functions so that all but the first share a commit; returns results or errors."""
    outcomes: list[object] = [None] * len(functions)
    entered, go_on = threading.Event(), threading.Event()

    def hold(writer: Connection) -> None:
        entered.set()
        assert go_on.wait(20)

    def run(k: int) -> None:
        try:
            outcomes[k] = catalog.write(functions[k])
        except Exception as error:
            outcomes[k] = error

    def lead() -> None:
        with contextlib.suppress(StoreError):
            catalog.write(hold)

    holder = threading.Thread(target=lead)
    holder.start()
    assert entered.wait(20)
    threads: list[threading.Thread] = []
    for k in range(len(functions)):
        threads.append(threading.Thread(target=run, args=(k,)))
        threads[-1].start()
        while len(catalog._group._waiting) < k + 1:  # in order
            time.sleep(0.001)
    go_on.set()
    for thread in [holder, *threads]:
        thread.join()
    return outcomes


def test_those_that_wait_share_a_commit_and_its_number(catalog: Catalog) -> None:
    outcomes = together(catalog, [lambda w, k=k: put(w, f"n{k}") for k in range(10)])
    assert outcomes == [catalog.commit_number()] * 10
    assert len(stored(catalog)) == 10


def test_a_failure_undoes_its_own_part_alone(catalog: Catalog) -> None:
    def fails(writer: Connection) -> None:
        put(writer, "gone")
        raise ZeroDivisionError

    def twice(writer: Connection) -> None:
        put(writer, "also gone")
        put(writer, "a")

    outcomes = together(catalog, [lambda w: put(w, "a"), fails, twice, lambda w: put(w, "b", "2")])
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert isinstance(outcomes[2], StoreError)
    assert "unique" in str(outcomes[2]).lower()
    assert outcomes[0] == outcomes[3] == catalog.commit_number()
    assert stored(catalog) == {"a": "", "b": "2"}


def test_a_function_that_loses_the_transaction_of_all_harms_nobody_else(catalog: Catalog) -> None:
    def lose(writer: Connection) -> None:
        put(writer, "gone")
        writer.execute("ROLLBACK")  # what SQLite does by itself when a disk is full
        raise RuntimeError("lost")

    outcomes = together(
        catalog, [lambda w: put(w, "a"), lose, lambda w: put(w, "b"), lambda w: put(w, "c")]
    )
    assert isinstance(outcomes[1], RuntimeError)
    assert stored(catalog).keys() == {"a", "b", "c"}


def test_an_interruption_of_the_one_that_leads_leaves_the_others_to_another(
    catalog: Catalog,
) -> None:
    interrupted = threading.Event()

    class Interrupted(BaseException):
        pass

    runs = [0]

    def first(writer: Connection) -> int:
        runs[0] += 1
        if not interrupted.is_set():
            interrupted.set()
            raise Interrupted
        return put(writer, "first")

    outcomes: dict[str, object] = {}
    entered, go_on = threading.Event(), threading.Event()

    def hold(writer: Connection) -> None:
        entered.set()
        assert go_on.wait(20)

    def run(name: str, function: Callable[[Connection], object]) -> None:
        try:
            outcomes[name] = catalog.write(function)
        except BaseException as error:
            outcomes[name] = error

    def thread(name: str, function: Callable[[Connection], object]) -> threading.Thread:
        made = threading.Thread(target=run, args=(name, function))
        made.start()
        return made

    threads = [thread("hold", hold)]
    assert entered.wait(20)
    for name, function in (
        ("x", first),
        ("y", lambda w: put(w, "y")),
        ("z", lambda w: put(w, "z")),
    ):
        threads.append(thread(name, function))
    while len(catalog._group._waiting) < 3:
        time.sleep(0.001)
    go_on.set()
    for one in threads:
        one.join(20)
        assert not one.is_alive()
    # Whoever led got the interruption; if it was not the owner of `first`, that one ran again.
    hit = [name for name, value in outcomes.items() if isinstance(value, Interrupted)]
    assert len(hit) == 1
    assert stored(catalog).keys() == {"first" if n == "x" else n for n in "xyz" if n not in hit}


def test_random_failures_among_many_threads(tmp_path: Path) -> None:
    with Catalog(tmp_path / "x") as catalog:
        expected: dict[str, str] = {}
        wrong: list[object] = []

        def work(k: int) -> None:
            rng = np.random.default_rng([daily_seed(), k])
            for i in range(25):
                name, fails = f"{k}-{i}", rng.random() < 0.3

                def function(writer: Connection, name: str = name, fails: bool = fails) -> None:
                    put(writer, name, "v")
                    if fails:
                        raise LookupError(name)

                try:
                    catalog.write(function)
                    expected[name] = "v"
                    if fails:
                        wrong.append(name)
                except LookupError as error:
                    if not fails or error.args != (name,):
                        wrong.append(error)

        threads = [threading.Thread(target=work, args=(k,)) for k in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        assert stored(catalog) == expected
        assert catalog.commit_number() < 250  # shared by several each


def test_errors_of_a_shared_commit_reach_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Catalog(tmp_path / "x") as catalog:
        catalog.write(lambda w: put(w, "before"))
        session = catalog._group._session
        assert session is not None

        def fail() -> None:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(session, "commit", fail)
        outcomes = together(catalog, [lambda w, k=k: put(w, f"n{k}") for k in range(3)])
        assert all(isinstance(outcome, StoreError) for outcome in outcomes)
        monkeypatch.undo()
        assert stored(catalog) == {"before": ""}
        catalog.write(lambda w: put(w, "after"))
