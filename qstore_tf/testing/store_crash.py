"""Crashes of a database over a server of vectors: its process, or the server, killed by signal 9.

One process writes transactions whose effect follows from their numbers, while its outbox sends to
the server. Afterwards another opens the database, holds it against what should be there, lets the
outbox finish, and holds what the server has against the database: record by record.
"""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qstore_tf.ionq.service.retrying import Retries
from qstore_tf.store.catalog import namespaces, outbox
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.queries import remote
from qstore_tf.store.vectors.item_records import records_of, remote_name
from qstore_tf.store.vectors.outbox import Outbox, similarity_of
from qstore_tf.testing.crash import fork, in_process

D = 8
KEPT = 4  # transactions whose items stay; the next one removes the oldest
RHO = 0.5
# An outbox that does not wait for minutes for what a process had under way that died.
HASTY = functools.partial(Outbox, lease_s=1.0, settle_s=0.5, retries=Retries(0.05, 0.2))
_LONGEST_S = 0.25  # the latest moment of a kill after the one before


class Server(Protocol):
    """A server of vectors that can be killed."""

    def kill(self) -> None:
        """Ends it by signal 9."""

    def start_again(self) -> None:
        """Starts it with what is on its disk."""


class Workload:
    """Transactions on items, contexts and a group at once.

    Args:
        seed: Of their contents.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def prepare(self, database: QuantumDatabase) -> None:
        """Makes what all of them need, where it is missing."""
        if database.namespaces():
            return
        with database.transaction() as batch:
            batch.insert("count", np.ones(D), metadata={"done": 0})
            batch.insert("left", self._left(0))
            batch.insert("right", self._left(0))
            batch.create_entangled_group("g", ["left", "right"], RHO)

    def run(self, database: QuantumDatabase, number: int) -> None:
        """One transaction, from number 1; when this returns, it is acknowledged."""
        keys = self._keys(number)
        vectors, own = self._vectors(number)
        with database.transaction() as batch:
            contexts = [[("a", 0.5), ("b", 0.5, vector)] for vector in own]
            metadata = [{"number": number, "is_last": True}] * len(keys)
            batch.insert_many(keys, vectors, contexts, metadata=metadata)
            for key in self._keys(number - 1):
                batch.update(key, metadata={"is_last": False})
            batch.delete(self._keys(number - KEPT))
            batch.update("left", self._left(number))
            batch.update("count", metadata={"done": number})

    def check(self, database: QuantumDatabase) -> int:
        """Holds the database against what it should be after as many transactions as it has.

        Returns:
            How many.

        Raises:
            AssertionError: One is there by half.
        """
        done = int(database.get("count").metadata["done"])
        expected = ["count", "left", "right"]
        for number in range(max(1, done - KEPT + 1), done + 1):
            keys = self._keys(number)
            vectors, own = self._vectors(number)
            expected += keys
            found: Any = database.get_many(keys)
            for key, item, vector, other in zip(keys, found, vectors, own, strict=True):
                assert item is not None, f"{key} of {done} transactions is missing"
                assert np.array_equal(item.vector, vector), key
                assert item.metadata == {"number": number, "is_last": number == done}, key
                assert [context.name for context in item.contexts] == ["a", "b"], key
                assert np.array_equal(item.contexts[1].vector, other), key
        assert sorted(database.list(limit=10_000)) == sorted(expected)
        step = self._left(done) - self._left(0)
        for key, moved in (("left", step), ("right", RHO * step)):
            partner: Any = database.get(key).vector
            assert np.allclose(partner, self._left(0) + moved, atol=1e-5), key
        return done

    def _rng(self, number: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, number])

    def _keys(self, number: int) -> list[str]:
        n = int(self._rng(number).integers(1, 12)) if number > 0 else 0
        return [f"{number}-{i}" for i in range(n)]

    def _vectors(self, number: int) -> Any:
        """Of the items and of one context each, [2, n, d]."""
        shape = (2, len(self._keys(number)), D)
        return self._rng(number).standard_normal(shape).astype(np.float32)

    def _left(self, number: int) -> Any:
        return np.random.default_rng([self.seed, number, 1]).standard_normal(D).astype(np.float32)


@dataclass
class Report:
    """What came of many crashes.

    Attributes:
        server_kills: How often the server died.
        client_kills: How often the process died that wrote.
        acknowledged: Transactions that had been acknowledged until then.
        unacknowledged: Transactions that were there without.
        records: Records of the server that were held against the database.
        seconds: How long it took.
        failures: What was wrong; empty where all was right.
    """

    server_kills: int = 0
    client_kills: int = 0
    acknowledged: int = 0
    unacknowledged: int = 0
    records: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def kill_runs(server: Server, options: dict[str, Any], path: str, runs: int, seed: int) -> Report:
    """Kills the server or the writing process at random moments, in turns, and looks each time.

    Call it in a process that has opened no database and has one thread: see `light`.

    Args:
        server: The server.
        options: Of `QuantumDatabase`, that name it.
        path: The database's file, new.
        runs: How many kills.
        seed: Of their moments, and of what is written.
    """
    work, moments = Workload(seed), random.Random(seed)
    report, begin, done = Report(), time.monotonic(), 0

    def pause() -> None:
        time.sleep(moments.random() * _LONGEST_S)

    for run in range(runs):
        receiving, sending = os.pipe()
        writer = fork(functools.partial(_write, path, options, work, sending), receiving)
        os.close(sending)
        with os.fdopen(receiving, "rb") as pipe:
            # Some die while they open; of a server's death the database must be open.
            lines = pipe.readline() if run % 2 or moments.random() < 0.8 else b""
            pause()
            if run % 2:
                server.kill()
                report.server_kills += 1
                pause()  # without the server, writes are acknowledged as before
                server.start_again()
                pause()
            if os.waitpid(writer, os.WNOHANG) != (0, 0):
                report.failures.append(f"run {run}: the writing process ended by itself")
                break
            os.kill(writer, signal.SIGKILL)
            report.client_kills += 1 - run % 2
            lines += pipe.read()
        os.waitpid(writer, 0)
        told = done + lines.count(b"\n")
        found = in_process(functools.partial(_look, path, options, work))
        if isinstance(found, str):
            report.failures.append(f"run {run}: {found}")
            break
        if not told <= found[0] <= told + 1:
            report.failures.append(f"run {run}: {told} were acknowledged, there are {found[0]}")
        report.acknowledged += told - done
        report.unacknowledged += found[0] - told
        report.records += found[1]
        done = found[0]
    report.seconds = time.monotonic() - begin
    return report


def _open(path: str, options: dict[str, Any]) -> QuantumDatabase:
    remote.Outbox = HASTY  # type: ignore[misc,assignment]
    return QuantumDatabase(path, **options)


def _write(path: str, options: dict[str, Any], work: Workload, descriptor: int) -> None:
    """Writes until the process is killed; acknowledges through a pipe."""
    database = _open(path, options)
    work.prepare(database)
    number = int(database.get("count").metadata["done"])
    while True:
        number += 1
        work.run(database, number)
        os.write(descriptor, b"\n")


def _look(path: str, options: dict[str, Any], work: Workload) -> tuple[int, int]:
    """How many transactions are there, and how many records in the store; raises where wrong."""
    with _open(path, options) as database:
        if not database.namespaces():  # killed before it had made anything
            return 0, 0
        done = work.check(database)
        _compare_answers(database, path, work)  # with what is still to be sent
        sender = database._remote.sender  # type: ignore[union-attr]
        assert sender.drain(30), f"not all could be sent: {sender.status()}"
        n_records = compare_store(database)
        _compare_answers(database, path, work)
        assert work.check(database) == done
    return done, n_records


def _compare_answers(database: QuantumDatabase, path: str, work: Workload) -> None:
    """Holds a query's answer against that of the catalog alone."""
    query = work._rng(0).standard_normal(D)
    found = database.query(query, top_k=7)
    assert not found.degraded
    with QuantumDatabase(path) as plain:
        assert found.ids == plain.query(query, top_k=7).ids


