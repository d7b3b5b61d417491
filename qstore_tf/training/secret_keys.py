"""Finds keys and passwords where settings are given: they belong into the environment.

A configuration is printed, saved beside models and committed. So nothing that opens an account may
stand in one; messages name where it stood and never show it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qstore_tf.errors import ConfigurationError, describe

_SECRET = re.compile(r"api_?key|token|secret|passw|credential|^key$|_key$|^auth", re.IGNORECASE)
# Part of a name, and the environment variable that is read instead.
_VARIABLES = {
    "ionq": "IONQ_API_KEY",
    "pinecone": "PINECONE_API_KEY",
    "quantum": "IONQ_API_KEY",
    "api_key": "IONQ_API_KEY",
}
_WITH_PASSWORD = re.compile(r"^[a-z][a-z0-9+.-]*://[^/@\s]*@", re.IGNORECASE)


def refuse_secrets(settings: Any, where: str) -> None:
    """Raises ConfigurationError where settings hold a key, token or password, at any depth.

    Args:
        settings: Mappings and sequences of plain values.
        where: What they are settings of, for messages.

    Example:
        >>> refuse_secrets({"backends": [{"api_key": "abc"}]}, "train.toml")
        Traceback (most recent call last):
            ...
        qstore_tf.errors.ConfigurationError: A secret stands in train.toml, as \
'backends[0].api_key', which is not read. Expected: secrets in the environment only. Set the \
environment variable IONQ_API_KEY and take the key out; what was in a file that others can read \
should be replaced.
    """
    for place, name, value in _entries(settings, ""):
        holds_password = isinstance(value, str) and _WITH_PASSWORD.match(value)
        if not holds_password and (value is None or not _SECRET.search(name)):
            continue
        variable = _variable(place)
        raise ConfigurationError(
            describe(
                f"A secret stands in {where}, as {place!r}, which is not read",
                expected="secrets in the environment only",
                hint=f"Set {variable} and take the key out; what was in a file that others can "
                "read should be replaced",
            )
        )


def _variable(place: str) -> str:
    found = [variable for part, variable in _VARIABLES.items() if part in place.lower()]
    return f"the environment variable {found[0]}" if found else "an environment variable"


def _entries(settings: Any, place: str) -> list[tuple[str, str, Any]]:
    """Every value with its place and the name of its key, depth first."""
    found: list[tuple[str, str, Any]] = []
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            within = f"{place}.{key}" if place else str(key)
            found += [(within, str(key), value), *_entries(value, within)]
    elif isinstance(settings, list | tuple):
        for number, value in enumerate(settings):
            within = f"{place}[{number}]"
            found += [(within, "", value), *_entries(value, within)]
    return found
