"""Metadata filters: one tree, read from the form that vector stores share.

>>> tree = parse_filter({"year": {"$gte": 2020}, "$or": [{"kind": "a"}, {"kind": "b"}]})
>>> matches(tree, {"year": 2021, "kind": "b"}), matches(tree, {"year": 2019, "kind": "b"})
(True, False)
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qstore_tf.errors import FilterError, describe

Scalar = str | int | float | bool
Metadata = Mapping[str, Any]

LONGEST = 1000  # comparisons, values of lists, and filters within filters
DEEPEST = 20
_LARGEST_NUMBER = 1e300
_MOST_TEXTS, _LONGEST_TEXT = 10, 200  # of what is looked for: more takes longer than to read all

COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "exists")
_ORDERED = ("gt", "gte", "lt", "lte")
_JOINED = ("$and", "$or", "$not")


@dataclass(frozen=True)
class Compare:
    """One key compared with a value.

    Attributes:
        key: The key of the metadata.
        operator: One of `COMPARISONS`.
        value: A string, number or bool; a tuple of them for "in" and "nin"; a bool for "exists".
    """

    key: str
    operator: str
    value: Any


@dataclass(frozen=True)
class And:
    """All of the children hold; with none, every item."""

    children: tuple[Tree, ...]


@dataclass(frozen=True)
class Or:
    """At least one of the children holds; with none, no item."""

    children: tuple[Tree, ...]


@dataclass(frozen=True)
class Not:
    """The child does not hold."""

    child: Tree


Tree = Compare | And | Or | Not


def parse_filter(filter: Mapping[str, Any]) -> Tree:
    """Reads a filter in the form of Pinecone and Chroma.

    Keys stand beside values or operators: `{"year": 2020}` is `{"year": {"$eq": 2020}}`. Several
    keys must all hold. Operators: `$eq $ne $gt $gte $lt $lte $in $nin $exists`, joined by `$and`,
    `$or` (lists of filters) and `$not` (one filter).

    What holds where: a key that an item lacks satisfies only `$ne`, `$nin` and `$exists: False`.
    Types never compare: a string is neither greater nor less than a number, and `True` is not 1.
    A list of strings equals a string if one of its elements does.

    Args:
        filter: The filter.

    Returns:
        Its tree.

    Raises:
        FilterError: An unknown operator, a value of a wrong type, or more than 1,000 comparisons.

    Example:
        >>> parse_filter({"year": {"$lt": 2000}})
        And(children=(Compare(key='year', operator='lt', value=2000),))
    """
    budget = [LONGEST]
    return _parse(filter, 0, budget)


def matches(tree: Tree, metadata: Metadata) -> bool:
    """Whether an item's metadata satisfies a filter: the definition that others are tested against.

    Args:
        tree: What `parse_filter` returned.
        metadata: Strings, numbers, bools and lists of strings by key.

    Returns:
        Whether it does.

    Example:
        >>> matches(parse_filter({"tags": {"$in": ["new"]}}), {"tags": ["new", "red"]})
        True
    """
    if isinstance(tree, And):
        return all(matches(child, metadata) for child in tree.children)
    if isinstance(tree, Or):
        return any(matches(child, metadata) for child in tree.children)
    if isinstance(tree, Not):
        return not matches(tree.child, metadata)
    there = tree.key in metadata
    if tree.operator == "exists":
        return there is tree.value
    if tree.operator in ("ne", "nin"):
        opposite = {"ne": "eq", "nin": "in"}[tree.operator]
        return not there or not _TESTS[opposite](metadata[tree.key], tree.value)
    return there and _TESTS[tree.operator](metadata[tree.key], tree.value)


Clause = tuple[str, ...]


def needed_texts(tree: Tree) -> list[Clause]:
    """What stands in the JSON of all metadata that satisfy a filter: for databases to look for.

    The JSON is as `check_metadata` writes it, without spaces.

    Args:
        tree: The filter.

    Returns:
        Clauses, of each of which one text at least stands there. Other metadata may have them too;
        and there may be none, as for `$ne`.

    Example:
        >>> needed_texts(parse_filter({"kind": "a", "year": {"$in": [2020.5, True]}}))
        [('"kind"',), ('"a"',), ('"year"',), ('"year":2020.5', '"year":true')]
    """
    if isinstance(tree, And):
        return [clause for child in tree.children for clause in needed_texts(child)]
    if isinstance(tree, Or):
        parts = [needed_texts(child) for child in tree.children]
        # The last clause of a comparison says most.
        merged = tuple(text for part in parts if part for text in part[-1])
        return [merged] if all(parts) and 0 < len(merged) <= _MOST_TEXTS else []
    if isinstance(tree, Not) or tree.operator in ("ne", "nin"):
        return []
    if tree.operator == "exists" and not tree.value:
        return []
    key = _quoted(tree.key)
    if key is None:
        return []
    values = {"eq": (tree.value,), "in": tree.value}.get(tree.operator, ())
    ways = [_written(key, value) for value in values]
    texts = tuple(text for each in ways for text in each)
    clauses: list[Clause] = [(key,)]
    if all(ways) and 0 < len(texts) <= _MOST_TEXTS:
        clauses.append(texts)
    return clauses


def _written(key: str, value: Scalar) -> list[str]:
    """How a value may be written under a key, or begin; nothing where that is not known.

    Texts may be in lists, so they stand without the key. Equal numbers may be int or float.
    """
    if isinstance(value, str):
        text = _quoted(value)
        return [] if text is None else [text]
    if isinstance(value, bool):
        return [f"{key}:{json.dumps(value)}"]
    if abs(value) > _LARGEST_NUMBER:
        return []
    forms = {repr(float(value)), repr(-float(value))} if value == 0 else {repr(float(value))}
    if value == int(value):
        forms.add(str(int(value)))
    return [f"{key}:{form}" for form in sorted(forms)]


def _quoted(value: str) -> str | None:
    """A text as JSON has it, whoever wrote it; None for all that may be written in several ways."""
    if len(value) > _LONGEST_TEXT:
        return None
    text = json.dumps(value)
    return text if text == json.dumps(value, ensure_ascii=False) else None


def _kind(value: Any) -> str:
    """What a value may be compared with."""
    if isinstance(value, bool):
        return "bool"
    return "text" if isinstance(value, str) else "number"


def _equal(stored: Any, value: Any) -> bool:
    if isinstance(stored, (list, tuple)):
        return any(_equal(element, value) for element in stored)
    return _kind(stored) == _kind(value) and bool(stored == value)


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(stored: Any, value: Any) -> bool:
        if isinstance(stored, (list, tuple)) or _kind(stored) != _kind(value):
            return False
        return test(stored, value)

    return compare


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "in": lambda stored, values: any(_equal(stored, value) for value in values),
    "gt": _ordered(lambda a, b: a > b),
    "gte": _ordered(lambda a, b: a >= b),
    "lt": _ordered(lambda a, b: a < b),
    "lte": _ordered(lambda a, b: a <= b),
}


def _parse(filter: Any, depth: int, budget: list[int]) -> Tree:
    if not isinstance(filter, Mapping):
        raise FilterError(
            describe(
                "A filter cannot be read",
                expected='a dict, such as {"year": {"$gte": 2020}}',
                received=filter,
            )
        )
    if depth > DEEPEST:
        raise FilterError(
            describe(f"A filter is nested more than {DEEPEST} deep", hint="Write it flatter.")
        )
    _spend(budget, 1 if depth else 0)
    children: list[Tree] = []
    for key, value in filter.items():
        if key in _JOINED:
            children.append(_join(key, value, depth, budget))
        elif isinstance(key, str) and not key.startswith("$"):
            children.extend(_comparisons(key, value, budget))
        else:
            raise FilterError(
                describe(
                    "A filter has a key that cannot be read",
                    expected=f"the name of a metadata key, or one of {', '.join(_JOINED)}",
                    received=key,
                )
            )
    return And(tuple(children))


def _join(key: str, value: Any, depth: int, budget: list[int]) -> Tree:
    if key == "$not":
        return Not(_parse(value, depth + 1, budget))
    if not isinstance(value, (list, tuple)) or not value:
        raise FilterError(
            describe(
                f"{key} of a filter cannot be read",
                expected="a list of at least one filter",
                received=value,
            )
        )
    children = tuple(_parse(child, depth + 1, budget) for child in value)
    return And(children) if key == "$and" else Or(children)


def _comparisons(key: str, value: Any, budget: list[int]) -> list[Tree]:
    operators = value if isinstance(value, Mapping) else {"$eq": value}
    if not operators:
        raise FilterError(
            describe(
                f"The filter of {key!r} names no operator",
                expected='a value, or an operator such as {"$eq": 1}',
                received=value,
            )
        )
    found: list[Tree] = []
    for name, operand in operators.items():
        operator = name[1:] if isinstance(name, str) and name.startswith("$") else ""
        if operator not in COMPARISONS:
            raise FilterError(
                describe(
                    f"The filter of {key!r} has an unknown operator",
                    expected="one of " + ", ".join(f"${known}" for known in COMPARISONS),
                    received=name,
                )
            )
        found.append(Compare(key, operator, _operand(key, operator, operand)))
        _spend(budget, max(1, len(operand)) if operator in ("in", "nin") else 1)
    return found


def _spend(budget: list[int], count: int) -> None:
    """Counts comparisons, values of lists and filters within filters."""
    budget[0] -= count
    if budget[0] < 0:
        raise FilterError(
            describe(
                f"A filter has more than {LONGEST} comparisons, values and filters within it",
                hint="Ask several queries.",
            )
        )


def _operand(key: str, operator: str, value: Any) -> Any:
    if operator == "exists":
        good, expected = isinstance(value, bool), "True or False"
    elif operator in ("in", "nin"):
        good = isinstance(value, (list, tuple, set, frozenset)) and len(value) <= LONGEST
        good = good and all(_is_scalar(element) for element in value)
        expected = f"a list of at most {LONGEST} strings, numbers or bools"
        value = tuple(value) if good else value
    elif operator in _ORDERED:
        good = _is_scalar(value) and not isinstance(value, bool)
        expected = "a number or a string"
    else:
        good, expected = _is_scalar(value), "a string, a number or a bool"
    if not good:
        raise FilterError(
            describe(
                f"${operator} of {key!r} in a filter has a wrong value",
                expected=expected,
                received=value,
            )
        )
    return value


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, bool, int)) or (
        isinstance(value, float) and math.isfinite(value)
    )
