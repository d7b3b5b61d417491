"""Files of models: written durably, checked when they are read; and what is noted of a model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import time
import uuid
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras

from qstore_tf.errors import StoreError, describe

_PACKAGES = ("qstore-tf", "keras", "tensorflow", "numpy")
_UNFINISHED = ".unfinished-"


def write(model: Any, folder: Path, name: str) -> tuple[str, str, int]:
    """Saves a model to a new file; when this returns, the file is on the disk under its name.

    Args:
        model: A Keras model.
        folder: Where to, made where there is none.
        name: What the file's name begins with.

    Returns:
        The file's name, its sha256, its size in bytes.

    Raises:
        StoreError: It cannot be written; no file is left.
    """
    place = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60] + f"-{uuid.uuid4().hex}.keras"
    unfinished = folder / f"{_UNFINISHED}{place}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        model.save(unfinished)
        digest, size = digest_of(unfinished)
        _sync(unfinished, os.O_RDWR)
        os.replace(unfinished, folder / place)
        _sync_folder(folder)
    except OSError as error:
        raise StoreError(
            describe(f"The model could not be written: {error}", received=str(folder))
        ) from error
    finally:
        with contextlib.suppress(OSError):  # which would hide what happened
            unfinished.unlink(missing_ok=True)
    return place, digest, size


def remove(folder: Path, file: str) -> None:
    """Removes a file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        (folder / file).unlink()
        _sync_folder(folder)


def check(path: Path, sha256: str) -> None:
    """Holds a file against its sha256.

    Raises:
        StoreError: It is gone or changed.
    """
    try:
        found, _ = digest_of(path)
    except OSError as error:
        raise StoreError(
            describe(f"The file of a model cannot be read: {error}", received=str(path))
        ) from error
    if found != sha256:
        raise StoreError(
            describe(
                "The file of a model is not as it was written",
                expected=f"sha256 {sha256}",
                received=found,
                hint=f"Put the right file at {path}, or delete the version.",
            )
        )


def read(path: Path, sha256: str) -> Any:
    """Loads a model from a file that is as it was written.

    Raises:
        StoreError: It is gone or changed.
    """
    check(path, sha256)
    return keras.models.load_model(path)


def leftovers(folder: Path, known: Collection[str], older_than_s: float) -> Iterator[Path]:
    """Yields model files that no row names, last written longer ago than some seconds."""
    if not folder.is_dir():
        return
    before = time.time() - older_than_s
    for path in sorted(folder.iterdir()):
        if path.suffix == ".keras" and path.name not in known and path.stat().st_mtime <= before:
            yield path


def digest_of(path: Path) -> tuple[str, int]:
    """The sha256 of a file, in hexadecimal, and its size in bytes."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)
            size += len(part)
    return digest.hexdigest(), size


def package_versions() -> dict[str, str]:
    """The versions of what runs here, by package."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def programs_of(model: Any) -> str | None:
    """A hash of the circuits of a model's quantum layers, in their order; None without any.

    It depends on circuits, encodings and observables, and on no weight or name of a layer.
    """
    layers = [layer for layer in _flat(model) if hasattr(layer, "run_options")]
    if not layers:
        return None
    text = json.dumps([_program_of(layer) for layer in layers], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _flat(layer: Any) -> Iterator[Any]:
    yield layer
    for part in getattr(layer, "_layers", ()):
        yield from _flat(part)


# Of a layer's settings, those that say nothing of its circuit.
_ASIDE = ("name", "trainable", "dtype", "version", "seed", "backend", "gradient", "shots")
_OF_WEIGHTS = ("initializer", "regularizer", "constraint")


def _program_of(layer: Any) -> Any:
    config = keras.saving.serialize_keras_object(layer)["config"]
    if hasattr(layer, "circuit_with_encoding") and layer.built:
        circuit = json.loads(layer.circuit_with_encoding().to_json())
        return [type(layer).__name__, config["encoding"], circuit, config["observables"]]
    kept = {
        key: value
        for key, value in config.items()
        if key not in _ASIDE and not key.endswith(_OF_WEIGHTS)
    }
    return [type(layer).__name__, kept]


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):  # elsewhere a folder cannot be opened
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)
