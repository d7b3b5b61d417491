"""The options of `qstore db`; what they do is in `actions`, which needs more time to import."""

from __future__ import annotations

import argparse
from typing import Any

SUMMARY = "create, look into, copy and serve a quantum database"
EXAMPLES = """\
examples:
  qstore db create papers.qstore --dimension 384
  qstore db import papers.qstore exported/
  qstore db query papers.qstore --id intro --top-k 5 --filter '{"year": {"$gte": 2020}}'
  qstore db stats papers.qstore
  qstore db backup papers.qstore papers-backup.qstore
  qstore db copy papers.qstore postgresql://localhost/papers
  QSTORE_DB_KEYS='[{"key": "...", "name": "me"}]' qstore db serve papers.qstore --port 8080

FILE is a database's file, or postgresql://USER@HOST/NAME. Exports are folders of JSON lines and
.npy files.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the subcommands to the parser of `qstore db`."""
    commands = parser.add_subparsers(dest="db_command", metavar="ACTION", required=True)
    create = _action(commands, "create", "make a namespace")
    create.add_argument("--namespace", default="default", help="its name (default: %(default)s)")
    create.add_argument("--dimension", type=int, required=True, help="numbers of a vector")
    create.add_argument("--metric", default="cosine", help="cosine, dot, l2 or fidelity")
    stats = _action(commands, "stats", "what is in it")
    stats.add_argument("--json", action="store_true", help="as JSON")
    query = _action(commands, "query", "find what resembles an item or a vector")
    which = query.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="an item, whose vector (in --context) is the query")
    which.add_argument("--vector", help="a JSON list of numbers, or @FILE.npy")
    query.add_argument("--namespace", default="default", help="where to search")
    query.add_argument("--context", help="a context, or JSON of weights by name")
    query.add_argument("--filter", help="a metadata filter as JSON")
    query.add_argument("--mode", default="balanced", help="precise, balanced or exploratory")
    query.add_argument("--top-k", type=int, default=10, help="how many (default: %(default)s)")
    query.add_argument("--json", action="store_true", help="as JSON")
    for name, text in (
        ("import", "read a folder that export wrote"),
        ("export", "write a folder of plain files"),
    ):
        _action(commands, name, text).add_argument("folder", metavar="FOLDER")
    backup = _action(commands, "backup", "copy the file while others write")
    backup.add_argument("target", metavar="TARGET")
    copy = _action(commands, "copy", "copy everything to another database")
    copy.add_argument("target", metavar="TARGET")
    serve = _action(commands, "serve", "answer over HTTP")
    serve.add_argument("--host", default="127.0.0.1", help="address (default: %(default)s)")
    serve.add_argument("--port", type=int, default=8080, help="port; 0 for any that is free")
    serve.add_argument("--keys", metavar="FILE", help="API keys as JSON; else QSTORE_DB_KEYS")
    serve.add_argument(
        "--cache",
        metavar="CACHE",
        help="where answers are kept: memory, or redis://HOST:PORT/0; else QSTORE_DB_CACHE, which "
        "no list of processes shows",
    )


def _action(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("file", metavar="FILE", help="the database")
    return parser
