"""API keys: who sends a request, and to which organization it belongs. No key is ever kept."""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qstore_tf.ionq.emulator.answers import unauthorized

_SPACE = uuid.UUID("5f2f7d5e-5f0c-4cf2-9d1c-2b0f6d4f4c3a")


@dataclass(frozen=True)
class Caller:
    """Who sends a request.

    Attributes:
        organization: Sees only its own jobs.
        key_id: The id of the key, by which jobs say who submitted them.
    """

    organization: str
    key_id: str


class Keys:
    """The keys that are good.

    Args:
        keys: As in `Settings.keys`.
    """

    def __init__(self, keys: Mapping[str, str] | Sequence[str] | None) -> None:
        self._any = keys is None
        given = (
            keys
            if isinstance(keys, Mapping)
            else {key: _id("organization", key) for key in keys or ()}
        )
        self._known = {key.encode(): organization for key, organization in given.items()}

    def caller(self, authorization: str | None) -> Caller:
        """Who sends a request with this header `Authorization`, which is "apiKey K".

        Raises:
            Refusal: The key is missing or wrong: 401.
        """
        word, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if word.casefold() != "apikey" or not key:
            unauthorized()
        if self._any:
            return Caller(_id("organization", key), _id("key", key))
        found = None
        for known, organization in self._known.items():
            if hmac.compare_digest(known, key.encode(errors="replace")):
                found = organization
        if found is None:
            unauthorized()
        return Caller(found, _id("key", key))


def _id(kind: str, key: str) -> str:
    return str(uuid.uuid5(_SPACE, f"{kind}:{key}"))


def key_of(authorization: str | None) -> str:
    """The key in a header, to be masked wherever it appears; "" where there is none."""
    return (authorization or "").strip().partition(" ")[2].strip()
