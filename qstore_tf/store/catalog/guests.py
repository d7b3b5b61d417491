"""Tables that others keep beside the catalog's in a server's database, such as the registry's."""

from __future__ import annotations

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.catalog.connections import Connection

# Types that SQLite has too, by PostgreSQL's name.
_TYPES = {
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "double precision": "DOUBLE PRECISION",
    "text": "TEXT",
    "bytea": "BLOB",
}
_COLUMNS = """
SELECT t.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_class AS t
JOIN pg_namespace AS s ON s.oid = t.relnamespace
JOIN pg_attribute AS a ON a.attrelid = t.oid
WHERE s.nspname = ? AND t.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY t.relname, a.attnum
"""
_KEYS = """
SELECT t.relname::text, k.conname::text, k.contype::text, a.attname::text
FROM pg_constraint AS k
JOIN pg_class AS t ON t.oid = k.conrelid
JOIN pg_namespace AS s ON s.oid = t.relnamespace
CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS c(number, place)
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = c.number
WHERE s.nspname = ? AND k.contype IN ('p', 'u')
ORDER BY t.relname, k.contype, k.conname, c.place
"""


def statements(reader: Connection, schema: str, known: tuple[str, ...]) -> dict[str, str]:
    """What makes tables like those of a PostgreSQL server in SQLite: columns, types and keys.

    Args:
        reader: The server's connection.
        schema: Where they are.
        known: Tables that are left out.

    Returns:
        CREATE TABLE, by the table's name.

    Raises:
        StoreError: A column has a type that SQLite has not.
    """
    parts: dict[str, list[str]] = {}
    for table, column, kind, is_needed in reader.execute(_COLUMNS, (schema,)).fetchall():
        if table in known:
            continue
        if kind not in _TYPES:
            raise StoreError(
                describe(
                    f"Column {column!r} of table {schema}.{table} cannot be copied to a file",
                    expected=f"a type of {', '.join(_TYPES)}",
                    received=kind,
                    hint="Move the table to another schema, or use the server's own backup.",
                )
            )
        line = f"{quoted(column)} {_TYPES[kind]}{' NOT NULL' if is_needed else ''}"
        parts.setdefault(table, []).append(line)
    keys: dict[tuple[str, str, str], list[str]] = {}
    for table, name, kind, column in reader.execute(_KEYS, (schema,)).fetchall():
        if table in parts:
            keys.setdefault((table, name, kind), []).append(quoted(column))
    for (table, _, kind), columns in keys.items():
        parts[table].append(f"{'PRIMARY KEY' if kind == 'p' else 'UNIQUE'} ({', '.join(columns)})")
    return {
        table: f"CREATE TABLE {quoted(table)} ({', '.join(lines)})"
        for table, lines in parts.items()
    }


def quoted(name: str) -> str:
    """A name as SQL reads it, whatever is in it.

    Example:
        >>> quoted("order")
        '"order"'
    """
    return '"' + name.replace('"', '""') + '"'
