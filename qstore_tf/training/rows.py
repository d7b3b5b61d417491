"""What `fit`, `evaluate` and `predict` are given: arrays or datasets, and how many rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.errors import InputError, describe
from qstore_tf.training.measuring import Batches


def joined(x: Any, y: Any) -> Any:
    """Returns inputs and targets as one argument: `(x, y)`, or what holds both already."""
    if y is None:
        return x
    if isinstance(x, tf.data.Dataset):
        raise InputError(describe("A dataset has its own targets", expected="fit(dataset)"))
    return (x, y)


def arguments(data: Any) -> dict[str, Any]:
    """Returns data as Keras takes it: x, y, sample_weight.

    Example:
        >>> sorted(arguments(([1.0], [2.0])))
        ['x', 'y']
    """
    if not _is_pair(data):
        return {"x": data}
    return dict(zip(("x", "y", "sample_weight"), data, strict=False))


def is_arrays(data: Any) -> bool:
    """Whether these are rows in arrays, and not batches."""
    return _is_pair(data) or hasattr(data, "shape")


def split(data: Any, share: float) -> tuple[Any, Any]:
    """Returns the first rows, and the last ones that are a share of all, as Keras does.

    Raises:
        InputError: The share is none, or the data is not in arrays.

    Example:
        >>> split((np.arange(4), np.arange(4)), 0.25)[1]
        (array([3]), array([3]))
    """
    if not _is_pair(data) or not 0 < share < 1:
        raise InputError(
            describe(
                "validation_split takes a share of the rows of arrays",
                expected="fit(x, y, validation_split=...) with a share between 0 and 1",
                received=share,
                hint="Give validation_data= with a dataset",
            )
        )
    first = math.floor(len(data[0]) * (1 - share))
    return tuple(part[:first] for part in data), tuple(part[first:] for part in data)


def inputs(data: Any) -> Any:
    """Returns the inputs alone, so that an estimate knows that nothing is trained."""
    if _is_pair(data):
        return np.asarray(data[0])
    if isinstance(data, tf.data.Dataset):
        spec = data.element_spec
        return data.map(lambda *batch: batch[0]) if isinstance(spec, tuple) else data
    return data if hasattr(data, "shape") else _Inputs(data)


def batches(data: Any, size: int) -> Batches:
    """Returns how many rows the batches have; of a dataset, each is taken as large as the first.

    Args:
        data: Arrays, or a dataset of batches.
        size: Rows of a batch, where the data is in arrays.
    """
    if is_arrays(data):
        one = tf.nest.flatten(data[0] if _is_pair(data) else data)[0]  # of several inputs
        return Batches(size, len(one))
    first = next(iter(data), None) if isinstance(data, tf.data.Dataset) else data[0]
    part = first[0] if isinstance(first, tuple | list) else first
    return Batches(0 if part is None else int(np.shape(part)[0]))


def _is_pair(data: Any) -> bool:
    return isinstance(data, tuple | list) and len(data) > 1


class _Inputs:
    """The inputs of a `keras.utils.PyDataset`."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        for place in range(len(self._data)):
            batch = self._data[place]
            yield batch[0] if isinstance(batch, tuple | list) else batch
