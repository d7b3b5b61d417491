"""`ModelRegistry`: versions of models, and the runs that made them, in a quantum database's file.

A version's row is written when its file is on the disk under its name, and removed before the file
is. So a crash leaves files without a row at the worst, which `sweep` removes, and never a row
without its file.
"""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qstore_tf import sqlite_files
from qstore_tf.errors import ConfigurationError, NotFoundError, describe, did_you_mean
from qstore_tf.store.catalog import Catalog, Connection
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.tracking import artifacts, tables
from qstore_tf.tracking.records import DataVersion, ModelVersion, Run
from qstore_tf.tracking.runs import Runs, id_of, now

_COLUMNS = (
    "model, version, file, sha256, size, packages, programs, data_namespace, data_commit, run,"
    " description, created_at"
)


class ModelRegistry(Runs):
    """Registered models, their versions and aliases, and runs with parameters and metrics.

    The words are those of MLflow. What a method has returned is on the disk. Threads share one
    object, processes share the file.

    Args:
        path: The file of a quantum database, made where there is none; or an open
            `QuantumDatabase`; or "postgresql://..."; None for one in memory.
        folder: Where the models' files are kept; None: `NAME.models` beside the database's file.

    Raises:
        StoreError: The database cannot be opened.
        ConfigurationError: A database without a file of its own needs a folder.

    Example:
        >>> import keras
        >>> registry = ModelRegistry()
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> made = registry.register("prices", model)
        >>> made.version, made.programs
        (1, None)
        >>> registry.set_alias("prices", "best", 1)
        >>> registry.load("prices", "best").count_params()
        3
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | QuantumDatabase | None = None,
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self._owns = not isinstance(path, QuantumDatabase)
        place = None if isinstance(path, QuantumDatabase) else path
        is_server = place is not None and "://" in os.fspath(place)
        if folder is None and (is_server or not self._owns):
            raise ConfigurationError(
                describe(
                    "A registry in an open database or on a server needs a folder for its models",
                    hint="Pass folder=, or the path of the database's file.",
                )
            )
        if folder is not None:
            self.folder = sqlite_files.absolute(folder)
        elif place is not None:
            beside = sqlite_files.absolute(place)
            self.folder = beside.with_name(f"{beside.name}.models")
        else:
            self.folder = Path(tempfile.mkdtemp(prefix="qstore-models-"))
            weakref.finalize(self, sqlite_files.remove_folder, str(self.folder), os.getpid())
        self._catalog = path._catalog if isinstance(path, QuantumDatabase) else Catalog(place)
        tables.prepare(self._catalog)

    def __enter__(self) -> ModelRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database, unless it was open when it was passed."""
        if self._owns:
            self._catalog.close()

    def register(
        self,
        name: str,
        model: Any,
        *,
        run: Run | str | None = None,
        data: DataVersion | None = None,
        description: str = "",
    ) -> ModelVersion:
        """Saves a model as the next version of a name.

        Args:
            name: The model's name; a new one is registered.
            model: A built Keras model.
            run: The run that made it.
            data: Which data it was trained on: `dataset.data` of a `TrainingDataset`.
            description: In words.

        Raises:
            NotFoundError: There is no such run.
            StoreError: The file cannot be written. No version was made.
        """
        _check_name(name, "model")
        run_id = None if run is None else self.run(id_of(run)).id
        packages, programs = artifacts.package_versions(), artifacts.programs_of(model)
        file, digest, size = artifacts.write(model, self.folder, name)
        created = now()
        of_data = (data.namespace, data.commit) if data else (None, None)

        def work(writer: Connection) -> int:
            writer.execute(
                "INSERT INTO tracking_models VALUES (?, ?, 0, ?) ON CONFLICT (name) DO NOTHING",
                (name, "", created),
            )
            writer.execute(
                "UPDATE tracking_models SET last_version = last_version + 1 WHERE name = ?", (name,)
            )
            [number] = writer.execute(
                "SELECT last_version FROM tracking_models WHERE name = ?", (name,)
            ).fetchone()
            writer.execute(
                f"INSERT INTO tracking_versions ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (name, number, file, digest, size, json.dumps(packages), programs)
                + (*of_data, run_id, description, created),
            )
            return int(number)

        # Where this fails, the file stays for `sweep`: who knows whether the row is there.
        return self.version(name, self._catalog.write(work))

    def load(self, name: str, version: int | str | None = None) -> Any:
        """Loads a model, after its file was held against the row's sha256.

        Args:
            name: The model's name.
            version: A number, an alias, or None for the latest.

        Raises:
            NotFoundError: There is no such version.
            StoreError: The file is gone or changed.
        """
        found = self.version(name, version)
        return artifacts.read(self.folder / found.file, found.sha256)

    def version(self, name: str, version: int | str | None = None) -> ModelVersion:
        """One version of a model: a number, an alias, or None for the latest.

        Raises:
            NotFoundError: There is no such version.
        """
        if version is None:
            which = "(SELECT max(version) FROM tracking_versions WHERE model = ?)"
            values: list[Any] = [name]
        elif isinstance(version, str):
            which = "(SELECT version FROM tracking_aliases WHERE model = ? AND alias = ?)"
            values = [name, version]
        else:
            which, values = "?", [version]
        with self._catalog.read() as reader:
            found = _versions(reader, f"model = ? AND version = {which}", [name, *values])
            if found:
                return found[0]
            rows = reader.execute("SELECT name FROM tracking_models").fetchall()
        known = [row[0] for row in rows]
        what = "no version" if version is None else f"no version {version!r}"
        raise NotFoundError(
            describe(
                f"There is {what} of model {name!r}",
                hint=None if name in known else did_you_mean(name, known),
            )
        )

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        """All versions of a model, or of all, in their order."""
        with self._catalog.read() as reader:
            return _versions(reader, "1 = 1" if name is None else "model = ?", [name] * bool(name))

    def models(self) -> Sequence[str]:
        """The names of all registered models."""
        with self._catalog.read() as reader:
            return [r[0] for r in reader.execute("SELECT name FROM tracking_models ORDER BY name")]

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Lets an alias point at a version, instead of where it did.

        Raises:
            NotFoundError: There is no such version.
        """
        _check_name(alias, "alias")

        def work(writer: Connection) -> None:
            if not _versions(writer, "model = ? AND version = ?", [name, version]):
                raise NotFoundError(describe(f"There is no version {version!r} of model {name!r}"))
            writer.execute(
                "INSERT INTO tracking_aliases VALUES (?, ?, ?)"
                " ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
                (name, alias, version),
            )

        self._catalog.write(work)

    def delete_alias(self, name: str, alias: str) -> None:
        """Removes an alias; one that is not there is no error."""
        self._catalog.write(
            lambda writer: writer.execute(
                "DELETE FROM tracking_aliases WHERE model = ? AND alias = ?", (name, alias)
            )
        )

    def delete_version(self, name: str, version: int) -> None:
        """Removes a version, its aliases and its file, for good.

        Raises:
            NotFoundError: There is no such version.
        """
        found = self.version(name, version)

        def work(writer: Connection) -> None:
            for table in ("tracking_aliases", "tracking_versions"):
                writer.execute(
                    f"DELETE FROM {table} WHERE model = ? AND version = ?", (name, found.version)
                )

        self._catalog.write(work)
        artifacts.remove(self.folder, found.file)

    def sweep(self, older_than_s: float = 3600.0) -> Sequence[str]:
        """Removes files that crashes left without a row.

        Args:
            older_than_s: Younger files are left alone: others may be about to write their rows.

        Returns:
            The names of what was removed.
        """
        # First the files, then the rows: a file that is registered meanwhile has its row.
        paths = list(artifacts.leftovers(self.folder, (), older_than_s))
        known = {version.file for version in self.versions()}
        removed = [path.name for path in paths if path.name not in known]
        for name in removed:
            artifacts.remove(self.folder, name)
        return removed


def _versions(reader: Connection, where: str, values: list[Any]) -> list[ModelVersion]:
    rows = reader.execute(
        f"SELECT {_COLUMNS} FROM tracking_versions WHERE {where} ORDER BY model, version", values
    ).fetchall()
    return [
        ModelVersion(
            name=row[0],
            version=row[1],
            file=row[2],
            sha256=row[3],
            size=row[4],
            packages=json.loads(row[5]),
            programs=row[6],
            data=None if row[7] is None else DataVersion(row[7], row[8]),
            run=row[9],
            description=row[10],
            created_at=row[11],
            aliases=tuple(
                found[0]
                for found in reader.execute(
                    "SELECT alias FROM tracking_aliases WHERE model = ? AND version = ?"
                    " ORDER BY alias",
                    row[:2],
                ).fetchall()
            ),
        )
        for row in rows
    ]


def _check_name(name: Any, what: str) -> None:
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= 200
        or (what == "alias" and name.isdecimal())
    ):
        raise ConfigurationError(
            describe(
                f"The name of this {what} cannot be used",
                expected="1 to 200 characters" + (", not only digits" * (what == "alias")),
                received=name,
            )
        )
