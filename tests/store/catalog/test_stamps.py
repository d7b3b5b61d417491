"""A namespace gets another stamp with everything that queries depend on, and with nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qstore_tf.errors import ItemError
from qstore_tf.store.catalog import namespaces
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.definitions.decoherence import ManualClock


def stamps(db: QuantumDatabase) -> dict[str, int]:
    with db._catalog.read() as reader:
        return {space.name: space.stamp for space in namespaces.all_of(reader)}


@pytest.fixture
def db():
    clock = ManualClock(0.0)
    with QuantumDatabase(clock=clock, metric="dot") as db:
        db.clock = clock
        for namespace in ("default", "other"):
            db.insert_many(["a", "b", "c"], np.eye(3), namespace=namespace)
            db.insert("old", [1.0, 1, 1], coherence_time=1.0, namespace=namespace)
            db.insert("two", [1.0, 1, 1], [("x", 0.5), ("y", 0.5)], namespace=namespace)
            db.create_entangled_group("g", ["a", "b"], 0.5, namespace=namespace)
        yield db


WRITES: dict[str, Callable[[QuantumDatabase], object]] = {
    "insert": lambda db: db.insert("d", [1.0, 1, 0]),
    "upsert": lambda db: db.upsert("a", [1.0, 1, 0]),
    "a longer vector": lambda db: db.update("c", [9.0, 1, 0]),
    "metadata": lambda db: db.update("a", metadata={"x": 1}),
    "a step of a group": lambda db: db.update("a", [0.0, 1, 0]),
    "delete": lambda db: db.delete("a"),
    "feedback": lambda db: db.feedback("two", [1.0, 0, 0]),
    "a context": lambda db: db.define_context("z", np.eye(3)[:, :1]),
    "another basis": lambda db: db.define_context("x", np.eye(3)[:, :1]),
    "a group": lambda db: db.create_entangled_group("h", ["b", "c"], 0.1),
    "no group": lambda db: db.delete_entangled_group("g"),
    "decoherence": lambda db: (db.clock.advance(1e6), db.apply_decoherence()),
    "a new age": lambda db: db._do("refresh", None, ids=["old"]),
}


@pytest.mark.parametrize("name", WRITES)
def test_writes_change_the_stamp_of_their_namespace_alone(db: QuantumDatabase, name: str) -> None:
    before = stamps(db)
    WRITES[name](db)
    after = stamps(db)
    assert before["default"] != after["default"]
    assert before["other"] == after["other"]


def test_what_changes_nothing_changes_no_stamp(db: QuantumDatabase) -> None:
    before = stamps(db)
    db.delete("nobody")
    db.apply_decoherence()
    with pytest.raises(ItemError, match="already"):
        db.insert("a", [1.0, 0, 0])
    assert stamps(db) == before


def test_a_namespace_that_is_made_again_has_another_stamp(db: QuantumDatabase) -> None:
    before = stamps(db)["default"]
    db.delete_namespace("default")
    db.insert("a", [1.0, 0, 0])
    assert stamps(db)["default"] != before


def test_a_copy_that_goes_on_gets_stamps_of_its_own(tmp_path: Path) -> None:
    with QuantumDatabase(tmp_path / "one") as one:
        one.insert("a", [1.0, 0.0])
        one.backup(tmp_path / "two")
        first = stamps(one)
    shutil.copy(tmp_path / "two", tmp_path / "three")
    found = set()
    for name in ("one", "two", "three"):
        with QuantumDatabase(tmp_path / name) as db:
            assert stamps(db) == first  # the same state, so the same answers
            db.insert("b", [0.0, 1.0])  # the same commit number, but other histories
            found.add(stamps(db)["default"])
    assert len(found) == 3
