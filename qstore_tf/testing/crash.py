"""Crashes of a database: processes killed at random moments, and what must be there afterwards.

A workload is made of transactions whose whole effect follows from their thread and number, so that
after a crash anybody can tell what should be there: all that was acknowledged, and of what was
under way either everything or nothing.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from qstore_tf.store.catalog import Catalog, Connection, Rows, groups, items, namespaces

D = 16
KEPT = 4  # transactions of each thread whose items stay; the next one removes the oldest


@dataclass(frozen=True)
class Workload:
    """Transactions that touch items, contexts, groups and settings at once.

    Attributes:
        seed: Of their contents.
        threads: How many threads run them, each with items of its own.
    """

    seed: int
    threads: int = 3

    def prepare(self, catalog: Catalog) -> None:
        """Makes the namespace and the groups, where they are missing."""

        def make(writer: Connection) -> None:
            if namespaces.find(writer, "p") is None:
                made = namespaces.create(writer, "p", D, "cosine", contexts=["a", "b"])
                for thread in range(self.threads):
                    groups.create(writer, made, f"g{thread}", 0.5, [])

        catalog.write(make)

    def run(self, catalog: Catalog, thread: int, number: int) -> None:
        """One transaction; when this returns, it is acknowledged."""

        def write(writer: Connection) -> None:
            namespace = namespaces.get(writer, "p")
            slots = items.put_many(writer, namespace, self._rows(thread, number, namespace))
            group = groups.get(writer, namespace, f"g{thread}")
            groups.add_members(writer, group.number, slots)
            accumulator = group.accumulator + self._step(thread, number)
            groups.set_state(writer, group.number, accumulator, float(number))
            if number:
                before = items.find_slots(writer, namespace, self._keys(thread, number - 1))
                texts = [f'{{"seen_by": {number}}}'] * len(before)
                items.patch_many(writer, namespace, before, metadata=texts)
            if number >= KEPT:
                old = items.find_slots(writer, namespace, self._keys(thread, number - KEPT))
                items.remove(writer, namespace, old)
            writer.execute("DELETE FROM settings WHERE name = ?", (f"last-{thread}",))
            writer.execute("INSERT INTO settings VALUES (?, ?)", (f"last-{thread}", str(number)))

        catalog.write(write)

    def done(self, reader: Connection) -> list[int]:
        """How many transactions of each thread are in the database."""
        rows = dict(reader.execute("SELECT name, value FROM settings").fetchall())
        return [int(rows.get(f"last-{thread}", -1)) + 1 for thread in range(self.threads)]

    def check(self, catalog: Catalog) -> list[int]:
        """Holds the database against what it should be after so many transactions as it has.

        Returns:
            How many each thread has.

        Raises:
            AssertionError: A transaction is there by half.
        """
        with catalog.read() as reader:
            done = self.done(reader)
            namespace = namespaces.find(reader, "p")
            if namespace is None:
                assert not any(done)
                return done
            total = 0
            for thread, n in enumerate(done):
                members = []
                for number in range(max(0, n - KEPT), n):
                    keys = self._keys(thread, number)
                    rows = self._rows(thread, number, namespace)
                    text = f'{{"seen_by": {number + 1}}}' if number < n - 1 else None
                    for i, item in enumerate(items.fetch_many(reader, namespace, keys)):
                        assert item is not None, f"item {keys[i]} of {done} is missing"
                        assert item.vector is not None
                        assert np.array_equal(item.vector, rows.vectors[i])
                        assert item.metadata == text
                        assert len(item.contexts) == 2
                        members.append(item.slot)
                    total += len(keys)
                group = groups.get(reader, namespace, f"g{thread}")
                steps = np.zeros(D)
                for number in range(n):
                    steps = steps + self._step(thread, number)
                assert np.array_equal(group.accumulator, steps)
                assert groups.members(reader, group.number).tolist() == sorted(members)
            assert items.count(reader, namespace) == total
            for table in ("item_contexts", "members"):
                orphans = reader.execute(
                    f"SELECT count(*) FROM {table} WHERE slot NOT IN (SELECT slot FROM items)"
                )
                assert orphans.fetchone()[0] == 0
        return done

    def _rng(self, thread: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, thread, number])

    def _keys(self, thread: int, number: int) -> list[str]:
        # Now and then one that is larger than the pages that a connection holds in memory.
        n = 400 if number % 16 == 7 else int(self._rng(thread, number).integers(1, 20))
        return [f"{thread}-{number}-{i}" for i in range(n)]

    def _step(self, thread: int, number: int) -> Any:
        return self._rng(thread, number).standard_normal(D)

    def _rows(self, thread: int, number: int, namespace: namespaces.NamespaceRow) -> Rows:
        keys = self._keys(thread, number)
        vectors = self._rng(thread, number).standard_normal((len(keys), D)).astype(np.float32)
        contexts = [
            (i, context.number, 0.5, None)
            for i in range(len(keys))
            for context in namespace.contexts
        ]
        zeros = np.zeros(len(keys))
        return Rows(keys, vectors, zeros, zeros + np.inf, contexts=contexts)


@dataclass
class Report:
    """What came of many crashes.

    Attributes:
        runs: How many.
        acknowledged: Transactions that had been acknowledged when the process died.
        unacknowledged: Transactions that were there without.
        seconds: How long it took.
        failures: What was wrong; empty where all was right.
    """

    runs: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def kill_runs(
    path: str,
    runs: int,
    seed: int,
    crash: Callable[[int], None] | None = None,
    longest_s: float = 0.06,
) -> Report:
    """Kills writing processes at random moments, opens the database anew each time, and looks.

    Call it in a process that has opened no database and has one thread: see `light`.

    Args:
        path: The database, new; or the address of a server.
        runs: How many crashes.
        seed: Of their moments, and of what is written.
        crash: What happens at that moment, given the number of the writing process; None: it is
            killed by signal 9. Where that leaves it alive, it has to end by itself.
        longest_s: The latest moment, in seconds from the first acknowledgement.
    """
    work, moments = Workload(seed), random.Random(seed)
    report, begin = Report(), time.monotonic()
    done = [0] * work.threads
    for run in range(runs):
        receiving, sending = os.pipe()
        has_vacuum = moments.random() < 0.25
        writer = fork(functools.partial(_write, path, work, sending, has_vacuum), receiving)
        os.close(sending)
        with os.fdopen(receiving, "rb") as pipe:
            first = b""
            if moments.random() < 0.8:  # the others die while they open and recover
                first = pipe.readline()
            time.sleep(moments.random() * longest_s)
            (crash or _kill)(writer)
            lines = (first + pipe.read()).split(b"\n")[:-1]  # the last one may be half a line
        os.waitpid(writer, 0)
        told = list(done)
        for line in lines:
            told[int(line)] += 1
        found = in_process(functools.partial(_found, path, work))
        report.runs += 1
        report.acknowledged += sum(told) - sum(done)
        if isinstance(found, str):
            report.failures.append(f"run {run}: {found}")
            break
        for thread, (mine, its) in enumerate(zip(told, found, strict=True)):
            if not mine <= its <= mine + 1:
                report.failures.append(f"run {run}: thread {thread} had {mine}, there are {its}")
        report.unacknowledged += sum(found) - sum(told)
        done = found
    report.seconds = time.monotonic() - begin
    return report


def _kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)


def fork(function: Callable[[], None], *closed: int) -> int:
    """Runs a function in a process of its own, and returns the process's number.

    Args:
        function: What it does; its status is 0 where that returns.
        closed: Descriptors that are not meant for it.
    """
    process = os.fork()
    if process == 0:
        status = 1
        try:
            for descriptor in closed:
                os.close(descriptor)
            function()
            status = 0
        finally:
            os._exit(status)
    return process


def in_process(function: Callable[[], Any]) -> Any:
    """What a function returns in another process; a text where it raises, and what."""
    receiving, sending = os.pipe()

    def look() -> None:
        try:
            answer: Any = function()
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(sending, json.dumps(answer).encode())

    process = fork(look, receiving)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        text = pipe.read()
    os.waitpid(process, 0)
    return json.loads(text or b'"the checking process died"')


def _write(path: str, work: Workload, descriptor: int, has_vacuum: bool) -> None:
    """Writes until the process is killed, or the database fails; acknowledges through a pipe."""
    catalog = Catalog(path)
    work.prepare(catalog)
    with catalog.read() as reader:
        done = work.done(reader)

    def go_on(thread: int) -> None:
        number = done[thread]
        while True:
            work.run(catalog, thread, number)
            os.write(descriptor, b"%d\n" % thread)
            number += 1

    def tidy() -> None:
        while True:
            time.sleep(0.01)
            catalog.vacuum()

    threads = [threading.Thread(target=go_on, args=(k,)) for k in range(work.threads)]
    if has_vacuum:
        threads.append(threading.Thread(target=tidy))
    # What a lost server makes them raise is no news.
    threading.excepthook = lambda _: None
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _found(path: str, work: Workload) -> list[int]:
    """What is there; raises where it is wrong."""
    with Catalog(path) as catalog:
        done = work.check(catalog)
        if not path.startswith("postgresql"):
            with catalog.read() as reader:
                checked = reader.execute("PRAGMA integrity_check").fetchall()
            assert checked == [("ok",)], checked
    return done


def main() -> None:
    """`kill_runs` with the path, the number of runs and the seed of the command line, as JSON."""
    path, runs, seed = sys.argv[1:4]
    print(json.dumps(asdict(kill_runs(path, int(runs), int(seed)))))
