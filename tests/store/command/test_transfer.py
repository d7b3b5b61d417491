"""What is exported and read again is the same database."""

import json
import math

import numpy as np
import pytest

from qstore_tf.errors import ItemError, StoreError
from qstore_tf.store.command import transfer
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock
from qstore_tf.store.verbs.verbs import Call
from qstore_tf.testing.daily import daily_seed


@pytest.fixture
def full():
    clock = ManualClock(1000.0)
    rng = np.random.default_rng([daily_seed(), 3])
    with QuantumDatabase(clock=clock) as db:
        for row in range(30):
            own = rng.normal(size=4) if row % 3 == 0 else None
            contexts = [("a", 0.25), ("b", 0.75)] if own is None else [("a", 0.5), ("b", 0.5, own)]
            db.insert(
                f"é{row}",
                rng.normal(size=4),
                contexts if row % 2 else None,
                [None, 500.0, math.inf][row % 3],
                {"n": row, "tags": ["x", str(row)]} if row % 4 else None,
            )
            clock.advance(10.0)
        db.insert("own only", contexts=[("a", 1.0, rng.normal(size=4))])
        db.define_context("c", np.eye(4)[:, :2])
        db.create_entangled_group("g", ["é0", "é2", "é4"], 0.5)
        db.update("é0", rng.normal(size=4))
        db.create_namespace("states", 3, "fidelity", "complex64")
        db.insert("s", rng.normal(size=3) + 1j * rng.normal(size=3), namespace="states")
        clock.advance(3000.0)
        db.apply_decoherence()
        yield db, clock


def contents(db):
    found = {}
    for space in db.namespaces():
        names = []
        for archived in (False, True):
            names += db.list(limit=1000, archived=archived, namespace=space.name).ids
        rows = []
        for item in db.get_many(names, namespace=space.name):
            rows.append(
                (
                    item.id,
                    None if item.vector is None else np.round(item.vector, 5).tolist(),
                    [
                        (c.name, c.weight, None if c.vector is None else c.vector.tolist())
                        for c in item.contexts
                    ],
                    dict(item.metadata),
                    item.written_at,
                    item.coherence_time,
                    round(item.staleness, 9),
                    item.archived,
                    item.groups,
                )
            )
        groups = db.entangled_groups(namespace=space.name)
        found[space.name] = (space.dimension, space.metric, space.contexts, rows, groups)
    return found


def test_a_round_trip_changes_nothing(full, tmp_path):
    db, clock = full
    before = contents(db)
    assert any(row[7] for row in before["default"][3])  # something is archived
    copied = transfer.export(db, tmp_path / "out")
    assert (copied.namespaces, copied.items, copied.groups) == (2, 32, 1)
    with QuantumDatabase(tmp_path / "new.qstore", clock=clock) as new:
        assert transfer.load(new, tmp_path / "out") == copied
        assert contents(new) == before
        assert transfer.load(new, tmp_path / "out") == copied  # once more: the same
        again = contents(new)
        assert again["default"][0::4] == before["default"][0::4]
        query = np.array([1.0, 0.5, -0.5, 0.2])
        assert new.query(query, top_k=20).ids == db.query(query, top_k=20).ids
    with QuantumDatabase(clock=clock) as third:
        transfer.copy(db, third)
        assert contents(third) == before


def test_the_files_are_plain(full, tmp_path):
    db, _ = full
    transfer.export(db, tmp_path / "out")
    assert np.load(tmp_path / "out" / "0.npy").shape[1] == 4
    lines = (tmp_path / "out" / "0.jsonl").read_text(encoding="utf-8").splitlines()
    assert "é0" in {json.loads(line)["id"] for line in lines}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "manifest.json").unlink(), "no exported database"),
        (lambda f: (f / "manifest.json").write_text("{}"), "no exported database"),
        (lambda f: (f / "0.jsonl").write_text("{}\n"), "not as it was written"),
        (lambda f: (f / "0.npy").unlink(), "cannot be read"),
    ],
)
def test_spoiled_folders_are_refused_before_anything_is_read(full, tmp_path, spoil, words):
    db, _ = full
    transfer.export(db, tmp_path / "out")
    spoil(tmp_path / "out")
    with QuantumDatabase() as new:
        with pytest.raises(StoreError, match=words):
            transfer.load(new, tmp_path / "out")
        assert not new.namespaces()


