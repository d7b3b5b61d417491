"""Metadata as columns, for filters over all rows at once, as `filters.matches` defines them."""

from __future__ import annotations

import json
import operator
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.store.arguments.filters import And, Compare, Not, Or, Tree
from qstore_tf.store.index.rows import GrowingRows

Array = NDArray[Any]
Bools = NDArray[np.bool_]

_MISSING, _BOOL, _NUMBER, _TEXT, _LIST = range(5)
_EXACT = 2**53  # integers up to here are exact as floats
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class Columns:
    """The metadata of rows that only become more, read from JSON when a filter first needs it.

    Args:
        texts: JSON objects, or None; the list may grow behind, also while others read.

    Example:
        >>> columns = Columns(['{"year": 2020}', None])
        >>> columns.mask(Compare("year", "gte", 2000), 2)
        array([ True, False])
    """

    def __init__(self, texts: Sequence[str | None]) -> None:
        self._texts = texts
        self._lock = threading.Lock()
        self._count = 0
        self._columns: dict[str, _Column] = {}

    def mask(self, tree: Tree, count: int) -> Bools:
        """Which of the first `count` rows satisfy a filter: [count], bool."""
        with self._lock:  # a column's parts must be of one age
            self._read(count)
            return self._mask(tree, count)

    def texts(self, rows: Iterable[int]) -> list[str | None]:
        """The metadata of some rows as JSON, None for those that have none."""
        return [self._texts[row] for row in rows]

    def _mask(self, tree: Tree, count: int) -> Bools:
        if isinstance(tree, And):
            found = np.ones(count, bool)
            for child in tree.children:
                found &= self._mask(child, count)
            return found
        if isinstance(tree, Or):
            found = np.zeros(count, bool)
            for child in tree.children:
                found |= self._mask(child, count)
            return found
        if isinstance(tree, Not):
            return ~self._mask(tree.child, count)
        column = self._columns.get(tree.key)
        if column is None:  # a key that no row has
            return np.full(count, _holds_without_key(tree), bool)
        return column.compare(tree, count)

    def _read(self, count: int) -> None:
        if count <= self._count:
            return
        for row in range(self._count, count):
            text = self._texts[row]
            if text:
                for key, value in json.loads(text).items():
                    if key not in self._columns:
                        self._columns[key] = _Column()
                    self._columns[key].set(row, value)
        self._count = count


def _holds_without_key(compare: Compare) -> bool:
    if compare.operator == "exists":
        return compare.value is False
    return compare.operator in ("ne", "nin")


class _Column:
    """The values of one key: only the rows that have it, in the order of rows."""

    def __init__(self) -> None:
        self._new: list[tuple[int, int, float, int]] = []  # row, kind, number, code
        self._rows = GrowingRows(np.int64)
        self._kinds = GrowingRows(np.int8)
        self._numbers = GrowingRows(np.float64)
        self._codes = GrowingRows(np.int64)  # of texts; of lists, the code of one element
        self._first = GrowingRows(np.bool_)  # whether this is the row's first entry
        self._texts: dict[str, int] = {}
        self._large: dict[int, int] = {}  # entry -> an integer that is no float
        self._entries = 0
        self._firsts: list[bool] = []

    def set(self, row: int, value: Any) -> None:
        """Appends the value of a row, which comes after all others."""
        if isinstance(value, bool):
            self._add(row, _BOOL, float(value), -1)
        elif isinstance(value, (int, float)):
            if isinstance(value, int) and abs(value) > _EXACT:
                self._large[self._entries] = value
                value = 0.0
            self._add(row, _NUMBER, float(value), -1)
        elif isinstance(value, str):
            self._add(row, _TEXT, 0.0, self._code(value))
        else:
            codes = [self._code(element) for element in value] or [-1]
            for position, code in enumerate(codes):
                self._add(row, _LIST, 0.0, code, position == 0)

    def _add(self, row: int, kind: int, number: float, code: int, first: bool = True) -> None:
        self._new.append((row, kind, number, code))
        self._firsts.append(first)
        self._entries += 1

    def _code(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def _settle(self) -> None:
        if not self._new:
            return
        rows, kinds, numbers, codes = zip(*self._new, strict=True)
        self._rows.append(np.array(rows, np.int64))
        self._kinds.append(np.array(kinds, np.int8))
        self._numbers.append(np.array(numbers, np.float64))
        self._codes.append(np.array(codes, np.int64))
        self._first.append(np.array(self._firsts, np.bool_))
        self._new, self._firsts = [], []

    def compare(self, compare: Compare, count: int) -> Bools:
        """Which of the first `count` rows satisfy a comparison of this key."""
        self._settle()
        end = int(np.searchsorted(self._rows.view, count))
        operator_, value = compare.operator, compare.value
        if operator_ == "exists":
            return self._spread(np.ones(end, bool), count) == value
        if operator_ in ("eq", "ne"):
            found = self._spread(self._equal(value, end), count)
        elif operator_ in ("in", "nin"):
            hits = np.zeros(end, bool)
            texts = [self._texts[v] for v in value if isinstance(v, str) and v in self._texts]
            if texts:
                hits |= self._of(_TEXT, _LIST, end) & np.isin(self._codes.view[:end], texts)
            for other in value:
                if not isinstance(other, str):
                    hits |= self._equal(other, end)
            found = self._spread(hits, count)
        else:
            return self._spread(self._ordered(_ORDERS[operator_], value, end), count)
        return ~found if operator_ in ("ne", "nin") else found

    def _spread(self, entries: Bools, count: int) -> Bools:
        found = np.zeros(count, bool)
        found[self._rows.view[: len(entries)][entries]] = True
        return found

    def _of(self, first: int, second: int, end: int) -> Bools:
        kinds = self._kinds.view[:end]
        return (kinds == first) | (kinds == second)

    def _equal(self, value: Any, end: int) -> Bools:
        if isinstance(value, str):
            code = self._texts.get(value, -2)
            return self._of(_TEXT, _LIST, end) & (self._codes.view[:end] == code)
        if isinstance(value, bool):
            return self._of(_BOOL, _BOOL, end) & (self._numbers.view[:end] == float(value))
        return self._numeric(operator.eq, value, end)

    def _ordered(self, test: Callable[[Any, Any], Any], value: Any, end: int) -> Bools:
        if isinstance(value, str):
            holds = np.array([test(text, value) for text in self._texts], bool)
            codes = self._codes.view[:end]
            if not len(holds):
                return np.zeros(end, bool)
            return self._of(_TEXT, _TEXT, end) & holds[np.maximum(codes, 0)]
        if isinstance(value, bool):
            found: Bools = self._of(_BOOL, _BOOL, end) & test(
                self._numbers.view[:end], float(value)
            )
            return found
        return self._numeric(test, value, end)

    def _numeric(self, test: Callable[[Any, Any], Any], value: Any, end: int) -> Bools:
        numbers = self._numbers.view[:end]
        kind = self._of(_NUMBER, _NUMBER, end)
        if isinstance(value, int) and abs(value) > _EXACT:  # Python compares exactly
            holds = np.array([test(number, value) for number in numbers.tolist()], bool)
        else:
            holds = test(numbers, float(value))
        for entry, number in self._large.items():
            if entry < end:
                holds[entry] = test(number, value)
        return kind & holds
