"""The embedded database keeps the contract, and what only a file can promise."""

import numpy as np
import pytest

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing.database_contract import DatabaseContract


class TestEmbedded(DatabaseContract):
    @pytest.fixture(params=["memory", "file"])
    def open_database(self, request, tmp_path):
        opened = []

        def open(**settings):
            path = tmp_path / "db.qstore" if request.param == "file" else None
            opened.append(QuantumDatabase(path, **settings))
            return opened[-1]

        yield open
        for database in opened:
            database.close()


def test_a_group_that_came_and_went_between_two_queries_changes_nothing():
    """The index, which knows another group, never saw it."""
    with QuantumDatabase() as db:
        db.insert_many(["a", "b", "c"], np.eye(3))
        db.create_entangled_group("g", ["a", "b"], 0.5)
        before = db.query([1.0, 0.5, 0.0])
        db.create_entangled_group("h", ["a", "c"], 0.2)
        db.delete_entangled_group("h")
        after = db.query([1.0, 0.5, 0.0])
        assert after.ids == before.ids and after.scores.tolist() == before.scores.tolist()
