"""Contexts of items: names with weights that sum to 1, and perhaps vectors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from qstore_tf.errors import ItemError, describe
from qstore_tf.store.arguments.names import check_context_name
from qstore_tf.store.arguments.vectors import check_vector
from qstore_tf.store.records import Context


def as_contexts(contexts: Any) -> list[Any] | None:
    """Returns the contexts of an item as a list; what stands in it is not looked at.

    Raises:
        ItemError: They are no list of contexts.
    """
    if contexts is None:
        return None
    if isinstance(contexts, (str, bytes, Mapping)) or not isinstance(contexts, Iterable):
        raise ItemError(
            describe(
                "The contexts of an item cannot be read",
                expected="a list of (name, weight) or (name, weight, vector)",
                received=contexts,
            )
        )
    return list(contexts)


def check_contexts(
    contexts: Iterable[Any] | None,
    dimension: int | None,
    metric: str,
    most: int,
    dtype: np.dtype[Any] | None = None,
) -> tuple[Context, ...]:
    """Returns the contexts of an item, with weights that sum to 1.

    Args:
        contexts: Pairs (name, weight), or triples (name, weight, vector).
        dimension: The namespace's; None where it has no items yet.
        metric: The namespace's.
        most: How many an item may have.
        dtype: The namespace's.

    Raises:
        ItemError: A pair that cannot be read, a name twice, a negative weight, or weights that do
            not sum to 1 within 1e-6.
    """
    found: list[Context] = []
    for entry in contexts or ():
        if isinstance(entry, Context):
            entry = (entry.name, entry.weight, entry.vector)
        if isinstance(entry, (str, bytes)) or not isinstance(entry, Sequence):
            entry = (entry,)
        if len(entry) not in (2, 3) or not _is_weight(entry[1]):
            raise ItemError(
                describe(
                    "A context cannot be read",
                    expected="(name, weight) or (name, weight, vector), with a weight of 0 to 1",
                    received=tuple(entry[:2]) if len(entry) == 3 else tuple(entry),
                )
            )
        vector = entry[2] if len(entry) == 3 else None
        found.append(
            Context(
                check_context_name(entry[0]),
                float(entry[1]),
                None if vector is None else check_vector(vector, dimension, metric, dtype),
            )
        )
    names = [context.name for context in found]
    if len(set(names)) < len(names):
        raise ItemError(describe("An item has a context twice", received=names))
    if len(found) > most:
        raise ItemError(
            describe(
                "An item has too many contexts",
                expected=f"at most {most}",
                received=len(found),
                hint="Set max_contexts_per_vector of the database.",
            )
        )
    total = math.fsum(context.weight for context in found)
    if found and abs(total - 1) > 1e-6:
        raise ItemError(
            describe(
                "The weights of an item's contexts do not sum to 1",
                expected="1, as they are probabilities",
                received={context.name: context.weight for context in found},
                hint="Divide each by their sum.",
            )
        )
    return tuple(Context(context.name, context.weight / total, context.vector) for context in found)


def _is_weight(weight: Any) -> bool:
    return (
        isinstance(weight, (int, float, np.integer, np.floating))
        and not isinstance(weight, bool)
        and bool(0 <= weight <= 1 + 1e-6)
    )
