"""Stands between the network and the routes: notes requests, and lets faults happen."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qstore_tf.testing.pinecone_emulator.faults import Fault, Faults
from qstore_tf.testing.pinecone_emulator.settings import Refused

# Path behind /data/NAME -> the call, as faults name it.
_CALLS = (
    (re.compile("/indexes.*"), "indexes"),
    (re.compile("/data/[^/]+/vectors/(upsert|update|delete|fetch|list)"), None),
    (re.compile("/data/[^/]+/(query)"), None),
    (re.compile("/data/[^/]+/describe_index_stats"), "stats"),
    (re.compile("/data/[^/]+/namespaces.*"), "namespaces"),
)


@dataclass
class Received:
    """A request as it came.

    Attributes:
        call: As in `faults`; None for none of them.
        version: Of the API.
        size: Bytes of the body.
        fault: What happened to it.
        status: Of its answer; None where there was none.
    """

    call: str | None
    version: str
    size: int
    fault: str | None = None
    status: int | None = None


def call_of(path: str) -> str | None:
    """What a request is for.

    Example:
        >>> call_of("/data/films/vectors/upsert"), call_of("/indexes/films")
        ('upsert', 'indexes')
    """
    for pattern, call in _CALLS:
        found = pattern.fullmatch(path)
        if found:
            return call or found[1]
    return None


class Interfering:
    """An ASGI application around another one.

    Args:
        app: The routes.
        faults: What is to happen.
        requests: Where requests are noted.
        restart: Restarts the server, from another thread.
    """

    def __init__(
        self,
        app: ASGIApp,
        faults: Faults,
        requests: list[Received],
        restart: Callable[[float], None],
    ) -> None:
        self._app, self._faults, self._requests = app, faults, requests
        self._restart = restart
        self._later: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        call = call_of(scope["path"])
        fault = None if call is None else self._faults.take(call)
        noted = Received(call, headers.get(b"x-pinecone-api-version", ""), len(body))
        self._requests.append(noted)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                noted.status = message["status"]
            await send(message)

        async def run(send: Send, body: bytes = body) -> None:
            await self._app(scope, _replay(body), send)

        if fault is None:
            await run(told)
            return
        noted.fault = fault.name
        await self._interfere(fault, scope, body, run, told, send)

    async def _interfere(
        self,
        fault: Fault,
        scope: Scope,
        body: bytes,
        run: Callable[..., Any],
        told: Send,
        send: Send,
    ) -> None:
        given = fault.parameters
        if fault.name == "too_many_requests":
            seconds = given["retry_after"]
            headers = {} if seconds is None else {"retry-after": f"{seconds:g}"}
            await _refuse(told, Refused(429, "Too many requests", headers=headers))
        elif fault.name == "server_error":
            await _refuse(told, Refused(given["status"], given["text"]))
        elif fault.name == "half":
            whole = json.loads(body)
            half = {**whole, "vectors": whole["vectors"][: len(whole["vectors"]) // 2]}
            await run(_nobody, json.dumps(half).encode())
            await _refuse(told, Refused(500, "Internal error"))
        elif fault.name == "slow":
            await asyncio.sleep(given["seconds"])
            await run(told)
        elif fault.name == "duplicate":
            await run(told)
            self._do_later(given["seconds"], run)
        else:
            if fault.name == "lost_answer":
                await run(_nobody)
            elif fault.name == "late":
                self._do_later(given["seconds"], run)
            elif fault.name == "restart":
                threading.Thread(target=self._restart, args=(given["seconds"],)).start()
            _abort(send)

    def _do_later(self, seconds: float, run: Callable[..., Any]) -> None:
        async def work() -> None:
            await asyncio.sleep(seconds)
            await run(_nobody)

        task = asyncio.get_running_loop().create_task(work())
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def _abort(send: Send) -> None:
    """Closes the connection without an answer."""
    # ASGI has no word for it. Uvicorn's `send` belongs to an object that has the transport.
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionAbortedError("a fault closed the connection")
    transport.abort()


async def _nobody(_: Message) -> None:
    """Where answers go that nobody gets."""


async def _read(receive: Receive) -> bytes:
    kept = bytearray()
    while True:
        message = await receive()
        kept += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(kept)


def _replay(body: bytes) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _refuse(send: Send, refused: Refused) -> None:
    body = json.dumps(refused.body()).encode()
    lines = {"content-type": "application/json", "content-length": str(len(body))}
    pairs = [(k.encode(), v.encode()) for k, v in {**lines, **refused.headers}.items()]
    await send({"type": "http.response.start", "status": refused.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body, "more_body": False})
