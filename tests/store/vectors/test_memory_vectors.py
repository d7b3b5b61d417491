"""The store in this process passes the suite of all stores."""

import pytest

from qstore_tf.store.vectors.memory import MemoryVectors
from qstore_tf.testing.store_contract import VectorStoreContract


class TestMemoryVectors(VectorStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryVectors()
