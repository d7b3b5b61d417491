"""Packages whose names are imported when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Returns the `__getattr__` of a package whose names live in modules.

    Args:
        package: The package's name.
        homes: The module of each name, seen from the package qstore_tf.

    Example:
        >>> lazily("old", {"describe": "errors"})("describe").__name__
        'describe'
        >>> lazily("old", {})("other")
        Traceback (most recent call last):
            ...
        AttributeError: module 'old' has no attribute 'other'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"qstore_tf.{homes[name]}"), name)

    return find
