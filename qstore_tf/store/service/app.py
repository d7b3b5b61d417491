"""The HTTP API: one POST for each verb, `/v1/VERB`, whose body holds its arguments."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException

import qstore_tf
from qstore_tf import errors
from qstore_tf.errors import ItemError, QstoreError, describe
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.records import BatchResult
from qstore_tf.store.service import page, schemas, wire
from qstore_tf.store.service.keys import Grant, Keys
from qstore_tf.store.service.metrics import Metrics
from qstore_tf.store.verbs.verbs import Call

MOST_BYTES = 64 << 20
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_ARRAYS = ("vector", "vectors", "basis")
_OWN_NAMES = ("127.0.0.1", "::1", "localhost")
MOST_MATCHES = 1_000_000  # of all queries of a request
_EVERYBODY = Grant("anonymous")

# Which status an error of the verbs has; of several the first that fits.
STATUS: tuple[tuple[type[Exception], int], ...] = (
    (errors.NotFoundError, 404),
    (errors.StoreBusyError, 503),
    (errors.MemoryLimitError, 507),
    (errors.StoreError, 500),
    (ValueError, 400),
)

_log = logging.getLogger("qstore_tf.store.service")


def create_app(
    database: QuantumDatabase,
    keys: Keys | None = None,
    *,
    most_bytes: int = MOST_BYTES,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Makes the service of a database.

    Args:
        database: Whose verbs it answers.
        keys: Who may use it; None, or no key at all, lets everybody.
        most_bytes: The largest request.
        metrics: Its counters.
    """
    app = FastAPI(
        title="qstore_tf: quantum database",
        version=qstore_tf.__version__,
        description="Items with weighted contexts, correlated groups and decay. "
        "docs/store.md has the definitions.",
    )
    service = Service(database, keys or Keys({}), metrics or Metrics())
    app.state.service = service
    _add_errors(app)
    _add_plain_pages(app, service)
    app.include_router(page.router(database.config, needs_key=len(service.keys) > 0))
    for verb, body in (schemas.READS | schemas.WRITES).items():
        app.post(f"/v1/{verb}", summary=body.__doc__, tags=["verbs"], responses=_RESPONSES)(
            _endpoint(service, verb, body)
        )

    @app.post("/v1/transaction", tags=["verbs"], responses=_RESPONSES)
    def transaction(
        body: schemas.Transaction,
        grant: Grant = Depends(service.granted),  # noqa: B008
    ) -> JSONResponse:
        """Does several verbs in one commit, or none of them."""
        return JSONResponse(service.transaction(body, grant))

    app.middleware("http")(_guard(service, most_bytes))
    return app


