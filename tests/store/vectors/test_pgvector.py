"""pgvector on a real PostgreSQL server passes the suite of all stores."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    ItemError,
    NotFoundError,
    UnreachableError,
)
from qstore_tf.store.arguments.filters import parse_filter
from qstore_tf.store.vectors.pgvector import PgVectors, to_sql
from qstore_tf.testing import postgres
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.store_contract import VectorStoreContract
from qstore_tf.testing.store_spaces import namespace, new_name
from qstore_tf.testing.store_twin import Twin

psycopg = pytest.importorskip("psycopg")
pytest.importorskip("pgvector")


@pytest.fixture(scope="module")
def plain(postgres_url):
    store = PgVectors(postgres_url)
    yield store
    store.close()


@pytest.fixture(scope="module")
def indexed(postgres_url):
    store = PgVectors(postgres_url, schema="indexed", index="hnsw")
    yield store
    store.close()


class TestPgVectors(VectorStoreContract):
    @pytest.fixture
    def store(self, plain, postgres_url):
        self.url = postgres_url
        return plain

    def reopen(self, store):
        return PgVectors(self.url)


class TestPgVectorsWithAnIndex(VectorStoreContract):
    @pytest.fixture
    def store(self, indexed, postgres_url):
        self.url = postgres_url
        return indexed

    def reopen(self, store):
        return PgVectors(self.url, schema="indexed", index="hnsw")


def test_an_index_is_used_and_finds_as_many_as_there_are(indexed, postgres_url):
    """A filter that few rows pass is where other ways of searching an index come back short."""
    rng = np.random.default_rng([daily_seed(), 5])
    count = 3000
    vectors = rng.normal(size=(count, 8)).astype(np.float32)
    with namespace(indexed, "cosine", 8) as name:
        twin = Twin("cosine")
        ids = [str(i) for i in range(count)]
        metadata = [{"part": int(i)} for i in rng.integers(0, 300, count)]
        indexed.upsert(name, ids, vectors, metadata)
        twin.upsert(ids, vectors, metadata)
        query = rng.normal(size=8)
        rare = parse_filter({"part": 7})
        twin.check(indexed.search(name, [query], 10, filter=rare)[0], query, 10, rare, exact=False)
        best = sorted(ids, key=lambda id: -twin.score(query, id))[:10]
        assert len(set(indexed.search(name, [query], 10)[0].ids) & set(best)) >= 8
        with psycopg.connect(postgres_url) as connection:
            number = connection.execute(
                "SELECT number FROM indexed.spaces WHERE name = %s", (name,)
            ).fetchone()[0]
            plan = connection.execute(
                f"EXPLAIN SELECT id, vector <=> %s::vector AS d FROM indexed.records_{number}"
                " ORDER BY d, id LIMIT 10",
                (str(query.tolist()),),
            ).fetchall()
    assert any("Index Scan using records" in line for (line,) in plan), plan


def test_many_make_and_drop_the_same_namespace(postgres_url):
    stores = [PgVectors(postgres_url, connections=2) for _ in range(3)]
    name = new_name()
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: stores[i % 3].create(name, 3, "dot"), range(12)))
        stores[0].upsert(name, ["a"], [[1, 2, 3]])
        assert [store.stats(name).count for store in stores] == [1, 1, 1]
        # Made anew by one: the others see the new one, never the tables of the old one.
        stores[1].drop(name)
        stores[1].create(name, 3, "dot")
        assert [store.stats(name).count for store in stores] == [0, 0, 0]
        stores[2].drop(name)
        for store in stores:
            with pytest.raises(NotFoundError, match=name):
                store.upsert(name, ["a"], [[1, 2, 3]])
            store.close()


def test_batches_that_overlap_do_not_end_in_a_deadlock(plain):
    ids = [str(i) for i in range(50)]
    with namespace(plain, "dot") as name, ThreadPoolExecutor(6) as pool:

        def work(number):
            order = np.random.default_rng(number).permutation(50)
            some = [ids[i] for i in order]
            for _ in range(5):
                plain.upsert(name, some, np.full((50, 4), number))
                if number % 3 == 0:
                    plain.delete(name, some[:25])

        list(pool.map(work, range(6)))
        plain.upsert(name, ids, np.ones((50, 4)))
        assert plain.stats(name).count == 50


def test_a_connection_that_the_server_has_closed_is_made_anew(plain, postgres_url):
    with namespace(plain, "dot") as name:
        plain.upsert(name, ["a"], [[1, 0, 0, 0]])
        with psycopg.connect(postgres_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert plain.stats(name).count == 1
        assert plain.search(name, [[1, 0, 0, 0]], 1)[0].ids == ("a",)


@pytest.mark.slow
def test_what_was_acknowledged_survives_kills_of_the_server():
    server = postgres.Server()
    rng = np.random.default_rng([daily_seed(), 6])
    try:
        store = PgVectors(server.url(), timeout_s=5)
        store.create("films", 4, "cosine")
        acknowledged: list[str] = []
        for run in range(3):
            killer = threading.Timer(float(rng.uniform(0.05, 0.4)), server.kill)
            killer.start()
            with contextlib.suppress(UnreachableError):
                for number in range(10_000):
                    ids = [f"{run}:{number}:{i}" for i in range(5)]
                    store.upsert("films", ids, rng.normal(size=(5, 4)))
                    acknowledged += ids
            killer.join()
            server.start_again()
            there = store.fetch("films", acknowledged)
            assert set(acknowledged) <= set(there)
            # Of the batch that was under way all rows are there, or none.
            assert store.stats("films").count % 5 == 0
        assert len(acknowledged) > 15
        store.close()
    finally:
        server.stop()


def test_a_server_that_is_not_there(tmp_path):
    with pytest.raises(UnreachableError, match="PostgreSQL cannot be reached") as caught:
        PgVectors(f"postgresql://u:secret@/x?host={tmp_path}", timeout_s=1)
    assert "secret" not in str(caught.value)


def test_somebody_who_may_not(plain, postgres_url):
    role = new_name()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
    url = postgres_url.replace("postgres:@", f"{role}:@")
    with pytest.raises(AuthenticationError, match="does not let us"):
        PgVectors(url, schema="forbidden")


def test_what_postgres_cannot_hold(plain):
    with pytest.raises(ConfigurationError, match="no such index"):
        PgVectors("postgresql://localhost/x", index="ivf")
    with namespace(plain, "dot") as name, pytest.raises(ItemError, match="NUL"):
        plain.upsert(name, ["a"], [[1, 0, 0, 0]], [{"text": "a\0b"}])
    with namespace(plain, "dot") as name:
        plain.upsert(name, ["a"], [[1, 0, 0, 0]], [{"text": "a\\u0000b"}])
        assert plain.fetch(name, ["a"])["a"].metadata == {"text": "a\\u0000b"}


def test_no_text_of_a_filter_gets_into_the_statement():
    values = []
    filter = {"a'; DROP": {"$in": ["x';", 1]}, "$not": {"b%s": {"$gt": "{}"}}}
    text = to_sql(parse_filter(filter), values)
    assert "DROP" not in text and "x'" not in text and "{" not in text
    assert text.count("%s") == len(values)
