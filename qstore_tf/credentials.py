"""Keys that nothing shows, and the addresses that they may be sent to."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from qstore_tf.errors import ConfigurationError, describe

_PRIVATE = (".local", ".localhost", ".internal", ".svc", ".lan", ".home.arpa", ".test")


class Secret:
    """Text that debuggers and tracebacks with variables do not show."""

    __slots__ = ("text",)

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "***" if self.text else "None"


def checked_key(key: object) -> str | None:
    """Returns a key as it may stand in a header; None where there is none.

    Raises:
        ConfigurationError: It is not text of up to 500 visible ASCII characters. It is not shown.
    """
    if key is None or key == "":
        return None
    # It becomes part of a header: a line end in it would begin another one.
    if not isinstance(key, str) or not re.fullmatch(r"[\x21-\x7e]{1,500}", key):
        what = "text of up to 500 visible ASCII characters"
        raise ConfigurationError(describe("The API key cannot be used", expected=what))
    return key


def split_address(url: str, expected: str) -> tuple[str, SplitResult]:
    """Takes the address of a service apart.

    Plain http is taken for this machine and for private networks only, because it would show a key
    to everybody on the way.

    Args:
        url: The address.
        expected: An example of a good one, for errors.

    Returns:
        Scheme, host and port, without a slash at the end; and all parts.

    Raises:
        ConfigurationError: It cannot be used.

    Example:
        >>> split_address("http://localhost:8000/v1", "")[0]
        'http://localhost:8000'
    """
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
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else ""), parts


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE) or ".svc." in f"{host}."
    return address.is_loopback or address.is_private or address.is_link_local


def _unusable(what: str, expected: str, received: str) -> ConfigurationError:
    return ConfigurationError(
        describe(f"The address of the service {what}", expected=expected, received=received)
    )
