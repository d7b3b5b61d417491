"""Circuits of one structure read straight from their JSON numbers, gate by gate for all at once.

A batch of training has a thousand circuits with the same gates on the same qubits. The first is
read as any circuit is; of the others only what may differ is looked at: for each gate, that all
have its fields and its fixed values, and which numbers they have. Where anything else is found
there is no result, and each circuit is read on its own, with its own errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.errors import ConversionError
from qstore_tf.ionq.emulator.batches import Group, group_of
from qstore_tf.ionq.writing import NativeTemplate

# Fields with numbers, in the order of the gate's parameters in the gate table.
_NUMBERS = ("phases", "phase", "angle", "rotation")
LARGEST = 1e300  # of an angle in radians

Head = tuple[Any, Any]  # gate set, number of qubits
ReadOne = Callable[[Head, list[Any], str], Circuit]


def read_alike(
    heads: Sequence[Head], circuits: Sequence[list[Any]], read_one: ReadOne
) -> tuple[Group, ...] | None:
    """Reads circuits of few structures.

    Args:
        heads: Gate set and number of qubits of each circuit.
        circuits: The gates of each circuit.
        read_one: Reads a single circuit and checks all of it.

    Returns:
        One group for each structure; None where circuits that look alike are not, or are damaged.

    Raises:
        ConversionError: The first circuit of its structure is damaged.
    """
    alike: dict[object, list[int]] = {}
    try:
        for position, entries in enumerate(circuits):
            alike.setdefault((heads[position], _outline(entries)), []).append(position)
    except (TypeError, KeyError):  # no gates, or what cannot be compared
        return None
    groups = []
    for positions in alike.values():
        first = positions[0]
        circuit = read_one(heads[first], circuits[first], f"Circuit {first}")
        found = _read_run(circuit, [circuits[k] for k in positions])
        if found is None or not _in_range(circuit, found, heads[first][0]):
            return None
        groups.append(group_of(circuit, found, positions))
    return tuple(groups)


def _outline(entries: list[Any]) -> tuple[object, ...]:
    """Returns gates and targets, by which most structures differ."""
    return tuple(
        [
            (entry["gate"], entry["target"])
            if "target" in entry
            else (entry["gate"], *entry["targets"])
            for entry in entries
        ]
    )


def _read_run(first: Circuit, circuits: Sequence[list[Any]]) -> NDArray[np.float64] | None:
    """Returns the numbers of circuits, [B, n_values]; None where one is not like the first."""
    columns: list[Any] = []
    for entries in zip(*circuits, strict=True):
        if not isinstance(entries[0], dict) or entries[0].get("gate") == "pauliexp":
            return None
        numbers = _read_gates(entries)
        if numbers is None:
            return None
        columns += numbers
    n_values = sum(len(op.params) for op in first.operations)
    if len(columns) != n_values:
        return None  # a default that is not written, such as the angle of ms
    if not columns:
        return np.zeros((len(circuits), 0))
    if not set(map(type, chain.from_iterable(columns))) <= {float, int}:
        return None
    try:
        return np.array(columns, dtype=np.float64).T
    except OverflowError:
        return None


def _read_gates(entries: Sequence[Any]) -> list[Sequence[Any]] | None:
    """Returns the numbers of one gate of all circuits, a sequence for each parameter."""
    fields = entries[0].keys()
    try:
        if any(map(fields.__ne__, map(dict.keys, entries))):
            return None
        columns = {field: [*map(itemgetter(field), entries)] for field in fields}
    except TypeError:  # an entry is no object
        return None
    numbers: list[Sequence[Any]] = []
    for field in _NUMBERS:
        column = columns.pop(field, None)
        if column is None:
            continue
        if field == "phases":
            if not set(map(type, column)) <= {list} or set(map(len, column)) != {2}:
                return None
            numbers += zip(*column, strict=True)
        else:
            numbers.append(column)
    for column in columns.values():
        if column.count(column[0]) != len(column) or not _same_types(column):
            return None
    return numbers


def _same_types(column: list[Any]) -> bool:
    """Whether equal values are of one type: in Python True is 1 and equals 1.0."""
    kinds = set(map(type, column))
    if kinds == {list}:
        return set(map(type, chain.from_iterable(column))) <= {int}
    return len(kinds) == 1


def _in_range(first: Circuit, values: NDArray[np.float64], gateset: Any) -> bool:
    if gateset != "native":
        return bool((np.abs(values) <= LARGEST).all())
    try:
        NativeTemplate.of(first, signed_zz=True).check(values)
    except ConversionError:  # which says so better when each circuit is read on its own
        return False
    return True
