"""What tests need that an extra installs."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest


def needs_extra(module: str, *more: str) -> ModuleType:
    """Skips the test, or the module of tests, that calls this where something is not installed.

    With QSTORE_REQUIRE_EXTRAS=1, which says that all extras are there, it is imported all the same.

    Args:
        module: Its dotted name.
        *more: Those of others.

    Returns:
        The last of them.

    Raises:
        ImportError: One cannot be imported, and all extras should be there.

    Example:
        >>> np = needs_extra("numpy")
    """
    for name in (module, *more):
        if os.environ.get("QSTORE_REQUIRE_EXTRAS") != "1":
            pytest.importorskip(name, reason=f"{name} comes with an extra")
        found = importlib.import_module(name)
    return found
