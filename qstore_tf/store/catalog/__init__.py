"""The durable truth of a database: SQLite or PostgreSQL behind the same functions.

`Catalog` opens it and runs transactions; the functions of the modules here, one for each noun, read
and write through a connection that a transaction gives them.
"""

from __future__ import annotations

from qstore_tf.store.catalog.catalog import Catalog
from qstore_tf.store.catalog.connections import Connection
from qstore_tf.store.catalog.feed import changes
from qstore_tf.store.catalog.items import Rows, StoredItem
from qstore_tf.store.catalog.namespaces import ContextRow, NamespaceRow

__all__ = [
    "Catalog",
    "Connection",
    "ContextRow",
    "NamespaceRow",
    "Rows",
    "StoredItem",
    "changes",
]
