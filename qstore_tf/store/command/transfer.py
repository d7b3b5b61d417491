"""Databases as folders of plain files, and copies from one store to another.

A folder holds `manifest.json` (what it is, its namespaces, and the SHA-256 of each file) and for
each namespace `NUMBER.jsonl`, an item a line, and `NUMBER.npy`, the vectors that the lines name by
their rows. It is read by any JSON and NumPy.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qstore_tf.errors import StoreError, describe
from qstore_tf.store.catalog import Connection, NamespaceRow, groups, items, namespaces
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.items.reading import read_items
from qstore_tf.store.records import Item, Vector
from qstore_tf.store.verbs.verbs import Call

FORMAT, VERSION = "qstore-database", 1
_PAGE = 2000
_LARGEST_LINE = 16 << 20
_FIELDS = {"id", "metadata", "written_at", "coherence_time", "staleness", "archived"}

Report = Callable[[str], None]


@dataclass(frozen=True)
class Copied:
    """What was copied.

    Attributes:
        namespaces: How many.
        items: How many, archived ones too.
        groups: How many.
    """

    namespaces: int
    items: int
    groups: int


def export(
    database: QuantumDatabase, folder: str | os.PathLike[str], report: Report | None = None
) -> Copied:
    """Writes a database to a folder, as it is at one moment, while others go on writing.

    Args:
        database: The database.
        folder: Where to; it must not exist, and is there only when it is complete.
        report: Told of each namespace, for progress.

    Raises:
        StoreError: The folder is there, or cannot be written.
    """
    target = Path(folder)
    if target.exists():
        raise StoreError(
            describe("The folder is there already", received=str(target), hint="Name another one.")
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _unwritable(target, error) from None
    try:
        copied = _write(database, work, report or _silent)
        os.replace(work, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return copied


def load(
    database: QuantumDatabase, folder: str | os.PathLike[str], report: Report | None = None
) -> Copied:
    """Reads a folder that `export` wrote into a database.

    Items keep their ages, and all their contexts, however many a new item may have here. Those that
    are there already are replaced, and move no partners; so are groups of the same names. What is
    archived is never live in between. A namespace that is there must have the same dimension and
    metric.

    Args:
        database: The database.
        folder: The folder.
        report: Told of each namespace, for progress.

    Raises:
        StoreError: The folder is none of these, or a file in it is not as it was written.
    """
    source = Path(folder)
    manifest = _manifest(source)
    total = Copied(0, 0, 0)
    for space in manifest["namespaces"]:
        for name, digest in space["files"].items():
            if _digest(source / name) != digest:
                raise StoreError(
                    describe(
                        f"{name} is not as it was written",
                        received=str(source),
                        hint="Copy the folder again from where it came.",
                    )
                )
    for space in manifest["namespaces"]:
        (report or _silent)(f"{space['name']}: {space['items']} items")
        total = _sum(total, _load_namespace(database, source, space))
    return total


def copy(source: QuantumDatabase, target: QuantumDatabase, report: Report | None = None) -> Copied:
    """Copies everything from one database to another, whatever stores they are."""
    with tempfile.TemporaryDirectory(prefix="qstore-copy-") as folder:
        export(source, Path(folder) / "all", report)
        return load(target, Path(folder) / "all")


def _write(database: QuantumDatabase, folder: Path, report: Report) -> Copied:
    entries, total = [], Copied(0, 0, 0)
    with database._catalog.read() as reader:
        for number, space in enumerate(namespaces.all_of(reader)):
            report(f"{space.name}: {items.count(reader, space)} items")
            entry, copied = _write_namespace(database, reader, space, folder, number)
            entries.append(entry)
            total = _sum(total, copied)
    text = json.dumps({"format": FORMAT, "version": VERSION, "namespaces": entries}, indent=1)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return total


def _write_namespace(
    database: QuantumDatabase,
    reader: Connection,
    space: NamespaceRow,
    folder: Path,
    number: int,
) -> tuple[dict[str, Any], Copied]:
    lines, rows = folder / f"{number}.jsonl", folder / f"{number}.npy"
    vectors: list[Vector] = []
    count = n_items = 0

    def row_of(vector: Vector | None) -> int | None:
        nonlocal count
        if vector is None:
            return None
        vectors.append(vector)
        count += 1
        return count - 1

    with lines.open("w", encoding="utf-8") as file, rows.open("wb") as raw:
        header = _room_for_header(raw, space)
        for item in _items(database, reader, space):
            file.write(json.dumps(_line(item, row_of), ensure_ascii=False) + "\n")
            n_items += 1
            if len(vectors) >= _PAGE:
                raw.write(np.array(vectors, space.dtype).tobytes())
                vectors.clear()
        raw.write(np.array(vectors, space.dtype).tobytes())
        header(count)
    found = groups.all_of(reader, space)
    members = {
        group.name: [
            item.key
            for item in items.fetch_slots(reader, space, groups.members(reader, group.number))
            if item is not None
        ]
        for group in found
    }
    entry = {
        "name": space.name,
        "dimension": space.dimension,
        "metric": space.metric,
        "dtype": space.dtype.name,
        "items": n_items,
        "contexts": [
            {
                "name": context.name,
                "basis": None if context.basis is None else _plain(context.basis),
            }
            for context in space.contexts
        ],
        "groups": [{"name": g.name, "rho": g.rho, "members": members[g.name]} for g in found],
        "files": {path.name: _digest(path) for path in (lines, rows)},
    }
    return entry, Copied(1, n_items, len(found))


def _room_for_header(raw: Any, space: NamespaceRow) -> Callable[[int], None]:
    """Writes a header of .npy whose number of rows is set afterwards."""

    def write(count: int) -> None:
        raw.seek(0)
        described = {
            "descr": np.lib.format.dtype_to_descr(space.dtype),
            "fortran_order": False,
            "shape": (count, space.dimension),
        }
        np.lib.format.write_array_header_1_0(raw, described)

    # NumPy pads the header so that the number of rows can grow to any length.
    write(0)
    return write


def _items(database: QuantumDatabase, reader: Connection, space: NamespaceRow) -> Iterator[Item]:
    for archived in (False, True):
        token: str | None = None
        while True:
            keys, token = items.list_keys(reader, space, "", token, _PAGE, archived)
            found = read_items(reader, space, keys, database._clock())
            yield from (item for item in found if item is not None)
            if token is None:
                break


def _line(item: Item, row_of: Callable[[Vector | None], int | None]) -> dict[str, Any]:
    return {
        "id": item.id,
        "row": row_of(item.vector),
        "contexts": [[c.name, c.weight, row_of(c.vector)] for c in item.contexts],
        "metadata": dict(item.metadata),
        "written_at": item.written_at,
        "coherence_time": None if math.isinf(item.coherence_time) else item.coherence_time,
        "staleness": item.staleness,
        "archived": item.archived,
    }


def _load_namespace(database: QuantumDatabase, folder: Path, space: dict[str, Any]) -> Copied:
    name, (lines, rows) = space["name"], space["files"]
    known = {each.name: each for each in database.namespaces()}.get(name)
    if known is None:
        database.create_namespace(name, space["dimension"], space["metric"], space["dtype"])
    elif (known.dimension, known.metric) != (space["dimension"], space["metric"]):
        raise StoreError(
            describe(
                f"Namespace {name!r} is there and is another one",
                expected={"dimension": known.dimension, "metric": known.metric},
                received={"dimension": space["dimension"], "metric": space["metric"]},
            )
        )
    vectors = np.load(folder / rows, mmap_mode="r", allow_pickle=False)
    _check_lines(folder / lines, len(vectors))
    for context in space["contexts"]:
        basis = context["basis"]
        database.define_context(
            context["name"], None if basis is None else _matrix(basis), namespace=name
        )
    n_items = 0
    for page in _pages(folder / lines):
        _load_page(database, name, page, vectors)
        n_items += len(page)
    there = database.entangled_groups(namespace=name)
    for group in space["groups"]:
        calls = []
        if group["name"] in there:
            calls.append(Call("delete_group", name, {"name": group["name"]}))
        if len(group["members"]) > 1:
            made = {"name": group["name"], "ids": group["members"], "rho": group["rho"]}
            calls.append(Call("create_group", name, {**made, "archived": True}))
        if calls:
            database.run(calls)
    return Copied(1, n_items, len(space["groups"]))


def _load_page(
    database: QuantumDatabase, name: str, page: list[dict[str, Any]], vectors: Vector
) -> None:
    """Stores the items of a page in one commit: no archived one is live at any moment."""

    def take(row: int | None) -> Vector | None:
        return None if row is None else np.array(vectors[row])

    calls = []
    # Items without a vector are in a call of their own: a batch has vectors or none.
    for has_vector in (True, False):
        part = [line for line in page if (line["row"] is not None) == has_vector]
        if not part:
            continue
        contexts = [
            [
                (context, weight) if row is None else (context, weight, take(row))
                for context, weight, row in line["contexts"]
            ]
            for line in part
        ]
        arguments = {
            "ids": [line["id"] for line in part],
            "vectors": np.array([take(line["row"]) for line in part]) if has_vector else None,
            "contexts": contexts,
            # None would be the default of this database.
            "coherence_time": [_or_ever(line["coherence_time"]) for line in part],
            "metadata": [line["metadata"] for line in part],
            "written_at": [line["written_at"] for line in part],
            "staleness": [line["staleness"] for line in part],
            "moves": False,
            "replace": True,
            "alone": True,
            "most_contexts": max(map(len, contexts)),
        }
        calls.append(Call("put", name, arguments))
    archived = [line["id"] for line in page if line["archived"]]
    if archived:
        calls.append(Call("archive", name, {"ids": archived}))
    database.run(calls)


def _or_ever(time: float | None) -> float:
    return math.inf if time is None else time


def _check_lines(path: Path, n_vectors: int) -> None:
    """Raises StoreError unless each line is an item whose vectors are there."""
    checked = 0
    try:
        for page in _pages(path):
            for line in page:
                rows = [line["row"], *(row for _, _, row in line["contexts"])]
                good = all(row is None or 0 <= row < n_vectors for row in rows)
                if not good or not line.keys() >= _FIELDS:
                    raise ValueError
                checked += 1
    except (ValueError, TypeError, KeyError):
        raise StoreError(
            describe(f"Line {checked + 1} of {path.name} is no item", received=str(path.parent))
        ) from None


def _pages(path: Path) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        while line := file.readline(_LARGEST_LINE):
            page.append(json.loads(line))
            if len(page) == _PAGE:
                yield page
                page = []
    if page:
        yield page


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        good = found["format"] == FORMAT and found["version"] <= VERSION
        # Names of files come from a file: they must not lead out of the folder.
        for space in found["namespaces"]:
            good = good and all(Path(name).name == name for name in space["files"])
    except (OSError, ValueError, KeyError, TypeError):
        good = False
    if not good:
        raise StoreError(
            describe(
                "The folder is no exported database, or one of a newer version",
                expected=f"manifest.json of format {FORMAT!r}, version {VERSION}",
                received=str(folder),
            )
        )
    return found


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise StoreError(
            describe(f"A file of the export cannot be read: {error.strerror}", received=str(path))
        ) from None
    return digest.hexdigest()


def _plain(matrix: Vector) -> list[Any]:
    parts = [np.real(matrix).tolist()]
    return [*parts, np.imag(matrix).tolist()] if np.iscomplexobj(matrix) else parts


def _matrix(parts: list[Any]) -> Vector:
    real = np.array(parts[0])
    return real if len(parts) == 1 else real + 1j * np.array(parts[1])


def _unwritable(target: Path, error: OSError) -> StoreError:
    return StoreError(
        describe(f"The folder cannot be written: {error.strerror}", received=str(target))
    )


def _sum(one: Copied, other: Copied) -> Copied:
    return Copied(
        one.namespaces + other.namespaces, one.items + other.items, one.groups + other.groups
    )


def _silent(_: str) -> None:
    pass
