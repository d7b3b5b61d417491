"""Items as columns: how they are given, and how they are stored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Position of the row, the context's number, its weight, its own vector or None.
ContextEntry = tuple[int, int, float, "Array | None"]

_AT_ONCE = 1000  # vectors


@dataclass(frozen=True, eq=False)
class Rows:
    """Items to be written, as columns.

    Attributes:
        keys: Their names [n].
        vectors: [n, d]; of members of groups the reduced ones.
        written_at: When their states were prepared, in ms [n].
        coherence_time: tau in ms [n]; `math.inf` for ever.
        expires_at: When they will have decohered, in ms [n]; `math.inf` never. None: none will.
        metadata: Texts of JSON objects, or None [n]. None: none has any.
        contexts: `(position, number of the context, weight, own vector or None)`.
        has_vector: Which rows have a vector that is not one of a context [n]; None: all.
        staleness_offset: [n], see `StoredItem`; None: all 0.
    """

    keys: Sequence[str]
    vectors: Array
    written_at: Sequence[float] | Array
    coherence_time: Sequence[float] | Array
    expires_at: Sequence[float] | Array | None = None
    metadata: Sequence[str | None] | None = None
    contexts: Sequence[ContextEntry] = ()
    has_vector: Sequence[bool] | Array | None = None
    staleness_offset: Sequence[float] | Array | None = None


@dataclass(frozen=True, eq=False)
class StoredItem:
    """An item as it is stored.

    Attributes:
        slot: Its number, never given twice.
        key: Its name in the namespace.
        vector: [d]; of a member of groups the reduced one. None: each context has its own.
        metadata: The text of a JSON object, or None.
        written_at: When its state was prepared, in ms.
        coherence_time: tau in ms; `math.inf` for ever.
        expires_at: When it will have decohered, in ms; `math.inf` never.
        archived_at: When it was archived, in ms; None: it is not.
        version: The number of the commit that last changed it.
        staleness_offset: What the drift of its groups was, for it, when it was written.
        contexts: `(number of the context, weight, own vector or None)`.
        groups: Numbers of the groups it is in.
    """

    slot: int
    key: str
    vector: Array | None
    metadata: str | None
    written_at: float
    coherence_time: float
    expires_at: float
    archived_at: float | None
    version: int
    staleness_offset: float
    contexts: tuple[tuple[int, float, Array | None], ...] = ()
    groups: tuple[int, ...] = field(default=())


# Columns of the table that `packed_columns` yields, in order.
WRITTEN = (
    "written_at",
    "coherence_time",
    "expires_at",
    "staleness_offset",
    "metadata",
    "vector",
)


def unpack(blob: bytes | None, dtype: np.dtype[Any]) -> Array | None:
    """Returns a stored vector [d]; None where there is none."""
    return None if blob is None else np.frombuffer(blob, dtype)


def _numbers(values: Any, _: np.dtype[Any]) -> list[float]:
    return np.asarray(values, np.float64).tolist()  # type: ignore[no-any-return]


def _times(values: Any, _: np.dtype[Any]) -> list[float | None]:
    """Times as they are stored: NULL for what is never reached."""
    array = np.asarray(values, np.float64)
    if np.isinf(array).all():
        return [None] * len(array)
    return [None if math.isinf(value) else value for value in array.tolist()]


def _vectors(values: Any, dtype: np.dtype[Any]) -> Iterator[bytes]:
    """The bytes of each row, some rows at a time: all at once would take their size again."""
    rows = np.asarray(values)
    size = rows.shape[-1] * dtype.itemsize
    for first in range(0, len(rows), _AT_ONCE):
        block = np.ascontiguousarray(rows[first : first + _AT_ONCE], dtype).tobytes()
        yield from [block[start : start + size] for start in range(0, len(block), size)]


def _texts(values: Any, _: np.dtype[Any]) -> list[str | None]:
    return list(values)


PACK: dict[str, Callable[[Any, np.dtype[Any]], Iterable[Any]]] = {
    "vectors": _vectors,
    "written_at": _numbers,
    "coherence_time": _times,
    "expires_at": _times,
    "staleness_offset": _numbers,
    "metadata": _texts,
}


def packed_columns(rows: Rows, dtype: np.dtype[Any]) -> Iterator[Iterable[Any] | str]:
    """The columns `WRITTEN`; a text is a constant, the same for all rows."""
    yield _numbers(rows.written_at, dtype)
    yield _or_null(_times(rows.coherence_time, dtype))
    yield "NULL" if rows.expires_at is None else _or_null(_times(rows.expires_at, dtype))
    offset = rows.staleness_offset
    yield "0.0" if offset is None else _numbers(offset, dtype)
    yield "NULL" if rows.metadata is None else list(rows.metadata)
    blobs = _vectors(rows.vectors, dtype)
    if rows.has_vector is None:
        yield blobs
    else:
        yield (b if has else None for b, has in zip(blobs, rows.has_vector, strict=True))


def _or_null(column: list[float | None]) -> list[float | None] | str:
    return "NULL" if column.count(None) == len(column) else column
