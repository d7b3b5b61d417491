"""Operations that change items, each to be run inside one transaction of the catalog.

A function here checks what needs no database at once, and returns the operation: a function of the
`Session` that it runs in. A database runs it alone, a transaction with others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, ItemError, describe
from qstore_tf.store.arguments.contexts import as_contexts
from qstore_tf.store.arguments.filters import matches, needed_texts, parse_filter
from qstore_tf.store.arguments.metadata import check_metadata
from qstore_tf.store.arguments.names import check_context_name, check_id, check_ids
from qstore_tf.store.arguments.numbers import check_coherence_time
from qstore_tf.store.arguments.vectors import as_array, check_vector
from qstore_tf.store.catalog import items, metadata, namespaces
from qstore_tf.store.catalog.items import StoredItem
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions.decoherence import expires_at
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity, lueders, project
from qstore_tf.store.items.steps import reduced
from qstore_tf.store.records import BatchResult, RowError
from qstore_tf.store.writing import item_contexts, rows
from qstore_tf.store.writing.session import Session

Operation = Callable[[Session], Any]


def put(
    namespace: str,
    ids: Sequence[Any],
    vectors: Any = None,
    contexts: Sequence[Any] | None = None,
    coherence_time: Sequence[float | None] | float | None = None,
    metadata: Sequence[Mapping[str, Any] | None] | None = None,
    *,
    replace: bool,
    alone: bool,
    written_at: Sequence[float] | None = None,
    staleness: Sequence[float] | None = None,
    moves: bool = True,
    most_contexts: int | None = None,
) -> Operation:
    """Stores rows: B names, and columns of B entries or None.

    Args:
        namespace: Where to; it is made where there is none.
        ids: The names.
        vectors: [B, d].
        contexts: Of each row.
        coherence_time: Of each row, or one for all, in ms.
        metadata: Of each row.
        replace: Whether rows of the same names are replaced; else they are errors.
        alone: Whether an error of a row is raised and none is stored, instead of reported.
        written_at: When each row was prepared, in ms; None: now.
        staleness: Of each row; None: 0.
        moves: Whether the steps of members of groups move their partners. What an import brings
            holds the partners' vectors too, as they are.
        most_contexts: How many a row may have; None: as the settings say.
    """
    if isinstance(ids, str):
        raise ItemError(
            describe("The ids of a batch are one name", expected="a list of names", received=ids)
        )
    ids = list(ids)
    # What can be read but once is read here: the operation may have to run again.
    vectors, contexts, metadata = _kept(vectors), _kept(contexts), _kept(metadata)
    coherence_time = _kept(coherence_time)
    taus = None if np.isscalar(coherence_time) else coherence_time
    columns = {
        "vectors": vectors,
        "contexts": contexts,
        "metadata": metadata,
        "coherence_time": taus,
    }
    rows.check_lengths(columns, len(ids))
    errors: dict[int, RowError] = {}
    keys = rows.checked_each(ids, ids, check_id, errors)
    texts = rows.checked_each(ids, metadata, check_metadata, errors)
    contexts = rows.checked_each(ids, contexts, as_contexts, errors)
    if alone and errors:
        raise _first(errors)
    matrix_given = None if vectors is None else as_array(vectors)

    def operation(session: Session) -> BatchResult:
        failed = dict(errors)
        tau = rows.coherence_times(ids, coherence_time, session.coherence_time, failed)
        space = rows.space_for(session, namespace, matrix_given, contexts)
        matrix, own = rows.vectors_of(space, ids, matrix_given, failed)
        found = item_contexts.context_entries(
            session, space, ids, contexts, matrix, failed, most_contexts
        )
        item_contexts.check_has_vector(ids, own, found, failed)
        slots = items.find_slots(session.writer, space, rows.names_to_find(keys))
        if not replace:
            rows.check_new(session, space, ids, keys, slots, failed)
        has_groups = session.has_groups(space)
        if has_groups:
            item_contexts.check_members(session, space, ids, slots, own, found, failed)
        good = np.array([row for row in range(len(ids)) if row not in failed], np.int64)
        if not len(good):
            session.forget_if_new(space)
            return _report(session, 0, failed, alone)
        if has_groups and moves and own is None:
            session.before_step(space, slots[good], matrix[good])
        places = {int(row): position for position, row in enumerate(good)}
        entries = item_contexts.declared(session, space, found, places)
        written = np.full(len(ids), session.now) if written_at is None else np.array(written_at)
        written = written.astype(np.float64)[good]
        offsets = None if staleness is None else -np.array(staleness, np.float64)[good]
        stored = matrix[good] if len(good) < len(ids) else matrix
        if not moves:
            stored, drift = reduced(session.writer, space, slots[good], stored)
            offsets = drift if offsets is None else offsets + drift
        items.put_many(
            session.writer,
            space,
            items.Rows(
                keys=[keys[row] for row in good],
                vectors=stored,
                written_at=written,
                coherence_time=tau[good],
                expires_at=expires_at(written, tau[good], session.threshold),
                metadata=None if texts is None else [texts[row] for row in good],
                contexts=entries,
                has_vector=None if own is None else own[good],
                staleness_offset=offsets,
            ),
            slots[good],
        )
        session.wrote(space, matrix[good], [entry[3] for entry in entries])
        return _report(session, len(good), failed, alone)

    return operation


def patch(
    namespace: str,
    id: str,
    *,
    vector: Any = None,
    context: str | None = None,
    contexts: Iterable[Any] | None = None,
    coherence_time: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Operation:
    """Changes one item; see `WriteVerbs.update`."""
    check_id(id)
    if context is not None and vector is None:
        raise ConfigurationError(
            describe("update names a context but no vector", hint="Pass vector= as well.")
        )
    if context is not None and contexts is not None:
        raise ConfigurationError(
            describe(
                "update has a vector for one context, and all contexts anew",
                hint="Give the vector in contexts=: (name, weight, vector).",
            )
        )
    if metadata is not None:
        check_metadata(_without_none(metadata))
    entries = None if contexts is None else as_contexts(contexts)

    def operation(session: Session) -> BatchResult:
        space, item = session.item(namespace, id)
        columns: dict[str, Any] = {}
        row = item.vector
        if vector is not None:
            new = check_vector(vector, space.dimension, space.metric, space.dtype)
            if context is not None:
                columns["contexts"] = item_contexts.with_own_vector(space, item, context, new)
                session.wrote(space, new[None][:0], [new])
            elif row is None:
                raise ItemError(
                    describe(
                        f"Item {id!r} has no vector but those of its contexts",
                        expected="context=, the name of one",
                        received=[
                            item_contexts.context_name(space, number)
                            for number, *_ in item.contexts
                        ],
                    )
                )
            else:
                if session.has_groups(space):
                    session.before_step(space, np.array([item.slot]), new[None])
                row = columns["vectors"] = new[None]
                columns["staleness_offset"] = [0.0]  # of members, `Session.settle` writes it
                session.wrote(space, new[None], [])
        if entries is not None:
            failed: dict[int, RowError] = {}
            matrix = np.zeros((1, space.dimension), space.dtype) if row is None else row
            found = item_contexts.context_entries(
                session, space, [id], [entries], matrix.reshape(1, -1), failed
            )
            item_contexts.check_has_vector(
                [id], None if row is not None else np.zeros(1, bool), found, failed
            )
            if failed:
                raise failed[0].error
            if item.groups and any(each.vector is not None for _, each in found):
                raise item_contexts.one_vector_error(id)
            columns["contexts"] = item_contexts.declared(session, space, found, {0: 0})
            session.wrote(space, matrix[:0], [each.vector for _, each in found])
        if columns or coherence_time is not None:
            tau = check_coherence_time(coherence_time, item.coherence_time)
            columns |= session.prepared([tau])
        if metadata is not None:
            merged = {**json.loads(item.metadata or "{}"), **metadata}
            columns["metadata"] = [check_metadata(_without_none(merged))]
        if columns:
            items.patch_many(session.writer, space, [item.slot], **columns)
        return BatchResult(1, (), session.writer.number)

    return operation


def remove(
    namespace: str, ids: str | Iterable[str] | None, filter: Mapping[str, Any] | None
) -> Operation:
    """Removes items by names or by a filter."""
    if (ids is None) == (filter is None):
        raise ConfigurationError(
            describe("delete needs either ids or a filter", hint="A filter of {} means all items.")
        )
    keys = check_ids(ids) if ids is not None else []
    tree = None if filter is None else parse_filter(filter)

    def operation(session: Session) -> int:
        space = namespaces.find(session.writer, namespace)
        if space is None:
            return 0
        if tree is None:
            slots = items.find_slots(session.writer, space, keys)
        else:
            found = (
                slot
                for slot, text in metadata.texts(session.writer, space, needed_texts(tree))
                if matches(tree, json.loads(text or "{}"))
            )
            slots = np.fromiter(found, np.int64)
        return session.remove(space, np.unique(slots[slots > 0]))

    return operation


def learn(namespace: str, id: str, vector: Any, relevant: bool) -> Operation:
    """Changes the weights of an item's contexts by Lueders' rule."""
    check_id(id)

    def operation(session: Session) -> dict[str, float]:
        space, item = session.item(namespace, id)
        if len(item.contexts) < 2:
            raise ItemError(
                describe(
                    f"Item {id!r} has nothing to learn from feedback",
                    expected="two contexts or more, whose weights can change",
                    received=len(item.contexts),
                )
            )
        metric = METRICS[space.metric]
        query = check_vector(vector, space.dimension, space.metric, space.dtype)
        base = session.effective(space, item)
        states = metric.encode(
            np.array([base if own is None else own for _, _, own in item.contexts]), space.max_norm
        )
        found = np.clip(fidelity(metric.encode_query(query), states), 0, 1)
        weights = np.array([weight for _, weight, _ in item.contexts])
        new = lueders(weights, found if relevant else 1 - found)
        items.patch_many(
            session.writer,
            space,
            [item.slot],
            contexts=[
                (0, number, float(weight), own)
                for (number, _, own), weight in zip(item.contexts, new, strict=True)
            ],
        )
        names = _context_names(space, item)
        return dict(zip(names, new.tolist(), strict=True))

    return operation


def define_context(namespace: str, name: str, basis: Any) -> Operation:
    """Declares a context, with a basis or without."""
    check_context_name(name)
    columns = None if basis is None else as_array(basis)

    def operation(session: Session) -> None:
        space = namespaces.get(session.writer, namespace)
        if columns is not None:
            if columns.ndim != 2 or not columns.shape[1] <= len(columns) == space.dimension:
                raise ItemError(
                    describe(
                        f"The basis of context {name!r} does not fit the namespace",
                        expected=f"at most d columns [d, r], with d = {space.dimension}",
                        received=columns.shape,
                    )
                )
            project(columns, np.ones(space.dimension))
        session.context(space, name, columns)

    return operation


def _kept(column: Any) -> Any:
    return list(column) if isinstance(column, Iterator) else column


def _without_none(metadata: Any) -> Any:
    """Metadata without the keys to remove; what is none at all is left to the check of it."""
    if not isinstance(metadata, Mapping):
        return metadata
    return {key: value for key, value in metadata.items() if value is not None}


def _context_names(space: NamespaceRow, item: StoredItem) -> list[str]:
    return [item_contexts.context_name(space, number) for number, *_ in item.contexts]


def _report(
    session: Session, stored: int, errors: Mapping[int, RowError], alone: bool
) -> BatchResult:
    if alone and errors:
        raise _first(errors)
    ordered = tuple(errors[row] for row in sorted(errors))
    return BatchResult(stored, ordered, session.writer.number)


def _first(errors: Mapping[int, RowError]) -> Exception:
    return errors[min(errors)].error
