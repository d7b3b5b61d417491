"""Where IonQ's service is and who asks: an address and a key that nothing shows or saves."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from qstore_tf.errors import ConfigurationError, describe

DEFAULT = "https://api.ionq.co"
VERSIONS = ("v0.4", "v0.3")
KEY = "IONQ_API_KEY"
# IONQ_API_URL is that of qiskit-ionq, with the version; IONQ_REMOTE_HOST that of cirq-ionq.
ADDRESSES = ("IONQ_API_URL", "IONQ_REMOTE_HOST")
_PRIVATE = (".local", ".localhost", ".internal", ".svc", ".lan", ".home.arpa", ".test")


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
        self._key = _Secret(_checked_key(api_key))

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
        found = self._key.text or _checked_key(os.environ.get(KEY))
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
        self.host, self.version, self._key = state["host"], state["version"], _Secret(None)

    def __copy__(self) -> Server:
        return self  # and not by way of a pickle, which would lose the key

    def __deepcopy__(self, memo: dict[int, Any]) -> Server:
        return self


class _Secret:
    """Text that debuggers and tracebacks with variables do not show."""

    __slots__ = ("text",)

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "***" if self.text else "None"


def _split(url: str) -> tuple[str, str | None]:
    """Returns scheme, host and path without the version, and the version if there is one."""
    expected = "such as 'https://api.ionq.co/v0.4'"
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except (AttributeError, ValueError):
        raise _unusable("cannot be read", expected, type(url).__name__) from None
    if parts.username or parts.password:
        raise _unusable("contains a user or a password", expected, f"{parts.scheme}://***@{host}")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise _unusable("cannot be read", expected, url)
    if parts.scheme == "http" and not _is_private(host):
        raise _unusable("is plain http, which would show the key on its way", "https", url)
    path = parts.path.rstrip("/")
    version = re.search(r"/(v\d+(?:\.\d+)*)$", path)
    shown = f"[{host}]" if ":" in host else host
    base = f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
    return base + (path[: version.start()] if version else path), version and version.group(1)


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE) or ".svc." in f"{host}."
    return address.is_loopback or address.is_private or address.is_link_local


def _checked_key(key: object) -> str | None:
    if key is None or key == "":
        return None
    # It becomes part of a header: a line end in it would begin another one.
    if not isinstance(key, str) or not re.fullmatch(r"[\x21-\x7e]{1,500}", key):
        what = "text of up to 500 visible ASCII characters"
        raise ConfigurationError(describe("The API key cannot be used", expected=what))
    return key


def _unusable(what: str, expected: str, received: str) -> ConfigurationError:
    return ConfigurationError(
        describe(f"The address of the service {what}", expected=expected, received=received)
    )
