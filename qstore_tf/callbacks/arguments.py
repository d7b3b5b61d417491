"""Checks the arguments of QuantumTensorBoard."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, describe


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def _number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _plain(value: Any) -> bool:
    kinds = bool | int | float | str | np.number
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(item, kinds) for name, item in value.items()
    )


# Argument, what it must be, and whether it is.
_RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("log_dir", "a path", lambda v: isinstance(v, str | os.PathLike) and str(v) != ""),
    ("rows", "an integer >= 1", _whole),
    ("every", "an integer >= 1, or None for as often as `overhead` allows",
     lambda v: v is None or _whole(v)),
    ("overhead", "a number above 0, at most 1", lambda v: _number(v) and 0 < v <= 1),
    ("window", "an integer >= 2", lambda v: _whole(v) and v >= 2),
    ("barren_threshold", "a number >= 0", lambda v: _number(v) and 0 <= v < float("inf")),
    ("hparams", "a dict of names to numbers, texts or booleans", lambda v: v is None or _plain(v)),
)  # fmt: skip


def check_arguments(**arguments: Any) -> None:
    """Raises ConfigurationError for the first argument that is wrong.

    Example:
        >>> check_arguments(rows=8, every=None, overhead=0.03)
    """
    for name, expected, holds in _RULES:
        if name in arguments and not holds(arguments[name]):
            raise ConfigurationError(
                describe(
                    f"`{name}` of QuantumTensorBoard is wrong",
                    expected=expected,
                    received=arguments[name],
                )
            )
