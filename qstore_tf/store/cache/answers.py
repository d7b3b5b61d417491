"""Results of queries as values of a cache, and back.

A value shares nothing that a caller could change: metadata are texts, and vectors are copied.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from qstore_tf.store.cache.values import Value
from qstore_tf.store.records import Match, QueryResult

_NUMBERS = ("score", "fidelity", "probability", "coherence", "standard_error")
_OF_BASINS = ("energy", "barrier", "transmission")  # all of a match's, or none
_WHOLE = (
    "mode",
    "scores_exact",
    "expected_precision",
    "certified",
    "oracle_calls",
    "classical_calls",
)


def encode(result: QueryResult) -> Value:
    """A result as a value; its commit is left out, and what belongs to shots.

    Example:
        >>> found = QueryResult((Match("a", 0.5, 0.5, metadata={"x": 1}),), commit=3)
        >>> again = decode(encode(found), commit=4)
        >>> again.ids, again.scores, again.matches[0].metadata, again.commit
        (['a'], array([0.5]), {'x': 1}, 4)
    """
    matches = result.matches
    columns = _NUMBERS + (_OF_BASINS if matches and matches[0].energy is not None else ())
    value: Value = {
        "ids": [match.id for match in matches],
        "numbers": np.array(
            [[getattr(match, name) for match in matches] for name in columns], np.float64
        ),
        "result": {name: _plain(getattr(result, name)) for name in _WHOLE},
    }
    if len(columns) > len(_NUMBERS):
        value["paths"] = [list(match.path) for match in matches]
    if matches and matches[0].metadata is not None:
        # One text for all: to write and to read each alone would be most of the work.
        held = [dict(match.metadata or {}) for match in matches]
        value["metadata"] = json.dumps(held, separators=(",", ":"))
    vectors = [match.vector for match in matches]
    if vectors and all(vector is not None for vector in vectors):
        value["vectors"] = np.array(vectors)
    return value


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def decode(value: Value, commit: int) -> QueryResult | None:
    """A result from its value, as seen by a commit; None where it is not what `encode` made."""
    try:
        return _decode(value, commit)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return None


def _decode(value: Value, commit: int) -> QueryResult:
    ids, numbers = value["ids"], value["numbers"]
    if not all(isinstance(id, str) for id in ids) or numbers.dtype != np.float64:
        raise TypeError("this is no result of ours")
    names = _NUMBERS + (_OF_BASINS if "paths" in value else ())
    nothing: list[Any] = [None] * len(ids)
    columns = zip(
        ids,
        numbers.reshape(len(names), len(ids)).T.tolist(),
        json.loads(value["metadata"]) if "metadata" in value else nothing,
        value["vectors"].copy() if "vectors" in value else nothing,
        value.get("paths", [()] * len(ids)),
        strict=True,
    )
    matches = []
    for id, row, metadata, vector, path in columns:
        own: dict[str, Any] = dict(zip(names, row, strict=True))
        matches.append(Match(id, metadata=metadata, vector=vector, path=tuple(path), **own))
    found = value["result"]
    return QueryResult(tuple(matches), commit=commit, **{name: found[name] for name in _WHOLE})