def test_names_of_files_cannot_lead_out_of_the_folder(full, tmp_path):
    db, _ = full
    transfer.export(db, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    path.write_text(path.read_text().replace('"0.jsonl"', '"../0.jsonl"'))
    with QuantumDatabase() as new, pytest.raises(StoreError, match="no exported database"):
        transfer.load(new, tmp_path / "out")


def test_nothing_is_overwritten(full, tmp_path):
    db, _ = full
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError, match="there already"):
        transfer.export(db, tmp_path / "out")
    with QuantumDatabase() as other:
        other.insert("a", [1.0])
        transfer.export(db, tmp_path / "new")
        with pytest.raises(StoreError, match="is another one"):
            transfer.load(other, tmp_path / "new")


def test_items_and_groups_that_are_there_are_replaced(tmp_path, monkeypatch):
    """Also where members of a group come in different pages of the import."""
    monkeypatch.setattr(transfer, "_PAGE", 2)
    rng = np.random.default_rng([daily_seed(), 4])
    names = [f"i{n}" for n in range(6)]
    with QuantumDatabase() as source, QuantumDatabase() as target:
        source.insert_many(names, rng.normal(size=(6, 3)))
        source.create_entangled_group("g", ["i0", "i3", "i5"], 0.5)
        source.create_entangled_group("h", ["i1", "i3"], 0.3)
        source.update("i3", rng.normal(size=3))
        transfer.export(source, tmp_path / "all")
        target.insert_many([*names, "mine"], rng.normal(size=(7, 3)))
        target.create_entangled_group("g", ["i0", "i1", "i4"], -0.2)
        target.create_entangled_group("k", ["i0", "i5", "mine"], 0.4)
        target.update("i0", rng.normal(size=3))
        mine = target.get("mine").vector
        for _ in range(2):
            transfer.load(target, tmp_path / "all")
            for name in names:
                here, there = target.get(name), source.get(name)
                assert np.allclose(here.vector, there.vector, rtol=0, atol=1e-6)
                assert here.staleness == pytest.approx(there.staleness)
            groups = target.entangled_groups()
            assert groups.pop("k") == ["i0", "i5", "mine"]
            assert groups == source.entangled_groups()
            assert target.measure_correlation("i0", "i3").declared == 0.5
            assert target.get("mine").vector.tolist() == mine.tolist()
            target.update("i5", rng.normal(size=3))
            mine = target.get("mine").vector


def test_what_is_archived_is_never_live_and_keeps_all_its_contexts(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_PAGE", 3)
    rng = np.random.default_rng([daily_seed(), 5])
    names = [f"i{n}" for n in range(12)]
    gone = names[1::2]
    many = [(f"c{n}", 0.125) for n in range(8)]
    with QuantumDatabase(max_contexts_per_vector=8) as source:
        source.insert_many(names, rng.normal(size=(12, 3)), contexts=[many] * 12)
        source.insert("own", contexts=[(name, 0.125, rng.normal(size=3)) for name, _ in many])
        source.create_entangled_group("g", ["i0", "i2", "i11"], 0.5)
        source.run([Call("archive", "default", {"ids": [*gone, "own"]})])
        transfer.export(source, tmp_path / "all")
        before = contents(source)

    class Watched(QuantumDatabase):
        commits = 0

        def run(self, calls):
            found = super().run(calls)
            Watched.commits += 1
            assert not {*gone, "own"} & set(self.list(limit=100).ids)
            return found

    with Watched(tmp_path / "new.qstore") as new:  # with the default of five contexts
        transfer.load(new, tmp_path / "all")
        assert contents(new) == before
        assert Watched.commits > 4
        with pytest.raises(ItemError, match="max_contexts_per_vector"):
            new.insert("more", [1.0, 0.0, 0.0], contexts=many)


def test_a_page_that_cannot_be_stored_is_not_stored_in_part(tmp_path):
    """What the files say is right, but no item of the database can be like this."""
    with QuantumDatabase() as source, QuantumDatabase() as target:
        source.insert_many(["a", "b", "c"], np.eye(3))
        transfer.export(source, tmp_path / "all")
        np.save(tmp_path / "all" / "0.npy", np.diag([1.0, 1.0, 0.0]).astype(np.float32))
        manifest = json.loads((tmp_path / "all" / "manifest.json").read_text())
        digest = transfer._digest(tmp_path / "all" / "0.npy")
        manifest["namespaces"][0]["files"]["0.npy"] = digest
        (tmp_path / "all" / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ItemError, match="zero"):
            transfer.load(target, tmp_path / "all")
        assert target.count() == 0