def compare_store(database: QuantumDatabase) -> int:
    """Holds each record of the store beneath against the catalog.

    Returns:
        How many there are.

    Raises:
        AssertionError: One is missing, too many, or another than it should be.
    """
    backend, count = database._remote.backend, 0  # type: ignore[union-attr]
    sender = database._remote.sender  # type: ignore[union-attr]
    with database._catalog.read() as reader:
        for space in namespaces.all_of(reader):
            rows = reader.execute("SELECT slot FROM items WHERE namespace = ?", (space.number,))
            slots = [row[0] for row in rows.fetchall()]
            versions = outbox.numbers(reader, sender.store, slots)
            records = [r for each in records_of(reader, space, slots).values() for r in each]
            name = remote_name(sender.identity, space)
            there = backend.fetch(name, [record.id for record in records])
            assert backend.stats(name).count == len(records)
            sent = similarity_of(space).vectors(np.array([record.vector for record in records]))
            for record, vector in zip(records, sent, strict=True):
                assert record.id in there, f"the store has lost {record.id}"
                found = there[record.id]
                assert np.allclose(found.vector, vector, rtol=0, atol=1e-5), record.id
                assert found.metadata == record.described(versions[record.slot]), record.id
            count += len(records)
    return count


@contextmanager
def server_named(name: str, folder: Path) -> Iterator[tuple[Server, dict[str, Any]]]:
    """A server of its own, "pgvector" or "qdrant", and what opens a database over it."""
    made: Any
    if name == "pgvector":
        from qstore_tf.testing import postgres

        made = postgres.Server()
        url = made.url()
    else:
        import qdrant_client  # noqa: F401  once, for all that are forked

        from qstore_tf.testing.qdrant_server import QdrantProcess

        made = QdrantProcess(folder / "qdrant")
        url = made.url
    try:
        yield made, {"classical_backend": name, "classical_options": {"url": url}}
    finally:
        made.stop()


def main() -> None:
    """`kill_runs` with the server, number of runs and seed of the command line, as JSON."""
    name, runs, seed = sys.argv[1:4]
    with (
        tempfile.TemporaryDirectory() as folder,
        server_named(name, Path(folder)) as (server, options),
    ):
        path = str(Path(folder) / "db.qstore")
        report = kill_runs(server, options, path, int(runs), int(seed))
    print(json.dumps(asdict(report)))
