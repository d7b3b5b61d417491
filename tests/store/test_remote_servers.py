"""Random histories of databases over real stores: pgvector on PostgreSQL, Qdrant's segments."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing import postgres
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.database_machine import DatabaseMachine


@pytest.fixture(scope="module")
def backends(tmp_path_factory):
    pytest.importorskip("qdrant_edge")
    if not postgres.is_available():
        pytest.skip(f"needs {' and '.join(postgres.NEEDED)}")
    from qstore_tf.testing.qdrant_server import QdrantServer

    folder = tmp_path_factory.mktemp("qdrant")
    with postgres.fresh_database() as url, QdrantServer(folder) as qdrant:
        yield {
            "pgvector": {"classical_backend": "pgvector", "classical_options": {"url": url}},
            "qdrant": {"classical_backend": "qdrant", "classical_options": {"url": qdrant.url}},
        }


@pytest.mark.slow
@pytest.mark.parametrize("store", ["pgvector", "qdrant"])
def test_histories_over_real_stores(backends, store):
    class Machine(DatabaseMachine):
        open = staticmethod(lambda **options: QuantumDatabase(**backends[store], **options))

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=4, stateful_step_count=20, deadline=None)
    )


@pytest.mark.parametrize("store", ["pgvector", "qdrant"])
def test_what_is_written_is_found_at_once_and_after(backends, store):
    rng = np.random.default_rng([daily_seed(), 13])
    rows, query = rng.normal(size=(300, 8)), rng.normal(size=8)
    names = [f"i{n}" for n in range(300)]
    data = [{"even": n % 2 == 0} for n in range(300)]
    options = {"classical_candidate_pool": 30, **backends[store]}
    with QuantumDatabase(**options) as db, QuantumDatabase() as plain:
        for each in (db, plain):
            each.insert_many(names, rows, metadata=data)
        for filter in (None, {"even": True}):
            expected = plain.query(query, top_k=7, filter=filter)
            assert db.query(query, top_k=7, filter=filter).ids == expected.ids
        assert db._remote.sender.drain(60)
        for filter in (None, {"even": True}):
            expected = plain.query(query, top_k=7, filter=filter)
            found = db.query(query, top_k=7, filter=filter)
            assert found.ids == expected.ids and found.certified and not found.degraded
            assert np.allclose(found.scores, expected.scores, rtol=0, atol=1e-12)
