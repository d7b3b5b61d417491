"""A request over the network: bounded in time and size, the key in its header alone."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from qstore_tf.errors import LibraryError, describe
from qstore_tf.ionq.service.server import Server

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 1 << 28  # of an answer
_AGENT = "qstore-tf"
_CONNECT_S, _SILENT_S = 10.0, 60.0  # for a connection, and between two pieces of anything
_TOTAL_S = 600.0  # for an answer that comes in drops


class NotSent(Exception):
    """The request did not leave this machine; the text says why."""


class Broken(Exception):
    """The request may have arrived, but there is no usable answer; the text says why."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: The HTTP status.
        content: The body.
        headers: Lower-case names.
    """

    status: int
    content: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Wire(Protocol):
    """What makes a request; tests have one without a network."""

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Answer:
        """Sends a request, once.

        Raises:
            NotSent: It did not leave.
            Broken: It may have arrived.
        """
        ...

    def close(self) -> None:
        """Closes connections; a later request opens them again."""
        ...


class Http:
    """Requests to a server by httpx, over connections that stay open.

    Redirects are not followed: they could carry the key to another host. Proxies and certificates
    of the environment are honoured, passwords of .netrc are not read.

    Args:
        server: Where to.
        silent_s: For how long the other side may say nothing.
        total_s: For one answer in all.

    Raises:
        LibraryError: httpx is not installed.
    """

    def __init__(
        self,
        server: Server,
        silent_s: float = _SILENT_S,
        total_s: float = _TOTAL_S,
    ) -> None:
        _httpx()
        self._server, self._silent_s, self._total_s = server, silent_s, total_s
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._owner = 0

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Answer:
        """Sends a request, once; see `Wire`."""
        httpx, client = _httpx(), self._connected()
        headers = {} if body is None else {"Content-Type": "application/json"}
        content = None if body is None else body.encode()
        try:
            with client.stream(
                method, self._server.url + path, params=params, content=content, headers=headers
            ) as response:
                return self._read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(self._text(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Broken(self._text(error)) from None

    def close(self) -> None:
        """Closes connections; a later request opens them again."""
        with self._lock:
            if self._client is not None and self._owner == os.getpid():
                self._client.close()
            self._client = None

    def _read(self, response: httpx.Response) -> Answer:
        parts, size = [], 0
        begin = time.monotonic()
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > MOST_BYTES:
                raise Broken(f"the answer is longer than {MOST_BYTES} bytes")
            if time.monotonic() - begin > self._total_s:
                raise Broken(f"the answer was not complete after {self._total_s:g} s")
            parts.append(chunk)
        return Answer(response.status_code, b"".join(parts), dict(response.headers))

    def _connected(self) -> httpx.Client:
        with self._lock:
            if self._client is None or self._owner != os.getpid():
                # A forked process must not use the connections of the other.
                httpx, self._owner = _httpx(), os.getpid()
                self._client = httpx.Client(
                    auth=self._with_key,
                    headers={"User-Agent": _AGENT, "Accept": "application/json"},
                    timeout=httpx.Timeout(self._silent_s, connect=min(_CONNECT_S, self._silent_s)),
                    limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
                    follow_redirects=False,
                    # Certificates take a while to read, and plain http has none.
                    verify=self._server.host.startswith("https:"),
                )
                weakref.finalize(self, _close, self._client, self._owner)
            return self._client

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        """Puts the key into the header at the last moment."""
        request.headers["Authorization"] = f"apiKey {self._server.key()}"
        return request

    def _text(self, error: Exception) -> str:
        return self._server.mask(f"{type(error).__name__}: {error}")[:500]


def _close(client: httpx.Client, owner: int) -> None:
    if owner == os.getpid():
        client.close()


def _httpx() -> Any:
    try:
        import httpx
    except ImportError:
        raise LibraryError(
            describe("IonQ's service needs httpx", hint="pip install qstore-tf[ionq]")
        ) from None
    return httpx
