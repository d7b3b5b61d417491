"""What tests need that an extra installs."""

from __future__ import annotations

import importlib
import os

import pytest


def needs_extra(*modules: str) -> None:
    """Skips the test, or the module of tests, that calls this where something is not installed.

    With QSTORE_REQUIRE_EXTRAS=1, which says that all extras are there, it is imported all the same.

    Args:
        *modules: Their dotted names.

    Raises:
        ImportError: One cannot be imported, and all extras should be there.

    Example:
        >>> needs_extra("numpy")
    """
    for module in modules:
        if os.environ.get("QSTORE_REQUIRE_EXTRAS") == "1":
            importlib.import_module(module)
        else:
            pytest.importorskip(module, reason=f"{module} comes with an extra")
