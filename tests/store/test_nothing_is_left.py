"""What fails leaves nothing behind, and what succeeds leaves nothing out."""

import json

import numpy as np
import pytest

from qstore_tf.errors import ItemError, StoreBusyError, StoreError
from qstore_tf.store.command import transfer
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.transaction import Transaction
from qstore_tf.store.vectors.memory import MemoryVectors


def test_a_transaction_that_failed_can_be_committed_again():
    class Busy:
        tries = 0

        def run(self, calls):
            self.tries += 1
            if self.tries == 1:
                raise StoreBusyError("another process writes")
            return [len(calls)]

    database = Busy()
    batch = Transaction(database)
    batch.delete("a")
    with pytest.raises(StoreBusyError):
        batch.commit()
    batch.commit()
    assert batch.results == [1]
    with pytest.raises(StoreError, match="has ended"):
        batch.commit()


def test_rows_that_are_rejected_declare_nothing():
    with QuantumDatabase() as db:
        db.insert("a", [1.0, 0.0], [("x", 1.0)])
        result = db.insert_many(["a"], [[1.0, 0.0]], [[("typo", 1.0)]])
        assert result.stored == 0 and db.namespaces()[0].contexts == ("x",)
        assert db.upsert_many(["a"], [[0.0, 0.0, 0.0]], namespace="new").stored == 0
        assert [space.name for space in db.namespaces()] == ["default"]
        db.insert("a", [1.0, 0.0], namespace="new")


def test_a_filter_removes_what_is_in_the_archive_too():
    clock = ManualClock(0.0)
    with QuantumDatabase(clock=clock) as db:
        db.insert("a", [1.0], None, 1.0, {"user": 7})
        db.insert("b", [1.0], metadata={"user": 8})
        clock.advance(100.0)
        assert db.apply_decoherence() == 1
        assert db.delete(filter={"user": 7}) == 1
        assert not db.list(archived=True).ids and db.list().ids == ("b",)


def test_what_is_kept_for_ever_is_kept_for_ever_elsewhere(tmp_path):
    clock = ManualClock(0.0)
    with QuantumDatabase(clock=clock) as db:
        db.insert("a", [1.0])
        clock.advance(1e6)
        transfer.export(db, tmp_path / "out")
    settings = {"default_coherence_time": 10.0, "on_decohere": "delete", "clock": clock}
    with QuantumDatabase(**settings) as other:
        transfer.load(other, tmp_path / "out")
        assert other.apply_decoherence() == 0 and other.count() == 1


@pytest.mark.parametrize("line", [{"id": "a"}, {"row": -1}, {"row": 7}, [1], "x"])
def test_lines_that_are_no_items_are_refused_before_anything_is_read(tmp_path, line):
    with QuantumDatabase() as db:
        db.insert_many(["a", "b"], [[1.0], [2.0]])
        transfer.export(db, tmp_path / "out")
    path = tmp_path / "out" / "0.jsonl"
    lines = path.read_text().splitlines()
    if isinstance(line, dict) and "row" in line:
        line = {**json.loads(lines[1]), **line}
    path.write_text(lines[0] + "\n" + json.dumps(line) + "\n")
    manifest = tmp_path / "out" / "manifest.json"
    text = json.loads(manifest.read_text())
    text["namespaces"][0]["files"]["0.jsonl"] = transfer._digest(path)
    manifest.write_text(json.dumps(text))
    with QuantumDatabase() as other:
        with pytest.raises(StoreError, match="Line 2 of 0.jsonl is no item"):
            transfer.load(other, tmp_path / "out")
        assert other.count() == 0


def test_a_member_that_its_group_moved_to_the_origin_is_still_compared():
    with QuantumDatabase() as db:
        db.insert_many(["a", "b", "c"], [[1.0, 0.0], [1.0, -1.0], [0.5, 0.5]])
        db.create_entangled_group("g", ["a", "b"], 1.0)
        db.update("a", [0.0, 1.0])
        assert not np.any(db.get("b").vector)
        for options in ({"mode": "exploratory"}, {"enable_tunneling": True}, {"diversity": "qprp"}):
            assert len(db.query([1.0, 0.0], top_k=2, **options)) == 2
        assert len(db.tunnel_search([1.0, 0.0])) >= 1


def test_another_index_is_another_store(tmp_path):
    class Places(MemoryVectors):
        made = {}

        def __new__(cls, place="y"):
            return cls.made.setdefault(place, super().__new__(cls))

        def __init__(self, place="y"):
            if not hasattr(self, "_ready"):
                super().__init__()
                self._ready = True

    path = tmp_path / "db.qstore"
    for place, name in (("y", "a"), ("x", "b"), ("y", None)):
        options = {"classical_backend": Places, "classical_options": {"place": place}}
        with QuantumDatabase(path, **options) as db:
            if name:
                db.insert(name, [1.0, 0.0])
            assert db._remote.sender.drain(20)
            found = db.query([1.0, 0.0])
            assert found.ids == sorted(["a", "b"] if name != "a" else ["a"])


def test_a_backup_replaces_a_file_that_was_left_open(tmp_path):
    target = tmp_path / "copy.qstore"
    with QuantumDatabase() as db:
        db.insert("a", [1.0])
        db.backup(target)
        stale = QuantumDatabase(target)
        stale.insert("stale", [1.0])  # its write-ahead log stays beside the file
        db.insert("b", [1.0])
        db.backup(target)
        with QuantumDatabase(target) as copy:
            assert copy.list().ids == ("a", "b")


def test_queries_by_shots_refuse_what_they_do_not_do():
    with QuantumDatabase() as db:
        db.insert("a", [1.0, 0.0])
        for options in ({"enable_tunneling": True}, {"diversity": "qprp"}):
            with pytest.raises(Exception, match="by shots") as caught:
                db.query([1.0, 0.0], shots=10, **options)
            assert not isinstance(caught.value, ItemError)


def test_addresses_leave_no_password_behind(tmp_path):
    class Somewhere(MemoryVectors):
        def __init__(self, url, timeout_s=1.0):
            super().__init__()

    path = tmp_path / "db.qstore"
    for password, timeout_s in (("first-secret", 1.0), ("second-secret", 2.0)):
        url = f"postgresql://me:{password}@host/name"
        options = {"url": url, "timeout_s": timeout_s}
        with QuantumDatabase(path, classical_backend=Somewhere, classical_options=options) as db:
            db.insert(password, [1.0, 0.0])
            assert db._remote.sender.drain(20)
            assert password not in repr(db.config)
            stores = db._remote.sender.store
            with db._catalog.read() as reader:
                known = reader.execute("SELECT DISTINCT store FROM outbox").fetchall()
            assert [row[0] for row in known] == [stores]  # a new password is no new store
