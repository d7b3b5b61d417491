"""Names of items, namespaces and contexts: strings that every store can keep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from qstore_tf.errors import ItemError, describe

LONGEST_ID = 512  # bytes of UTF-8, as in Pinecone
LONGEST_CONTEXT = 128


def check_id(id: Any, what: str = "id") -> str:
    """Returns a name as it was given.

    Raises:
        ItemError: It is not a string of 1 to 512 bytes, or holds a NUL or half a surrogate pair.
    """
    try:
        size = len(id.encode()) if isinstance(id, str) else 0
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= LONGEST_ID or "\0" in id:
        raise ItemError(
            describe(
                f"A name cannot be used as {what}",
                expected=f"a string of 1 to {LONGEST_ID} bytes, without NUL",
                received=id,
                hint=f"Use str({id!r})." if isinstance(id, (int, np.integer)) else None,
            )
        )
    return str(id)


def check_ids(ids: str | Iterable[str]) -> list[str]:
    """Returns one name or several as a list.

    Raises:
        ItemError: One of them cannot be a name.
    """
    return [check_id(id) for id in ([ids] if isinstance(ids, str) else ids)]


def check_context_name(name: Any) -> str:
    """Returns the name of a context.

    Raises:
        ItemError: It is not a string of 1 to 128 characters.
    """
    check_id(name, "name of a context")
    if len(name) > LONGEST_CONTEXT:
        raise ItemError(
            describe(
                "The name of a context is too long",
                expected=f"at most {LONGEST_CONTEXT} characters",
                received=name,
            )
        )
    return str(name)


def is_text(value: Any) -> bool:
    """Whether it is a string that can be written: without half a surrogate pair."""
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:
        return False
