"""A client of the service keeps the database's own contract, and random histories agree."""

import contextlib

import pytest
from hypothesis import settings

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.service.client import QuantumDatabaseClient
from qstore_tf.store.service.running import DatabaseServer
from qstore_tf.testing.database_contract import DatabaseContract
from qstore_tf.testing.database_machine import DatabaseMachine


class Served(QuantumDatabaseClient):
    """A client whose service runs as long as it does."""

    def __init__(self, **options):
        self._stack = contextlib.ExitStack()
        database = self._stack.enter_context(QuantumDatabase(**options))
        server = self._stack.enter_context(DatabaseServer(database))
        super().__init__(server.url)

    def close(self):
        super().close()
        self._stack.close()


class TestClient(DatabaseContract):
    @pytest.fixture
    def open_database(self):
        with contextlib.ExitStack() as stack:
            yield lambda **options: stack.enter_context(Served(**options))


class ServedMachine(DatabaseMachine):
    open = staticmethod(Served)


TestHistories = ServedMachine.TestCase
TestHistories.settings = settings(max_examples=6, stateful_step_count=20, deadline=None)
