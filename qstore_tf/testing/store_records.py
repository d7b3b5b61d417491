"""Random metadata and filters, of all the kinds that a store of vectors keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from qstore_tf.store.arguments.filters import COMPARISONS

KEYS = ("n", "t", "b", "l", "a.b", "mixed")
TEXTS = ("", "a", "A", "ab", "b", "é", "1", "true", "it's")
NUMBERS = (-1, 0, 1, 2, 1.0, 1.5, -0.5, 1e18, 2**53)


def random_value(rng: np.random.Generator, key: str) -> Any:
    """A value as it is found under that key; anything under "mixed"."""
    kind = str(rng.choice(list("ntbl"))) if key in ("mixed", "a.b") else key
    if kind == "n":
        return NUMBERS[rng.integers(len(NUMBERS))]
    if kind == "t":
        return TEXTS[rng.integers(len(TEXTS))]
    if kind == "b":
        return bool(rng.integers(2))
    return [TEXTS[i] for i in rng.integers(len(TEXTS), size=rng.integers(0, 3))]


def random_metadata(rng: np.random.Generator) -> dict[str, Any]:
    """Metadata with some of the keys."""
    return {key: random_value(rng, key) for key in KEYS if rng.random() < 0.6}


def random_filter(rng: np.random.Generator, depth: int) -> dict[str, Any]:
    """A filter in the form that users write."""
    if depth and rng.random() < 0.5:
        join = str(rng.choice(["$and", "$or", "$not"]))
        parts = [random_filter(rng, depth - 1) for _ in range(rng.integers(1, 4))]
        return {join: parts[0] if join == "$not" else parts}
    key = str(rng.choice(KEYS))
    operator = str(rng.choice(COMPARISONS))
    if operator == "exists":
        return {key: {"$exists": bool(rng.integers(2))}}

    def scalar(ordered: bool = False) -> Any:
        value = random_value(rng, str(rng.choice(list("nt" if ordered else "ntb"))))
        return value

    if operator in ("in", "nin"):
        return {key: {f"${operator}": [scalar() for _ in range(rng.integers(0, 4))]}}
    return {key: {f"${operator}": scalar(operator in ("gt", "gte", "lt", "lte"))}}
