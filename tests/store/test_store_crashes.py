"""Over real servers of vectors, kills by signal 9 at random moments lose nothing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.queries import remote
from qstore_tf.store.vectors.memory import MemoryVectors
from qstore_tf.testing import light, postgres
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.store_crash import HASTY, Workload, compare_store

CODE = "from qstore_tf.testing import store_crash; store_crash.main()"
KILLS = 2  # of a case: the writing process, and the server
# Twenty of each server: one case is quick enough for every day.
PARTS = [part if part == 0 else pytest.param(part, marks=pytest.mark.slow) for part in range(10)]
NEEDED = {"pgvector": (*postgres.NEEDED, "pgvector"), "qdrant": ("qdrant_client", "qdrant_edge")}


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("server", NEEDED)
def test_a_killed_server_or_process_loses_nothing(server: str, part: int) -> None:
    missing = [name for name in NEEDED[server] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}")
    report = json.loads(light.run(CODE, server, KILLS, 100 * daily_seed() + part))
    print(report)
    assert report["failures"] == []
    assert report["client_kills"] == report["server_kills"] == KILLS // 2
    assert report["acknowledged"] > KILLS  # they did write
    assert report["records"] > KILLS


def test_the_check_sees_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "Outbox", HASTY)
    work, store = Workload(daily_seed()), MemoryVectors()
    with QuantumDatabase(tmp_path / "x", classical_backend=store) as database:
        work.prepare(database)
        for number in range(1, 7):
            work.run(database, number)
        assert work.check(database) == 6
        assert database._remote.sender.drain(30)
        [name] = store.namespaces()
        ids = store.list(name).ids
        assert compare_store(database) == len(ids) > 10
        kept = store.fetch(name, [ids[0]])[ids[0]]
        for break_it in (
            lambda: store.delete(name, [ids[0]]),
            lambda: store.upsert(name, [ids[0]], [-kept.vector], [kept.metadata]),
            lambda: store.upsert(name, [ids[0]], [kept.vector], [{**kept.metadata, "more": 1}]),
        ):
            break_it()
            with pytest.raises(AssertionError):
                compare_store(database)
            store.upsert(name, [ids[0]], [kept.vector], [kept.metadata])
            assert compare_store(database) == len(ids)
        store.upsert(name, ["999:0"], [kept.vector], [{}])
        with pytest.raises(AssertionError):
            compare_store(database)


@pytest.mark.parametrize(
    "broken",
    [
        lambda db: db.delete("6-0"),
        lambda db: db.insert("more", np.ones(8)),
        lambda db: db.update("6-0", metadata={"is_last": False}),
        lambda db: db.update("5-0", np.ones(8)),
        lambda db: db.update("5-0", np.ones(8), context="b"),
        lambda db: db.update("right", np.ones(8)),
        lambda db: db.update("count", metadata={"done": 5}),
    ],
)
def test_the_check_sees_half_a_transaction(broken) -> None:
    work = Workload(daily_seed())
    with QuantumDatabase() as database:
        work.prepare(database)
        for number in range(1, 7):
            work.run(database, number)
        broken(database)
        with pytest.raises(AssertionError):
            work.check(database)
