"""What the actions of `qstore db` do. Their options are in `options`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, ItemError, LibraryError, QstoreError, describe
from qstore_tf.store.command import transfer
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.records import Item, QueryResult

CACHE = "QSTORE_DB_CACHE"
_NEEDED = ("fastapi", "uvicorn", "prometheus_client", "httpx")


def run(arguments: argparse.Namespace) -> int:
    """Runs `qstore db`."""
    _ACTIONS[arguments.db_command](arguments)
    return 0


def _open(path: str) -> QuantumDatabase:
    """Opens a database that is there."""
    if not _is_remote(path) and not Path(path).exists():
        raise ConfigurationError(
            describe(
                "There is no such database", received=path, hint="`qstore db create` makes one."
            )
        )
    return QuantumDatabase(path)


@contextmanager
def _open_or_make(path: str, **settings: Any) -> Iterator[QuantumDatabase]:
    """Opens a database, or makes one; where nothing came of it, no empty file is left behind."""
    is_new = not _is_remote(path) and not Path(path).exists()
    is_empty = False
    try:
        with QuantumDatabase(path, **settings) as database:
            try:
                yield database
            except QstoreError:
                is_empty = not database.namespaces()
                raise
    finally:
        if is_new and is_empty:
            for end in ("", "-wal", "-shm"):
                Path(path + end).unlink(missing_ok=True)


def _is_remote(path: str) -> bool:
    return path.startswith("postgresql://")


def _create(arguments: argparse.Namespace) -> None:
    with _open_or_make(arguments.file) as database:
        database.create_namespace(arguments.namespace, arguments.dimension, arguments.metric)
    print(f"{arguments.file}: namespace {arguments.namespace!r}")


def _stats(arguments: argparse.Namespace) -> None:
    with _open(arguments.file) as database:
        found = [
            {
                "namespace": space.name,
                "items": space.count,
                "archived": _count_archived(database, space.name),
                "dimension": space.dimension,
                "metric": space.metric,
                "contexts": list(space.contexts),
                "groups": len(database.entangled_groups(namespace=space.name)),
            }
            for space in database.namespaces()
        ]
    if arguments.json:
        print(json.dumps(found))
        return
    columns = ("namespace", "items", "archived", "dimension", "metric", "contexts", "groups")
    rows = [[_cell(entry[column]) for column in columns] for entry in found]
    _table(list(columns), rows)


def _count_archived(database: QuantumDatabase, namespace: str) -> int:
    count, token = 0, None
    while True:
        page = database.list(limit=10_000, page_token=token, archived=True, namespace=namespace)
        count, token = count + len(page), page.next_token
        if token is None:
            return count


def _cell(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _query(arguments: argparse.Namespace) -> None:
    context = arguments.context
    if context is not None and context.lstrip().startswith("{"):
        context = _json("--context", context)
    filter = None if arguments.filter is None else _json("--filter", arguments.filter)
    with _open(arguments.file) as database:
        vector = _vector(arguments, database, context)
        result = database.query(
            vector,
            context,
            arguments.mode,
            top_k=arguments.top_k,
            filter=filter,
            namespace=arguments.namespace,
        )
    if arguments.json:
        print(json.dumps([_as_json(result, row) for row in range(len(result))]))
        return
    rows = [
        [m.id, f"{m.score:.6f}", f"{m.fidelity:.6f}", json.dumps(dict(m.metadata or {}))]
        for m in result
    ]
    _table(["id", "score", "fidelity", "metadata"], rows)


def _vector(arguments: argparse.Namespace, database: QuantumDatabase, context: Any) -> Any:
    if arguments.id is not None:
        item: Item = database.get(arguments.id, namespace=arguments.namespace)
        return _vector_in(item, context)
    if arguments.vector.startswith("@"):
        import numpy as np

        try:
            return np.load(arguments.vector[1:], allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                describe(f"--vector: the file cannot be read: {error}")
            ) from None
    return _json("--vector", arguments.vector)


def _vector_in(item: Item, context: Any) -> Any:
    """The vector that an item has in one context, else its own."""
    own = {each.name: each.vector for each in item.contexts if each.vector is not None}
    vector = own.get(context, item.vector) if isinstance(context, str) else item.vector
    if vector is None:
        raise ItemError(
            describe(
                f"Item {item.id!r} has a vector for each context and none of its own",
                expected=f"--context with one of {', '.join(own)}",
                received="no --context" if context is None else context,
                hint="Or give --vector.",
            )
        )
    return vector


def _as_json(result: QueryResult, row: int) -> dict[str, Any]:
    match = result[row]
    return {
        "id": match.id,
        "score": match.score,
        "fidelity": match.fidelity,
        "probability": match.probability,
        "coherence": match.coherence,
        "metadata": dict(match.metadata or {}),
    }


def _import(arguments: argparse.Namespace) -> None:
    with _open_or_make(arguments.file) as database:
        _tell(transfer.load(database, arguments.folder, _progress))


def _export(arguments: argparse.Namespace) -> None:
    with _open(arguments.file) as database:
        _tell(transfer.export(database, arguments.folder, _progress))


def _copy(arguments: argparse.Namespace) -> None:
    if _is_same(arguments.file, arguments.target):
        raise ConfigurationError(
            describe("A database cannot be copied to itself", received=arguments.target)
        )
    with _open(arguments.file) as source, _open_or_make(arguments.target) as target:
        _tell(transfer.copy(source, target, _progress))


def _is_same(one: str, other: str) -> bool:
    if _is_remote(one) or _is_remote(other):
        return one == other
    return Path(one).resolve() == Path(other).resolve()


def _backup(arguments: argparse.Namespace) -> None:
    with _open(arguments.file) as database:
        database.backup(arguments.target)
    print(arguments.target)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tell(copied: transfer.Copied) -> None:
    print(f"{copied.items} items, {copied.groups} groups in {copied.namespaces} namespaces")


def _serve(arguments: argparse.Namespace) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise LibraryError(
            describe(
                f"The service needs {' and '.join(missing)}",
                hint="Install it: pip install 'qstore-tf[server]'",
            )
        )
    from qstore_tf.store.service import running
    from qstore_tf.store.service.keys import Keys

    keys = Keys.read(arguments.keys)
    if not len(keys) and arguments.host not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigurationError(
            describe(
                f"A service on {arguments.host} would be open to everybody",
                expected="--keys FILE, or the variable QSTORE_DB_KEYS",
                hint="Without keys it answers on 127.0.0.1 alone.",
            )
        )
    listening = running.listen(arguments.host, arguments.port)
    cache = arguments.cache or os.environ.get(CACHE) or None
    with listening, _open_or_make(arguments.file, cache=cache) as database:
        port = listening.getsockname()[1]
        print(
            f"http://{arguments.host}:{port}  (a page to look around; API: /docs; Ctrl-C stops)",
            flush=True,
        )
        if not len(keys):
            print("no API keys: whoever reaches this port may read and write", flush=True)
        running.serve(database, listening, keys)
    print("stopped", flush=True)


def _json(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            describe(f"{option} is not valid JSON: {error}", received=text)
        ) from None


def _table(head: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in [head, *rows]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


_ACTIONS: dict[str, Callable[[argparse.Namespace], None]] = {
    "create": _create,
    "stats": _stats,
    "query": _query,
    "import": _import,
    "export": _export,
    "backup": _backup,
    "copy": _copy,
    "serve": _serve,
}
