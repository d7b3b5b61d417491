"""The tables. What is written here, and only here, is the truth; every index is made from it."""

from __future__ import annotations

from collections.abc import Mapping

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.catalog import outbox

MARK = 0x71536462  # chosen once, for files of databases
VERSION = 2

# Slots, numbers of namespaces, contexts and groups are never given twice: what is kept elsewhere
# (indexes, remote stores) names rows by them. The high bits of a slot are its namespace's number,
# so that the rows of a namespace lie together. `changed_in` is the number of a commit.
TABLES = (
    # One row: the version of these tables, the last commit, and the last slot and numbers given.
    "CREATE TABLE meta (schema_version {integer} NOT NULL, commits {integer} NOT NULL,"
    " slots {integer} NOT NULL, numbers {integer} NOT NULL)",
    "INSERT INTO meta VALUES ({version}, 0, 0, 0)",
    "CREATE TABLE settings (name {text} PRIMARY KEY, value {text} NOT NULL)",
    "CREATE TABLE namespaces (number {integer} PRIMARY KEY, name {text} NOT NULL UNIQUE,"
    " dimension {integer} NOT NULL, metric {text} NOT NULL, dtype {text} NOT NULL,"
    " max_norm {real} NOT NULL, settings {text} NOT NULL, forgotten_to {integer} NOT NULL,"
    # Another number whenever something in it has changed, and the same nowhere else: see `mark`.
    " stamp {integer} NOT NULL)",
    "CREATE TABLE contexts (number {integer} PRIMARY KEY, namespace {integer} NOT NULL,"
    " name {text} NOT NULL, basis {blob}, UNIQUE (namespace, name))",
    # Times in ms; coherence_time and expires_at NULL: for ever. vector NULL: each context has one.
    "CREATE TABLE items (slot {integer} PRIMARY KEY, namespace {integer} NOT NULL,"
    " key {text} NOT NULL, written_at {real} NOT NULL, coherence_time {real}, expires_at {real},"
    " archived_at {real}, changed_in {integer} NOT NULL, staleness_offset {real} NOT NULL,"
    " metadata {text}, vector {blob})",
    "CREATE UNIQUE INDEX items_by_key ON items (namespace, key)",
    "CREATE INDEX items_by_expiry ON items (namespace, expires_at)"
    " WHERE expires_at IS NOT NULL AND archived_at IS NULL",
    "CREATE INDEX items_archived ON items (namespace, archived_at) WHERE archived_at IS NOT NULL",
    "CREATE TABLE item_contexts (slot {integer} NOT NULL, context {integer} NOT NULL,"
    " weight {real} NOT NULL, vector {blob}, PRIMARY KEY (slot, context))",
    # A group that is no more has no name; its row stays until indexes have had time to see it.
    "CREATE TABLE groups (number {integer} PRIMARY KEY, namespace {integer} NOT NULL,"
    " name {text}, rho {real} NOT NULL, accumulator {blob} NOT NULL, drift {real} NOT NULL,"
    " changed_in {integer} NOT NULL, members_in {integer} NOT NULL, UNIQUE (namespace, name))",
    "CREATE INDEX groups_by_change ON groups (namespace, changed_in)",
    "CREATE TABLE members (group_number {integer} NOT NULL, slot {integer} NOT NULL,"
    " PRIMARY KEY (group_number, slot)){without_rowid}",
    "CREATE INDEX members_by_slot ON members (slot)",
    # Which items a commit wrote, removed or archived: runs of slots, see `feed`.
    "CREATE TABLE changed (namespace {integer} NOT NULL, changed_in {integer} NOT NULL,"
    " slots {blob} NOT NULL)",
    "CREATE INDEX changed_by_commit ON changed (namespace, changed_in)",
    # Steps of items; those of one event were written together.
    "CREATE TABLE steps (namespace {integer} NOT NULL, slot {integer} NOT NULL,"
    " event {integer} NOT NULL, written_at {real} NOT NULL, step {blob} NOT NULL,"
    " PRIMARY KEY (slot, event))",
    "CREATE INDEX steps_by_event ON steps (namespace, event)",
    *outbox.TABLES,
)

SQLITE: Mapping[str, str] = {
    "integer": "INTEGER",
    "real": "REAL",
    "text": "TEXT",
    "blob": "BLOB",
    "random": "random()",
    "without_rowid": " WITHOUT ROWID",
}
# Keys are ordered by code points in both, whatever the server's language is.
POSTGRESQL: Mapping[str, str] = {
    "integer": "BIGINT",
    "real": "DOUBLE PRECISION",
    "text": 'TEXT COLLATE "C"',
    "blob": "BYTEA",
    "random": "(random() * 9e18)::bigint",
    "without_rowid": "",
}


def statements(types: Mapping[str, str]) -> list[str]:
    """Returns the statements that make the tables of the newest version.

    Args:
        types: `SQLITE` or `POSTGRESQL`.
    """
    return [table.format(**types, version=VERSION) for table in TABLES]


def check(version: int, name: str) -> None:
    """Refuses tables of another version than this one's.

    Args:
        version: Of the tables.
        name: The database, for the message.

    Raises:
        StoreError: They are newer (or, while an older program still runs, older).
    """
    if version != VERSION:
        raise StoreError(
            describe(
                f"The tables of {name} are of another version of qstore_tf",
                expected=f"version {VERSION}",
                received=version,
                hint="Update qstore_tf, or end programs of an older version and open it again",
            )
        )
