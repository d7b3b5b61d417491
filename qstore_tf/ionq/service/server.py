"""Where IonQ's service is and who asks: an address and a key that nothing shows or saves."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from qstore_tf.credentials import Secret, checked_key, split_address
from qstore_tf.errors import ConfigurationError, describe

DEFAULT = "https://api.ionq.co"
VERSIONS = ("v0.4", "v0.3")
KEY = "IONQ_API_KEY"
# IONQ_API_URL is that of qiskit-ionq, with the version; IONQ_REMOTE_HOST that of cirq-ionq.
ADDRESSES = ("IONQ_API_URL", "IONQ_REMOTE_HOST")


class Server:
    """A service that speaks IonQ's API, and the key for it.

    The key is in no repr, error, log, pickle or configuration. A copy that comes out of a pickle
    reads it again from the environment.

    Args:
        url: Its address, with or without the version at its end. None: IONQ_API_URL, else
            IONQ_REMOTE_HOST, else IonQ's own. Plain http is taken for this machine and for
            private networks only, because it would show the key to everybody on the way.
        api_key: The key. None: IONQ_API_KEY.
        version: "v0.4" or "v0.3". None: the one in the address, else "v0.4".

    Raises:
        ConfigurationError: The address or the key cannot be used.

    Example:
        >>> server = Server("http://localhost:8000/v0.4", api_key="secret")
        >>> server, server.url
        (Server('http://localhost:8000/v0.4'), 'http://localhost:8000/v0.4')
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, version: str | None = None
    ) -> None:
        given = url or next(filter(None, map(os.environ.get, ADDRESSES)), DEFAULT)
        self.host, in_path = _split(given)
        self.version = version or in_path or VERSIONS[0]
        if self.version not in VERSIONS:
            raise ConfigurationError(
                describe(
                    "This version of IonQ's API is not spoken here",
                    expected=" or ".join(VERSIONS),
                    received=self.version,
                )
            )
        self._key = Secret(checked_key(api_key))

    @property
    def url(self) -> str:
        """The address with the version, without a slash at its end."""
        return f"{self.host}/{self.version}"

    @property
    def has_key(self) -> bool:
        """Whether there is a key, given or in the environment."""
        return bool(self._key.text or os.environ.get(KEY))

    def key(self) -> str:
        """Returns the key; for those alone who send it.

        Raises:
            ConfigurationError: There is none.
        """
        found = self._key.text or checked_key(os.environ.get(KEY))
        if not found:
            raise ConfigurationError(
                describe(
                    "There is no API key for IonQ",
                    expected=f"api_key=... or the environment variable {KEY}",
                    hint="A local IonQ (qstore ionq-emulator) takes any key",
                )
            )
        return found

    def mask(self, text: str) -> str:
        """Returns a text with the key blotted out."""
        for key in filter(None, (self._key.text, os.environ.get(KEY))):
            text = text.replace(key, "***")
        return text

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def __getstate__(self) -> Mapping[str, Any]:
        return {"host": self.host, "version": self.version}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.host, self.version, self._key = state["host"], state["version"], Secret(None)

    def __copy__(self) -> Server:
        return self  # and not by way of a pickle, which would lose the key

    def __deepcopy__(self, memo: dict[int, Any]) -> Server:
        return self


def _split(url: str) -> tuple[str, str | None]:
    """Returns scheme, host and path without the version, and the version if there is one."""
    base, parts = split_address(url, "such as 'https://api.ionq.co/v0.4'")
    path = parts.path.rstrip("/")
    version = re.search(r"/(v\d+(?:\.\d+)*)$", path)
    return base + (path[: version.start()] if version else path), version and version.group(1)
