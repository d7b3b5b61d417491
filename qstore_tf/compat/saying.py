"""What users of old names are told, once in a process."""

from __future__ import annotations

import logging
import threading
import warnings

_log = logging.getLogger("qstore_tf")
_said: set[str] = set()
_lock = threading.Lock()


def is_new(text: str) -> bool:
    """Whether a text has not been said yet; from now on it has."""
    with _lock:
        if text in _said:
            return False
        _said.add(text)
        return True


def forget() -> None:
    """Lets everything be said again, for tests."""
    with _lock:
        _said.clear()


def deprecated(old: str, new: str, stacklevel: int = 2) -> None:
    """Warns once that a name has another one now.

    Args:
        old: The old name.
        new: What to write instead.
        stacklevel: 2 is the caller's caller, whose code is to be changed.

    Example:
        >>> import warnings
        >>> forget()
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     for _ in range(2):
        ...         deprecated("use_batch_api", "use_concurrent_submission")
        >>> [str(each.message) for each in caught]
        ['use_batch_api is deprecated; write use_concurrent_submission']
    """
    text = f"{old} is deprecated; write {new}"
    if is_new(text):
        warnings.warn(text, DeprecationWarning, stacklevel=stacklevel + 1)


def no_effect(name: str, why: str) -> None:
    """Logs once that a setting changes nothing, and why."""
    text = f"{name} has no effect: {why}"
    if is_new(text):
        _log.warning("%s", text)
