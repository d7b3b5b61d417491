"""One checkpoint as three files: written durably, read as untrusted data.

`arrays.npz` can be opened with `numpy.load`. Here it is never parsed: `manifest.json` holds the
offset, type and shape of each array in it, and all of that is checked against the file's size
before anything is read. So no content can run code or take more memory than the files have bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
import os
import stat
import unicodedata
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qstore_tf.errors import CheckpointError, describe

FORMAT = 1
MANIFEST = "manifest.json"
ARRAYS = "arrays.npz"
STATE = "state.json"

_MAX_JSON_BYTES = 1 << 26
_MAX_NAME_LENGTH = 1000
_MAX_AXES = 64
# By their names in the manifest. Extended precision is left out: its bytes depend on the machine.
_CODES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")
_DTYPES = {np.dtype(order + code).str: np.dtype(order + code) for code in _CODES for order in "<>"}
_BFLOAT16 = "bfloat16"  # not a NumPy type: stored as the integers of the same bits


@dataclass(frozen=True)
class Checkpoint:
    """What was saved at one step.

    Attributes:
        step: The step at which it was saved.
        arrays: Arrays by name, with the shape, type and bits that were saved.
        state: The rest of what was saved, as JSON restores it: tuples have become lists.
    """

    step: int
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


def write(
    directory: Path,
    step: int,
    arrays: Mapping[str, np.ndarray],
    state: Mapping[str, Any],
    max_bytes: int,
) -> None:
    """Writes the files of a checkpoint into an empty directory, and flushes them to disk.

    Args:
        directory: The directory, which exists.
        step: The step of the training.
        arrays: Arrays by name, of booleans, integers, floats, complex numbers or bfloat16.
        state: Values by name that `json.dumps` can write.
        max_bytes: The largest size of all arrays together.

    Raises:
        CheckpointError: A name, array or state that cannot be stored.
        OSError: The disk is full, not writable, or fails.
    """
    state_text = _state_text(state)
    stored = {name: _storable(name, array) for name, array in sorted(arrays.items())}
    total = sum(array.nbytes for array, _ in stored.values())
    if total > max_bytes:
        raise CheckpointError(
            describe(
                "The arrays of a checkpoint are too large",
                expected=f"at most {max_bytes} bytes",
                received=total,
                hint="Pass a larger max_bytes.",
            )
        )
    table = _write_arrays(directory / ARRAYS, stored)
    (directory / STATE).write_bytes(state_text)
    body = {
        "format": FORMAT,
        "step": step,
        "arrays": table,
        "files": {name: _size_and_digest(directory / name) for name in (ARRAYS, STATE)},
    }
    (directory / MANIFEST).write_bytes(_canonical(_signed(body)))
    for name in (ARRAYS, STATE, MANIFEST, "."):
        sync(directory / name)


def read(directory: Path, step: int, max_bytes: int) -> Checkpoint:
    """Reads a checkpoint and checks every byte of it.

    Args:
        directory: The directory of the checkpoint.
        step: The expected step.
        max_bytes: The largest size of all arrays together.

    Raises:
        CheckpointError: It is incomplete, changed, of a different format or step, or not a
            checkpoint; the message is one clause that says why.
        OSError: A file is missing or cannot be read.
    """
    if not stat.S_ISDIR(directory.lstat().st_mode):
        raise CheckpointError("it is not a directory")
    manifest = _read_manifest(directory / MANIFEST)
    if manifest.get("step") != step:
        raise CheckpointError(f"its manifest is of step {manifest.get('step')!r:.40}")
    data = {}
    for name, limit in ((ARRAYS, max_bytes + _MAX_JSON_BYTES), (STATE, _MAX_JSON_BYTES)):
        size, digest = _entry(manifest["files"], name, {"size": int, "sha256": str}).values()
        data[name] = _read_file(directory / name, limit, size)
        if hashlib.sha256(data[name]).hexdigest() != digest:
            raise CheckpointError(f"the content of {name} does not match its checksum")
    state = _parse(data[STATE], STATE)
    return Checkpoint(step, _read_arrays(manifest["arrays"], data[ARRAYS]), state)


def sync(path: Path) -> None:
    """Flushes a file, or the names in a directory, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _state_text(state: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(dict(state), indent=1).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            describe(
                f"The state of a checkpoint cannot be written as JSON: {error}",
                expected="strings, numbers, booleans, None, and lists and dicts of them",
                hint="Convert NumPy numbers with float() or int(); pass arrays in `arrays`.",
            )
        ) from error
    if len(text) > _MAX_JSON_BYTES:
        raise CheckpointError(
            describe(
                "The state of a checkpoint is too long",
                expected=f"at most {_MAX_JSON_BYTES} bytes of JSON",
                received=len(text),
                hint="Pass large data in `arrays`.",
            )
        )
    return text


