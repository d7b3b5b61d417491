"""Metadata of items: flat, and as JSON it comes back as it was."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from qstore_tf.errors import ItemError, describe

LARGEST_METADATA = 40 * 1024  # bytes of JSON, as in Pinecone
LARGEST_INTEGER = 2**53  # what a float64 holds exactly, and every store keeps
_OURS = ("_version", "_in")  # keys that copies of items in other stores have


def check_metadata(metadata: Any) -> str | None:
    """Returns metadata as JSON; None where there is none.

    Raises:
        ItemError: A key or value of a type that would not come back as it was, or too much of it.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise ItemError(describe("Metadata cannot be read", expected="a dict", received=metadata))
    # Numbers of NumPy, as tables hand them out, come back as Python's.
    metadata = {key: _plain(value) for key, value in metadata.items()}
    for key, value in metadata.items():
        if not isinstance(key, str) or not key or key.startswith("$") or key in _OURS:
            raise ItemError(
                describe(
                    "A key of metadata cannot be used",
                    expected="a string that does not begin with $, and is not "
                    + " or ".join(_OURS),
                    received=key,
                )
            )
        if not _is_value(value):
            raise ItemError(
                describe(
                    f"The metadata of key {key!r} cannot be stored",
                    expected="a string, a finite number (integers up to 2**53), a bool, "
                    "or a list of strings",
                    received=value,
                    hint="Leave the key out where there is no value."
                    if value is None
                    else "Write it as a string, or as several keys.",
                )
            )
    try:
        text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ItemError(
            describe("A string of metadata holds half a surrogate pair, which is no text")
        ) from None
    if size > LARGEST_METADATA:
        raise ItemError(
            describe(
                "An item has too much metadata",
                expected=f"at most {LARGEST_METADATA} bytes of JSON",
                received=size,
                hint="Keep long texts elsewhere, and their place here.",
            )
        )
    return text if metadata else None


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, (np.bool_, np.number)) else value


def _is_value(value: Any) -> bool:
    if isinstance(value, (str, bool)):
        return True
    if isinstance(value, int):
        return abs(value) <= LARGEST_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
