"""Qdrant passes the suite of all stores: its local mode, and its segments behind HTTP."""

import numpy as np
import pytest

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    RefusedError,
    UnreachableError,
)
from qstore_tf.store.vectors.qdrant import QdrantVectors, escape, unescape
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.store_contract import VectorStoreContract
from qstore_tf.testing.store_records import random_metadata
from qstore_tf.testing.store_spaces import namespace

pytest.importorskip("qdrant_client")
pytest.importorskip("qdrant_edge")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from qstore_tf.testing.qdrant_server import QdrantServer

    with QdrantServer(tmp_path_factory.mktemp("qdrant")) as server:
        yield server


@pytest.fixture(scope="module")
def remote(server):
    store = QdrantVectors(server.url)
    yield store
    store.close()


class TestQdrantInMemory(VectorStoreContract):
    @pytest.fixture
    def store(self):
        store = QdrantVectors()
        yield store
        store.close()


class TestQdrantServer(VectorStoreContract):
    @pytest.fixture
    def store(self, remote, server):
        self.url = server.url
        return remote

    def reopen(self, store):
        return QdrantVectors(self.url)


def test_a_folder_is_opened_again(tmp_path):
    store = QdrantVectors(path=str(tmp_path))
    assert store.capabilities.durable
    store.create("films", 2, "l2")
    store.upsert("films", ["a", "b"], [[1, 0], [0, 3]], [{"year": 1999}, {}])
    with pytest.raises(RefusedError, match="already accessed"):
        QdrantVectors(path=str(tmp_path))
    store.close()
    again = QdrantVectors(path=str(tmp_path))
    assert again.namespaces() == ["films"]
    assert again.fetch("films", ["a"])["a"].metadata == {"year": 1999}
    assert again.search("films", [[0, 2]], 5)[0].ids == ("b", "a")
    again.close()


def test_a_server_that_starts_again_has_what_it_acknowledged(server, remote):
    with namespace(remote, "cosine") as name:
        vectors = np.random.default_rng([daily_seed(), 7]).normal(size=(20, 4))
        remote.upsert(name, [str(i) for i in range(20)], vectors)
        server.restart()
        assert remote.stats(name).count == 20
        assert remote.search(name, vectors[3:4], 1)[0].ids == ("3",)


def test_indexes_do_not_see_each_other(server):
    one = QdrantVectors(server.url, index_name="one")
    two = QdrantVectors(server.url, index_name="one--a")
    with namespace(one, "dot") as name:
        assert name in one.namespaces()
        assert two.namespaces() == []
        with pytest.raises(NotFoundError):
            two.stats(name)
    one.close()
    two.close()


def test_a_server_that_is_not_there():
    store = QdrantVectors("http://127.0.0.1:9", check_compatibility=False)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        store.namespaces()
    store.close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_wrong_key(tmp_path):
    from qstore_tf.testing.qdrant_server import QdrantServer

    with QdrantServer(tmp_path, api_key="right") as server:
        wrong = QdrantVectors(server.url, api_key="wrong-key", check_compatibility=False)
        with pytest.raises(AuthenticationError, match="403") as caught:
            wrong.namespaces()
        assert "wrong-key" not in str(caught.value)
        right = QdrantVectors(server.url, api_key="right", check_compatibility=False)
        assert right.namespaces() == []
        wrong.close()
        right.close()


def test_what_makes_no_sense_is_refused_when_it_is_made():
    with pytest.raises(ConfigurationError, match="several places"):
        QdrantVectors("http://localhost:1", path="/tmp/x")
    with pytest.raises(ConfigurationError, match="takes no options.*'https'"):
        QdrantVectors(client=object(), https=True)
    store = QdrantVectors()
    with pytest.raises(ConfigurationError, match="too long"):
        store.create("é" * 100, 2, "dot")


def test_escaped_names_are_read_back():
    rng = np.random.default_rng([daily_seed(), 8])
    for _ in range(200):
        name = "".join(map(chr, rng.integers(1, 0x2FFF, rng.integers(1, 20))))
        text = escape(name)
        assert unescape(text) == name
        assert set(text) <= set("-_") | set("abcdefghijklmnopqrstuvwxyz") | set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        )
        for key in random_metadata(rng):
            assert unescape(escape(key)) == key
