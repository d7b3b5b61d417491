"""Stands between the network and the routes: reads bodies, notes requests, lets faults happen."""

from __future__ import annotations

import asyncio
import json
import re
import time

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qstore_tf.ionq.emulator.answers import Refusal
from qstore_tf.ionq.emulator.callers import key_of
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.service import Service
from qstore_tf.ionq.job_input import MAX_BYTES

_DRAINED = 5 * MAX_BYTES  # read and thrown away, so that the client gets to hear why
_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"
_API = re.compile(r"/v0\.[34]/(.*)")
# Method and path behind the version -> the call, as faults name it; the first that fits.
_CALLS = tuple(
    (method, re.compile(pattern), call)
    for method, pattern, call in (
        ("GET", "jobs/estimate", "other"),
        ("POST", "jobs", "submit"),
        ("POST", "jobs/[^/]+/(clone|move)", "submit"),
        ("GET", "jobs|sessions/[^/]+/jobs", "list"),
        ("GET", "jobs/[^/]+", "poll"),
        ("GET", "jobs/[^/]+/(results|artifacts).*", "fetch"),
        ("PUT", "jobs/.*status/cancel", "cancel"),
        ("DELETE", "jobs.*", "delete"),
    )
)


def call_of(method: str, path: str) -> str | None:
    """What a request is for; None if it is not for the service's API.

    Example:
        >>> call_of("GET", "/v0.4/jobs/x/results/probabilities")
        'fetch'
    """
    within = _API.fullmatch(path)
    if within is None:
        return None
    for of, pattern, call in _CALLS:
        if method == of and pattern.fullmatch(within[1].rstrip("/")):
            return call
    return "other"


class Interfering:
    """An ASGI application around another one.

    Args:
        app: The routes.
        service: Where faults and requests are.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = call_of(scope["method"], scope["path"])
        if call is not None and time.monotonic() < self._service.down_until:
            _transport(send).abort()
            return
        body = await _read(receive)
        scope.setdefault("state", {}).update(body=body or b"", fault=None)
        if body is None:
            await _refuse(send, Refusal(413, "The request body may not exceed 10MB"))
        elif call is None:
            await self._app(scope, _replay(body), send)
        else:
            await self._answer(scope, body, send, call)

    async def _answer(self, scope: Scope, body: bytes, send: Send, call: str) -> None:
        service = self._service
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        fault = service.faults.take(call)
        received = service.requests.add(
            key_of(headers.get(b"authorization")),
            body,
            time=service.settings.clock(),
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            call=call,
            user_agent=headers.get(b"user-agent", ""),
            fault=None if fault is None else fault.name,
        )

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                received.status = message["status"]
            await send(message)

        if service.settings.latency_s:
            await asyncio.sleep(service.settings.latency_s)
        scope["state"]["fault"] = fault
        before = _BEFORE.get(fault.name) if fault is not None else None
        after = _AFTER.get(fault.name) if fault is not None else None
        if fault is not None and fault.name == "slow":
            await asyncio.sleep(fault.parameters["seconds"])
        if fault is not None and fault.name == "restart":
            await run_in_threadpool(service.restart, fault.parameters["seconds"])
            _transport(send).abort()
        elif fault is not None and before is not None:
            await before(fault, noted, send)
        elif fault is not None and after is not None:
            messages: list[Message] = []

            async def keep(message: Message) -> None:
                messages.append(message)

            await self._app(scope, _replay(body), keep)
            await after(fault, messages, noted, send)
        else:
            await self._app(scope, _replay(body), noted)


async def _too_many(fault: Fault, noted: Send, send: Send) -> None:
    seconds = fault.parameters["retry_after"]
    text = "Too Many Requests. To get a higher rate limit, please reach out to support@ionq.co"
    headers = {} if seconds is None else {"retry-after": f"{seconds:g}"}
    await _refuse(noted, Refusal(429, text, headers=headers))


async def _server_error(fault: Fault, noted: Send, send: Send) -> None:
    status = fault.parameters["status"]
    if fault.parameters["html"]:
        await _reply(noted, status, _HTML.format(f"{status} Error").encode(), "text/html")
    else:
        body = {"statusCode": status, "error": "Server Error", "message": "Service outage."}
        await _reply(noted, status, json.dumps(body).encode(), "application/json")


async def _drop(fault: Fault, noted: Send, send: Send) -> None:
    _transport(send).abort()


async def _lose(fault: Fault, messages: list[Message], noted: Send, send: Send) -> None:
    if fault.parameters["part"]:
        # Half of what was promised; the server closes a connection that has less than that.
        body = b"".join(message.get("body", b"") for message in messages)
        await send(messages[0])
        await send(
            {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        )
        _transport(send).close()
    else:
        _transport(send).abort()


async def _cut(fault: Fault, messages: list[Message], noted: Send, send: Send) -> None:
    body = b"".join(message.get("body", b"") for message in messages)
    await _reply(noted, messages[0]["status"], body[: len(body) // 2], "application/json")


_BEFORE = {"too_many_requests": _too_many, "server_error": _server_error, "dropped": _drop}
_AFTER = {"lost_answer": _lose, "wrong_json": _cut}


def _transport(send: Send) -> asyncio.Transport:
    """The connection, to be closed without an answer."""
    # ASGI has no word for it. Uvicorn's `send` belongs to an object that has the transport.
    transport: asyncio.Transport | None = getattr(
        getattr(send, "__self__", None), "transport", None
    )
    if transport is None:
        raise ConnectionAbortedError("a fault of the local IonQ closed the connection")
    return transport


async def _read(receive: Receive) -> bytes | None:
    """The body; None where it is too long."""
    kept, length = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(kept)
        chunk = message.get("body", b"")
        length += len(chunk)
        if length <= MAX_BYTES:
            kept += chunk
        if not message.get("more_body") or length > _DRAINED:
            return bytes(kept) if length <= MAX_BYTES else None


def _replay(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps(refusal.body()).encode()
    await _reply(send, refusal.status, body, "application/json", refusal.headers)


async def _reply(
    send: Send, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None
) -> None:
    lines = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
    pairs = [(name.encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
