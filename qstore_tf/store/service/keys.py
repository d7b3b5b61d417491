"""Who may do what: API keys, each for some namespaces, kept as hashes."""

from __future__ import annotations

import fnmatch
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, describe

VARIABLE = "QSTORE_DB_KEYS"
SHORTEST = 16  # characters; shorter ones can be guessed


@dataclass(frozen=True)
class Grant:
    """What a key allows.

    Attributes:
        name: Of whom; it appears in logs, where the key never does.
        namespaces: Patterns of the namespaces it may use; "*" stands for anything.
        read_only: Whether it may only read.
    """

    name: str
    namespaces: tuple[str, ...] = ("*",)
    read_only: bool = False

    def allows(self, namespace: str) -> bool:
        """Whether it may use a namespace."""
        return any(fnmatch.fnmatchcase(namespace, pattern) for pattern in self.namespaces)


class Keys:
    """The keys of a service. No key is kept, shown or logged, only its SHA-256.

    Args:
        grants: By key.

    Raises:
        ConfigurationError: A key is shorter than 16 characters, or a grant cannot be read.

    Example:
        >>> keys = Keys({"correct-horse-battery": Grant("team", ("team-*",))})
        >>> keys.grant("correct-horse-battery").name, keys.grant("a-guess-at-the-key") is None
        ('team', True)
    """

    def __init__(self, grants: Mapping[str, Grant]) -> None:
        self._grants: list[tuple[bytes, Grant]] = []
        for key, grant in grants.items():
            if not isinstance(key, str) or len(key) < SHORTEST:
                raise ConfigurationError(
                    describe(
                        f"The key of {grant.name!r} is too short",
                        expected=f"at least {SHORTEST} characters",
                        hint="Make one by: python -c 'import secrets; "
                        "print(secrets.token_urlsafe(24))'",
                    )
                )
            self._grants.append((_digest(key), grant))

    @classmethod
    def read(cls, path: str | os.PathLike[str] | None = None) -> Keys:
        """Reads keys from a file, else from the variable QSTORE_DB_KEYS.

        The text is JSON, a list of `{"key": ..., "name": ..., "namespaces": [...], "read_only":
        ...}`; the last two may be left out.

        Raises:
            ConfigurationError: The text cannot be read. It is not shown.
        """
        text = Path(path).read_text() if path is not None else os.environ.get(VARIABLE, "[]")
        try:
            entries: Sequence[Any] = json.loads(text)
            grants = {entry["key"]: _grant(entry) for entry in entries}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ConfigurationError(
                describe(
                    f"The keys in {path or VARIABLE} cannot be read",
                    expected='a JSON list such as [{"key": "...", "name": "team", '
                    '"namespaces": ["team-*"], "read_only": false}]',
                )
            ) from None
        return cls(grants)

    def __len__(self) -> int:
        return len(self._grants)

    def grant(self, key: str | None) -> Grant | None:
        """What a key allows; None for one that is not known. Takes the same time for all."""
        digest, found = _digest(key or ""), None
        for known, grant in self._grants:
            if hmac.compare_digest(known, digest):
                found = grant
        return found


def _grant(entry: Mapping[str, Any]) -> Grant:
    """Reads one entry; what cannot be meant so is refused, and never taken for a wider grant."""
    if not entry.keys() <= {"key", "name", "namespaces", "read_only"}:
        raise ValueError
    name, namespaces = entry["name"], entry.get("namespaces", ["*"])
    read_only = entry.get("read_only", False)
    texts = isinstance(namespaces, list) and all(isinstance(each, str) for each in namespaces)
    if not isinstance(name, str) or not texts or not isinstance(read_only, bool):
        raise TypeError
    return Grant(name, tuple(namespaces), read_only)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
