"""The tables of the registry, in the file of a quantum database, with a version of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.catalog import Catalog, Connection

VERSION = 1

# Types that SQLite and PostgreSQL both know. Times in ms since 1970.
_TABLES = (
    "CREATE TABLE tracking_models (name TEXT PRIMARY KEY, description TEXT NOT NULL,"
    " last_version BIGINT NOT NULL, created_at DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE tracking_versions (model TEXT NOT NULL, version BIGINT NOT NULL,"
    " file TEXT NOT NULL UNIQUE, sha256 TEXT NOT NULL, size BIGINT NOT NULL,"
    " packages TEXT NOT NULL, programs TEXT, data_namespace TEXT, data_commit BIGINT, run TEXT,"
    " description TEXT NOT NULL, created_at DOUBLE PRECISION NOT NULL,"
    " PRIMARY KEY (model, version))",
    "CREATE TABLE tracking_aliases (model TEXT NOT NULL, alias TEXT NOT NULL,"
    " version BIGINT NOT NULL, PRIMARY KEY (model, alias))",
    "CREATE TABLE tracking_runs (id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL,"
    " started_at DOUBLE PRECISION NOT NULL, ended_at DOUBLE PRECISION)",
    "CREATE TABLE tracking_params (run TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL,"
    " PRIMARY KEY (run, name))",
    # value NULL: not a number, which SQLite has no other way to keep.
    "CREATE TABLE tracking_metrics (run TEXT NOT NULL, name TEXT NOT NULL, step BIGINT NOT NULL,"
    " value DOUBLE PRECISION, written_at DOUBLE PRECISION NOT NULL,"
    " PRIMARY KEY (run, name, step))",
    # Circuits of stored states that are too large for the metadata of an item.
    "CREATE TABLE tracking_circuits (sha256 TEXT PRIMARY KEY, circuit TEXT NOT NULL)",
)
# The statements that make version n + 1 of version n, by n; 0: of a file without these tables.
STEPS: Mapping[int, Sequence[str]] = {0: _TABLES}


def prepare(
    catalog: Catalog, steps: Mapping[int, Sequence[str]] = STEPS, newest: int = VERSION
) -> None:
    """Makes the tables where they are missing, and brings older ones up to date.

    Args:
        catalog: Of the database.
        steps: Statements by the version that they start from.
        newest: The version wanted.

    Raises:
        StoreError: They are of a newer version than this qstore_tf knows.
    """

    def work(writer: Connection) -> int:
        writer.execute("CREATE TABLE IF NOT EXISTS tracking_meta (schema_version BIGINT NOT NULL)")
        row = writer.execute("SELECT schema_version FROM tracking_meta").fetchone()
        version = 0 if row is None else int(row[0])
        for old in range(version, newest):
            for statement in steps[old]:
                writer.execute(statement)
        if row is None:
            writer.execute("INSERT INTO tracking_meta VALUES (?)", (newest,))
        elif version < newest:
            writer.execute("UPDATE tracking_meta SET schema_version = ?", (newest,))
        return version

    found = catalog.write(work)
    if found > newest:
        raise StoreError(
            describe(
                "The registry was written by a newer qstore_tf",
                expected=f"tables of version {newest} or older",
                received=found,
                hint="Use that version.",
            )
        )
