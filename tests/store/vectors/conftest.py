"""Real servers for the tests of this folder."""

import pytest

from qstore_tf.testing import postgres


@pytest.fixture(scope="module")
def postgres_url():
    """An empty database of a PostgreSQL server with pgvector."""
    if not postgres.is_available():
        pytest.skip(f"needs {' and '.join(postgres.NEEDED)}")
    with postgres.fresh_database() as url:
        yield url
