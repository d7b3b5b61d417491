"""Several processes on one file: writers take turns, and forks carry no connection along."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from qstore_tf.store.catalog import Catalog
from qstore_tf.testing import light

HEAD = """
import os, sys, threading, time
from qstore_tf.errors import StoreError
from qstore_tf.store.catalog import Catalog

def add(catalog, name):
    catalog.write(lambda w: w.execute("INSERT INTO settings VALUES (?, '')", (name,)))

def names(catalog):
    with catalog.read() as reader:
        return {row[0] for row in reader.execute("SELECT name FROM settings").fetchall()}

def child(function):
    number = os.fork()
    if number == 0:
        try:
            function()
        except BaseException as error:
            print(type(error).__name__, error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return number

def wait(number):
    assert os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) == 0, "a child failed"

"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        light.command(HEAD + code, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def stored(path: Path) -> set[str]:
    with Catalog(path) as catalog, catalog.read() as reader:
        return {row[0] for row in reader.execute("SELECT name FROM settings").fetchall()}


def test_writers_of_several_processes_take_turns(tmp_path: Path) -> None:
    code = """
catalog = Catalog(sys.argv[1])
numbers = []
for i in range(60):
    add(catalog, f"{sys.argv[2]}-{i}")
    numbers.append(catalog.commit_number())
assert numbers == sorted(numbers)
catalog.close()
"""
    # The file is new: they also make its tables at the same time.
    processes = [start(code, tmp_path / "x", k) for k in range(4)]
    for process in processes:
        finish(process)
    assert stored(tmp_path / "x") == {f"{k}-{i}" for k in range(4) for i in range(60)}
    with Catalog(tmp_path / "x") as catalog:
        assert catalog.commit_number() == 240


def test_forked_children_write_beside_their_parent(tmp_path: Path) -> None:
    code = """
catalog = Catalog(sys.argv[1])
add(catalog, "parent")
with catalog.read() as reader:
    reader.execute("SELECT 1").fetchone()
catalog.commit_number()
stop = threading.Event()

def keep_writing():
    i = 0
    while not stop.is_set():
        add(catalog, f"thread-{i}")
        names(catalog)
        i += 1

threads = [threading.Thread(target=keep_writing) for _ in range(1)]
for thread in threads:
    thread.start()

def work(k):
    assert "parent" in names(catalog)
    for i in range(10):
        add(catalog, f"{k}-{i}")
        assert f"{k}-{i}" in names(catalog)
    if k % 2:
        catalog.close()

children = []
for k in range(8):
    children.append(child(lambda: work(k)))
    add(catalog, f"between-{k}")
for number in children:
    wait(number)
stop.set()
for thread in threads:
    thread.join()
seen = names(catalog)
assert {f"{k}-{i}" for k in range(8) for i in range(10)} <= seen
assert {f"between-{k}" for k in range(8)} <= seen
print(len(seen))
os._exit(0)  # as a crash would: nothing is closed
"""
    n = int(finish(start(code, tmp_path / "x")))
    assert len(stored(tmp_path / "x")) == n
    assert n > 8 * 10 + 8 + 1


def test_a_child_of_a_transaction_is_told_so(tmp_path: Path) -> None:
    code = """
catalog = Catalog(sys.argv[1])
add(catalog, "parent")

def use():
    for use in (lambda: add(catalog, "child"), lambda: names(catalog), catalog.commit_number):
        try:
            use()
        except StoreError as error:
            assert "forked" in str(error)
        else:
            raise AssertionError("the child could use it")
    catalog.close()
    try:
        Catalog(sys.argv[1])
    except StoreError as error:
        assert "forked" in str(error)
    else:
        raise AssertionError("the child could open it anew")
    with Catalog(sys.argv[1] + "-other") as other:  # another file is another matter
        add(other, "child")

with catalog.read() as reader:
    reader.execute("SELECT 1").fetchone()
    number = child(use)
    wait(number)
add(catalog, "later")
assert names(catalog) == {"parent", "later"}
"""
    finish(start(code, tmp_path / "x"))


def test_a_fork_waits_for_transactions_of_other_threads(tmp_path: Path) -> None:
    code = """
catalog = Catalog(sys.argv[1])
entered, ended = threading.Event(), []

def long():
    def function(writer):
        entered.set()
        time.sleep(0.5)
        writer.execute("INSERT INTO settings VALUES ('long', '')")
    catalog.write(function)
    ended.append(True)

thread = threading.Thread(target=long)
thread.start()
entered.wait()

def use():
    assert names(catalog) == {"long"}
    add(catalog, "child")

wait(child(use))
thread.join()
assert names(catalog) == {"long", "child"}
"""
    finish(start(code, tmp_path / "x"))


def test_a_temporary_database_outlives_its_children(tmp_path: Path) -> None:
    code = """
catalog = Catalog()
add(catalog, "parent")

def use():
    assert names(catalog) == {"parent"}
    add(catalog, "child")
    catalog.close()

wait(child(use))
assert names(catalog) == {"parent", "child"}
"""
    finish(start(code))


def test_a_process_that_ends_without_closing_leaves_all_it_wrote(tmp_path: Path) -> None:
    finish(start("catalog = Catalog(sys.argv[1]); add(catalog, 'a'); os._exit(0)", tmp_path / "x"))
    assert stored(tmp_path / "x") == {"a"}
    assert os.path.getsize(tmp_path / "x") > 0


def test_a_child_goes_on_after_its_parent_has_closed(tmp_path: Path) -> None:
    # With connections that were open at the fork, SQLite in the child believes to hold locks that
    # it does not hold; the parent, who closes last as it seems, then removes the log in use.
    code = """
catalog = Catalog(sys.argv[1])
add(catalog, "parent")
names(catalog)
catalog.commit_number()
begun, go_on = os.pipe(), os.pipe()

def work():
    add(catalog, "early")
    os.write(begun[1], b"x")
    os.read(go_on[0], 1)
    add(catalog, "late")
    assert names(catalog) == {"parent", "early", "late"}

number = child(work)
os.read(begun[0], 1)
catalog.close()
with Catalog(sys.argv[1]) as again:
    assert names(again) == {"parent", "early"}
os.write(go_on[1], b"x")
wait(number)
"""
    finish(start(code, tmp_path / "x"))
    assert stored(tmp_path / "x") == {"parent", "early", "late"}
