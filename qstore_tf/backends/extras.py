"""Packages that only some backends need: imported when asked for, named when missing."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from qstore_tf.errors import LibraryError, describe


def require(module: str, backend: str, extra: str) -> ModuleType:
    """Imports a module that an extra installs.

    Args:
        module: Its dotted name.
        backend: The backend that needs it.
        extra: The extra of qstore-tf that installs it, such as "qulacs".

    Raises:
        LibraryError: It is not there or does not import; the message has the pip line.

    Example:
        >>> require("json", "lightning", "lightning").__name__
        'json'
    """
    try:
        return import_module(module)
    except Exception as error:  # a broken package raises whatever it likes
        raise LibraryError(
            describe(
                f"Backend {backend!r} needs {module.partition('.')[0]}, which cannot be imported "
                f"({type(error).__name__}: {error})",
                hint=install(extra),
            )
        ) from error


def missing(module: str, extra: str) -> str | None:
    """Returns why a module cannot be imported, without importing it; None where it is there.

    Example:
        >>> missing("no_such_module", "lightning")
        "no_such_module is not installed. Install it: pip install 'qstore-tf[lightning]'"
    """
    try:
        if find_spec(module) is not None:
            return None
    except (ImportError, ValueError):
        pass
    return f"{module} is not installed. {install(extra)}"


def install(extra: str) -> str:
    """Returns the hint that says how to install an extra."""
    return f"Install it: pip install 'qstore-tf[{extra}]'"
