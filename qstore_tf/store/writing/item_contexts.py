"""The contexts of rows that are to be written: as users write them, and as the catalog does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qstore_tf.errors import ItemError, NotFoundError, QstoreError, describe
from qstore_tf.store.arguments.contexts import check_contexts
from qstore_tf.store.catalog import groups, items
from qstore_tf.store.catalog.items import Slots, StoredItem
from qstore_tf.store.catalog.namespaces import NamespaceRow
from qstore_tf.store.definitions.measurement import project
from qstore_tf.store.records import Context, RowError, Vector
from qstore_tf.store.writing.session import Session


def context_entries(
    session: Session,
    space: NamespaceRow,
    ids: Sequence[Any],
    column: Sequence[Any] | None,
    matrix: Vector,
    errors: dict[int, RowError],
    most: int | None = None,
) -> list[tuple[int, Context]]:
    """All rows' contexts with the rows they are of, checked; none of them is declared yet.

    Args:
        session: The transaction.
        space: The namespace.
        ids: The rows' names.
        column: Of each row its contexts.
        matrix: Of each row its vector.
        errors: Where errors of rows go.
        most: How many contexts a row may have; None: as the settings say.
    """
    entries: list[tuple[int, Context]] = []
    for row, contexts in enumerate(column or ()):
        if not contexts:
            continue
        try:
            session.check_superposition()
            found = check_contexts(
                _projected(space, list(contexts), matrix[row]),
                space.dimension,
                space.metric,
                session.most_contexts if most is None else most,
                space.dtype,
            )
        except QstoreError as error:
            errors.setdefault(row, RowError(row, ids[row], error))
            continue
        entries.extend((row, context) for context in found)
    return entries


def declared(
    session: Session,
    space: NamespaceRow,
    entries: Sequence[tuple[int, Context]],
    places: Mapping[int, int],
) -> list[items.ContextEntry]:
    """The contexts of the rows that are written, by the numbers that they have or now get.

    Args:
        session: The transaction.
        space: The namespace.
        entries: From `context_entries`.
        places: Where each row that is written stands.
    """
    return [
        (places[row], session.context(space, each.name).number, each.weight, each.vector)
        for row, each in entries
        if row in places
    ]


def _projected(space: NamespaceRow, contexts: list[Any], vector: Vector) -> list[Any]:
    """Contexts given by their names alone, as the bases that define them have it."""
    if not all(isinstance(context, str) for context in contexts):
        return contexts
    bases = {context.name: context.basis for context in space.contexts}
    found: list[Context] = []
    for name in contexts:
        basis = bases.get(name)
        if basis is None:
            raise ItemError(
                describe(
                    f"Context {name!r} stands without a weight, and nothing defines it",
                    expected="(name, weight), or a name that define_context gave a basis",
                    received=contexts,
                )
            )
        weight, seen = project(basis, vector)
        if weight > 0:
            found.append(Context(name, weight, seen))
    total = math.fsum(context.weight for context in found)
    if not total:
        raise ItemError(
            describe(
                "A vector has no part in any of its contexts",
                expected="one at least whose basis it is not at right angles to",
                received=contexts,
            )
        )
    return [Context(each.name, each.weight / total, each.vector) for each in found]


def check_has_vector(
    ids: Sequence[Any],
    own: Vector | None,
    contexts: Sequence[tuple[int, Context]],
    errors: dict[int, RowError],
) -> None:
    """Notes the rows that have neither a vector nor one in each of their contexts."""
    if own is None:
        return
    complete = dict.fromkeys((row for row, _ in contexts), True)
    for row, context in contexts:
        complete[row] &= context.vector is not None
    for row, id in enumerate(ids):
        if not complete.get(row, False):
            error = ItemError(
                describe(
                    f"Item {id!r} has no vector",
                    expected="vector=, or contexts that all have vectors of their own",
                )
            )
            errors.setdefault(row, RowError(row, id, error))


def check_members(
    session: Session,
    space: NamespaceRow,
    ids: Sequence[Any],
    slots: Slots,
    own: Vector | None,
    contexts: Sequence[tuple[int, Context]],
    errors: dict[int, RowError],
) -> None:
    """Notes the rows of members of groups that would have no vector, or several."""
    members = {slot for slot, _ in groups.memberships(session.writer, slots[slots > 0].tolist())}
    several = {row for row, context in contexts if context.vector is not None}
    for row, slot in enumerate(slots.tolist()):
        if slot in members and (own is not None or row in several):
            errors.setdefault(row, RowError(row, ids[row], one_vector_error(str(ids[row]))))


def one_vector_error(id: str) -> ItemError:
    """The error of a member of groups that would have no vector, or several."""
    return ItemError(
        describe(
            f"Item {id!r} is a member of correlated groups, which move its one vector",
            expected="a vector, and contexts without vectors of their own",
        )
    )


def with_own_vector(
    space: NamespaceRow, item: StoredItem, context: str, vector: Vector
) -> list[items.ContextEntry]:
    """An item's contexts with another vector in one of them."""
    names = [context_name(space, number) for number, *_ in item.contexts]
    if context not in names:
        raise NotFoundError(
            describe(f"Item {item.key!r} is not in context {context!r}", expected=names)
        )
    if item.groups:
        raise one_vector_error(item.key)
    return [
        (0, number, weight, vector if name == context else own)
        for name, (number, weight, own) in zip(names, item.contexts, strict=True)
    ]


def context_name(space: NamespaceRow, number: int) -> str:
    """The name of a context by its number."""
    return next(context.name for context in space.contexts if context.number == number)