def _storable(name: str, array: np.ndarray) -> tuple[np.ndarray, str]:
    """The array as it is stored, and the name of its type."""
    readable = isinstance(name, str) and not any(unicodedata.category(c) in "CcCs" for c in name)
    if not readable or not 0 < len(name) <= _MAX_NAME_LENGTH:
        raise CheckpointError(
            describe(
                "An array of a checkpoint has a name that cannot be stored",
                expected=f"1 to {_MAX_NAME_LENGTH} characters without control characters",
                received=name,
            )
        )
    array = np.asarray(array, order="C")
    if array.dtype.name == _BFLOAT16:
        return array.view(np.uint16), _BFLOAT16
    if array.dtype.str not in _DTYPES:
        raise CheckpointError(
            describe(
                f"Array '{name}' has a type that cannot be stored",
                expected="booleans or numbers; floats and parts of complex ones of up to 64 bits",
                received=str(array.dtype),
                hint="Convert it with astype().",
            )
        )
    return array, array.dtype.str


def _write_arrays(
    path: Path, stored: Mapping[str, tuple[np.ndarray, str]]
) -> dict[str, dict[str, Any]]:
    table = {}
    with open(path, "xb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, (array, dtype) in stored.items():
            # A ZipInfo made here has no timestamp: the same arrays make the same file.
            member = zipfile.ZipInfo(f"{name}.npy")
            with archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
                offset = out.tell() - array.nbytes  # nothing is compressed or buffered
            table[name] = {"dtype": dtype, "offset": offset, "shape": list(array.shape)}
    return table


def _read_arrays(table: Any, data: bytes) -> dict[str, np.ndarray]:
    if not isinstance(table, dict):
        raise CheckpointError(f"{MANIFEST} has no table of arrays")
    arrays = {}
    room = len(data)  # all arrays together cannot be longer than the file
    for name in table:
        dtype_name, offset, shape = _entry(
            table, name, {"dtype": str, "offset": int, "shape": list}
        ).values()
        dtype = _DTYPES.get("<u2" if dtype_name == _BFLOAT16 else dtype_name)
        if dtype is None:
            raise CheckpointError(f"array {name!r:.80} is of unknown type {dtype_name!r:.40}")
        if len(shape) > _MAX_AXES or not all(type(n) is int and n >= 0 for n in shape):
            raise CheckpointError(f"array {name!r:.80} has an impossible shape")
        # Python's integers do not overflow. Axes beside an empty one may be long, but not longer
        # than NumPy can count.
        nbytes = math.prod(shape) * dtype.itemsize
        room -= nbytes
        countable = math.prod(n or 1 for n in shape) * dtype.itemsize < 1 << 63
        if room < 0 or not countable or not 0 <= offset <= len(data) - nbytes:
            raise CheckpointError(f"array {name!r:.80} does not fit into {ARRAYS}")
        # A copy is writable, and `data` can be freed.
        array = np.ndarray(tuple(shape), dtype, data, offset).copy()
        arrays[name] = array.view(_bfloat16()) if dtype_name == _BFLOAT16 else array
    return arrays


def _bfloat16() -> np.dtype:
    try:
        import ml_dtypes
    except ImportError as error:
        raise CheckpointError("it contains bfloat16, which needs the package ml_dtypes") from error
    return np.dtype(ml_dtypes.bfloat16)


def _canonical(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _signed(body: Mapping[str, Any]) -> dict[str, Any]:
    return {**body, "sha256": hashlib.sha256(_canonical(body)).hexdigest()}


def _read_manifest(path: Path) -> dict[str, Any]:
    data = _read_file(path, _MAX_JSON_BYTES)
    manifest = _parse(data, MANIFEST)
    if manifest.get("format") != FORMAT:
        raise CheckpointError(
            f"its manifest is of format {manifest.get('format')!r:.40}, this version reads {FORMAT}"
        )
    body = {name: value for name, value in manifest.items() if name != "sha256"}
    # Byte by byte, so that changed white space is noticed too.
    if data != _canonical(_signed(body)):
        raise CheckpointError(f"the content of {MANIFEST} does not match its checksum")
    if not isinstance(body.get("files"), dict) or "arrays" not in body:
        raise CheckpointError(f"{MANIFEST} is incomplete")
    return body


def _entry(table: Mapping[str, Any], name: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    """The entry of a table, its values in the order of `kinds` and of exactly these types."""
    entry = table.get(name)
    if not isinstance(entry, dict) or any(type(entry.get(k)) is not t for k, t in kinds.items()):
        raise CheckpointError(f"{MANIFEST} has no usable entry for {name!r:.80}")
    return {key: entry[key] for key in kinds}


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{name} is not a JSON object")
    return content


def _read_file(path: Path, limit: int, size: int | None = None) -> bytes:
    # Without O_NONBLOCK, opening a named pipe would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{path.name} is not a regular file")
        if size is not None and status.st_size != size:
            raise CheckpointError(f"{path.name} has {status.st_size} bytes instead of {size}")
        if status.st_size > limit:
            raise CheckpointError(
                f"{path.name} has {status.st_size} bytes, more than the limit of {limit}"
            )
        return file.read(status.st_size)


def _size_and_digest(path: Path) -> dict[str, Any]:
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


def checked_step(step: int) -> int:
    """Returns the step as a plain integer.

    Raises:
        CheckpointError: It cannot be the name of a directory.
    """
    if isinstance(step, bool) or not hasattr(step, "__index__") or not 0 <= step < 10**18:
        raise CheckpointError(
            describe(
                "The step of a checkpoint is invalid", expected="an integer >= 0", received=step
            )
        )
    return operator.index(step)