class Service:
    """What the endpoints do, without HTTP.

    Args:
        database: Whose verbs are answered.
        keys: Who may use it.
        metrics: What is counted.
    """

    def __init__(self, database: QuantumDatabase, keys: Keys, metrics: Metrics) -> None:
        self.database, self.keys, self.metrics = database, keys, metrics
        metrics.watch_caches(database.cache_stats)

    async def granted(self, request: Request) -> Grant:
        """What the key of a request allows, as found before its body was read."""
        found: Grant = request.state.grant
        return found

    def grant(self, request: Request) -> Grant:
        """What the key of a request allows.

        Raises:
            HTTPException: 401 without a key that is known.
        """
        if not len(self.keys):
            return _EVERYBODY
        given = request.headers.get("api-key")
        bearer = request.headers.get("authorization", "")
        if given is None and bearer.lower().startswith("bearer "):
            given = bearer[7:].strip()
        found = self.keys.grant(given)
        if found is None:
            raise HTTPException(
                401,
                "The service does not know this API key."
                if given
                else "The service needs an API key. Send it in the header Api-Key.",
                {"WWW-Authenticate": "Bearer"},
            )
        request.state.who = found.name
        return found

    def answer(self, verb: str, body: schemas.Body, grant: Grant) -> Any:
        """Carries out one verb, and returns its answer as JSON."""
        call = self._call(verb, body, grant)
        found: Any
        if verb == "get_many" and not grant.read_only:  # which may make items younger
            found = self.database.get_many(**call.arguments, namespace=call.namespace)
        elif verb in schemas.READS:
            found = self.database._ask(verb, call.namespace, **call.arguments)
        else:
            [found] = self.database.run([call])
        self._count([found])
        if verb == "namespaces":
            found = [space for space in found if grant.allows(space.name)]
        return wire.encode(found, body.packed)

    def transaction(self, body: schemas.Transaction, grant: Grant) -> Any:
        """Carries out several verbs in one commit."""
        calls = []
        for position, call in enumerate(body.calls):
            schema = schemas.WRITES.get(call.verb)
            if schema is None:
                raise ItemError(
                    describe(
                        f"Call {position} of a transaction cannot be in one",
                        expected=", ".join(schemas.WRITES),
                        received=call.verb,
                    )
                )
            made = self._call(call.verb, schema.model_validate(call.body), grant)
            if call.verb == "put":
                made.arguments["alone"] = True  # all or none
            calls.append(made)
        found = self.database.run(calls) if calls else []
        self._count(found)
        return [wire.encode(each) for each in found]

    def _count(self, results: Sequence[Any]) -> None:
        stored = (each.stored for each in results if isinstance(each, BatchResult))
        self.metrics.rows.inc(sum(stored))

    def _call(self, verb: str, body: schemas.Body, grant: Grant) -> Call:
        arguments = {
            name: getattr(body, name)
            for name in type(body).model_fields
            if name not in ("namespace", "packed")
        }
        writes = verb in schemas.WRITES
        if verb != "namespaces" and not grant.allows(body.namespace):
            raise HTTPException(403, f"This API key may not use namespace {body.namespace!r}.")
        if writes and grant.read_only:
            raise HTTPException(403, "This API key may only read.")
        for name, value in arguments.items():
            if name in _ARRAYS:
                arguments[name] = wire.unpack(_plain(value))
        if verb == "query_many":
            _check_queries(arguments)
        contexts = arguments.get("contexts")
        if verb == "put" and contexts is not None:
            arguments["contexts"] = [wire.unpack_contexts(_plain(row)) for row in contexts]
        if verb == "patch":
            arguments["contexts"] = wire.unpack_contexts(_plain(contexts))
        return Call(verb, body.namespace, arguments)


def _check_queries(arguments: dict[str, Any]) -> None:
    vectors, matches = arguments["vectors"], arguments["top_k"]
    queries = len(vectors) if getattr(vectors, "ndim", 1) else 1  # packed, it may be one number
    if queries > schemas.MOST_QUERIES or queries * matches > MOST_MATCHES:
        raise ItemError(
            describe(
                "A request asks too much at once",
                expected=f"at most {schemas.MOST_QUERIES} queries, and {MOST_MATCHES} matches of "
                "all of them",
                received={"queries": queries, "top_k": matches},
            )
        )


def _plain(value: Any) -> Any:
    """Models as the dicts they came from."""
    if isinstance(value, schemas.Packed):
        return value.model_dump()
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _endpoint(
    service: Service, verb: str, schema: type[schemas.Body]
) -> Callable[..., JSONResponse]:
    # A plain function: FastAPI runs it in a thread, so that commits can share the disk.
    def endpoint(body: Any, grant: Grant = Depends(service.granted)) -> JSONResponse:  # noqa: B008
        return JSONResponse(service.answer(verb, body, grant))

    endpoint.__name__ = verb
    endpoint.__annotations__["body"] = schema
    return endpoint


