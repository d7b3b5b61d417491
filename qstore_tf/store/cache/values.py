"""Names of cached values, and their bytes.

A key has the stamp of the namespace, which is another after each change, and everything that was
asked. So a cache is never told that something changed. Values are JSON and arrays: reading one that
somebody else has put there runs no code.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Arrays of numbers, and what JSON holds, by name.
Value = dict[str, Any]

_MAGIC = b"qs1"
_DIGEST_BYTES = 16
_HEAD = struct.Struct("<I")
_ALL = (1 << 64) - 1
_TYPES = frozenset("biufc")  # kinds of numbers
# What reading bytes that are not ours can raise.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


def key_of(stamp: int, **asked: Any) -> str:
    """Returns the name of what a query finds.

    Args:
        stamp: Of the namespace as the query sees it.
        asked: Everything else the answer depends on: numbers, strings, bools, None, arrays, and
            lists and dicts of them.

    Returns:
        A string of letters, digits and colons.

    Raises:
        TypeError: Something among them that has no form of its own.

    Example:
        >>> a = key_of(7, vector=np.ones(2, np.float32), k=10)
        >>> a == key_of(7, k=10, vector=np.ones(2, np.float32))
        True
        >>> a == key_of(7, k=10, vector=np.ones(2, np.float64))
        False
    """
    digest = hashlib.blake2b(digest_size=20)
    _feed(digest, asked)
    return f"{stamp & _ALL:016x}:{digest.hexdigest()}"


def _feed(digest: Any, value: Any) -> None:
    """Adds a value to a digest: with its type and size, so that no two values look alike."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in _TYPES:
            raise TypeError(f"arrays of {value.dtype} have no key")
        _part(digest, b"a", f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        _part(digest, b"m", str(len(value)).encode())
        for name in sorted(value):
            _part(digest, b"k", name.encode())
            _feed(digest, value[name])
    elif isinstance(value, (list, tuple)):
        _part(digest, b"l", str(len(value)).encode())
        for one in value:
            _feed(digest, one)
    elif value is None or isinstance(value, (bool, int, float, str)):
        _part(
            digest, type(value).__name__[:1].encode(), repr(value).encode("utf-8", "surrogatepass")
        )
    else:
        raise TypeError(f"{type(value).__name__} has no key")


def _part(digest: Any, kind: bytes, data: bytes) -> None:
    digest.update(kind + _HEAD.pack(len(data)) + data)


def pack(value: Mapping[str, Any]) -> bytes:
    """Writes a value: arrays of numbers, and what JSON holds, by name.

    Example:
        >>> unpack(pack({"ids": ["a"], "scores": np.array([0.5])}))
        {'ids': ['a'], 'scores': array([0.5])}
    """
    plain: dict[str, Any] = {}
    arrays: list[list[Any]] = []
    data: list[bytes] = []
    for name, one in value.items():
        if isinstance(one, np.ndarray):
            if one.dtype.kind not in _TYPES:
                raise TypeError(f"arrays of {one.dtype} cannot be cached")
            arrays.append([name, one.dtype.str, list(one.shape)])
            data.append(np.ascontiguousarray(one).tobytes())
        else:
            plain[name] = one
    head = json.dumps([list(value), plain, arrays], separators=(",", ":")).encode()
    body = _HEAD.pack(len(head)) + head + b"".join(data)
    return _MAGIC + _digest(body) + body


def unpack(data: bytes) -> dict[str, Any] | None:
    """Reads what `pack` wrote; None for anything else.

    Example:
        >>> unpack(b"something else") is None
        True
    """
    start = len(_MAGIC) + _DIGEST_BYTES
    body = data[start:]
    if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : start] != _digest(body):
        return None
    try:
        (size,) = _HEAD.unpack_from(body)
        names, found, arrays = json.loads(body[_HEAD.size : _HEAD.size + size])
        place = _HEAD.size + size
        for name, dtype, shape in arrays:
            found[name], place = _array(body, place, np.dtype(dtype), shape)
        return {name: found[name] for name in names}
    except _UNREADABLE:  # the digest is right, so somebody took pains over it
        return None


def _array(
    body: bytes, place: int, dtype: np.dtype[Any], shape: list[int]
) -> tuple[NDArray[Any], int]:
    if dtype.kind not in _TYPES:
        raise TypeError(f"arrays of {dtype} are not cached")
    count = int(np.prod(shape, dtype=np.int64))
    made = np.frombuffer(body, dtype, count, place).reshape(shape).copy()
    return made, place + count * dtype.itemsize


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
