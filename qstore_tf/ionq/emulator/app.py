"""The web application: all routes on top of one service."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Lifespan, Receive, Scope, Send

from qstore_tf.ionq.emulator import control, page, v03
from qstore_tf.ionq.emulator.answers import Refusal
from qstore_tf.ionq.emulator.interfering import Interfering
from qstore_tf.ionq.emulator.service import Service
from qstore_tf.ionq.emulator.settings import Settings
from qstore_tf.ionq.emulator.store import Store
from qstore_tf.ionq.emulator.v04 import account, backends, jobs, results, sessions

_log = logging.getLogger(__name__)

# GET /jobs/estimate comes before GET /jobs/{id}.
ROUTERS = (
    backends.router,
    jobs.router,
    results.router,
    sessions.router,
    account.router,
    v03.router,
)


class LocalIonQ(FastAPI):
    """The application, with faults in front of all that FastAPI does.

    Attributes:
        service: What stands behind the routes.
    """

    def __init__(self, service: Service, lifespan: Lifespan[LocalIonQ]) -> None:
        super().__init__(
            title="Local IonQ", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
        )
        self.service = service
        self._interfering = Interfering(super().__call__, service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or lets it go wrong."""
        await self._interfering(scope, receive, send)


def create_app(settings: Settings | None = None, store: Store | None = None) -> LocalIonQ:
    """Makes the local IonQ, to be served by uvicorn or another ASGI server.

    Args:
        settings: How it behaves; None for the defaults.
        store: Its state; None to open that of the settings.

    Returns:
        The application.

    Raises:
        ConfigurationError: The file of the settings cannot be used.

    Example:
        >>> create_app(Settings(page=False)).title
        'Local IonQ'
    """
    service = Service(settings or Settings(), store)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = LocalIonQ(service, lifespan)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(sqlite3.OperationalError, _full)
    app.add_exception_handler(HTTPException, _without_route)
    app.add_exception_handler(Exception, _broken)
    for router in ROUTERS:
        app.include_router(router)
    if service.settings.control:
        app.include_router(control.router)
    if service.settings.page:
        app.include_router(page.router)
    return app


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return JSONResponse(error.body(), error.status, headers=error.headers)


async def _full(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(Refusal(503, f"The local IonQ cannot store more: {error}").body(), 503)


async def _broken(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse(Refusal(500, "The local IonQ has a bug; see its log").body(), 500)


async def _without_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse(Refusal(error.status_code, str(error.detail)).body(), error.status_code)
