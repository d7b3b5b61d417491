"""Columns of rows that are to be written: what is wrong with a row is noted, not raised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.errors import ItemError, describe
from qstore_tf.store.arguments.numbers import check_coherence_time
from qstore_tf.store.arguments.vectors import as_array, check_vector, check_vectors
from qstore_tf.store.catalog import namespaces
from qstore_tf.store.catalog.items import Slots
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.records import RowError, Vector
from qstore_tf.store.writing.session import Session


def check_lengths(columns: Mapping[str, Any], n: int) -> None:
    """Raises ItemError unless each column is None or has an entry for each of n rows."""
    for name, column in columns.items():
        if column is None:
            continue
        try:
            length = len(column)
        except TypeError:  # a number, or an array without axes
            length = None
        if length != n:
            raise ItemError(
                describe(
                    f"ids and {name} differ in length",
                    expected=f"{n} {name}, one for each id",
                    received=column if length is None else length,
                )
            )


def checked_each(
    ids: Sequence[Any],
    column: Sequence[Any] | None,
    check: Callable[[Any], Any],
    errors: dict[int, RowError],
) -> Any:
    """Checks each entry; the errors of rows are noted, with None in their place."""
    if column is None:
        return None
    checked: list[Any] = []
    for row, value in enumerate(column):
        try:
            checked.append(check(value))
        except ItemError as error:
            errors.setdefault(row, RowError(row, ids[row], error))
            checked.append(None)
    return checked


def names_to_find(keys: Sequence[str | None]) -> list[str]:
    """Names to look for; rows without a good one look for a name that no item has."""
    return [key or "" for key in keys]


def coherence_times(
    ids: Sequence[Any],
    column: Sequence[float | None] | float | None,
    default: float,
    errors: dict[int, RowError],
) -> Vector:
    """The coherence times of rows in ms [n], from one for each or one for all."""

    def check(value: Any) -> float:
        return check_coherence_time(value, default)

    if column is None or np.isscalar(column):
        return np.full(len(ids), check(column))
    times = checked_each(ids, column, check, errors)  # type: ignore[arg-type]
    return np.array([math.inf if time is None else time for time in times])


def space_for(
    session: Session, name: str, vectors: Vector | None, contexts: Sequence[Any] | None
) -> NamespaceRow:
    """The namespace, made for the first vector that comes.

    Raises:
        ItemError: It is new, and no row has a vector.
    """
    space = namespaces.find(session.writer, name)
    if space is not None:
        return space
    first = vectors[0] if vectors is not None and vectors.ndim == 2 and len(vectors) else None
    if first is None and vectors is not None and vectors.ndim != 2:
        check_vectors(vectors, None, session.metric)
    for row in contexts or ():
        for entry in row or ():
            if first is None and isinstance(entry, (tuple, list)) and len(entry) == 3:
                first = as_array(entry[2])
    if first is None:
        raise ItemError(
            describe(
                f"The first item of namespace {name!r} has no vector",
                expected="vector=, or contexts with vectors of their own",
            )
        )
    complex_ = np.iscomplexobj(first)
    check_vector(np.ones(len(first) if first.ndim == 1 else 0, first.dtype), None, session.metric)
    return session.create_namespace(
        name, len(first), session.metric, "complex64" if complex_ else "float32"
    )


def vectors_of(
    space: NamespaceRow,
    ids: Sequence[Any],
    vectors: Vector | None,
    errors: dict[int, RowError],
) -> tuple[Vector, Vector | None]:
    """The rows' own vectors [n, d], and which rows have one; None where all do."""
    if vectors is None:
        return np.zeros((len(ids), space.dimension), space.dtype), np.zeros(len(ids), bool)
    matrix, wrong = check_vectors(
        vectors, space.dimension, space.metric, space.dtype, positions=ids
    )
    for error in wrong:
        errors.setdefault(error.index, error)
    return matrix, None


def check_new(
    session: Session,
    space: NamespaceRow,
    ids: Sequence[Any],
    keys: Sequence[Any],
    slots: Slots,
    errors: dict[int, RowError],
) -> None:
    """Notes the rows whose names are taken, by stored items or by rows before them."""
    seen: set[str] = set()
    for row, key in enumerate(keys):
        if slots[row] or key in seen:
            error = ItemError(
                describe(
                    f"There is an item {key!r} already in namespace {space.name!r}, "
                    "perhaps in the archive"
                    if slots[row]
                    else f"The batch holds {key!r} twice",
                    hint="Use upsert to replace it, or update to change it.",
                )
            )
            errors.setdefault(row, RowError(row, ids[row], error))
        seen.add(key)