def _add_plain_pages(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operation"])
    async def health() -> dict[str, str]:
        """Whether the process is alive."""
        return {"status": "ok", "version": qstore_tf.__version__}

    @app.get("/readyz", tags=["operation"])
    def ready() -> dict[str, Any]:
        """Whether the database can be read."""
        return {"status": "ok", "commit": service.database.commit_number()}

    @app.get("/metrics", tags=["operation"])
    async def metrics() -> Response:
        """Counters in Prometheus' format."""
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")


Next = Callable[[Request], Awaitable[Response]]


def _admit(service: Service, request: Request, most_bytes: int) -> None:
    """Refuses what need not be read: all of this is known before the body.

    Raises:
        HTTPException: Without a good key, too large, of unstated length, or from elsewhere.
    """
    if not len(service.keys) and request.url.hostname not in _OWN_NAMES:
        # A web page elsewhere could call itself this machine, and its browser come here with it.
        raise HTTPException(403, "Without keys the service answers to this machine's own names.")
    if not request.url.path.startswith("/v1/"):
        return
    request.state.grant = service.grant(request)
    size = request.headers.get("content-length")
    if "transfer-encoding" in request.headers or (size is None and request.method == "POST"):
        raise HTTPException(411, "A request must state its Content-Length.")
    if size is not None and (not size.isdecimal() or int(size) > most_bytes):
        raise HTTPException(413, f"A request may hold {most_bytes} bytes at most.")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if request.method == "POST" and kind != "application/json":
        raise HTTPException(415, "A request must be application/json.")


def _guard(service: Service, most_bytes: int) -> Callable[[Request, Next], Awaitable[Response]]:
    """Gives each request a name, limits its size, and counts and logs it."""

    async def guard(request: Request, go_on: Next) -> Response:
        given = request.headers.get("x-request-id", "")
        request.state.id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        request.state.who = "anonymous"
        started = time.perf_counter()
        verb = request.url.path.removeprefix("/v1/")
        if verb not in schemas.READS | schemas.WRITES and verb != "transaction":
            verb = "other"
        with service.metrics.running.track_inprogress():
            try:
                _admit(service, request, most_bytes)
                response = await go_on(request)
            except HTTPException as error:
                response = _error(request, error.status_code, "RequestError", str(error.detail))
                response.headers.update(error.headers or {})
            except Exception:
                _log.exception("request %s failed", request.state.id)
                told = "The service failed. Its log has more by the request's id."
                response = _error(request, 500, "StoreError", told)
        seconds = time.perf_counter() - started
        response.headers["X-Request-Id"] = request.state.id
        service.metrics.requests.labels(verb, str(response.status_code)).inc()
        service.metrics.seconds.labels(verb).observe(seconds)
        _log.info(
            "%s %s %d %.1f ms %s",
            request.state.id,
            verb,
            response.status_code,
            seconds * 1000,
            request.state.who,
        )
        return response

    return guard


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(QstoreError)
    async def known(request: Request, error: QstoreError) -> JSONResponse:
        status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
        return _error(request, status, type(error).__name__, str(error))

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        response = _error(request, error.status_code, "RequestError", str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(ValidationError)  # of a call within a transaction
    @app.exception_handler(RequestValidationError)
    async def unreadable(
        request: Request, error: RequestValidationError | ValidationError
    ) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        return _error(request, 422, "RequestError", f"{place}: {first['msg']}")


def _error(request: Request, status: int, kind: str, message: str) -> JSONResponse:
    name = getattr(request.state, "id", "")
    body = {"error": {"type": kind, "message": message, "request_id": name}}
    return JSONResponse(body, status, headers={"X-Request-Id": name})


_RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"description": text}
    for code, text in (
        (400, "An argument makes no sense; nothing was stored."),
        (401, "No API key, or one that is not known."),
        (403, "The key may not do this."),
        (404, "An item, group, context or namespace that is not there."),
        (411, "No Content-Length."),
        (413, "Too large."),
        (415, "Not application/json."),
        (422, "The body cannot be read."),
        (500, "The database failed."),
        (503, "Another process wrote for too long."),
    )
}
