"""A request over the network: bounded in time and size, the key in its header alone."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from qstore_tf.ionq.service.server import Server

MOST_BYTES = 1 << 28  # of an answer
_AGENT = "qstore-tf"
_TIMEOUTS = httpx.Timeout(connect=10.0, read=60.0, write=60.0, pool=60.0)
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
        timeouts: httpx's, in seconds.
        total_s: For one answer in all.
    """

    def __init__(
        self,
        server: Server,
        timeouts: httpx.Timeout | float = _TIMEOUTS,
        total_s: float = _TOTAL_S,
    ) -> None:
        self._server, self._timeouts, self._total_s = server, timeouts, total_s
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
        client = self._connected()
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
                self._owner = os.getpid()
                self._client = httpx.Client(
                    auth=_Auth(self._server),
                    headers={"User-Agent": _AGENT, "Accept": "application/json"},
                    timeout=self._timeouts,
                    limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
                    follow_redirects=False,
                    # Certificates take a while to read, and plain http has none.
                    verify=self._server.host.startswith("https:"),
                )
                weakref.finalize(self, _close, self._client, self._owner)
            return self._client

    def _text(self, error: Exception) -> str:
        return self._server.mask(f"{type(error).__name__}: {error}")[:500]


def _close(client: httpx.Client, owner: int) -> None:
    if owner == os.getpid():
        client.close()


class _Auth(httpx.Auth):
    """Puts the key into the header at the last moment."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"apiKey {self._server.key()}"
        yield request
