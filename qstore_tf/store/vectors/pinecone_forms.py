"""Ids, metadata, requests and filters in the forms that Pinecone takes, and back.

Pinecone keeps every number as a double, orders numbers alone, has no `$not`, and takes ASCII ids.
So beside the user's metadata a record names the keys that hold integers and floats, and negations
are moved inwards until they are operators that it has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote_plus

from qstore_tf.errors import FilterError, ItemError, describe
from qstore_tf.store.arguments.filters import And, Compare, Not, Or, Tree
from qstore_tf.store.vectors.base import Metadata, Vectors
from qstore_tf.store.vectors.checked import Batch

INTEGERS, FLOATS = "_integers", "_floats"  # lists of keys
ZERO = "_zero"  # of a vector of zeros, which Pinecone refuses
_OWN = (INTEGERS, FLOATS, ZERO)

LONGEST_ID = 512  # characters
ABSENT_ID = "%"  # which no id is written as
_DEFAULT = "__default__"  # a namespace that Pinecone has for itself
_UPSERT_BYTES = 2_000_000
_FETCH_BYTES = 4_000_000
_URL_BYTES = 7_000  # of the ids of a fetch, which are in its address
_MOST_IDS = 1000
_TINY = 1e-30  # stands for zero in a vector that would have no direction
_NUMBER_BYTES = 25  # of a float32 in JSON, at most
_ESCAPED = re.compile("(?:%[0-9A-F]{2})+")


def escape(name: str) -> str:
    """Writes a name in printable ASCII; other bytes, and `%`, become `%` and two digits.

    Example:
        >>> escape("7:0 é%"), unescape("7:0 %C3%A9%25")
        ('7:0 %C3%A9%25', '7:0 é%')
    """
    if name.isascii() and name.isprintable() and "%" not in name:
        return name
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte != 37 else f"%{byte:02X}"
        for byte in name.encode("utf-8", "surrogatepass")
    )


def unescape(text: str) -> str:
    """Reads what `escape` wrote."""
    return _ESCAPED.sub(
        lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "surrogatepass"),
        text,
    )


def namespace_name(name: str) -> str:
    """What a namespace is called in Pinecone, and in addresses, where dots alone would vanish.

    Example:
        >>> namespace_name("films.new"), namespace_name(".."), unescape("%2E%2E")
        ('films.new', '%2E%2E', '..')
    """
    if name in (".", ".."):
        return name.replace(".", "%2E")
    return "%5F" + name[1:] if name == _DEFAULT else escape(name)


def is_own(name: str) -> bool:
    """Whether a namespace of Pinecone is one that `namespace_name` named."""
    return name != _DEFAULT


# Metadata.


def check_metadata(id: str, metadata: Metadata) -> None:
    """Refuses what Pinecone's client lets through and the service does not, or changes.

    Raises:
        ItemError: A null, an object, a mixed list, an integer that is no double, or a key in use.
    """
    for key, value in metadata.items():
        expected = None
        if not isinstance(key, str) or key.startswith("$") or key in _OWN:
            expected = f"a key that is a string, without $ in front, and none of {', '.join(_OWN)}"
        elif isinstance(value, (list, tuple)):
            if not all(isinstance(one, str) for one in value):
                expected = "strings in a list"
        elif not isinstance(value, (str, bool, int, float)):
            expected = "a string, number, bool or list of strings"
        elif isinstance(value, int) and not _is_double(value):
            expected = "an integer that a double holds exactly, such as all up to 2^53"
        if expected is not None:
            raise ItemError(
                describe(
                    f"The metadata of {id!r} cannot be stored in Pinecone: {key!r} is wrong",
                    expected=expected,
                    received=value,
                )
            )


def _is_double(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def to_metadata(metadata: Metadata, is_zero: bool = False) -> dict[str, Any]:
    """Metadata as they are sent.

    Args:
        metadata: The user's, checked.
        is_zero: Whether the vector is all zeros.

    Example:
        >>> to_metadata({"year": 1999, "new": True})
        {'year': 1999, 'new': True, '_integers': ['year']}
    """
    numbers = {
        key: value
        for key, value in metadata.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    integers = [key for key, value in numbers.items() if isinstance(value, int)]
    floats = [key for key in numbers if key not in integers]
    own: dict[str, Any] = {INTEGERS: integers, FLOATS: floats, ZERO: is_zero}
    return {**metadata, **{key: value for key, value in own.items() if value}}


def from_metadata(stored: Metadata | None) -> dict[str, Any]:
    """Reads what `to_metadata` wrote, numbers in the types that they had."""
    stored = stored or {}
    kinds: dict[str, Callable[[Any], Any]] = dict.fromkeys(stored.get(FLOATS, ()), float)
    kinds.update(dict.fromkeys(stored.get(INTEGERS, ()), int))
    return {
        key: kinds[key](value) if key in kinds and isinstance(value, (int, float)) else value
        for key, value in stored.items()
        if key not in _OWN
    }


def metadata_bytes(metadata: Metadata) -> int:
    """Bytes of metadata, at most, however the JSON is written."""
    return len(json.dumps(metadata))


def record_bytes(id: str, dimension: int, metadata: Metadata) -> int:
    """Bytes of a record in an upsert, at most."""
    return _NUMBER_BYTES * dimension + metadata_bytes(metadata) + 2 * len(id) + 64


# Requests.


def to_values(vector: Vectors, is_zero: bool) -> list[float]:
    """A vector as it is sent: Pinecone refuses zeros alone, as they have no direction."""
    values: list[float] = vector.tolist()
    return [_TINY, *values[1:]] if is_zero else values


def upserts(batch: Batch, dimension: int) -> Iterator[list[dict[str, Any]]]:
    """Records of a batch, in as many requests as their bytes need."""
    part: list[dict[str, Any]] = []
    size = 0
    for name, vector, metadata in zip(batch.ids, batch.vectors, batch.metadata, strict=True):
        is_zero = not vector.any()
        record: dict[str, Any] = {"id": escape(name), "values": to_values(vector, is_zero)}
        described = to_metadata(metadata, is_zero)
        if described:
            record["metadata"] = described
        more = record_bytes(record["id"], dimension, described)
        if part and size + more > _UPSERT_BYTES:
            yield part
            part, size = [], 0
        part.append(record)
        size += more
    if part:
        yield part


def fetches(names: Sequence[str], dimension: int) -> Iterator[list[str]]:
    """Ids, in as many requests as their addresses and answers need."""
    most = max(1, min(_MOST_IDS, _FETCH_BYTES // (_NUMBER_BYTES * dimension + 1000)))
    part: list[str] = []
    size = 0
    for name in names:
        more = len(quote_plus(name)) + len("&ids=")
        if part and (size + more > _URL_BYTES or len(part) == most):
            yield part
            part, size = [], 0
        part.append(name)
        size += more
    if part:
        yield part


# Filters.

_OPPOSITES = {"eq": "ne", "ne": "eq", "in": "nin", "nin": "in"}
_REVERSED = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}


def to_filter(tree: Tree, negated: bool = False) -> dict[str, Any] | bool:
    """Writes a filter for Pinecone.

    Args:
        tree: The filter.
        negated: Whether it must not hold.

    Returns:
        What Pinecone takes; True or False where all records or none match.

    Raises:
        FilterError: A number that no double holds.

    Example:
        >>> from qstore_tf.store.arguments.filters import parse_filter
        >>> to_filter(parse_filter({"year": {"$gte": 2020}}))
        {'year': {'$gte': 2020}}
        >>> to_filter(parse_filter({"year": {"$in": []}}))
        False
    """
    if isinstance(tree, Not):
        return to_filter(tree.child, not negated)
    if isinstance(tree, (And, Or)):
        join = _all_of if isinstance(tree, And) != negated else _any_of
        return join(to_filter(child, negated) for child in tree.children)
    key, operator, value = tree.key, tree.operator, tree.value
    if operator == "exists":
        return {key: {"$exists": value is not negated}}
    if operator in _REVERSED:
        if not negated:
            return _compare(tree)
        return _any_of([_is_no_number(key), _compare(Compare(key, _REVERSED[operator], value))])
    if negated:
        operator = _OPPOSITES[operator]
    if operator in ("eq", "in"):
        return _equals(key, [value] if operator == "eq" else value)
    return _missing_or(key, _differs(key, [value] if operator == "ne" else value))


def _all_of(parts: Iterable[dict[str, Any] | bool]) -> dict[str, Any] | bool:
    return _joined("$and", parts, True)


def _any_of(parts: Iterable[dict[str, Any] | bool]) -> dict[str, Any] | bool:
    return _joined("$or", parts, False)


def _joined(
    join: str, parts: Iterable[dict[str, Any] | bool], neutral: bool
) -> dict[str, Any] | bool:
    """Joins filters, without those that change nothing."""
    left = []
    for part in parts:
        if isinstance(part, dict):
            left.append(part)
        elif part is not neutral:
            return part
    if not left:
        return neutral
    return left[0] if len(left) == 1 else {join: left}


def _compare(tree: Compare) -> dict[str, Any]:
    return {tree.key: {f"${tree.operator}": _operand(tree.key, tree.value)}}


def _operand(key: str, value: Any) -> Any:
    if isinstance(value, int) and not _is_double(value):
        raise FilterError(
            describe(
                f"The filter of {key!r} has an integer that Pinecone does not tell from others",
                expected="one that a double holds exactly, such as all up to 2^53",
                received=value,
            )
        )
    return value


def _split(key: str, values: Iterable[Any]) -> tuple[list[Any], list[bool]]:
    """Values that `$in` and `$nin` take, and those that they do not."""
    values = [_operand(key, value) for value in values]
    others = [value for value in values if not isinstance(value, bool)]
    return others, [value for value in values if isinstance(value, bool)]


def _equals(key: str, values: Iterable[Any]) -> dict[str, Any] | bool:
    """One of the values is there; with none, nothing matches."""
    return _each(key, values, _any_of, "$eq", "$in")


def _differs(key: str, values: Iterable[Any]) -> dict[str, Any] | bool:
    """A value is there that is none of these; with none, everything matches."""
    return _each(key, values, _all_of, "$ne", "$nin")


def _each(
    key: str, values: Iterable[Any], join: Callable[..., Any], one: str, several: str
) -> dict[str, Any] | bool:
    others, bools = _split(key, values)
    parts: list[dict[str, Any]] = [{key: {one: value}} for value in bools]
    if len(others) == 1:
        parts.append({key: {one: others[0]}})
    elif others:
        parts.append({key: {several: others}})
    joined: dict[str, Any] | bool = join(parts)
    return joined


def _missing_or(key: str, part: dict[str, Any] | bool) -> dict[str, Any] | bool:
    # Said in full: whether `$ne` finds records without the key is documented nowhere.
    return _any_of([part, {key: {"$exists": False}}])


def _is_no_number(key: str) -> dict[str, Any] | bool:
    return _all_of(_missing_or(own, {own: {"$nin": [key]}}) for own in (INTEGERS, FLOATS))
