"""Calls of Pinecone's client: tried again, their errors in our types, and never with the key."""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    QstoreError,
    RefusedError,
    ServiceError,
    UnreachableError,
    describe,
)
from qstore_tf.ionq.service.clock import Clock
from qstore_tf.ionq.service.retrying import Retries, retry_after

VARIABLE = "PINECONE_API_KEY"
_KEY = re.compile(r"[\x21-\x7e]+")
_LONGEST_TEXT = 300  # characters of what the service said
_AGAIN = (408, 409, 429)  # and all from 500; a conflict that is expected is caught before
_KINDS: dict[int, type[ServiceError]] = {401: AuthenticationError, 403: AuthenticationError}
_NETWORK = ("httpx", "httpcore", "urllib3", "requests", "ssl", "socket", "http")
_LOST = ("PineconeConnectionError", "PineconeTimeoutError", "ProtocolError", "ResponseParsingError")


def find_key(given: str | None) -> str:
    """The API key: that given, or that of the environment.

    Raises:
        ConfigurationError: There is none, or it cannot be sent; the message does not have it.
    """
    key = os.environ.get(VARIABLE, "") if given is None else given
    if not isinstance(key, str) or not key:
        raise ConfigurationError(
            describe("The store 'pinecone' needs an API key", hint=f"Set {VARIABLE}.")
        )
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            describe(
                "The API key of Pinecone cannot be sent",
                expected="printable ASCII without spaces or line ends",
                hint=f"Look at {VARIABLE} or at the argument api_key.",
            )
        )
    return key


def header(answer: Any, *names: str) -> int | None:
    """An integer of an answer's headers, by the first name that is there.

    Args:
        answer: What a method of client 8 or newer returned.
        *names: In lower case.
    """
    if isinstance(answer, Mapping):
        info = answer.get("_response_info")
    else:
        info = getattr(answer, "_response_info", None)
    lines = info.get("raw_headers") if isinstance(info, Mapping) else None
    lines = getattr(info, "raw_headers", None) if lines is None else lines
    for name in names:
        text = str((lines or {}).get(name, ""))
        if text.isascii() and text.isdecimal():
            return int(text)
    return None


class Calls:
    """How calls are made.

    Args:
        key: Is taken out of all messages; "": not known.
        retries: The pauses, and for how long in all a call is tried.
        clock: The clock.
    """

    def __init__(self, key: str, retries: Retries, clock: Clock) -> None:
        # In a closure, so that what shows attributes does not show it.
        self._hide: Callable[[str], str] = lambda text: text.replace(key, "***") if key else text
        self._retries, self._clock = retries, clock
        self._closed = threading.Event()

    def close(self) -> None:
        """Ends all waiting."""
        self._closed.set()

    def wait(self, seconds: float) -> bool:
        """Waits; returns whether it was closed meanwhile."""
        return self._clock.wait(seconds, self._closed)

    def __call__(self, function: Callable[..., Any], /, **arguments: Any) -> Any:
        """Calls a method of the client, which does the same however often it is called.

        Args:
            function: The method.
            **arguments: Of the method.

        Raises:
            UnreachableError: It did not work for as long as it was tried; `retry_after_s`: when the
                service said to come again.
            RefusedError: It will never work.
            AuthenticationError: The key is not good for it.
            NotFoundError: The service knows no such thing.
        """
        end = self._clock.monotonic() + self._retries.total_s
        for tries in itertools.count(1):
            try:
                return function(**arguments)
            except Exception as error:
                failed = self.failure(error)
            asked = getattr(failed, "retry_after_s", None)
            pause = self._retries.pause(tries, asked)
            is_over = self._clock.monotonic() + max(pause, asked or 0.0) > end
            # Not `from` the client's error: what that shows may have the key.
            if not isinstance(failed, UnreachableError) or is_over or self.wait(pause):
                raise failed from None
        raise AssertionError("unreachable")

    def failure(self, error: Exception) -> QstoreError:
        """An error of the client in our type."""
        status = getattr(error, "status_code", None) or getattr(error, "status", None)
        if not isinstance(status, int):
            text = self._hide(f"{type(error).__name__}: {error}")[:_LONGEST_TEXT]
            names = {kind.__name__ for kind in type(error).__mro__}
            module = type(error).__module__.partition(".")[0]
            if names & {*_LOST, "OSError"} or module in _NETWORK:
                return UnreachableError(describe(f"Pinecone cannot be reached ({text})"))
            return RefusedError(describe(f"Pinecone's client refused a request ({text})"))
        text = self._hide(_said(error))[:_LONGEST_TEXT]
        message = describe(f"Pinecone answered with status {status} ({text})")
        if status == 404:
            return NotFoundError(message)
        again = status in _AGAIN or status >= 500
        raised = _KINDS.get(status, UnreachableError if again else RefusedError)(message)
        raised.status, raised.text = status, text
        if again:
            headers = getattr(error, "headers", None) or {}
            lines = {str(name).lower(): value for name, value in dict(headers).items()}
            asked = retry_after(lines.get("retry-after"), self._clock.time())
            raised.retry_after_s = asked  # type: ignore[attr-defined]
        return raised


def _said(error: Exception) -> str:
    """What the service said, without its headers."""
    body = getattr(error, "body", None)
    if isinstance(body, (str, bytes)):
        try:
            body = json.loads(body)
        except ValueError:
            return str(body if isinstance(body, str) else body.decode("utf-8", "replace"))
    if isinstance(body, Mapping):
        inner = body.get("error")
        found = body.get("message") or (inner.get("message") if isinstance(inner, Mapping) else "")
        if found:
            return str(found)
    return str(getattr(error, "message", "") or getattr(error, "reason", "") or error)
